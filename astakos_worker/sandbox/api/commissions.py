"""Commissions: list, issue, look at, resolve (the protocol, section 3.10)."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from astakos_worker.sandbox.errors import (
    ApiFaultError,
    InternalFailureError,
    NoCommissionError,
    NoHoldingError,
    QuotaRefusalError,
)
from astakos_worker.sandbox.operation import ComponentOperation, Load, Work
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.quota import Provision
from astakos_worker.sandbox.wire import (
    Reply,
    Request,
    fault_body,
    fault_name,
    reply_json,
)

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import Component

# More digits than the largest serial has.
_MOST_DIGITS: Final = 19


@dataclass(frozen=True, slots=True)
class ListPending(ComponentOperation):
    """`GET commissions`: the serials that the component has pending."""

    name: ClassVar[str] = "commissions.list"
    component: str

    @classmethod
    def parse(cls, component: Component, request: Request) -> Self:  # noqa: ARG003 # no body
        """Nothing but the component matters."""
        return cls(component.name)

    def perform(self, astakos: Astakos) -> Reply:
        """A list of bare serials."""
        serials = astakos.world.book.pending(self.component)
        if Quirk.UNSORTED_LIST in astakos.quirks:
            # Seeded, so that a test that fails can be run again.
            random.Random(len(serials)).shuffle(serials)  # noqa: S311 # no secret
        return reply_json(serials)


@dataclass(frozen=True, slots=True)
class Issue(ComponentOperation):
    """`POST commissions`: reserve all provisions or none."""

    name: ClassVar[str] = "commissions.issue"
    component: str
    provisions: tuple[Provision, ...]
    label: str
    force: bool
    auto_accept: bool

    @classmethod
    def parse(cls, component: Component, request: Request) -> Self:
        """Check the types of everything, in the order that the protocol lists."""
        body = request.json_object()
        provisions = body.get("provisions")
        if not isinstance(provisions, list):
            raise ApiFaultError(400, "provisions must be a list")
        parsed = tuple(_provision(element, request.quirks) for element in provisions)
        force, auto_accept = body.get("force", False), body.get("auto_accept", False)
        name = body.get("name", "")
        if not isinstance(force, bool):
            raise ApiFaultError(400, "force must be a boolean")
        if not isinstance(auto_accept, bool):
            raise ApiFaultError(400, "auto_accept must be a boolean")
        if not isinstance(name, str):
            raise ApiFaultError(400, "name must be a string")
        # The names of a holding are only looked up: null, a number or a boolean names none and is
        # a 404 later. By a list or an object the real server cannot look up anything.
        if any(isinstance(part, list | dict) for each in parsed for part in each.key):
            raise ApiFaultError(500, "Unexpected error")
        return cls(component.name, parsed, name, force, auto_accept)

    def load(self, astakos: Astakos) -> Load:  # noqa: ARG002 # the request tells it all
        """It locks the rows of every holder that it names."""
        work = Work.ISSUE_AND_ACCEPT if self.auto_accept else Work.ISSUE
        return Load(work, 1, frozenset(provision.holder for provision in self.provisions))

    def perform(self, astakos: Astakos) -> Reply:
        """The new serial, or which provision is refused and why."""
        try:
            commission = astakos.issue(
                self.component,
                self.provisions,
                name=self.label,
                force=self.force,
                auto_accept=self.auto_accept,
            )
        except QuotaRefusalError as refusal:
            status = 404 if isinstance(refusal, NoHoldingError) else 413
            data = refusal.data
            if Quirk.STALE_ERROR_DATA in astakos.quirks:
                astakos.shared_error_data.update(data)
                data = astakos.shared_error_data
            raise ApiFaultError(status, refusal.message, data=data) from refusal
        except InternalFailureError as failure:
            raise ApiFaultError(500, "Unexpected error") from failure
        return reply_json({"serial": commission.serial}, 201)


@dataclass(frozen=True, slots=True)
class Info(ComponentOperation):
    """`GET commissions/<serial>`: what a pending commission holds."""

    name: ClassVar[str] = "commissions.info"
    component: str
    serial: int

    @classmethod
    def parse(cls, component: Component, request: Request) -> Self:
        """The path names the serial."""
        return cls(component.name, _serial(request.argument))

    def perform(self, astakos: Astakos) -> Reply:
        """The commission, with its provisions merged."""
        try:
            commission = astakos.world.book.find(self.component, self.serial)
        except NoCommissionError as cause:
            raise _not_found() from cause
        return reply_json(
            {
                "serial": commission.serial,
                "issue_time": astakos.time(commission.issue_time),
                "name": commission.name,
                "provisions": [provision.describe() for provision in commission.provisions],
            }
        )


@dataclass(frozen=True, slots=True)
class Act(ComponentOperation):
    """`POST commissions/<serial>/action`: accept or reject one."""

    name: ClassVar[str] = "commissions.action"
    component: str
    serial: int
    accept: bool

    @classmethod
    def parse(cls, component: Component, request: Request) -> Self:
        """The body has one of two keys; its value means nothing, not even `false`."""
        body = request.json_object()
        accept, reject = "accept" in body, "reject" in body
        if accept == reject:
            raise ApiFaultError(400, "Give either accept or reject")
        return cls(component.name, _serial(request.argument), accept)

    def load(self, astakos: Astakos) -> Load:
        """It locks the rows of the commission's holders."""
        holders = astakos.world.book.holders(self.component, (self.serial,))
        return Load(Work.RESOLVE, 1, holders)

    def perform(self, astakos: Astakos) -> Reply:
        """An empty answer, whatever was asked."""
        try:
            astakos.resolve(self.component, self.serial, accept=self.accept)
        except NoCommissionError as cause:
            raise _not_found() from cause
        except InternalFailureError as failure:
            raise ApiFaultError(500, "Unexpected error") from failure
        return Reply(200)


