"""What one look, a second one, and a look at a pending repair say of a holding."""

import pytest

from astakos_worker.engine.drift.compare import (
    Agreement,
    BadUsageError,
    Figure,
    Holding,
    UsageSnapshot,
    again,
    compare,
    compare_holding,
    stands,
    tally,
    too_many,
)

VM = "cyclades.vm"
ADA = Holding("ada", "p", VM)
ALL = Holding(None, "p", VM)
INT64 = 2**63


def look(own, usage, pending=0, *, limit=10, after=None, awaited=(), holding=ADA):
    """One holding as both sides have it; None: that side has none."""

    def side(figure):
        return {} if figure is None else {holding: Figure(*figure)}

    before = None if usage is None else (usage, pending, limit)
    return UsageSnapshot(
        {} if own is None else {holding: own},
        side(before),
        side(before if after is None else after),
        frozenset(awaited),
        frozenset({holding.resource}),
    )


# --- What a service counts --------------------------------------------------------------------


def test_rows_of_one_holding_are_summed_and_make_up_the_projects_own():
    rows = [("ada", "p", VM, 2), ("ada", "p", VM, 1), ["bob", "p", VM, 4]]
    assert tally(rows) == {ADA: 3, Holding("bob", "p", VM): 4, ALL: 7}


def test_a_projects_own_rows_stand_for_all_projects_of_that_resource():
    rows = [("ada", "p", VM, 2), (None, "p", VM, 5), ("ada", "q", VM, 1), ("ada", "p", "ram", 8)]
    counted = tally(rows)
    assert counted[ALL] == 5
    assert Holding(None, "q", VM) not in counted
    assert counted[Holding(None, "p", "ram")] == 8


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("ada", "p", VM), "(user, project, resource, quantity)"),
        ("adap", "(user, project, resource, quantity)"),
        (("ada", None, VM, 1), "project must be a string"),
        ((7, "p", VM, 1), "user must be a string"),
        (("", "p", VM, 1), "user must be a string"),
        (("ada", "p", VM, 1.0), "quantity must be an integer"),
        (("ada", "p", VM, True), "quantity must be an integer"),
        (("ada", "p", VM, -1), "less than nothing"),
        (("ada", "p", VM, INT64), "64 bits"),
    ],
)
def test_what_cannot_be_a_count_is_refused_with_the_row(row, said):
    with pytest.raises(BadUsageError) as error:
        tally([row])
    assert said in str(error.value)


def test_what_only_a_sum_makes_too_large_is_refused():
    with pytest.raises(BadUsageError, match=f"{INT64} of {VM} of p does not fit"):
        tally([("ada", "p", VM, INT64 - 1), ("bob", "p", VM, 1)])


def test_a_sum_that_is_too_large_names_its_holding():
    with pytest.raises(BadUsageError, match=f"{VM} of user ada from project p does not fit"):
        tally([("ada", "p", VM, INT64 - 1), ("ada", "p", VM, 1)])


# --- One look ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "verdict", "missing"),
    [
        (look(3, 3), Agreement.EQUAL, 0),
        (look(None, 0), Agreement.EQUAL, 0),
        (look(5, 3), Agreement.DIFFERS, 2),
        (look(1, 3), Agreement.DIFFERS, -2),
        (look(None, 3), Agreement.DIFFERS, -3),
        (look(INT64 - 1, 0), Agreement.DIFFERS, INT64 - 1),
        (look(0, INT64 - 1), Agreement.DIFFERS, 1 - INT64),
        (look(3, 4, pending=1), Agreement.BUSY, -1),
        (look(5, 3, awaited=[ADA]), Agreement.BUSY, 2),
        (look(5, 3, after=(4, 0, 10)), Agreement.BUSY, 1),
        (look(5, 3, after=(3, 1, 10)), Agreement.BUSY, 2),
        (look(5, None), Agreement.UNKNOWN, 5),
        (look(None, None), Agreement.EQUAL, 0),
        (look(5, None, after=(5, 0, 10)), Agreement.BUSY, 5),
    ],
)
def test_a_holding_is_judged_only_when_nothing_is_on_its_way(seen, verdict, missing):
    finding = compare_holding(ADA, seen)
    assert (finding.agreement, finding.missing) == (verdict, missing)
    assert bool(finding.why) is (verdict is not Agreement.EQUAL)


