"""Holdings and commissions: the exact arithmetic of Astakos, without HTTP, clock or files.

Each rule of the protocol's sections 1.7 and 1.8 stands here and nowhere else. A call either
succeeds completely, or raises an error and changes nothing. Nothing here locks: threads that share
a book must take turns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from astakos_worker.sandbox.errors import (
    InternalFailureError,
    NoCapacityError,
    NoCommissionError,
    NoHoldingError,
    NoQuantityError,
    UnknownNameError,
)

INT64_MAX: Final = 2**63 - 1
LONGEST_NAME: Final = 4096


class HoldingKey(NamedTuple):
    """The key of one counter row; `source` is None for a project's own holding."""

    holder: str
    source: str | None
    resource: str


class Provision(NamedTuple):
    """A signed quantity for one holding: above zero it imports, below zero it releases."""

    holder: str
    source: str | None
    resource: str
    quantity: int

    @property
    def key(self) -> HoldingKey:
        """The key of the holding that this provision charges."""
        return HoldingKey(self.holder, self.source, self.resource)

    def describe(self) -> dict[str, str | int | None]:
        """Return the provision as the API shows it."""
        return self._asdict()


@dataclass(slots=True)
class Holding:
    """One counter row: the limit, and the least and the most that is in use.

    `usage_min` counts as if all pending imports were rejected and all pending releases accepted,
    `usage_max` the other way round (the protocol, section 1.4).
    """

    limit: int
    usage_min: int = 0
    usage_max: int = 0


