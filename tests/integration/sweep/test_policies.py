"""What an operator may have done differently, and what no policy does."""

import pytest


def test_foreign_commissions_are_reported_and_no_more(cloud):
    """F34: however old."""
    foreign = cloud.put("somebody else's")
    report, [finding] = cloud.findings()
    assert report.counts == {"foreign": 1}
    assert (finding.action, finding.serial, finding.done) == ("foreign", foreign, False)
    cloud.carry()
    assert cloud.pending() == {foreign}


def test_foreign_commissions_are_rejected_where_the_policy_says_so(cloud):
    """F34: after the quarantine, and never those of another ledger (F70)."""
    untagged, other = cloud.put("nobody's"), cloud.beside("staging").orphan("theirs")
    assert cloud.swept(foreign="reject", quarantine=3600).counts == {"foreign": 2}
    assert cloud.pending() == {untagged, other}
    assert cloud.swept(foreign="reject").rejected == {"foreign": 1}
    assert cloud.pending() == {other}


def test_an_owner_may_know_foreign_commissions(cloud):
    """F34: a service's own client issued them; those of another ledger it is not asked about."""
    mine, other = cloud.put("by our old client"), cloud.beside("staging").orphan("theirs")
    asked = []

    def owner(commissions):
        asked.extend(commissions)
        return ["accept"] * len(commissions)

    assert cloud.swept(ask=owner).counts == {"foreign": 2}
    assert asked == []
    report = cloud.swept(ask=owner, foreign="owner")
    assert report.counts == {"accept": 1, "foreign": 1}
    assert [(one.key, one.serial, one.name) for one in asked] == [(None, mine, "by our old client")]
    assert cloud.events("accepted") == [mine]
    assert cloud.pending() == {other}


def test_orphans_may_be_reported_only(cloud):
    """F35, F71."""
    cloud.record("again", incarnation="ffffffff")
    orphans = {cloud.orphan("lost"), cloud.orphan("again")}
    assert cloud.swept(orphans="report").counts == {"leave": 2}
    assert cloud.pending() >= orphans
    assert cloud.swept().rejected == {"orphan": 1, "ghost": 1}
    assert not cloud.pending() & orphans


def test_what_is_undecided_past_its_deadline_may_be_reported_only(cloud):
    """F37."""
    late = cloud.held("late", deadline=cloud.ledger.clock.now())
    assert cloud.swept(undecided="report").counts == {"leave": 1}
    assert cloud.pending() == {late}
    assert cloud.swept().counts == {"expired": 1}
    assert cloud.entry("late").record.decision.reason == "expired"
    assert cloud.pending() == set()


def test_what_is_undecided_and_not_late_is_left_alone_whatever_its_age(cloud):
    """F38."""
    live = {cloud.held("live"), cloud.held("later", deadline=cloud.ledger.clock.now() + 600)}
    cloud.control.advance_clock(10**7)
    for _ in range(2):
        assert cloud.swept(foreign="reject").counts == {}
    assert cloud.pending() == live


@pytest.mark.parametrize("state", ["refused", "cancelled"])
def test_a_commission_of_a_key_that_never_was_issued_is_rejected(cloud, state):
    """F36, F43: pending there, refused or cancelled here."""
    entry = cloud.record("never", decision=None)
    from astakos_worker.ledger.contract import Write
    from astakos_worker.ledger.events import Decided, Marked, Refused
    from astakos_worker.ledger.record import Decision
    from astakos_worker.ledger.states import transition

    now = cloud.ledger.clock.now()
    if state == "refused":
        record = transition(entry.record, Marked(now + 1, now + 2), now)
        record = transition(record, Refused(1, {"class": "QuotaLimit"}), now)
    else:
        record = transition(entry.record, Decided(Decision("reject", "", now)), now)
    [written] = cloud.ledger.cas([Write(record, entry.version)])
    assert written.done and record.state == state
    ghost = cloud.put(f"never {record.tag('default.default')}")
    assert cloud.swept().counts == {"twin": 1}
    assert cloud.events("rejected") == [ghost]
    assert cloud.entry("never").record.state == state
