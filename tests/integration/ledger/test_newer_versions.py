"""Records that a newer version of this package wrote are left to it, untouched (F78)."""

import json

import pytest

from astakos_worker.engine.drift.snapshot import Scope, SnapshotReader
from astakos_worker.engine.ports import Limits
from astakos_worker.engine.sweep.sweep import Sweep
from astakos_worker.ledger import events
from astakos_worker.ledger.contract import LedgerError, Write
from astakos_worker.ledger.record import SCHEMA, bare_key
from astakos_worker.ledger.request import wire_name
from astakos_worker.testing.in_memory import InMemoryAstakos
from tests.integration.ledger.places import LANE, LONG, REQUEST

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
        record = newer.led(newer.before.record, events.Marked(1, 1))
        [verdict] = newer.ledger.cas([Write(record, version)])
        assert (verdict.done, verdict.entry, verdict.newer) == (False, None, True)
    assert newer.entry("newer") is None
    assert newer.ledger.watch(LANE, "gone", LONG) is None
    assert kept(newer) == before


def test_what_a_newer_version_wrote_is_said_to_be_there(newer):
    """F78: absent to who wants to read it, and not unknown."""
    newer.put("old")
    assert newer.entry("newer") is None
    assert newer.ledger.newer(LANE, ["newer", "old", "unknown"]) == {"newer"}
    assert newer.ledger.newer(LANE, []) == set()


def test_a_sweep_does_not_take_what_a_newer_version_wrote_for_an_orphan(newer):
    """F35, F78: its serial is a newer worker's to adopt."""
    before = kept(newer)
    limits = Limits(namespace="test", quarantine=0, grace=0)
    astakos = InMemoryAstakos(newer.ledger.clock)
    tag = newer.before.record.tag(limits.tag_namespace(LANE))
    orphan = tag._replace(key="nobody")
    provisions = [each.wire() for each in REQUEST.provisions]
    serials = [
        astakos.issue_provisions(provisions, wire_name("a server", each)) for each in (tag, orphan)
    ]
    sweep = Sweep(astakos, newer.ledger, newer.ledger.clock, limits, lambda _lane: None)
    report = sweep.sweep(LANE, "sweeper")
    assert report.counts == {"leave": 1, "reject": 1}
    assert newer.ledger.find(LANE, serials) == {serials[1]: bare_key(serials[1])}
    assert kept(newer) == before


def test_usage_is_not_compared_where_what_is_on_its_way_cannot_be_read(newer):
    """F78: it would look like drift, and be repaired into some."""
    reader = SnapshotReader(InMemoryAstakos(newer.ledger.clock), newer.ledger, lambda _: [], LANE)
    with pytest.raises(LedgerError, match="upgrade this host"):
        reader.survey(Scope())
