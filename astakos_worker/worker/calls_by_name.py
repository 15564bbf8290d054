"""Carries out the calls that came by name, from Celery programs without this package.

The worker writes the record, so such a call is only as safe as the broker until a worker has
read its message.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

from astakos_worker.configuration import names
from astakos_worker.ledger.awaited import at_once
from astakos_worker.ledger.record import Record, Verb
from astakos_worker.service.arguments import checked_which
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connections import Wakes
from astakos_worker.service.drafts import Draft
from astakos_worker.service.errors import DecisionConflict, KeyConflict, KeyReused, Unavailable
from astakos_worker.service.inside import decider_of, issuer_of
from astakos_worker.worker.message_arguments import (
    generic_request,
    items,
    only,
    reason,
    served,
    which,
)
from astakos_worker.worker.process import WorkerProcess
from astakos_worker.worker.task_results import carried, conflicting, failed
from astakosclient.errors import BadValue

#: Carries out one call: it is given the process, the task's id and the message's arguments, and
#: returns the task's result. It raises the error of a call that is refused as a whole.
CallByName = Callable[[WorkerProcess, str, dict[str, Any]], dict[str, Any]]


#: The state in the result of a decision whose key was used again before the message was delivered.
_SUPERSEDED = "superseded"


class _Promise:
    """Takes the first wake-up that a call asks for: the call's own task is that wake-up.

    Further wake-ups are sent. The first is sent too if the call fails: its task then carries
    nothing, and the commission may be another call's.
    """

    def __init__(self, waker: Wakes) -> None:
        self._waker = waker
        self._first: tuple[str, str, str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._first:
            self._waker.wake(*self._first)

    @property
    def name(self) -> str | None:
        """The name of the wake-up that the task's carrier answers; None: nobody asked for one."""
        return self._first and self._first[2] + names.PROMISES[self._first[0]]

    def wake(self, task: str, service: str, key: str, version: int) -> None:
        """Keep the first wake-up; send the others."""
        if self._first:
            self._waker.wake(task, service, key, version)
        else:
            self._first = task, service, key, version


def _issue(process: WorkerProcess, task_id: str, message: dict[str, Any]) -> dict[str, Any]:
    _give_key(process, message, task_id)
    with _Promise(process.waker) as promise:
        service = served(process.settings, message.get("service"))
        commissions = process.commissions(service, promise)
        draft = _draft(commissions, {k: v for k, v in message.items() if k != "service"})
        at_once(issuer_of(commissions).issue_one(draft))
    key = draft.record.key
    done = process.carry(service, task_id, own=key, wake=promise.name)
    return carried(process, service, key, done)


def _issue_many(process: WorkerProcess, task_id: str, message: dict[str, Any]) -> dict[str, Any]:
    only(message, "service", "commissions")
    with _Promise(process.waker) as promise:
        service = served(process.settings, message.get("service"))
        commissions = process.commissions(service, promise)
        drafts: list[Draft | dict[str, Any]] = []
        for number, one in enumerate(items(message, "commissions")):
            try:
                drafts.append(_one_of_many(process, commissions, one, f"{task_id}-{number}"))
            except BadValue as error:
                drafts.append(failed(one.get("key") if isinstance(one, dict) else None, error))
        wanted = [one for one in drafts if isinstance(one, Draft)]
        records = iter(at_once(issuer_of(commissions).issue_all(wanted)))
        results = [
            _issued(commissions, one, next(records)) if isinstance(one, Draft) else one
            for one in drafts
        ]
    process.carry(service, task_id, wake=promise.name)
    return {"commissions": results}


def _one_of_many(
    process: WorkerProcess, commissions: Commissions, given: object, made: str
) -> Draft:
    if not isinstance(given, dict):
        raise BadValue(f"a commission must be an object, not {given!r:.80}")
    message = dict(given)
    _give_key(process, message, made)
    return _draft(commissions, message)


def _give_key(process: WorkerProcess, message: dict[str, Any], made: str) -> None:
    """Give a commission without a key the key `made`, and a deadline.

    Its caller may not know the key, so without a deadline the commission could stay for ever.
    """
    if message.get("key") is None:
        message["key"] = made
        if message.get("deadline") is None:
            message["deadline"] = process.settings.hold_deadline


def _draft(commissions: Commissions, message: dict[str, Any]) -> Draft:
    key, accept = message["key"], message.get("accept", False)
    deadline = message.get("deadline")
    options = {"key", "accept", "deadline"}
    request = generic_request({k: v for k, v in message.items() if k not in options})
    return issuer_of(commissions).draft(request, key, accept=accept, deadline=deadline)


