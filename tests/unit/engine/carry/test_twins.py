"""Twins: a second serial of one key, which is rejected, and never named twice in a request."""

import pytest
from msgspec.structs import replace

from astakos_worker import Commissions, KeyConflict
from astakos_worker.engine.ports import Limits
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.events import Decided
from astakos_worker.ledger.record import Decision, Twin
from astakos_worker.ledger.states import transition

ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}
PROVISION = {"holder": "user:ada", "source": "project:lab", "resource": "x", "quantity": 1}
LANE = "default"


@pytest.fixture
def commissions():
    return Commissions.in_memory()


def test_a_key_is_not_used_again_while_a_twin_of_it_is_open(commissions):
    """F7: its new life would forget the twin, which then held quota for ever."""
    commissions.issue(**ONE, key="k", accept=True)
    record = commissions.ledger.get(LANE, ["k"])["k"].record
    name = f"again {record.tag(Limits().tag_namespace(LANE))}"
    twin = commissions.astakos.issue_provisions([PROVISION], name)
    resolve = commissions.astakos.resolve_commissions
    commissions.astakos.resolve_commissions = lambda *_: {"failed": []}  # nothing is settled
    commissions.workers.sweep()
    assert [t.serial for t in commissions.ledger.get(LANE, ["k"])["k"].record.twins] == [twin]
    with pytest.raises(KeyConflict):
        commissions.issue(**(ONE | {"user": "eve"}), key="k", reuse=True)
    assert commissions.issue(**ONE, key="k", reuse=True).outcome().state == "accepted"
    commissions.astakos.resolve_commissions = resolve
    commissions.advance(120)
    assert twin not in commissions.astakos.pending
    commissions.issue(**ONE, key="k", reuse=True)
    assert commissions.get("k").state == "pending"


def test_a_serial_that_is_also_a_twin_is_named_once_in_a_request(commissions):
    """F28: Astakos would find it in both lists, and do neither."""
    keys = ["a", "b"]
    for key in keys:
        commissions.issue(**ONE, key=key)
    entries = commissions.ledger.get(LANE, keys)
    a, b = (entries[key].record for key in keys)
    asked = []
    resolve = commissions.astakos.resolve_commissions

    def counted(accept, reject):
        asked.append([*accept, *reject])
        return resolve(accept, reject)

    commissions.astakos.resolve_commissions = counted
    now = commissions.now
    decision = Decision("accept", "", now)
    a = replace(transition(a, Decided(decision), now), twins=(Twin(b.serial),), due=now)
    b = transition(b, Decided(decision), now)
    for record, entry in ((a, entries["a"]), (b, entries["b"])):
        assert commissions.ledger.cas([Write(record, entry.version)])[0].done
    commissions.workers.work()
    commissions.advance(120)
    assert asked and all(len(serials) == len(set(serials)) for serials in asked)
    assert not commissions.astakos.pending
