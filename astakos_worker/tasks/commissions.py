"""Whole requests by name, from Celery programs that have no part of this package.

The record is made here, so such a message is only as safe as the broker until then. A refusal
is a result, not an exception: Flower shows it, and Celery tries nothing again.
"""

from collections.abc import Callable
from typing import Any

from celery import Celery

from astakos_worker import names
from astakos_worker.errors import CommissionError
from astakos_worker.ledger.record import Verb
from astakos_worker.runtime import Runtime
from astakos_worker.tasks.messages import generic_request, items
from astakos_worker.tasks.results import SHOWN, carried, failed, own_id
from astakosclient.errors import AstakosClientException


def register(app: Celery, runtime: Callable[[], Runtime]) -> None:
    """Add the tasks to an application."""

    @app.task(name=names.ISSUE_COMMISSION, resultrepr_maxsize=SHOWN)
    def issue(**message: Any) -> dict[str, Any]:
        return _issue(runtime(), message)

    @app.task(name=names.ACCEPT_COMMISSION, resultrepr_maxsize=SHOWN)
    def accept(**message: Any) -> dict[str, Any]:
        return _decide(runtime(), "accept", message)

    @app.task(name=names.REJECT_COMMISSION, resultrepr_maxsize=SHOWN)
    def reject(**message: Any) -> dict[str, Any]:
        return _decide(runtime(), "reject", message)

    @app.task(name=names.RESOLVE_COMMISSIONS, resultrepr_maxsize=SHOWN)
    def resolve(**message: Any) -> dict[str, Any]:
        return _resolve(runtime(), message)


def _issue(run: Runtime, message: dict[str, Any]) -> dict[str, Any]:
    service = message.pop("service", run.settings.service)
    key = message.pop("key", None) or own_id()
    accept, deadline = message.pop("accept", False), message.pop("deadline", None)
    try:
        request = generic_request(message)
        run.commissions(service).enqueue(request, key, accept=accept, deadline=deadline)
    except (AstakosClientException, CommissionError) as error:
        return failed(key, error)
    return carried(run, service, key, run.carry(service, own_id(), own=key))


def _decide(run: Runtime, verb: Verb, message: dict[str, Any]) -> dict[str, Any]:
    service = message.get("service", run.settings.service)
    which: Any = message.get("serial", message.get("key"))
    reason = str(message.get("reason", ""))
    try:
        key = run.commissions(service).decide_or_await(which, verb, reason).key
    except (AstakosClientException, CommissionError) as error:
        return failed(which, error)
    return carried(run, service, key, run.carry(service, own_id(), own=key))


def _resolve(run: Runtime, message: dict[str, Any]) -> dict[str, Any]:
    service = message.get("service", run.settings.service)
    try:
        accept, reject = items(message, "accept"), items(message, "reject")
        became = run.commissions(service).resolve(accept, reject)
    except (AstakosClientException, CommissionError) as error:
        return failed(None, error)
    run.carry(service, own_id())
    return {
        str(which): failed(which, one) if isinstance(one, Exception) else {"state": one.state}
        for which, one in became.items()
    }
