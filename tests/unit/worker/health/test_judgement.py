"""The judgement: what is red, what is not, and that what is not known is never red."""

import dataclasses
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astakos_worker.configuration.names import COMMISSIONS, LOOKUPS, SWEEP
from astakos_worker.ledger.contract import Lane
from astakos_worker.worker.health.judgement import Level, judge, overall
from astakos_worker.worker.health.observed import (
    Away,
    Bounds,
    Observed,
    Presence,
    Replica,
    Server,
    Swept,
    WaitingRows,
)

ALL = (COMMISSIONS, LOOKUPS, SWEEP)
GOOD = Server(
    database=1,
    run_id="one",
    evicts="noeviction",
    appendonly=True,
    appendfsync="always",
    writes_fail=False,
    cluster=False,
    replica_of="",
    replicas=(),
)
WORKER = Presence("w@a", age=1.0, up=1000.0, queues=ALL, services=("default",))
BEAT = Presence("beat@a", age=10.0)
#: Workers that have run for a while, with nothing wrong.
WELL = Observed(
    ledger=GOOD,
    broker=replace(GOOD, database=0),
    services=("default",),
    lanes=(Lane("default"),),
    sweeps={"default": Swept(30.0)},
    workers=(WORKER,),
    beat=BEAT,
    queues=dict.fromkeys(ALL, 0),
    dead_messages=0,
    ledger_id="x",
    remembered_id="x",
)


def reds(seen):
    return {(one.name, one.about) for one in judge(seen) if one.level is Level.RED}


def names(seen):
    return {one.name for one in judge(seen) if one.level is Level.RED}


def test_all_well_is_green():
    assert judge(WELL) == []
    assert overall(judge(WELL)) == "green"


def test_a_fresh_empty_ledger_with_workers_is_green():
    """Nothing was swept yet, and no lane is there: nothing is late before its time."""
    young = replace(WORKER, up=5.0)
    fresh = replace(WELL, lanes=(), sweeps={}, workers=(young,), beat=None, ledger_id="")
    assert judge(replace(fresh, remembered_id="")) == []


