"""What a task returns: a dictionary that a person can read in Flower."""

from typing import Any

from celery import current_task

from astakos_worker.engine.carry.carrier import CarryResult
from astakos_worker.ledger.record import Record, shown
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.errors import NewerRecord, UnknownKey
from astakos_worker.worker.process import WorkerProcess
from astakosclient.errors import AstakosClientException

#: Characters of a result in Flower's events: a carried key is found by it.
SHOWN = 16384


def own_id() -> str:
    """Return the id of the task that runs in this thread."""
    return str(current_task.request.id)


def carried(
    process: WorkerProcess, service: str, key: str | None, done: CarryResult
) -> dict[str, Any]:
    """Return what became of the task's own commission, and of those it carried along."""
    others = {shown(k): _line(record) for k, record in done.records.items() if k != key}
    result: dict[str, Any] = {}
    if key is not None:
        record = done.records.get(key)
        result = _own(record) if record else _asked(process.commissions(service), key)
    if others or key is None:
        result["carried"] = others
    return {**result, "ended": done.why}


def failed(which: object, error: Exception) -> dict[str, Any]:
    """Return a refusal of the request itself: nothing was stored."""
    if isinstance(error, AstakosClientException):
        fault = {k: v for k, v in error.to_dict().items() if v is not None}
    else:
        fault = {"class": type(error).__name__, "message": str(error)}
    return {"key": which, "state": "refused", "error": fault}


def _own(record: Record) -> dict[str, Any]:
    result: dict[str, Any] = {"key": shown(record.key), "state": str(record.state)}
    if record.serial is not None:
        result["serial"] = record.serial
    if record.error:
        result["error"] = {k: record.error[k] for k in ("class", "message") if k in record.error}
    return result


def _asked(commissions: Commissions, key: str) -> dict[str, Any]:
    try:
        outcome = commissions.get_key(key)
    except UnknownKey:
        return {"key": shown(key), "state": "purged"}
    except NewerRecord:
        return {"key": shown(key), "state": "left for a newer version"}
    result: dict[str, Any] = {"key": outcome.key, "state": outcome.state}
    if outcome.serial is not None:
        result["serial"] = outcome.serial
    return result


def _line(record: Record) -> str:
    return f"{record.state} {record.serial}" if record.serial is not None else str(record.state)
