"""A carrier whose own code fails: what Astakos had answered is in the ledger all the same."""

import pytest

from astakos_worker import Commissions

ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}


class BrokenError(Exception):
    """Stands for a mistake in the code of a worker."""


@pytest.fixture
def commissions():
    return Commissions.in_memory()


def broken_at(astakos, name, number):
    """Let the call of this number fail as no error of the client's does."""
    real, calls = getattr(astakos, name), []

    def call(*args, **more):
        calls.append(args)
        if len(calls) == number:
            raise BrokenError
        return real(*args, **more)

    setattr(astakos, name, call)


def test_answers_are_written_when_the_code_of_a_carrier_fails(commissions):
    """F8: without a probe, which would find them only in Astakos' list."""
    commissions.workers.away = True
    for key in "abc":
        commissions.issue(**ONE, key=key)
    commissions.workers.away = False
    broken_at(commissions.astakos, "issue_provisions", 3)
    with pytest.raises(BrokenError):
        commissions.workers.work()
    assert [commissions.get(key).state for key in "abc"] == ["pending", "pending", "issuing"]
    assert [commissions.get(key).serial for key in "abc"] == [1, 2, None]
    assert commissions.ledger.lane("default").awake == 0  # and it has signed off


def test_settled_answers_are_written_too(commissions):
    commissions.workers._carrier.memory.batch_size.found_too_large(2, commissions.now)
    for key in "ab":
        commissions.issue(**ONE, key=key)
    broken_at(commissions.astakos, "resolve_commissions", 2)
    with pytest.raises(BrokenError):
        commissions.resolve(accept=["a", "b"])
    assert sorted(commissions.get(key).state for key in "ab") == ["accepted", "settling"]
