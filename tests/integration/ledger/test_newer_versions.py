"""Records that a newer version of this package wrote are left to it, untouched (F78)."""

import json

import pytest

from astakos_worker.ledger import states
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.record import SCHEMA
from tests.integration.ledger.places import LANE, LONG

NAME = f"astakos:test:{LANE}:r:newer"


@pytest.fixture
def newer(on_server):
    """A place with a record `newer` that a newer version has rewritten."""
    entry = on_server.put("newer", late=60)
    body = json.loads(on_server.server.hget(NAME, "body"))
    later = {"schema": SCHEMA + 1, **{k: v for k, v in body.items() if k != "schema"}, "more": 1}
    text = json.dumps(later, separators=(",", ":"))
    on_server.server.hset(NAME, mapping={"body": text, "ver": entry.version + 1})
    on_server.before = entry
    return on_server


def kept(place):
    """All that the store has of the newer record."""
    due = place.server.zscore(f"astakos:test:{LANE}:due:issue", "newer")
    return place.server.hgetall(NAME), due


def test_a_claim_passes_over_what_a_newer_version_wrote(newer):
    """F78: untouched, and due for a newer worker as before; what is behind it is not hidden."""
    before = kept(newer)
    newer.put("first", late=90), newer.put("second", late=1)
    assert newer.claimed(issues=1, own="newer") == ["first"]
    assert newer.claimed(issues=2) == ["second"]
    assert newer.claim().why == "idle"
    assert kept(newer) == before


def test_what_only_a_newer_version_can_settle_does_not_hide_what_is_to_be_issued(newer):
    """F78."""
    newer.server.zrem(f"astakos:test:{LANE}:due:issue", "newer")
    newer.server.zadd(f"astakos:test:{LANE}:due:settle", {"newer": 1})
    newer.put("old")
    claim = newer.claim(settle_wait=0)
    assert (claim.queue, [e.record.key for e in claim.entries]) == ("issue", ["old"])


def test_what_a_newer_version_wrote_is_not_decided_and_the_caller_learns_why(newer):
    """F78."""
    before = kept(newer)
    verdict = newer.decide("newer")
    assert (verdict.done, verdict.entry, verdict.newer) == (False, None, True)
    assert kept(newer) == before


def test_what_a_newer_version_wrote_is_not_overwritten(newer):
    """F78."""
    before = kept(newer)
    for version in (0, newer.before.version):
        record = newer.led(newer.before.record, states.Marked(1, 1))
        [verdict] = newer.ledger.cas([Write(record, version)])
        assert (verdict.done, verdict.entry, verdict.newer) == (False, None, True)
    assert newer.entry("newer") is None
    assert newer.ledger.watch(LANE, "gone", LONG) is None
    assert kept(newer) == before