def test_a_limit_that_changes_meanwhile_is_no_change_of_usage():
    assert (
        compare_holding(ADA, look(5, 3, limit=10, after=(3, 0, 99))).agreement is Agreement.DIFFERS
    )


@pytest.mark.parametrize(
    ("own", "usage", "limit", "over"),
    [
        (12, 3, 10, True),
        (10, 3, 10, False),
        (11, 12, 10, False),
        (12, 12, 10, False),
        (1, 0, 0, True),
    ],
)
def test_only_what_is_to_grow_over_its_limit_needs_force(own, usage, limit, over):
    """Astakos compares no release with a limit (the protocol, section 1.7)."""
    assert compare_holding(ADA, look(own, usage, limit=limit)).over_limit is over


def test_what_the_service_does_not_count_at_all_is_not_compared():
    """A function that forgets a resource must not have all of it released."""
    there = {ADA: Figure(3, 0, 10), Holding("ada", "p", "disk"): Figure(7, 0, 10)}
    seen = UsageSnapshot({ADA: 2}, there, there, frozenset(), frozenset({VM}))
    assert [finding.holding for finding in compare(seen)] == [ADA]
    assert compare(UsageSnapshot({}, there, there)) == []


def test_a_holding_of_one_side_alone_is_compared():
    """One that only the service counts, or that Astakos has in one of its two readings only."""
    bob, eve = Holding("bob", "p", VM), Holding("eve", "p", VM)
    one = Figure(1, 0, 10)
    seen = UsageSnapshot({ADA: 2}, {bob: one}, {eve: one}, frozenset(), frozenset({VM}))
    assert seen.holdings() == [ADA, bob, eve]


def test_a_holding_that_astakos_does_not_have_has_no_usage_and_no_limit():
    finding = compare_holding(ADA, look(5, None))
    assert (finding.usage, finding.limit, finding.missing) == (0, 0, 5)


def test_what_is_busy_and_agrees_is_not_worth_a_row():
    assert compare(look(4, 4, pending=1)) == []


# --- The second look --------------------------------------------------------------------------


def test_what_differs_by_the_same_figures_differs():
    first = compare(look(5, 3))
    assert again(first, look(5, 3)) == first


@pytest.mark.parametrize("second", [look(6, 3), look(5, 4), look(6, 4)])
def test_what_differs_by_others_is_changing_and_left_alone(second):
    [finding] = again(compare(look(5, 3)), second)
    assert finding.agreement is Agreement.BUSY


def test_what_agrees_the_second_time_is_forgotten():
    """The protocol, section 5.3, item 9: a request between the reads looks like drift."""
    assert again(compare(look(5, 3)), look(5, 5)) == []


# --- A repair that is pending -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "usage", "pending"),
    [
        (5, (5, 2), 2),  # an import is in the usage while it is pending
        (1, (3, 2), -2),  # a release is not
    ],
)
def test_a_repair_stands_while_nothing_but_itself_is_pending(own, usage, pending):
    before = usage[0] - max(pending, 0)
    [finding] = compare(look(own, before))
    assert finding.missing == pending
    assert stands(finding, look(own, *usage)) == ""


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (look(6, 5, 2), "changed meanwhile"),  # the service counts one more
        (look(3, 5, 2), "changed meanwhile"),  # it counts what Astakos did: nothing to repair
        (look(5, 6, 2), "changed meanwhile"),  # Astakos counts one more
        (look(5, 6, 3), "1 pending"),  # somebody else's commission
        (look(5, 3, 0), "not pending in Astakos any more"),  # somebody rejected it
        (look(5, 5, 2, awaited=[ADA]), "in the ledger"),
        (look(5, 5, 2, after=(6, 3, 10)), "1 pending"),
        (look(5, 4, 2, after=(5, 2, 10)), "changed while"),
        (look(5, None), "no such holding"),
    ],
)
def test_a_repair_falls_when_anything_else_has_happened(now, why):
    [finding] = compare(look(5, 3))
    assert why in stands(finding, now)


def test_so_many_differences_are_doubted_but_a_quiet_cloud_is_not_jammed():
    assert not too_many(20, 25, floor=20, share=0.1)
    assert too_many(21, 25, floor=20, share=0.1)
    assert not too_many(100, 1000, floor=20, share=0.1)
    assert too_many(101, 1000, floor=20, share=0.1)