def _issued(commissions: Commissions, draft: Draft, result: Record | Exception) -> dict[str, Any]:
    key = draft.record.key
    if isinstance(result, Unavailable):
        raise result  # the whole message is retried; what is recorded already is found again
    if isinstance(result, KeyConflict):
        return conflicting(commissions, result)
    if isinstance(result, Exception):
        return failed(key, result)
    return {"key": key, "state": str(result.state)}


def _decide(
    verb: Verb, process: WorkerProcess, task_id: str, message: dict[str, Any]
) -> dict[str, Any]:
    only(message, "service", "key", "serial", "reason", "incarnation")
    with _Promise(process.waker) as promise:
        service = served(process.settings, message.get("service"))
        commissions = process.commissions(service, promise)
        named, given = which(message), message.get("incarnation")
        meant = _meant(process, service, task_id, [named]) if given is None else {}
        try:
            decide = decider_of(commissions).decide_or_await(
                named,
                verb,
                reason(message),
                patience=process.settings.awaited,
                incarnation=meant.get(named) if given is None else given,
            )
            record = at_once(decide)
        except KeyReused:
            if given is not None:
                raise
            return {"key": named, "state": _SUPERSEDED}
        if given is None and not meant and isinstance(named, str):
            process.seen_messages.note(task_id, {named: record.incarnation})
    key = record.key
    done = process.carry(service, task_id, own=key, wake=promise.name)
    return carried(process, service, key, done)


def _resolve(process: WorkerProcess, task_id: str, message: dict[str, Any]) -> dict[str, Any]:
    only(message, "service", "accept", "reject")
    with _Promise(process.waker) as promise:
        service = served(process.settings, message.get("service"))
        accept, reject = items(message, "accept"), items(message, "reject")
        meant = _meant(process, service, task_id, [*accept, *reject])
        commissions = process.commissions(service, promise)
        resolve = decider_of(commissions).resolve_or_await(
            accept, reject, patience=process.settings.awaited, incarnations=meant
        )
        results = at_once(resolve)
        new = {
            which: one.incarnation
            for which, one in results.items()
            if isinstance(which, str) and which not in meant and isinstance(one, Record)
        }
        process.seen_messages.note(task_id, new)
    process.carry(service, task_id, wake=promise.name)
    # A list: the serial 5 and the key "5" are two commissions, and JSON's objects have one "5".
    return {"commissions": [_resolved(commissions, *each) for each in results.items()]}


def _resolved(
    commissions: Commissions, which: str | int, result: Record | Exception
) -> dict[str, Any]:
    """Return the result for one commission, under `key` or `serial` as the message names it."""
    if isinstance(result, KeyReused):
        found: dict[str, Any] = {"state": _SUPERSEDED}
    elif isinstance(result, DecisionConflict):
        found = conflicting(commissions, result)
    elif isinstance(result, Exception):
        found = failed(which, result)
    else:
        found = {"state": str(result.state)}
    return {**found, "key" if isinstance(which, str) else "serial": which}


def answered(
    call: CallByName, process: WorkerProcess, task_id: str, message: dict[str, Any]
) -> dict[str, Any]:
    """Return the result of a call. One that contradicts a commission tells that one's state."""
    try:
        return call(process, task_id, message)
    except (DecisionConflict, KeyConflict) as error:
        service = served(process.settings, message.get("service"))
        return conflicting(process.commissions(service), error)


def _meant(
    process: WorkerProcess, service: str, task_id: str, named: Sequence[object]
) -> dict[str | int, str]:
    """Return the incarnations that a message's decisions are for; see `seen_messages.py`.

    A serial names one commission by itself. A key without a commission has no incarnation yet.
    """
    keys = [which for which in map(checked_which, named) if isinstance(which, str)]
    entries = process.ledger.get(service, keys) if keys else {}
    now = {key: entry.record.incarnation for key, entry in entries.items()}
    noted: dict[str | int, str] = {}
    noted.update(process.seen_messages.note(task_id, now))
    return noted


#: The call behind each task's name.
CALLS: dict[str, CallByName] = {
    names.ISSUE_COMMISSION: _issue,
    names.ISSUE_COMMISSIONS: _issue_many,
    names.ACCEPT_COMMISSION: partial(_decide, "accept"),
    names.REJECT_COMMISSION: partial(_decide, "reject"),
    names.RESOLVE_COMMISSIONS: _resolve,
}
