"""The Astakos of `Commissions.in_memory()` answers as the sandbox does through the client."""

import pytest

from astakos_worker.sandbox.server import SandboxServer
from astakos_worker.testing.in_memory.astakos import InMemoryAstakos
from astakos_worker.testing.in_memory.clock import StandingClock
from astakosclient import AstakosClient, mk_provisions
from astakosclient.errors import AstakosClientException

USER, PROJECT, VM = "ada", "lab", "cyclades.vm"
ONE = mk_provisions(USER, PROJECT, VM, 1)

SEED = """
component = [{name = "cyclades", token = "sandbox-token-of-cyclades"}]
service = [{name = "compute", type = "compute", component = "cyclades"}]
resource = [{name = "cyclades.vm", service = "compute"}]
users = [{name = "ada@example.org", uuid = "ada", token = "sandbox-token-of-ada"}]

[[project]]
name = "lab.example.org"
uuid = "lab"
owner = "ada@example.org"
members = ["ada@example.org"]
resources = {"cyclades.vm" = {project = 3, member = 2}}
"""


@pytest.fixture(scope="module")
def server():
    with SandboxServer(SEED) as server:
        yield server


@pytest.fixture
def there(server):
    server.reset()
    return AstakosClient(server.token("cyclades"), server.auth_url)


@pytest.fixture
def here():
    astakos = InMemoryAstakos(StandingClock(), {VM: 2})
    astakos.set_limit(VM, 3, project=PROJECT)
    return astakos


def accepted(astakos, quantity, user=USER):
    serial = astakos.issue_provisions(mk_provisions(user, PROJECT, VM, quantity))
    astakos.resolve_commissions([serial], [])


def over_the_members_limit(astakos):
    accepted(astakos, 1)
    astakos.issue_provisions(mk_provisions(USER, PROJECT, VM, 2))


def over_the_projects_limit(astakos):
    astakos.issue_provisions(
        [{"holder": "project:lab", "source": None, "resource": VM, "quantity": 4}]
    )


def releasing_what_is_not_there(astakos):
    astakos.issue_provisions(mk_provisions(USER, PROJECT, VM, -1), force=True)


def no_such_resource(astakos):
    astakos.issue_provisions(mk_provisions(USER, PROJECT, "cyclades.wm", 1))


def beyond_64_bits(astakos):
    accepted(astakos, 2)
    astakos.issue_provisions(mk_provisions(USER, PROJECT, VM, 2**63 - 1), force=True)


def asking_for_what_is_resolved(astakos):
    accepted(astakos, 1)
    astakos.get_commission_info(1)


@pytest.mark.parametrize(
    "mistake",
    [
        over_the_members_limit,
        over_the_projects_limit,
        releasing_what_is_not_there,
        no_such_resource,
        beyond_64_bits,
        asking_for_what_is_resolved,
    ],
)
def test_it_raises_what_the_client_raises(here, there, mistake):
    """Equal in every field: class, text, figures, outcome and body."""
    errors = []
    for astakos in (here, there):
        with pytest.raises(AstakosClientException) as caught:
            mistake(astakos)
        errors.append(caught.value.to_dict())
    assert errors[0] == errors[1]


def test_it_answers_what_the_client_answers(here, there):
    answers = []
    for astakos in (here, there):
        serials = [astakos.issue_provisions(ONE, name=f"number {n}") for n in range(2)]
        info = dict(astakos.get_commission_info(serials[0]))
        del info["issue_time"]
        listed = astakos.get_pending_commissions()
        done = astakos.resolve_commissions([serials[0], serials[1], 99], [serials[1]])
        rows = [
            (serial, *fault, *(row["code"] for row in fault.values()))
            for serial, fault in done["failed"]
        ]
        answers.append((serials, info, listed, done["accepted"], done["rejected"], rows))
    assert answers[0] == answers[1]
