"""The proof finds each kind of wrong, and finds nothing where all is right."""

from dataclasses import replace

import pytest

from astakos_worker.demo.proof import (
    AstakosState,
    CallerView,
    Check,
    DirectCommission,
    Event,
    Evidence,
    Usage,
    charges,
    prove,
)
from astakos_worker.ledger.request import Tag

OURS = "default.default"
VM = "cyclades.vm"
MEMBER, PROJECT = ("user:anna", "project:p", VM), ("project:p", None, VM)
ACCEPTED, GIVEN_UP = frozenset({"accepted"}), frozenset({"rejected", "cancelled"})


def wire(key, namespace=OURS):
    return f"a server {Tag(namespace, key, '0' * 8, 'f' * 16)}"


def taking(quantity):
    return charges("anna", "p", {VM: quantity})


VIEWS = (
    CallerView("one", taking(2), ACCEPTED, "accepted", 1),
    CallerView("back", taking(-1), ACCEPTED, "accepted", 5),
    CallerView("no", taking(4), GIVEN_UP, "rejected", 2),
    CallerView("much", taking(900), frozenset({"refused"}), "refused"),
)
FOREIGN = DirectCommission(3, "made by hand", taking(7))
TWIN = DirectCommission(4, wire("one"), taking(2))
JOURNAL = (
    Event("issued", 1, wire("one")),
    Event("issued", 2, wire("no")),
    Event("issued", 3, FOREIGN.name),
    Event("accepted", 1, wire("one")),
    Event("issued", 4, TWIN.name),
    Event("rejected", 2, wire("no")),
    Event("issued", 5, wire("back")),
    Event("accepted", 5, wire("back")),
    Event("rejected", 4, TWIN.name),
)
BEFORE = {MEMBER: Usage(10, 10), PROJECT: Usage(20, 20)}
AFTER = {MEMBER: Usage(11, 18), PROJECT: Usage(21, 28)}
ASTAKOS = AstakosState(BEFORE, AFTER, {3: FOREIGN}, JOURNAL)
EVIDENCE = Evidence(VIEWS, (FOREIGN,), (TWIN,), ASTAKOS, OURS)


def astakos(**changes):
    return replace(EVIDENCE, astakos=replace(ASTAKOS, **changes))


def with_view(key, **changes):
    return replace(EVIDENCE, views=[replace(t, **changes) if t.key == key else t for t in VIEWS])


def kinds(evidence):
    return {discrepancy.kind for discrepancy in prove(evidence)}


def texts(evidence):
    return "\n".join(discrepancy.text for discrepancy in prove(evidence))


def test_nothing_is_found_where_all_is_as_it_must_be():
    """Accepted, given back, rejected and refused commissions, a twin and a foreign one."""
    assert prove(EVIDENCE) == []


def test_nothing_happened_is_as_it_must_be():
    assert prove(Evidence((), (), (), AstakosState(BEFORE, BEFORE, {}, ()), OURS)) == []


@pytest.mark.parametrize("holding", [MEMBER, PROJECT])
@pytest.mark.parametrize("off", [(-1, -1), (2, 2), (0, 1), (0, -7)])
def test_usage_that_is_missing_or_double_or_reserved_is_found(holding, off):
    least, most = AFTER[holding]
    wrong = astakos(after={**AFTER, holding: Usage(least + off[0], most + off[1])})
    assert kinds(wrong) == {Check.USAGE}
    assert VM in texts(wrong) and str(holding[0]) in texts(wrong)


def test_a_holding_that_is_gone_is_found():
    assert kinds(astakos(after={MEMBER: AFTER[MEMBER]})) == {Check.USAGE}


def test_usage_of_somebody_who_asked_for_nothing_is_found():
    stray = ("user:bert", "project:p", VM)
    assert kinds(astakos(after={**AFTER, stray: Usage(1, 1)})) == {Check.USAGE}


def test_a_commission_of_ours_that_is_left_pending_is_found():
    left = DirectCommission(9, wire("no"), {})
    wrong = astakos(pending={3: FOREIGN, 9: left})
    assert kinds(wrong) == {Check.PENDING}
    assert "serial 9, of no" in texts(wrong)


