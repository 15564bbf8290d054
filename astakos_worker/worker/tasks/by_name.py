"""Whole requests by name, from Celery programs that have no part of this package.

The record is made here, so such a message is only as safe as the broker until then. A refusal
is a result, not an exception: Flower shows it, and Celery tries nothing again. Only a message
that meets no ledger is tried again, since nobody else would.
"""

import random
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery, Task, current_task

from astakos_worker.configuration import names
from astakos_worker.ledger.contract import UnavailableError
from astakos_worker.ledger.record import Verb
from astakos_worker.service.calls import Wakes
from astakos_worker.service.commissions import Commission, Commissions
from astakos_worker.service.errors import CommissionError, Unavailable
from astakos_worker.service.issuing import Order
from astakos_worker.worker.process import WorkerProcess
from astakos_worker.worker.tasks.reading import (
    generic_request,
    items,
    newer,
    only,
    reason,
    served,
    which,
)
from astakos_worker.worker.tasks.shown import SHOWN, carried, failed, own_id
from astakosclient.errors import AstakosClientException, BadValue

log = structlog.get_logger(__name__)

#: Seconds until a message that met no ledger is tried again.
_AGAIN = 2.0

Work = Callable[[WorkerProcess, dict[str, Any]], dict[str, Any]]


def register(app: Celery, this_process: Callable[[], WorkerProcess]) -> None:
    """Add the tasks to an application."""
    _add(app, this_process, names.ISSUE_COMMISSION, _issue)
    _add(app, this_process, names.ISSUE_COMMISSIONS, _issue_many)
    _add(
        app,
        this_process,
        names.ACCEPT_COMMISSION,
        lambda process, message: _decide(process, "accept", message),
    )
    _add(
        app,
        this_process,
        names.REJECT_COMMISSION,
        lambda process, message: _decide(process, "reject", message),
    )
    _add(app, this_process, names.RESOLVE_COMMISSIONS, _resolve)


def _add(app: Celery, this_process: Callable[[], WorkerProcess], name: str, work: Work) -> None:
    @app.task(name=name, bind=True, max_retries=None, resultrepr_maxsize=SHOWN)
    def by_name(self: "Task[Any, Any]", /, **message: Any) -> dict[str, Any]:
        try:
            if newer(message):  # a newer worker will get it (F78)
                log.info("left_for_newer", task=name)
                # Not in step with anything else that comes by, or the same one would get it again.
                raise self.retry(countdown=_AGAIN * (0.5 + random.random()))  # noqa: S311
            return work(this_process(), message)
        except BadValue as error:
            return _refused(this_process(), message.get("key", message.get("serial")), error)
        except (Unavailable, UnavailableError) as error:
            raise self.retry(exc=error, countdown=_AGAIN) from None


def _refused(process: WorkerProcess, which: object, error: Exception) -> dict[str, Any]:
    """Return a refusal as a result; a message that could never have been right is noted (F51)."""
    if isinstance(error, BadValue):
        request = current_task.request
        queue = (request.delivery_info or {}).get("routing_key", "")
        reason = "has arguments that do not fit; its result says which"
        process.dead_messages.add(reason, task=current_task.name, id_=request.id, queue=queue)
    return failed(which, error)


class _Promise:
    """Takes the wake-up that a request asks for: its own task is awake already."""

    def __init__(self, waker: Wakes) -> None:
        self._waker = waker
        self._first: tuple[str, str, str, int] | None = None

    @property
    def name(self) -> str | None:
        """What a carrier calls the wake-up that it is."""
        return self._first and self._first[2] + names.PROMISES[self._first[0]]

    def wake(self, task: str, service: str, key: str, version: int) -> None:
        """Keep the first one; one task answers for no more."""
        if self._first:
            self._waker.wake(task, service, key, version)
        else:
            self._first = task, service, key, version

    def pass_on(self) -> None:
        """Let another worker keep it after all."""
        if self._first:
            self._waker.wake(*self._first)


