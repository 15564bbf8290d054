"""The plan has every course in it, and is the same for the same seed."""

import itertools
from collections import Counter

import pytest

from astakos_worker.demo.plan import ENDS, FEWEST, SHARES, Course, Places, plan

PLACES = Places(
    plenty={f"user{n}": f"uuid-{n}" for n in range(5)},
    tiny={"tiny1": "uuid-tiny"},
    shared="shared",
    crowded="crowded",
    crowd=("uuid-1", "uuid-tiny"),
)


@pytest.mark.parametrize("count", [FEWEST, 100, 1200])
def test_every_course_is_taken_and_some_keys_stand_there_twice(count):
    intents = plan(count, 1, PLACES)
    keys = Counter(intent.key for intent in intents if intent.key)
    autos = sum(intent.key is None for intent in intents)
    assert {intent.course for intent in intents} == set(Course)
    assert set(keys.values()) == {1, 2}
    assert len(keys) + autos == count


def test_most_are_accepted():
    intents = plan(1000, 1, PLACES)
    ends = Counter(ENDS[intent.course] for intent in intents)
    assert ends[frozenset({"accepted"})] > 700
    assert sum(SHARES.values()) < 1000


def test_the_second_of_a_pair_is_the_first_again():
    intents = plan(1000, 1, PLACES)
    pairs = [(a, b) for a, b in itertools.pairwise(intents) if a.key and a.key == b.key]
    assert len(pairs) > 50
    assert all(a is b for a, b in pairs)


def test_a_plan_is_the_same_for_the_same_seed_alone():
    assert plan(100, 1, PLACES) == plan(100, 1, PLACES)
    assert plan(100, 1, PLACES) != plan(100, 2, PLACES)


def test_only_who_has_little_asks_for_too_much():
    for intent in plan(1000, 1, PLACES):
        may_be_refused = "refused" in intent.ends
        assert may_be_refused == (intent.course in {Course.BEYOND, Course.SCARCE})
        if intent.course is Course.BEYOND:
            assert intent.user == intent.project == "uuid-tiny"
        elif intent.course is not Course.SCARCE:
            assert intent.user in PLACES.plenty.values()


def test_what_is_given_back_is_what_was_taken():
    [intent, *_] = [i for i in plan(100, 1, PLACES) if i.course is Course.RETURNED]
    back = intent.returned()
    assert {h: -n for h, n in back.charges.items()} == intent.charges
    assert back.key == intent.key.replace("/create", "/delete")


def test_each_resource_is_charged_to_the_member_and_to_the_project():
    [intent, *_] = plan(100, 1, PLACES)
    assert len(intent.charges) == 2 * len(intent.provisions)
    for resource, quantity in intent.provisions.items():
        member = (f"user:{intent.user}", f"project:{intent.project}", resource)
        assert intent.charges[member] == quantity
        assert intent.charges[f"project:{intent.project}", None, resource] == quantity