def test_two_accepted_commissions_under_one_key_are_found():
    """Even if somebody has made the sums come out right."""
    wrong = astakos(journal=[*JOURNAL, Event("accepted", 8, wire("one"))])
    assert kinds(wrong) == {Check.TWICE}
    assert "one was accepted as serial 1 and 8" in texts(wrong)


def test_one_that_was_told_to_be_accepted_and_is_not_is_found():
    journal = [e for e in JOURNAL if (e.event, e.serial) != ("accepted", 1)]
    assert kinds(astakos(journal=journal)) == {Check.TWICE}


def test_one_that_is_accepted_under_another_serial_than_was_told_is_found():
    assert kinds(with_view("one", serial=77)) == {Check.TWICE}


def test_one_that_was_told_to_be_rejected_and_is_accepted_is_found():
    wrong = astakos(journal=[*JOURNAL, Event("accepted", 2, wire("no"))])
    assert kinds(wrong) == {Check.TWICE}


def test_one_that_was_told_to_be_refused_and_is_accepted_is_found():
    wrong = astakos(journal=[*JOURNAL, Event("accepted", 8, wire("much"))])
    assert "much is refused, and Astakos accepted serial 8" in texts(wrong)


def test_one_that_nobody_asked_for_and_is_accepted_is_found():
    wrong = astakos(journal=[*JOURNAL, Event("accepted", 8, wire("stray"))])
    assert kinds(wrong) == {Check.TWICE}


def test_a_journal_that_has_forgotten_proves_nothing():
    assert kinds(astakos(forgotten=1)) == {Check.TWICE}


def test_an_orphan_that_nobody_rejected_is_found():
    journal = [e for e in JOURNAL if (e.event, e.serial) != ("rejected", 4)]
    assert kinds(astakos(journal=journal)) == {Check.ORPHAN}


def test_an_accepted_orphan_is_found_twice_over():
    journal = [*JOURNAL[:-1], Event("accepted", 4, TWIN.name)]
    assert kinds(astakos(journal=journal)) == {Check.ORPHAN, Check.TWICE}


def test_a_twin_that_took_the_place_of_the_first_is_right():
    """Found before the first one's answer, it is as good; the other one is rejected then."""
    journal = [
        e._replace(serial={1: 4, 4: 1}[e.serial]) if e.serial in {1, 4} else e for e in JOURNAL
    ]
    evidence = replace(with_view("one", serial=4), astakos=replace(ASTAKOS, journal=journal))
    assert prove(evidence) == []


@pytest.mark.parametrize("event", ["accepted", "rejected"])
def test_a_foreign_commission_that_was_settled_is_found(event):
    wrong = astakos(journal=[*JOURNAL, Event(event, 3, FOREIGN.name)], pending={})
    assert kinds(wrong) == {Check.FOREIGN}
    assert f"foreign 3 is {event}" in texts(wrong)


@pytest.mark.parametrize("change", [{"name": "another's"}, {"charges": taking(8)}])
def test_a_foreign_commission_that_is_not_what_it_was_is_found(change):
    assert kinds(astakos(pending={3: replace(FOREIGN, **change)})) == {Check.FOREIGN}


def test_a_pending_commission_that_nobody_made_is_found():
    stranger = DirectCommission(9, wire("x", namespace="staging.default"), {})
    assert kinds(astakos(pending={3: FOREIGN, 9: stranger})) == {Check.FOREIGN}


def test_a_commission_without_an_end_is_found():
    wrong = with_view("no", end=None, note="Unavailable")
    assert texts(wrong) == "no has no end (Unavailable)"


@pytest.mark.parametrize("end", ["vanished", "conflict", "dead", "refused", "pending"])
def test_an_end_that_the_decision_does_not_allow_is_found(end):
    assert kinds(with_view("no", end=end)) == {Check.TOLD}


def test_a_name_that_only_holds_a_tag_of_ours_is_foreign():
    """Only what stands at the very end is a tag (F22)."""
    assert EVIDENCE.tag(f"{wire('one')} was here") is None
    assert EVIDENCE.tag(wire("one", namespace="staging.default")) is None
    assert EVIDENCE.tag(wire("one")).key == "one"
