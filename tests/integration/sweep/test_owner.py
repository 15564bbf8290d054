"""The owner decides what the ledger cannot; when it fails, nothing is done."""

import pytest

from astakos_worker.engine.sweep.owner import OwnerError


class Owner:
    """Answers by key (or by serial), and remembers what it was asked."""

    def __init__(self, answers=()):
        self.answers = dict(answers)
        self.asked = []

    def __call__(self, commissions):
        self.asked.append(list(commissions))
        return [self.answers.get(one.key or one.serial, "leave") for one in commissions]


def test_an_owner_settles_what_the_ledger_has_lost(cloud):
    """F35: each as it says; what it leaves stays, also after the quarantine."""
    took, gone, open_ = cloud.orphan("took"), cloud.orphan("gone"), cloud.orphan("open")
    owner = Owner({"took": "accept", "gone": "reject"})
    report = cloud.swept(ask=owner)
    assert (report.counts["accept"], report.counts["reject"], report.counts["leave"]) == (1, 1, 1)
    assert report.rejected == {"owner": 1}
    assert cloud.events("accepted") == [took] and cloud.events("rejected") == [gone]
    assert cloud.pending() == {open_}
    assert cloud.swept(ask=owner).counts == {"leave": 1}
    assert cloud.pending() == {open_}


def test_an_owner_is_told_all_that_is_known(cloud):
    serial = cloud.orphan("server-7/create", text="create a server")
    owner = Owner()
    cloud.sweep(ask=owner)
    [[one]] = owner.asked
    assert (one.service, one.key, one.serial) == ("default", "server-7/create", serial)
    assert one.name == "create a server"
    assert [tuple(p) for p in one.provisions] == [
        (f"user:{cloud.user}", f"project:{cloud.user}", "cyclades.ram", 1),
        (f"project:{cloud.user}", None, "cyclades.ram", 1),
    ]
    assert 0 <= one.age < 60


def test_astakos_is_asked_once_what_the_owner_is_told_of_a_commission(cloud):
    """An owner that leaves a thousand must not cost a thousand requests a minute."""
    cloud.orphan("open", text="create a server")
    owner = Owner()
    cloud.sweep(ask=owner)
    before = cloud.requests("info")
    cloud.sweep(ask=owner)
    assert cloud.requests("info") == before
    first, second = (one for [one] in owner.asked)
    assert (first.name, first.provisions) == (second.name, second.provisions)
    assert second.name == "create a server" and len(second.provisions) == 2


def test_an_owner_is_asked_in_batches(cloud):
    for number in range(5):
        cloud.orphan(f"lost-{number}")
    owner = Owner()
    cloud.sweep(ask=owner, owner_batch=2)
    assert [len(batch) for batch in owner.asked] == [2, 2, 1]


def test_an_owner_is_not_asked_about_what_is_young(cloud):
    """F33: a request may be on its way still."""
    cloud.orphan("young")
    owner = Owner({"young": "reject"})
    assert cloud.swept(ask=owner, grace=3600, quarantine=3600).counts == {"wait": 1}
    assert owner.asked == []


def test_an_owner_is_not_asked_about_a_ghost_whose_key_is_in_use_again(cloud):
    """F71: it would answer for the key's new commission."""
    cloud.record("again", incarnation="ffffffff")
    ghost = cloud.orphan("again")
    owner = Owner({"again": "accept"})
    assert cloud.sweep(ask=owner).rejected == {"ghost": 1}
    assert owner.asked == []
    cloud.carry()
    assert cloud.events("rejected") == [ghost]


@pytest.mark.parametrize(
    ("answer", "state", "counted"),
    [
        ("accept", "accepted", {"accept": 1}),
        ("reject", "rejected", {"expired": 1}),
        ("leave", "pending", {"leave": 1}),
    ],
)
def test_an_owner_is_asked_about_what_is_undecided_past_its_deadline(cloud, answer, state, counted):
    """F37."""
    serial = cloud.held("late", deadline=cloud.ledger.clock.now())
    owner = Owner({"late": answer})
    assert cloud.swept(ask=owner).counts == counted
    [[one]] = owner.asked
    assert (one.key, one.serial, one.name, len(one.provisions)) == ("late", serial, "late", 2)
    assert cloud.entry("late").record.state == state


def test_more_late_ones_than_a_page_are_all_asked_about(cloud):
    """F37: those that the owner leaves are not in the way of the others."""
    now = cloud.ledger.clock.now()
    for number in range(510):
        cloud.record(f"late-{number:03}", deadline=now)
    owner = Owner({"late-509": "reject"})
    report = cloud.sweep(ask=owner)
    assert report.counts == {"leave": 509, "expired": 1}


@pytest.mark.parametrize(
    "broken",
    [
        lambda _: (_ for _ in ()).throw(OwnerError("the database is away")),
        lambda many: ["reject"] * (len(many) + 1),
        lambda many: ["perhaps"] * len(many),
        lambda _: "reject",
        lambda _: None,
        lambda many: [["reject"]] * len(many),
    ],
    ids=["fails", "too many", "no answer", "a string", "nothing", "lists"],
)
def test_an_owner_without_good_answers_leaves_all_and_is_reported(cloud, broken):
    """F35, F37: and a good answer ends the alarm."""
    lost = cloud.orphan("lost"), cloud.orphan("lost too")
    late = cloud.held("late", deadline=cloud.ledger.clock.now())
    report = cloud.swept(ask=broken)
    assert report.counts == {"leave": 3}
    assert "owner" in report.alarms and "owner" in cloud.alarms()
    assert cloud.pending() == {*lost, late}
    cloud.sweep(ask=Owner())
    assert "owner" not in cloud.alarms()


@pytest.mark.parametrize("bad", ["lost-0", "lost-1"])
def test_an_owner_that_fails_at_one_batch_of_two_is_reported(cloud, bad):
    """F35: the other batch's answer, before or after, does not end the alarm."""

    def owner(commissions):
        if commissions[0].key == bad:
            raise OwnerError("the database is away")
        return ["leave"] * len(commissions)

    cloud.orphan("lost-0")
    cloud.orphan("lost-1")
    assert cloud.sweep(ask=owner, owner_batch=1).counts == {"leave": 2}
    assert "the database is away" in cloud.alarms()["owner"]


def test_what_an_owner_rejects_is_under_the_brake(cloud):
    """An owner that has lost its database rejects everything."""
    lost = {cloud.orphan(f"lost-{number}") for number in range(3)}
    report = cloud.swept(ask=lambda many: ["reject"] * len(many), brake_floor=2)
    assert "brake" in cloud.alarms() and report.left == 3
    assert cloud.pending() == lost
