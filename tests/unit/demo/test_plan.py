"""The plan has every course in it, and is the same for the same seed."""

import itertools
from collections import Counter

import pytest

from astakos_worker.demo.plan import ENDS, FEWEST, SHARES, Accounts, Behaviour, plan

ACCOUNTS = Accounts(
    plenty={f"user{n}": f"uuid-{n}" for n in range(5)},
    tiny={"tiny1": "uuid-tiny"},
    shared="shared",
    crowded="crowded",
    crowd=("uuid-1", "uuid-tiny"),
)


@pytest.mark.parametrize("count", [FEWEST, 100, 1200])
def test_every_course_is_taken_and_some_keys_stand_there_twice(count):
    planned_commissions = plan(count, 1, ACCOUNTS)
    keys = Counter(planned.key for planned in planned_commissions if planned.key)
    autos = sum(planned.key is None for planned in planned_commissions)
    assert {planned.behaviour for planned in planned_commissions} == set(Behaviour)
    assert set(keys.values()) == {1, 2}
    assert len(keys) + autos == count


def test_most_are_accepted():
    planned_commissions = plan(1000, 1, ACCOUNTS)
    ends = Counter(ENDS[planned.behaviour] for planned in planned_commissions)
    assert ends[frozenset({"accepted"})] > 700
    assert sum(SHARES.values()) < 1000


def test_the_second_of_a_pair_is_the_first_again():
    planned_commissions = plan(1000, 1, ACCOUNTS)
    pairs = [(a, b) for a, b in itertools.pairwise(planned_commissions) if a.key and a.key == b.key]
    assert len(pairs) > 50
    assert all(a is b for a, b in pairs)


def test_a_plan_is_the_same_for_the_same_seed_alone():
    assert plan(100, 1, ACCOUNTS) == plan(100, 1, ACCOUNTS)
    assert plan(100, 1, ACCOUNTS) != plan(100, 2, ACCOUNTS)


def test_only_who_has_little_asks_for_too_much():
    for planned in plan(1000, 1, ACCOUNTS):
        may_be_refused = "refused" in planned.ends
        assert may_be_refused == (planned.behaviour in {Behaviour.BEYOND, Behaviour.SCARCE})
        if planned.behaviour is Behaviour.BEYOND:
            assert planned.user == planned.project == "uuid-tiny"
        elif planned.behaviour is not Behaviour.SCARCE:
            assert planned.user in ACCOUNTS.plenty.values()


def test_what_is_given_back_is_what_was_taken():
    [planned, *_] = [i for i in plan(100, 1, ACCOUNTS) if i.behaviour is Behaviour.RETURNED]
    back = planned.returned()
    assert {h: -n for h, n in back.charges.items()} == planned.charges
    assert back.key == planned.key.replace("/create", "/delete")


def test_each_resource_is_charged_to_the_member_and_to_the_project():
    [planned, *_] = plan(100, 1, ACCOUNTS)
    assert len(planned.charges) == 2 * len(planned.provisions)
    for resource, quantity in planned.provisions.items():
        member = (f"user:{planned.user}", f"project:{planned.project}", resource)
        assert planned.charges[member] == quantity
        assert planned.charges[f"project:{planned.project}", None, resource] == quantity
