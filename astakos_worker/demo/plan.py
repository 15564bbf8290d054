"""What the pretend service will do: every commission, and what may become of it. Pure.

The same count, seed and places give the same plan. Shares are counts, not chances, so that each
course is taken in every run.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from astakos_worker.demo.proof import Charges, charges

VM, CPU, RAM = "cyclades.vm", "cyclades.cpu", "cyclades.ram"
GIB = 1 << 30


class Course(StrEnum):
    """How the service goes about one commission."""

    ORDINARY = "accepted"
    AT_ONCE = "accepted before its serial was known"
    WITH_ISSUE = "accepted in the call that issued it"
    REJECTED = "rejected"
    CANCELLED = "rejected before its serial was known"
    BEYOND = "beyond the user's quota"
    SCARCE = "from a project that has too little for all"
    HELD = "held for the time of a block"
    HELD_FAILING = "held, and the block failed"
    AUTO_KEYED = "without a key of the service's"
    ABANDONED = "never decided"
    RETURNED = "given back later"


#: Of a thousand commissions so many take each course; the rest are ordinary.
SHARES = {
    Course.AT_ONCE: 100,
    Course.WITH_ISSUE: 60,
    Course.REJECTED: 80,
    Course.CANCELLED: 30,
    Course.BEYOND: 40,
    Course.SCARCE: 40,
    Course.HELD: 40,
    Course.HELD_FAILING: 20,
    Course.AUTO_KEYED: 40,
    Course.ABANDONED: 10,
    Course.RETURNED: 40,
}
#: Of a thousand commissions with a key so many are asked for twice.
TWICE = 80
#: The fewest with which every course is taken.
FEWEST = 40

_NEVER_TWICE = {Course.AUTO_KEYED, Course.ABANDONED, Course.RETURNED}

_ACCEPTED = frozenset({"accepted"})
_GIVEN_UP = frozenset({"rejected", "cancelled"})
#: What may become of a commission, by what the service decided about it.
ENDS: dict[Course, frozenset[str]] = {
    Course.ORDINARY: _ACCEPTED,
    Course.AT_ONCE: _ACCEPTED,
    Course.WITH_ISSUE: _ACCEPTED,
    Course.REJECTED: _GIVEN_UP,
    Course.CANCELLED: _GIVEN_UP,
    Course.BEYOND: frozenset({"refused"}),
    Course.SCARCE: frozenset({"accepted", "refused"}),
    Course.HELD: _ACCEPTED,
    Course.HELD_FAILING: _GIVEN_UP,
    Course.AUTO_KEYED: _ACCEPTED,
    Course.ABANDONED: _GIVEN_UP,
    Course.RETURNED: _ACCEPTED,
}


@dataclass(frozen=True, slots=True)
class Places:
    """Where there is quota: uuids of users, by name, and of projects."""

    plenty: Mapping[str, str]  # users with plenty of everything
    tiny: Mapping[str, str]  # users who may have two machines
    shared: str  # a project with plenty for each of `plenty`
    crowded: str  # a project with ten machines for many, its members in `crowd`
    crowd: Sequence[str]

    @property
    def users(self) -> dict[str, str]:
        """Return `{uuid: name}` of all users."""
        return {uuid: name for name, uuid in (*self.plenty.items(), *self.tiny.items())}


@dataclass(frozen=True, slots=True)
class Intent:
    """One commission that the service wants. `key` is None if one is to be made for it."""

    course: Course
    key: str | None
    user: str
    project: str
    provisions: Mapping[str, int]
    ends: frozenset[str]

    @property
    def charges(self) -> Charges:
        """Return what it takes, of each holding."""
        return charges(self.user, self.project, self.provisions)

    def returned(self) -> "Intent":
        """Return the commission that gives back what this one took."""
        key = f"{str(self.key).removesuffix('/create')}/delete"
        provisions = {resource: -quantity for resource, quantity in self.provisions.items()}
        return Intent(Course.WITH_ISSUE, key, self.user, self.project, provisions, _ACCEPTED)


def plan(count: int, seed: int, places: Places) -> list[Intent]:
    """Return so many commissions in order; those that are asked for twice stand there twice."""
    rng = random.Random(seed)  # noqa: S311  # a plan is no secret
    courses = [course for course, share in SHARES.items() for _ in range(_part(count, share))]
    courses += [Course.ORDINARY] * (count - len(courses))
    rng.shuffle(courses)
    intents = [_intent(rng, n, course, places) for n, course in enumerate(courses, start=1)]
    may = [intent for intent in intents if intent.course not in _NEVER_TWICE]
    again = {intent.key for intent in rng.sample(may, _part(len(may), TWICE))}
    # Side by side, so that two threads have them at the same time.
    return [intent for each in intents for intent in [each] * (1 + (each.key in again))]


def _part(count: int, share: int) -> int:
    return max(1, round(count * share / 1000))


def _intent(rng: random.Random, number: int, course: Course, places: Places) -> Intent:
    user = rng.choice(list(places.plenty.values()))
    project = rng.choice((user, places.shared))
    provisions = {VM: 1, CPU: rng.randint(1, 4), RAM: rng.randint(1, 8) * GIB}
    if course is Course.BEYOND:
        user = project = rng.choice(list(places.tiny.values()))
        provisions = {VM: 3, CPU: 3, RAM: GIB}
    elif course is Course.SCARCE:
        user, project = rng.choice(list(places.crowd)), places.crowded
        provisions = {VM: 1, CPU: 1, RAM: GIB}
    key = None if course is Course.AUTO_KEYED else f"server-{number:04}/create"
    return Intent(course, key, user, project, provisions, ENDS[course])