@dataclass(frozen=True, slots=True)
class ActOnMany(ComponentOperation):
    """`POST commissions/action`: accept some and reject others, in one transaction."""

    name: ClassVar[str] = "commissions.batch"
    component: str
    accept: tuple[int, ...]
    reject: tuple[int, ...]

    @classmethod
    def parse(cls, component: Component, request: Request) -> Self:
        """Two lists of serials, each of which may be missing."""
        body = request.json_object()
        return cls(component.name, _serials(body, "accept"), _serials(body, "reject"))

    def load(self, astakos: Astakos) -> Load:
        """It locks the rows of the holders of all, until the last is done."""
        serials = {*self.accept, *self.reject}
        holders = astakos.world.book.holders(self.component, serials)
        return Load(Work.RESOLVE, len(serials), holders)

    def perform(self, astakos: Astakos) -> Reply:
        """What was accepted, rejected, and failed; a 200 even if everything failed."""
        toggled: frozenset[int] = frozenset()
        if Quirk.REJECT_TOGGLE in astakos.quirks:
            times = Counter(self.reject)
            toggled = frozenset(serial for serial in self.accept if times[serial] > 1)
        accept = [serial for serial in self.accept if serial not in toggled]
        try:
            done = astakos.resolve_many(self.component, accept, self.reject)
        except InternalFailureError as failure:
            raise ApiFaultError(500, "Unexpected error") from failure
        failed = [_failure(serial, 404, "There is no such commission") for serial in done.not_found]
        failed += [
            _failure(serial, 400, "It is both to be accepted and to be rejected")
            for serial in (*done.conflicting, *sorted(toggled))
        ]
        return reply_json(
            {
                "accepted": [commission.serial for commission in done.accepted],
                "rejected": [commission.serial for commission in done.rejected],
                "failed": failed,
            }
        )


def _not_found() -> ApiFaultError:
    """The single-commission calls answer a 404 with nothing in it."""
    return ApiFaultError(404, None)


def _provision(element: object, quirks: frozenset[Quirk]) -> Provision:
    if not isinstance(element, dict):
        raise ApiFaultError(400, "A provision must be an object")
    try:
        holder, source = element["holder"], element["source"]
        resource, quantity = element["resource"], element["quantity"]
    except KeyError as missing:
        raise ApiFaultError(400, f"A provision lacks {missing}") from missing
    if quantity is True and Quirk.BOOLEAN_QUANTITY in quirks:
        quantity = 1
    if type(quantity) is not int:
        raise ApiFaultError(400, "The quantity of a provision must be an integer")
    return Provision(holder, source, resource, quantity)


def _serial(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise _not_found()
    return int(digits)


def _serials(body: dict[str, object], key: str) -> tuple[int, ...]:
    serials = body.get(key, [])
    if not isinstance(serials, list) or any(type(serial) is not int for serial in serials):
        raise ApiFaultError(400, f"{key} must be a list of integers")
    return tuple(serials)


def _failure(serial: int, status: int, message: str) -> tuple[int, dict[str, object]]:
    return serial, {fault_name(status): fault_body(status, message)}