def _issue(process: WorkerProcess, message: dict[str, Any]) -> dict[str, Any]:
    promise, key = _Promise(process.waker), message.get("key")
    key = own_id() if key is None else key
    try:
        service = served(process.settings, message.pop("service", None))
        commissions = process.commissions(service, promise)
        order = _order(process, commissions, message, own_id())
        key = order.record.key
        [became] = commissions.enqueue_all([order])
        if isinstance(became, Exception):
            raise became
    except Unavailable:
        raise
    except (AstakosClientException, CommissionError) as error:
        promise.pass_on()
        return _refused(process, key, error)
    done = process.carry(service, own_id(), own=key, wake=promise.name)
    return carried(process, service, key, done)


def _issue_many(process: WorkerProcess, message: dict[str, Any]) -> dict[str, Any]:
    promise = _Promise(process.waker)
    only(message, "service", "commissions")
    service = served(process.settings, message.get("service"))
    commissions = process.commissions(service, promise)
    orders: list[Order | dict[str, Any]] = []
    for number, one in enumerate(items(message, "commissions")):
        try:
            orders.append(_order(process, commissions, one, f"{own_id()}-{number}"))
        except BadValue as error:
            orders.append(failed(one.get("key") if isinstance(one, dict) else None, error))
    became = iter(commissions.enqueue_all([one for one in orders if isinstance(one, Order)]))
    results = [_said(one, next(became)) if isinstance(one, Order) else one for one in orders]
    process.carry(service, own_id(), wake=promise.name)
    return {"commissions": results}


def _said(order: Order, became: Commission | Exception) -> dict[str, Any]:
    key = order.record.key
    if isinstance(became, Unavailable):
        raise became  # all of it is tried again: what is there already is found
    if isinstance(became, Exception):
        return failed(key, became)
    return {"key": key, "state": became.last.state}


def _order(process: WorkerProcess, commissions: Commissions, given: object, made: str) -> Order:
    """Return what a message asks for; without a key it has the one made for it."""
    if not isinstance(given, dict):
        raise BadValue(f"a commission must be an object, not {given!r:.80}")
    message = dict(given)
    key, accept = message.pop("key", None), message.pop("accept", False)
    deadline = message.pop("deadline", None)
    if key is None:
        # As for every key that was made for its caller: nothing stays for ever.
        key, deadline = made, process.settings.hold_deadline if deadline is None else deadline
    request = generic_request(message)
    return commissions.order(request, key, accept=accept, deadline=deadline)


def _decide(process: WorkerProcess, verb: Verb, message: dict[str, Any]) -> dict[str, Any]:
    promise = _Promise(process.waker)
    try:
        only(message, "service", "key", "serial", "reason")
        service = served(process.settings, message.get("service"))
        commissions = process.commissions(service, promise)
        key = commissions.decide_or_await(which(message), verb, reason(message)).key
    except Unavailable:
        raise
    except (AstakosClientException, CommissionError) as error:
        promise.pass_on()
        return _refused(process, message.get("key", message.get("serial")), error)
    done = process.carry(service, own_id(), own=key, wake=promise.name)
    return carried(process, service, key, done)


def _resolve(process: WorkerProcess, message: dict[str, Any]) -> dict[str, Any]:
    promise = _Promise(process.waker)
    try:
        only(message, "service", "accept", "reject")
        service = served(process.settings, message.get("service"))
        accept, reject = items(message, "accept"), items(message, "reject")
        became = process.commissions(service, promise).resolve_or_await(accept, reject)
    except Unavailable:
        raise
    except (AstakosClientException, CommissionError) as error:
        return _refused(process, None, error)
    process.carry(service, own_id(), wake=promise.name)
    return {
        str(one): failed(one, what) if isinstance(what, Exception) else {"state": what.state}
        for one, what in became.items()
    }