LATE_LANE = Lane("default", due=3, oldest_due=61.0, open=3)
FAULTS = {
    "ledger-away": {"ledger": Away("refused")},
    "broker-away": {"broker": Away("refused")},
    "ledger-evicts": {"ledger": replace(GOOD, evicts="allkeys-lru")},
    "ledger-appendonly": {"ledger": replace(GOOD, appendonly=False)},
    "ledger-appendfsync": {"ledger": replace(GOOD, appendfsync="everysec")},
    "ledger-disk": {"ledger": replace(GOOD, writes_fail=True)},
    "ledger-cluster": {"ledger": replace(GOOD, cluster=True)},
    "ledger-is-replica": {"ledger": replace(GOOD, replica_of="a:1")},
    "replica-lags": {"ledger": replace(GOOD, replicas=(Replica("a:1", "online", 6.0),))},
    "one-database": {"broker": GOOD},
    "other-ledger": {"ledger_id": ""},
    "clocks": {"workers": (replace(WORKER, clock=-1.2, clock_error=0.1),)},
    "no-worker": {"workers": ()},
    "worker-silent": {"workers": (WORKER, replace(WORKER, node="w@b", age=7.0))},
    "not-consuming": {"workers": (WORKER, replace(WORKER, node="w@b", unanswered=7.0))},
    "client": {"workers": (replace(WORKER, faults={"default": "the token file is empty"}),)},
    "unserved": {"services": ("default", "pithos")},
    "namespace-unserved": {"others": {"staging": 2}},
    "overdue": {"lanes": (LATE_LANE,)},
    "dead": {"lanes": (Lane("default", dead=1),)},
    "vanished": {"lanes": (Lane("default", alarms={"vanished": "gone"}),)},
    "sweep-late": {"sweeps": {"default": Swept(181.0)}},
    "sweep-fails": {"sweeps": {"default": Swept(3.0, "Astakos: 401")}},
    "beat-late": {"beat": replace(BEAT, age=151.0)},
    "outbox-waits": {"outbox": WaitingRows(4, 61.0)},
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_red_by_its_name_and_alone(name):
    assert names(replace(WELL, **FAULTS[name])) == {name}


NEARLY = {
    "a due record that waits for no more than the bound": {
        "lanes": (Lane("default", due=3, oldest_due=60.0, open=3),)
    },
    "a replica that is online": {"ledger": replace(GOOD, replicas=(Replica("a", "online", 1.0),))},
    "two databases of one server": {"broker": replace(GOOD, database=2)},
    "one number on two servers": {"broker": replace(GOOD, run_id="two")},
    "clocks a second apart": {"workers": (replace(WORKER, clock=1.0),)},
    "a clock that was read over a slow line": {
        "workers": (replace(WORKER, clock=1.5, clock_error=0.6),)
    },
    "a worker all of whose threads are at work": {
        "workers": (replace(WORKER, unanswered=30.0, busy=True),)
    },
    "a worker that went away ten minutes ago": {
        "workers": (WORKER, replace(WORKER, node="w@b", age=601.0))
    },
    "a service that nobody serves and nobody uses": {
        "lanes": (Lane("default"), Lane("old")),
    },
    "an outbox with rows of a moment ago": {"outbox": WaitingRows(4, 3.0)},
}


@pytest.mark.parametrize("what", NEARLY)
def test_what_is_nearly_wrong_is_not_red(what):
    assert judge(replace(WELL, **NEARLY[what])) == []


def test_a_queue_with_work_and_no_worker_is_red():
    only = replace(WORKER, queues=(COMMISSIONS, SWEEP))
    seen = replace(WELL, workers=(only,), queues={LOOKUPS: 2})
    assert reds(seen) == {("no-worker", LOOKUPS)}


def test_a_queue_without_messages_that_nobody_reads_is_a_warning():
    only = replace(WORKER, queues=(COMMISSIONS, SWEEP))
    [finding] = judge(replace(WELL, workers=(only,)))
    assert (finding.level, finding.name, finding.about) == (Level.WARNING, "no-worker", LOOKUPS)


def test_an_alarm_hides_no_sweep_that_fails_for_another_reason():
    lane = Lane("default", alarms={"vanished": "gone", "brake": "too many"})
    seen = replace(WELL, lanes=(lane,), sweeps={"default": Swept(3.0, "Astakos: 401")})
    assert names(seen) == {"vanished", "brake", "sweep-fails"}
    seen = replace(seen, sweeps={"default": Swept(3.0, "too many")})
    assert names(seen) == {"vanished", "brake"}


def test_workers_that_all_stand_still_are_no_worker():
    still = tuple(replace(WORKER, node=node, age=9.0) for node in ("w@a", "w@b"))
    assert names(replace(WELL, workers=still)) >= {"no-worker", "worker-silent"}
    [finding] = [one for one in judge(replace(WELL, workers=still)) if one.about == COMMISSIONS]
    assert "none of its 2 workers takes messages" in finding.reason


def test_a_worker_whose_threads_never_end_is_red():
    hung = replace(WORKER, unanswered=47.0, busy=True)
    assert "not-consuming" in names(replace(WELL, workers=(hung,)))


def test_with_the_broker_away_no_worker_is_blamed():
    deaf = replace(WORKER, unanswered=70.0)
    assert names(replace(WELL, workers=(deaf,), broker=Away("refused"))) == {"broker-away"}


def test_what_cannot_be_read_is_unknown():
    ledger = replace(GOOD, appendfsync=None, refused=("CONFIG GET",))
    seen = replace(WELL, ledger=ledger, outbox=Away("no such file"), unread={"lane x": "WRONGTYPE"})
    assert {(one.level, one.name) for one in judge(seen)} == {
        (Level.UNKNOWN, "ledger-settings"),
        (Level.UNKNOWN, "outbox-rows"),
        (Level.UNKNOWN, "unread"),
    }
    assert overall(judge(seen)) == "unknown"


def test_what_was_thrown_away_is_a_warning():
    assert overall(judge(replace(WELL, dead_messages=3))) == "warning"


def test_an_alarm_of_a_newer_version_is_red_too():
    assert names(replace(WELL, lanes=(Lane("default", alarms={"new": "?"}),))) == {"new"}


# --- Whatever was read ------------------------------------------------------------------------

SOME = st.sampled_from
seconds = st.floats(0, 1000)
servers = st.builds(
    Server,
    database=st.integers(0, 1),
    run_id=SOME(["one", "two"]),
    evicts=SOME(["noeviction", "allkeys-lru"]),
    appendonly=st.booleans(),
    appendfsync=SOME(["always", "everysec"]),
    writes_fail=st.booleans(),
    cluster=st.booleans(),
    replica_of=SOME(["", "a:1"]),
    replicas=st.lists(
        st.builds(Replica, SOME(["a", "b"]), SOME(["online", "wait_bgsave"]), seconds), max_size=2
    ).map(tuple),
    clock=st.floats(-3, 3),
    refused=SOME([(), ("INFO",)]),
)
presences = st.builds(
    Presence,
    node=SOME(["w@a", "w@b"]),
    age=seconds,
    up=seconds,
    queues=st.lists(SOME(ALL), max_size=3).map(tuple),
    services=st.lists(SOME(["default", "pithos"]), max_size=2).map(tuple),
    clock=st.floats(-3, 3),
    clock_error=st.floats(0, 3),
    unanswered=seconds,
    busy=st.booleans(),
    faults=st.dictionaries(SOME(["default"]), st.just("no file"), max_size=1),
)
lanes = st.builds(
    Lane,
    name=SOME(["default", "pithos"]),
    due=st.integers(0, 3),
    open=st.integers(0, 3),
    dead=st.integers(0, 1),
    oldest_due=seconds,
    alarms=st.dictionaries(SOME(["silent", "newest"]), st.just("a text"), max_size=2),
)
observed = st.builds(
    Observed,
    ledger=servers,
    broker=servers,
    bounds=SOME([Bounds(), Bounds(overdue=5, sweep=3)]),
    services=SOME([(), ("default",), ("cyclades",)]),
    lanes=st.lists(lanes, max_size=2, unique_by=lambda lane: lane.name).map(tuple),
    sweeps=st.dictionaries(SOME(["default", "pithos"]), st.builds(Swept, seconds, SOME(["", "x"]))),
    workers=st.lists(presences, max_size=3).map(tuple),
    beat=st.none() | presences,
    queues=st.dictionaries(SOME(ALL), st.integers(0, 2)),
    dead_messages=st.integers(0, 2),
    others=st.dictionaries(SOME(["staging"]), st.integers(1, 3)),
    ledger_id=SOME(["", "x"]),
    remembered_id=SOME(["", "x", "y"]),
    outbox=st.none() | st.builds(WaitingRows, st.integers(0, 3), seconds),
)
#: The fields of a server that a refused command leaves open.
OPEN = [field.name for field in dataclasses.fields(Server) if field.default is None]


@st.composite
def less_known(draw, seen):
    """The same, with some of what was read not read."""
    blind = dict.fromkeys(draw(st.sets(SOME(["workers", "beat", "queues", "outbox"]))))
    blind |= draw(SOME([{}, {"ledger_id": None}, {"remembered_id": ""}]))
    for name in ("ledger", "broker"):
        hidden = draw(st.sets(SOME(OPEN)))
        server = getattr(seen, name)
        blind[name] = replace(server, **dict.fromkeys(hidden), refused=("CONFIG GET",))
    return replace(seen, **blind, unread={"something": "refused"})


@settings(max_examples=60)
@given(st.data(), observed)
def test_nothing_that_is_unknown_is_red(data, seen):
    """F100: whatever else was read, and whatever of it is hidden."""
    blind = data.draw(less_known(seen))
    assert names(blind) <= names(seen)
    assert any(one.level is Level.UNKNOWN for one in judge(blind))


@settings(max_examples=60)
@given(observed)
def test_every_finding_has_a_reason_a_remedy_and_a_name_of_one_word(seen):
    found = judge(seen)
    for one in found:
        assert one.reason and one.remedy and one.name.replace("-", "").isalpha() and one.about
    levels = [list(Level).index(one.level) for one in found]
    assert levels == sorted(levels)


@settings(max_examples=60)
@given(observed)
def test_the_judgement_is_red_exactly_if_a_finding_is(seen):
    found = judge(seen)
    assert (overall(found) == "red") == any(one.level is Level.RED for one in found)
    assert (overall(found) == "green") == (not found)
