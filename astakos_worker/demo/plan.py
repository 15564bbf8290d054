"""The plan of the pretend service: every commission, and how each may end. Pure.

The same count, seed and accounts give the same plan. Each behaviour has a fixed share of the
commissions, so every behaviour happens in every run.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from astakos_worker.demo.proof import Charges, charges

VM, CPU, RAM = "cyclades.vm", "cyclades.cpu", "cyclades.ram"
GIB = 1 << 30


class Behaviour(StrEnum):
    """What the service does with one commission."""

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


#: How many of a thousand commissions have each behaviour; the rest are ordinary.
SHARES = {
    Behaviour.AT_ONCE: 100,
    Behaviour.WITH_ISSUE: 60,
    Behaviour.REJECTED: 80,
    Behaviour.CANCELLED: 30,
    Behaviour.BEYOND: 40,
    Behaviour.SCARCE: 40,
    Behaviour.HELD: 40,
    Behaviour.HELD_FAILING: 20,
    Behaviour.AUTO_KEYED: 40,
    Behaviour.ABANDONED: 10,
    Behaviour.RETURNED: 40,
}
#: How many of a thousand commissions with a key are issued twice.
TWICE = 80
#: The smallest number of commissions with which every behaviour happens.
FEWEST = 40

_NEVER_TWICE = {Behaviour.AUTO_KEYED, Behaviour.ABANDONED, Behaviour.RETURNED}

_ACCEPTED = frozenset({"accepted"})
_GIVEN_UP = frozenset({"rejected", "cancelled"})
#: How a commission may end, by its behaviour.
ENDS: dict[Behaviour, frozenset[str]] = {
    Behaviour.ORDINARY: _ACCEPTED,
    Behaviour.AT_ONCE: _ACCEPTED,
    Behaviour.WITH_ISSUE: _ACCEPTED,
    Behaviour.REJECTED: _GIVEN_UP,
    Behaviour.CANCELLED: _GIVEN_UP,
    Behaviour.BEYOND: frozenset({"refused"}),
    Behaviour.SCARCE: frozenset({"accepted", "refused"}),
    Behaviour.HELD: _ACCEPTED,
    Behaviour.HELD_FAILING: _GIVEN_UP,
    Behaviour.AUTO_KEYED: _ACCEPTED,
    Behaviour.ABANDONED: _GIVEN_UP,
    Behaviour.RETURNED: _ACCEPTED,
}


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that the plan uses: uuids of users, by name, and of projects."""

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
class PlannedCommission:
    """One commission that the service wants. If `key` is None, `issue()` makes the key."""

    behaviour: Behaviour
    key: str | None
    user: str
    project: str
    provisions: Mapping[str, int]
    ends: frozenset[str]

    @property
    def charges(self) -> Charges:
        """Return the quantity that the commission takes of each holding."""
        return charges(self.user, self.project, self.provisions)

    def returned(self) -> "PlannedCommission":
        """Return the commission that gives back the quota of this one."""
        key = f"{str(self.key).removesuffix('/create')}/delete"
        provisions = {resource: -quantity for resource, quantity in self.provisions.items()}
        return PlannedCommission(
            Behaviour.WITH_ISSUE, key, self.user, self.project, provisions, _ACCEPTED
        )


def plan(count: int, seed: int, accounts: Accounts) -> list[PlannedCommission]:
    """Return `count` commissions in order. A commission that is issued twice is in it twice."""
    rng = random.Random(seed)  # noqa: S311  # a plan is no secret
    behaviours = [
        behaviour for behaviour, share in SHARES.items() for _ in range(_part(count, share))
    ]
    behaviours += [Behaviour.ORDINARY] * (count - len(behaviours))
    rng.shuffle(behaviours)
    planned_commissions = [
        _planned(rng, n, behaviour, accounts) for n, behaviour in enumerate(behaviours, start=1)
    ]
    may = [planned for planned in planned_commissions if planned.behaviour not in _NEVER_TWICE]
    again = {planned.key for planned in rng.sample(may, _part(len(may), TWICE))}
    # One directly after the other, so that two threads issue the same commission at once.
    return [
        planned for each in planned_commissions for planned in [each] * (1 + (each.key in again))
    ]


def _part(count: int, share: int) -> int:
    return max(1, round(count * share / 1000))


def _planned(
    rng: random.Random, number: int, behaviour: Behaviour, accounts: Accounts
) -> PlannedCommission:
    user = rng.choice(list(accounts.plenty.values()))
    project = rng.choice((user, accounts.shared))
    provisions = {VM: 1, CPU: rng.randint(1, 4), RAM: rng.randint(1, 8) * GIB}
    if behaviour is Behaviour.BEYOND:
        user = project = rng.choice(list(accounts.tiny.values()))
        provisions = {VM: 3, CPU: 3, RAM: GIB}
    elif behaviour is Behaviour.SCARCE:
        user, project = rng.choice(list(accounts.crowd)), accounts.crowded
        provisions = {VM: 1, CPU: 1, RAM: GIB}
    key = None if behaviour is Behaviour.AUTO_KEYED else f"server-{number:04}/create"
    return PlannedCommission(behaviour, key, user, project, provisions, ENDS[behaviour])
