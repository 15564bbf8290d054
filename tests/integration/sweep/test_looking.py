"""Looking without touching, looking at a few, and what is remembered of the last sweep."""

import pytest

from astakos_worker.engine.sweep.findings import Report, Selection


@pytest.fixture
def mixed(cloud):
    """One of each kind, by what is to be done about it."""
    serials = {
        "foreign": cloud.put("somebody else's"),
        "reject": cloud.orphan("lost"),
        "expired": cloud.held("late", deadline=cloud.ledger.clock.now()),
        "vanished": cloud.held("gone"),
    }
    cloud.held("twinned")
    record = cloud.entry("twinned").record
    serials["twin"] = cloud.put(f"again {record.tag('default.default')}")
    entry = cloud.record("unanswered")
    serials["adopt"] = cloud.put(f"once {entry.record.tag('default.default')}")
    cloud.client.reject_commission(serials["vanished"])
    return serials


def test_looking_changes_nothing_and_says_what_would_be_done(cloud, mixed):
    keys = ("late", "gone", "twinned", "unanswered")
    records = {key: cloud.entry(key).record for key in keys}
    report, found = cloud.findings(fix=False)
    cloud.carry()
    assert {finding.action: finding.serial for finding in found} == mixed
    assert not any(finding.done for finding in found)
    assert report.left == 5
    assert all(finding.why and finding.age >= 0 for finding in found)
    assert cloud.pending() >= {mixed[what] for what in mixed if what != "vanished"}
    assert {key: cloud.entry(key).record for key in keys} == records | {
        "unanswered": cloud.entry("unanswered").record  # the carrier is at it meanwhile
    }
    assert cloud.alarms() == {} and cloud.last() is None and report.ended is not None


def test_looking_is_possible_while_a_sweep_is_at_work(cloud, mixed):
    assert cloud.ledger.take_lease("sweep:default", "beat's", 60)
    assert cloud.sweep(fix=False).left == 5
    assert cloud.sweep().stopped == "another sweep is at work"


def test_what_is_found_is_what_is_done(cloud, mixed):
    report, found = cloud.findings()
    assert {finding.action: finding.serial for finding in found} == mixed
    assert [finding.action for finding in found if not finding.done] == ["foreign"]
    assert report.left == 0 and report.rejected == {"expired": 1, "orphan": 1, "twin": 1}
    cloud.carry()
    assert set(cloud.events("rejected")) == {
        mixed[w] for w in mixed if w not in ("foreign", "adopt")
    }


@pytest.mark.parametrize("what", ["reject", "expired", "vanished", "twin", "adopt", "foreign"])
def test_a_sweep_may_be_narrowed_to_a_serial(cloud, mixed, what):
    _, found = cloud.findings(only=Selection(serials=frozenset({mixed[what]})))
    assert [(finding.action, finding.serial) for finding in found] == [(what, mixed[what])]
    assert cloud.sweep(fix=False).left == (5 if what == "foreign" else 4)
    assert cloud.last() is None, "a narrowed sweep is not the last one"


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("lost", "reject"),
        ("late", "expired"),
        ("gone", "vanished"),
        ("twinned", "twin"),
        ("unanswered", "adopt"),
    ],
)
def test_a_sweep_may_be_narrowed_to_a_key(cloud, mixed, key, what):
    _, found = cloud.findings(only=Selection(keys=frozenset({key})))
    assert [(finding.action, finding.key) for finding in found] == [(what, key)]
    assert cloud.sweep(fix=False).left == 4


def test_a_sweep_may_be_narrowed_by_age(cloud, mixed):
    report, found = cloud.findings(only=Selection(older_than=3600))
    assert found == [] and report.listed == 6
    assert len(cloud.findings(only=Selection(older_than=0.0))[1]) == 6


def test_progress_is_shown(cloud):
    for number in range(3):
        cloud.held(f"held-{number}")
    for number in range(600):
        cloud.ledger.sightings("default", [10**6 + number])
        cloud.ledger.remember_descriptions("default", {10**6 + number: "x "})
    cloud.client.get_pending_commissions = lambda: [
        *(serial for serial, _ in cloud.ledger.held("default")),
        *range(10**6, 10**6 + 600),
    ]
    steps = []
    report = Report("default")
    sweep = cloud.sweeping()
    list(
        sweep.findings(report, "me", progress=lambda looked, listed: steps.append((looked, listed)))
    )
    assert (3, 603) in steps and (503, 603) in steps and steps[-1] == (603, 603)
    assert report.looked == 603


def test_the_last_sweep_can_be_asked_about(cloud, mixed):
    report = cloud.sweep()
    last = cloud.last()
    assert last.to_dict() == report.to_dict()
    assert (last.listed, last.looked, last.left) == (6, 6, 0)
    assert last.counts == dict.fromkeys(mixed, 1)
    assert last.started <= last.ended <= cloud.ledger.clock.now()
    assert {row["action"]: row["serial"] for row in last.rows} == mixed
    assert "vanished" in last.alarms
    assert cloud.last("nobody's") is None


def test_ages_of_what_is_oldest_are_told(cloud):
    cloud.held("first")
    cloud.orphan("lost")
    first = cloud.sweep(grace=3600, quarantine=3600)
    cloud.held("second")
    cloud.orphan("lost too")
    last = cloud.sweep(grace=3600, quarantine=3600)
    assert last.oldest_undecided > first.oldest_undecided > 0
    assert last.oldest_unexplained > first.oldest_unexplained >= 0


def test_rows_are_kept_of_each_kind_however_many_there_are_of_another(cloud):
    for number in range(40):
        cloud.put(f"foreign {number}")
    cloud.orphan("lost")
    report = cloud.sweep()
    kept = [row["action"] for row in report.rows]
    assert kept.count("foreign") == 25 and kept.count("reject") == 1
    assert report.counts == {"foreign": 40, "reject": 1}
