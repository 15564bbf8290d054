"""Fault rules decide by route, chance, count and time, and always the same way."""

from __future__ import annotations

import pytest

from astakos_worker.sandbox.errors import FaultRuleError
from astakos_worker.sandbox.faults import UNHARMED, FaultPlan, Kind, Rule, load_faults, parse_faults

ISSUE = "commissions.issue"


def plan(*rules, **options):
    return FaultPlan([Rule.of(rule) for rule in rules], **options)


def kinds(faults, route, times, now=0.0):
    decisions = [faults.decide(route, now) for _ in range(times)]
    return [decision.fault and decision.fault.kind for decision in decisions]


def test_without_rules_nothing_happens():
    assert FaultPlan().decide(ISSUE, 0) is UNHARMED


def test_a_rule_befalls_the_routes_that_its_pattern_names():
    faults = plan({"kind": "cut-after", "route": "commissions.*"})
    assert kinds(faults, ISSUE, 1) == [Kind.CUT_AFTER]
    assert kinds(faults, "quotas", 1) == [None]


def test_skip_spares_the_first_and_count_bounds_the_rest():
    faults = plan({"kind": "hang", "route": ISSUE, "skip": 1, "count": 2})
    assert kinds(faults, ISSUE, 5) == [None, Kind.HANG, Kind.HANG, None, None]
    assert faults.hits == [2]


def test_a_rule_with_times_holds_from_its_begin_until_its_end():
    faults = plan({"kind": "error-before", "begin": 5, "end": 7}, now=100.0)
    hits = [faults.decide(ISSUE, now).fault is not None for now in (104.9, 105, 106.9, 107)]
    assert hits == [False, True, True, False]


def test_chance_is_the_same_for_the_same_seed_and_another_for_another():
    rule = {"kind": "cut-before", "probability": 0.5}
    first = kinds(plan(rule, seed=1), ISSUE, 200)
    assert kinds(plan(rule, seed=1), ISSUE, 200) == first
    assert kinds(plan(rule, seed=2), ISSUE, 200) != first
    assert 60 < first.count(Kind.CUT_BEFORE) < 140


def test_another_rule_does_not_change_the_chances_of_the_first():
    rule = {"kind": "cut-before", "probability": 0.5}
    other = {"kind": "delay", "seconds": 1, "probability": 0.5}
    assert kinds(plan(rule, other), ISSUE, 50) == kinds(plan(rule), ISSUE, 50)


def test_the_first_fault_that_strikes_wins_and_delays_add_up():
    faults = plan(
        {"kind": "delay", "seconds": 1},
        {"kind": "delay", "seconds": 2, "spread": 0.5},
        {"kind": "delay-after", "seconds": 4},
        {"kind": "error-after", "status": 503},
        {"kind": "cut-after"},
    )
    decision = faults.decide(ISSUE, 0)
    assert decision.fault.kind is Kind.ERROR_AFTER
    assert 3 <= decision.delay <= 3.5
    assert decision.delay_after == 4


@pytest.mark.parametrize("kind", ["empty-list", "no-holding", "stale-data"])
def test_a_kind_that_makes_sense_on_one_route_stays_on_it(kind):
    assert kinds(plan({"kind": kind}), "quotas", 1) == [None]


@pytest.mark.parametrize(
    ("rule", "status", "html"),
    [
        ({"kind": "error-after"}, 500, False),
        ({"kind": "error-before", "status": 503}, 503, True),
        ({"kind": "error-before", "status": 503, "html": False}, 503, False),
        ({"kind": "proxy-page"}, 404, True),
        ({"kind": "proxy-page", "status": 413}, 413, True),
    ],
)
def test_a_500_is_astakos_own_and_others_come_from_a_proxy_unless_told_otherwise(
    rule, status, html
):
    parsed = Rule.of(rule)
    assert (parsed.status, parsed.sends_page) == (status, html)


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({}, "is no kind of fault; use one of: delay"),
        ({"kind": "explode"}, "'explode' is no kind"),
        ({"kind": "cut-after", "rout": "x"}, "no 'rout'; did you mean 'route'"),
        ({"kind": "cut-after", "route": "nowhere"}, "matches no route; the routes are"),
        ({"kind": "cut-after", "probability": 1.5}, "probability cannot be 1.5"),
        ({"kind": "cut-after", "count": -1}, "count cannot be -1"),
        ({"kind": "cut-after", "skip": "2"}, "skip cannot be '2'"),
        ({"kind": "error-after", "status": 200}, "between 400 and 599"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_its_remedy(rule, complaint):
    with pytest.raises(FaultRuleError, match=complaint):
        Rule.of(rule)


def test_a_rule_describes_itself_in_the_form_that_it_is_read_from():
    rule = Rule.of({"kind": "ghost", "route": ISSUE, "seconds": 3, "count": 1})
    assert Rule.of(rule.describe()) == rule


def test_rules_are_read_from_a_file_with_the_seed_of_their_chances(tmp_path):
    path = tmp_path / "faults.toml"
    path.write_text('seed = 7\n[[fault]]\nkind = "hang"\nroute = "commissions.action"\n')
    rules, seed = load_faults(path)
    assert seed == 7
    assert rules == (Rule(Kind.HANG, "commissions.action"),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('\n[[fault]]\nkind = "boom"\n', r"line 2 \(\[\[fault\]\] number 1\): 'boom' is no kind"),
        ("[[faults]]\n", "did you mean 'fault'"),
        ('seed = "x"\n', "'seed': must be a whole number"),
    ],
)
def test_a_mistake_in_a_file_of_faults_is_reported_with_its_line(text, complaint):
    with pytest.raises(FaultRuleError, match=complaint):
        parse_faults(text)


def test_a_file_of_faults_that_is_not_there_says_so(tmp_path):
    with pytest.raises(FaultRuleError, match="cannot be read"):
        load_faults(tmp_path / "nowhere.toml")