@dataclass(frozen=True, slots=True)
class Commission:
    """An all-or-nothing set of merged provisions, known by its serial."""

    serial: int
    component: str
    name: str
    issue_time: datetime
    provisions: tuple[Provision, ...]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The result of a batch: the commissions resolved, and the serials that were not."""

    accepted: tuple[Commission, ...]
    rejected: tuple[Commission, ...]
    not_found: tuple[int, ...]
    conflicting: tuple[int, ...]


def merge(provisions: Iterable[Provision]) -> tuple[Provision, ...]:
    """Sum the quantities of each holding, in the order of first appearance."""
    sums: dict[HoldingKey, int] = {}
    for provision in provisions:
        key = provision.key
        sums[key] = sums.get(key, 0) + provision.quantity
    return tuple(Provision(*key, quantity) for key, quantity in sums.items())


def member_holding(user: str, project: str, resource: str) -> HoldingKey:
    """Return the key of the holding that counts what a user has taken from a project."""
    return HoldingKey(f"user:{user}", f"project:{project}", resource)


def project_holding(project: str, resource: str) -> HoldingKey:
    """Return the key of the holding that counts what all members together have taken."""
    return HoldingKey(f"project:{project}", None, resource)


class QuotaBook:
    """All holdings and all pending commissions."""

    def __init__(self) -> None:
        self.holdings: dict[HoldingKey, Holding] = {}
        self.commissions: dict[int, Commission] = {}
        self.next_serial = 1
        self._serials: dict[str, dict[int, None]] = {}

    def set_limit(self, key: HoldingKey, limit: int) -> None:
        """Set the limit of a holding, and make the holding if it is not there; usage stays."""
        holding = self.holdings.get(key)
        if holding is None:
            self.holdings[key] = Holding(limit)
        else:
            holding.limit = limit

    def change_limit(self, key: HoldingKey, limit: int) -> None:
        """Set the limit of a holding; raises `UnknownNameError` if it is not there."""
        if key not in self.holdings:
            raise UnknownNameError(
                f"there is no holding {tuple(key)}; GET /_control/holdings lists those there are"
            )
        self.set_limit(key, limit)

    def issue(
        self,
        component: str,
        provisions: Sequence[Provision],
        *,
        at: datetime,
        name: str = "",
        force: bool = False,
        auto_accept: bool = False,
    ) -> Commission:
        """Reserve all provisions and return the commission, or raise and change nothing.

        Provisions of one holding are merged, and checked in the order in which the holdings first
        appear. `force` lifts the limits; `auto_accept` accepts the commission at once.

        Raises:
            NoHoldingError, NoCapacityError, NoQuantityError: refused.
            InternalFailureError: the real server would answer 500.

        """
        merged = merge(provisions)
        after: list[tuple[Holding, int, int]] = []
        for provision in merged:
            asked = {"provision": provision.describe()}
            holding = self.holdings.get(provision.key)
            if holding is None:
                raise NoHoldingError(asked)
            usage_min, usage_max = holding.usage_min, holding.usage_max
            quantity = provision.quantity
            if quantity < 0:
                # `force` lifts limits only: unconfirmed usage cannot be released.
                if usage_min + quantity < 0:
                    raise NoQuantityError({"limit": 0, "usage": usage_min, **asked})
                usage_min += quantity
            else:
                if not force and usage_max + quantity > holding.limit:
                    raise NoCapacityError({"limit": holding.limit, "usage": usage_max, **asked})
                usage_max += quantity
            after.append((holding, usage_min, usage_max))
        # The real server notices these when it writes, after it has checked all provisions.
        if any(usage_max > INT64_MAX for _, _, usage_max in after) or not is_storable(name):
            raise InternalFailureError
        for holding, usage_min, usage_max in after:
            holding.usage_min, holding.usage_max = usage_min, usage_max
        commission = Commission(self.next_serial, component, name, at, merged)
        self.record(commission)
        if auto_accept:
            self._finish(commission, accept=True)
        return commission

    def record(self, commission: Commission) -> None:
        """Enter a commission whose provisions are already in the counters."""
        self.next_serial = max(self.next_serial, commission.serial + 1)
        self.commissions[commission.serial] = commission
        self._serials.setdefault(commission.component, {})[commission.serial] = None

    def pending(self, component: str) -> list[int]:
        """Return the pending serials of a component, ascending."""
        return sorted(self._serials.get(component, ()))

    def find(self, component: str, serial: int) -> Commission:
        """Return the pending commission of that serial.

        Raises `NoCommissionError` if it is not pending, or another component's.
        """
        commission = self.commissions.get(serial)
        if commission is None or commission.component != component:
            raise NoCommissionError
        return commission

    def resolve(self, component: str, serial: int, *, accept: bool) -> Commission:
        """Accept or reject one commission; raises as `find` does, or `InternalFailureError`."""
        commission = self.find(component, serial)
        self._require_holdings((commission,))
        self._finish(commission, accept=accept)
        return commission

    def resolve_many(
        self, component: str, accept: Iterable[int], reject: Iterable[int]
    ) -> Resolution:
        """Accept and reject many at once; a serial in both lists is left as it is.

        Raises `InternalFailureError`, with nothing done at all, if one of them draws on a
        holding that has disappeared.
        """
        to_accept, to_reject = dict.fromkeys(accept), dict.fromkeys(reject)
        conflicting = tuple(serial for serial in to_accept if serial in to_reject)
        not_found: list[int] = []
        chosen: dict[bool, list[Commission]] = {True: [], False: []}
        for accepting, serials in ((True, to_accept), (False, to_reject)):
            for serial in serials:
                if serial in to_accept and serial in to_reject:
                    continue
                try:
                    chosen[accepting].append(self.find(component, serial))
                except NoCommissionError:
                    not_found.append(serial)
        self._require_holdings(chosen[True] + chosen[False])
        for accepting, commissions in chosen.items():
            for commission in commissions:
                self._finish(commission, accept=accepting)
        return Resolution(tuple(chosen[True]), tuple(chosen[False]), tuple(not_found), conflicting)

    def holders(self, component: str, serials: Iterable[int]) -> frozenset[str]:
        """Return the holders whose rows the real server locks while it resolves these serials."""
        own = self._serials.get(component, {})
        return frozenset(
            provision.holder
            for serial in serials
            if serial in own
            for provision in self.commissions[serial].provisions
        )

    def _require_holdings(self, commissions: Iterable[Commission]) -> None:
        for commission in commissions:
            for provision in commission.provisions:
                if provision.key not in self.holdings:
                    raise InternalFailureError

    def _finish(self, commission: Commission, *, accept: bool) -> None:
        for provision in commission.provisions:
            holding = self.holdings[provision.key]
            quantity = provision.quantity
            # An import moved usage_max when it was issued, a release usage_min. Accepting moves
            # the other counter after it. Rejecting moves the same counter back.
            if accept == (quantity >= 0):
                holding.usage_min += quantity if accept else -quantity
            else:
                holding.usage_max += quantity if accept else -quantity
        del self.commissions[commission.serial]
        del self._serials[commission.component][commission.serial]


def is_storable(name: str) -> bool:
    """Return whether the real server's database can hold this name of a commission."""
    if len(name) > LONGEST_NAME or "\0" in name:
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
