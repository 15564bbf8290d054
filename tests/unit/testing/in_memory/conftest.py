"""A service's unit tests are played here: nothing but the shipped face, and its handles."""

import pytest

from astakos_worker import Commissions

VM, RAM = "cyclades.vm", "cyclades.ram"
#: What a request handler asks for.
ONE_VM = {"user": "ada", "project": "lab", "provisions": {VM: 1}}


@pytest.fixture
def commissions():
    return Commissions.in_memory(limits={VM: 2, RAM: 8 << 30})


@pytest.fixture
def usage(commissions):
    """What a user has taken for certain, and what is pending."""

    def usage(user="ada", project="lab", resource=VM):
        figures = commissions.astakos.quota(user, project, resource)
        return figures["usage"] - figures["pending"], figures["pending"]

    return usage
