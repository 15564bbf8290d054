"""Commissions: list, issue, look at, resolve (the protocol, section 3.10)."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

from astakos_worker.sandbox.api.endpoint import ApiCall, ApiWork, Load, WorkKind, replies
from astakos_worker.sandbox.api_messages import Reply, fault_body, fault_name, reply_json
from astakos_worker.sandbox.database_rows import Component
from astakos_worker.sandbox.errors import (
    ApiFaultError,
    InternalFailureError,
    NoCommissionError,
    QuotaRefusalError,
)
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.quota import Provision

ByComponent = ApiCall[Component]


@replies
def list_pending(call: ByComponent) -> Reply:
    """`GET commissions`: the serials that the component has pending."""
    serials = call.database.book.pending(call.caller.name)
    if Quirk.UNSORTED_LIST in call.astakos.quirks:
        # Seeded, so that a test that fails can be run again.
        random.Random(len(serials)).shuffle(serials)  # noqa: S311 # no secret
    return reply_json(serials)


def issue(call: ByComponent) -> ApiWork:
    """`POST commissions`: reserve all provisions or none.

    The types of all values are checked in the order that the protocol lists.
    """
    body = call.request.json_object()
    elements = body.get("provisions")
    if not isinstance(elements, list):
        raise ApiFaultError(400, "provisions must be a list")
    provisions = tuple(_provision(element, call.astakos.quirks) for element in elements)
    force, auto_accept = body.get("force", False), body.get("auto_accept", False)
    name = body.get("name", "")
    if not isinstance(force, bool):
        raise ApiFaultError(400, "force must be a boolean")
    if not isinstance(auto_accept, bool):
        raise ApiFaultError(400, "auto_accept must be a boolean")
    if not isinstance(name, str):
        raise ApiFaultError(400, "name must be a string")
    # The names of a holding are only looked up: null, a number or a boolean names none and is a
    # 404 later. By a list or an object the real server cannot look up anything.
    if any(isinstance(part, list | dict) for each in provisions for part in each.key):
        raise InternalFailureError

    def perform() -> Reply:
        try:
            commission = call.astakos.issue(
                call.caller.name, provisions, name=name, force=force, auto_accept=auto_accept
            )
        except QuotaRefusalError as refusal:
            if Quirk.STALE_ERROR_DATA not in call.astakos.quirks:
                raise
            stale = call.astakos.shared_error_data
            stale.update(refusal.data)
            raise ApiFaultError(refusal.status, refusal.message, data=stale) from refusal
        return reply_json({"serial": commission.serial}, 201)

    kind = WorkKind.ISSUE_AND_ACCEPT if auto_accept else WorkKind.ISSUE
    holders = frozenset(provision.holder for provision in provisions)
    return ApiWork(perform, Load(kind, 1, holders), provisions)


@replies
def show(call: ByComponent) -> Reply:
    """`GET commissions/<serial>`: a pending commission, with its provisions merged."""
    commission = call.database.book.find(call.caller.name, _serial(call))
    return reply_json(
        {
            "serial": commission.serial,
            "issue_time": call.astakos.time(commission.issue_time),
            "name": commission.name,
            "provisions": [provision.describe() for provision in commission.provisions],
        }
    )


def act(call: ByComponent) -> ApiWork:
    """`POST commissions/<serial>/action`: accept or reject one.

    The body has one of two keys; its value means nothing, not even `false`.
    """
    body = call.request.json_object()
    accept = "accept" in body
    if accept == ("reject" in body):
        raise ApiFaultError(400, "Give either accept or reject")
    serial = _serial(call)

    def perform() -> Reply:
        call.astakos.resolve(call.caller.name, serial, accept=accept)
        return Reply(200)

    return _resolving(call, (serial,), perform)


def act_on_many(call: ByComponent) -> ApiWork:
    """`POST commissions/action`: accept some and reject others, in one transaction.

    The reply tells what was accepted, rejected, and failed; it is a 200 even if everything failed.
    """
    body = call.request.json_object()
    accept, reject = _serials(body, "accept"), _serials(body, "reject")
    toggled: list[int] = []
    if Quirk.REJECT_TOGGLE in call.astakos.quirks:
        times = Counter(reject)
        toggled = sorted({serial for serial in accept if times[serial] > 1})
        accept = [serial for serial in accept if serial not in toggled]

    def perform() -> Reply:
        done = call.astakos.resolve_many(call.caller.name, accept, reject)
        failed = partial(_failure, status=404, message="There is no such commission")
        both = partial(_failure, status=400, message="It is both to be accepted and rejected")
        return reply_json(
            {
                "accepted": [commission.serial for commission in done.accepted],
                "rejected": [commission.serial for commission in done.rejected],
                "failed": [*map(failed, done.not_found), *map(both, (*done.conflicting, *toggled))],
            }
        )

    return _resolving(call, {*accept, *reject}, perform)


def _resolving(call: ByComponent, serials: Iterable[int], perform: Callable[[], Reply]) -> ApiWork:
    """Work on serials: it locks the rows of all their holders until the last is done."""
    serials = tuple(serials)
    holders = call.database.book.holders(call.caller.name, serials)
    return ApiWork(perform, Load(WorkKind.RESOLVE, len(serials), holders))


def _provision(element: object, quirks: frozenset[Quirk]) -> Provision:
    if not isinstance(element, dict):
        raise ApiFaultError(400, "A provision must be an object")
    try:
        holder, source, resource, quantity = (element[name] for name in Provision._fields)
    except KeyError as missing:
        raise ApiFaultError(400, f"A provision lacks {missing}") from missing
    if quantity is True and Quirk.BOOLEAN_QUANTITY in quirks:
        quantity = 1
    if type(quantity) is not int:
        raise ApiFaultError(400, "The quantity of a provision must be an integer")
    return Provision(holder, source, resource, quantity)


def _serial(call: ByComponent) -> int:
    if call.number is None:
        raise NoCommissionError
    return call.number


def _serials(body: dict[str, object], key: str) -> list[int]:
    serials = body.get(key, [])
    if not isinstance(serials, list) or any(type(serial) is not int for serial in serials):
        raise ApiFaultError(400, f"{key} must be a list of integers")
    return serials


def _failure(serial: int, status: int, message: str) -> tuple[int, dict[str, object]]:
    return serial, {fault_name(status): fault_body(status, message)}
