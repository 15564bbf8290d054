"""A report counts, keeps some rows, and is the same after a journey through JSON."""

import json

import pytest

from astakos_worker.engine.sweep.findings import Report, Selection, SweepFinding


def test_a_report_is_the_same_after_a_journey():
    report = Report("svc", fix=False, started=1.25, ended=3.5, listed=9, looked=8, stopped="why")
    report.alarms["owner"] = "it is away"
    for finding in (
        SweepFinding("reject", 1, "a", "why", 2.0, "orphan", done=True),
        SweepFinding("expired", None, "b", "why", 2.0, "expired"),
        SweepFinding("foreign", 3, None, "why"),
    ):
        report.add(finding, finding.key)
    again = Report.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again == report
    assert (again.seconds, again.left, again.done, again.rejected) == (
        2.25,
        1,
        {"reject": 1},
        {"orphan": 1},
    )


def test_what_is_left_alone_is_not_left_to_do():
    report = Report("svc")
    for what in ("foreign", "wait", "leave"):
        report.add(SweepFinding(what, 1, "a", "why"), "a")
    assert report.left == 0 and not report.done


@pytest.mark.parametrize(
    ("only", "taken"),
    [
        (Selection(), True),
        (Selection(keys=frozenset({"a"})), True),
        (Selection(keys=frozenset({"b"})), False),
        (Selection(serials=frozenset({7})), True),
        (Selection(serials=frozenset({8})), False),
        (Selection(keys=frozenset({"b"}), serials=frozenset({7})), True),
        (Selection(older_than=5.0), True),
        (Selection(older_than=5.1), False),
        (Selection(keys=frozenset({"a"}), older_than=5.1), False),
    ],
)
def test_what_is_meant_is_named_and_old_enough(only, taken):
    assert only.takes("a", (7,), 5.0) is taken
    assert bool(only) is (only != Selection())
