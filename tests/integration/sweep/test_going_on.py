"""What a sweep costs, and that an interrupted one is gone on with and not begun again."""

import tracemalloc

import pytest

from astakos_worker.engine.listed import chunks
from astakos_worker.engine.sweep.findings import Report
from astakosclient.errors import AstakosClientException


def used(cloud):
    return {call: cloud.requests(call) for call in ("list", "info", "batch")}


def spent(cloud, before):
    return {call: n - before[call] for call, n in used(cloud).items()}


def test_a_sweep_looks_once_at_what_it_never_saw_and_settles_by_fifties(cloud):
    """One list, one info a new commission, one resolve for fifty; and again a list alone."""
    for number in range(120):
        cloud.orphan(f"lost-{number}")
    for number in range(5):
        cloud.put("foreign")
        cloud.held(f"held-{number}")
    before = used(cloud)
    cloud.sweep(quarantine=3600)
    assert spent(cloud, before) == {"list": 1, "info": 125, "batch": 0}
    cloud.sweep(quarantine=3600)
    assert spent(cloud, before) == {"list": 2, "info": 125, "batch": 0}
    report = cloud.swept(brake_floor=120)
    assert report.rejected == {"orphan": 120}
    # Who settles looks at each once more, at the last moment.
    assert spent(cloud, before) == {"list": 3, "info": 245, "batch": 3}
    assert cloud.sweep().counts == {"foreign": 5}
    assert spent(cloud, before) == {"list": 4, "info": 245, "batch": 3}


def test_a_sweep_that_is_killed_is_gone_on_with(cloud):
    """F46: what was looked at is not looked at again; but for the batch that was under way."""
    for number in range(200):
        cloud.orphan(f"lost-{number}")
    infos = []
    real = cloud.client.get_commission_info

    def dies(serial):
        infos.append(serial)
        if len(infos) > 130:
            raise KeyboardInterrupt
        return real(serial)

    cloud.client.get_commission_info = dies
    with pytest.raises(KeyboardInterrupt):
        cloud.sweep()
    cloud.client.get_commission_info = real
    before = used(cloud)
    assert cloud.swept(brake_floor=200).rejected == {"orphan": 200}
    assert cloud.pending() == set()
    assert spent(cloud, before)["info"] == 100 + 200  # the last to be looked at; each once settled


def test_a_sweep_whose_time_is_over_says_where_it_stopped(cloud):
    """F46: at once, and the next ones get through, however little time each has."""
    for number in range(60):
        cloud.orphan(f"lost-{number}")
    cloud.control.set_faults({"kind": "delay", "route": "commissions.info", "seconds": 0.05})
    reports = [cloud.sweep(sweep_seconds=0.6, quarantine=3600)]
    assert cloud.requests("info") <= 12, "it ends within a batch"
    while reports[-1].stopped and len(reports) < 100:
        reports.append(cloud.sweep(sweep_seconds=0.6, quarantine=3600))
    first, last = reports[0], reports[-1]
    assert "its time was over" in first.stopped and "the next sweep goes on" in first.stopped
    assert cloud.requests("info") == 60
    assert (last.looked, last.counts, last.stopped) == (60, {"wait": 60}, "")


def test_memory_grows_by_no_more_than_the_numbers_themselves(cloud):
    """F46: ten times as many pending, and all that is kept of one more is its serial."""

    def peak(many):
        listed = range(1, many + 1)
        for some in chunks(listed, 1000):
            cloud.ledger.sightings("default", some)
            cloud.ledger.remember_descriptions(
                "default", dict.fromkeys(some, "0123456789abcdef \t")
            )
        cloud.client.get_pending_commissions = lambda: list(listed)
        sweep = cloud.sweeping()
        sweep.sweep("default", "me")  # what is made once is made
        tracemalloc.start()
        report = sweep.sweep("default", "me")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert report.counts == {"foreign": many} and not report.stopped
        return most

    few, many = peak(1_000), peak(6_000)
    a_number, in_lists = 32, 3 * 8  # as it came, sorted, and packed
    assert many - few < 5_000 * (a_number + in_lists) * 1.5


def test_one_commission_that_cannot_be_looked_at_holds_up_no_other(cloud):
    """It is looked at by a later sweep."""
    lost = {cloud.orphan(f"lost-{number}") for number in range(5)}
    cloud.control.set_faults(
        {"kind": "error-before", "route": "commissions.info", "skip": 2, "count": 1}
    )
    assert cloud.swept().rejected == {"orphan": 4}
    assert len(cloud.pending() & lost) == 1
    assert cloud.swept().rejected == {"orphan": 1}
    assert cloud.pending() == set()


def test_an_astakos_that_answers_nothing_is_not_asked_on(cloud):
    """Three requests, and what was learnt until then is kept."""
    for number in range(60):
        cloud.orphan(f"lost-{number}")
    cloud.control.set_faults({"kind": "error-before", "route": "commissions.info", "skip": 50})
    with pytest.raises(AstakosClientException):
        cloud.sweep(quarantine=3600)
    assert cloud.requests("info") == 53
    assert cloud.last().stopped.startswith("Astakos: ")
    cloud.control.clear_faults()
    assert cloud.sweep(quarantine=3600).counts == {"wait": 60}
    assert cloud.requests("info") == 63


def test_what_is_settled_while_it_is_looked_at_is_skipped(cloud):
    """F39: listed, and gone when its name is asked for."""
    gone, lost = cloud.orphan("gone"), cloud.orphan("lost")
    real = cloud.client.get_pending_commissions

    def listed():
        serials = real()
        cloud.client.reject_commission(gone)
        return serials

    cloud.client.get_pending_commissions = listed
    report, found = cloud.findings()
    assert [finding.serial for finding in found] == [lost]
    assert not report.stopped


def test_a_lower_serial_that_turns_up_later_is_found(cloud):
    """F40: there is no high-water mark; F44: nor is an old name believed of it."""
    cloud.control.snapshot()
    low = cloud.put("somebody else's")
    high = cloud.put("another")
    assert cloud.sweep().counts == {"foreign": 2}
    cloud.control.restore()
    assert cloud.sweep().counts == {}
    lost = cloud.orphan("lost")
    assert lost == low < high
    assert cloud.swept().rejected == {"orphan": 1}
    assert cloud.events("rejected")[-1] == lost


def test_a_serial_given_away_again_between_two_sweeps_is_left_alone(cloud):
    """F44: what was seen of it is not what it is by then."""
    cloud.control.snapshot()
    lost = cloud.orphan("lost")
    assert cloud.sweep(quarantine=3600).counts == {"wait": 1}
    cloud.control.restore()
    other = cloud.put("somebody else's")
    assert other == lost
    cloud.swept()
    assert cloud.pending() == {other}
    assert "conflict" in cloud.alarms()


def test_another_sweep_that_has_taken_over_is_left_to_it(cloud):
    """F41: the lease ran out under one that stood still."""
    for number in range(60):
        cloud.orphan(f"lost-{number}")
    report = Report("default")
    found = cloud.sweeping(quarantine=3600).findings(report, "the first")
    next(found)
    cloud.ledger.release_lease("sweep:default", "the first")
    assert cloud.ledger.take_lease("sweep:default", "the second", 60)
    assert len(list(found)) < 60
    assert "another sweep has taken over" in report.stopped
    assert not cloud.ledger.take_lease("sweep:default", "the third", 60)
