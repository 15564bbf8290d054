"""The results of tasks: dictionaries that a person can read in Flower."""

from typing import Any

from astakos_worker.engine.carry.carrier import CarryResult
from astakos_worker.ledger.awaited import at_once
from astakos_worker.ledger.record import Record, shown
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connections import awaiting
from astakos_worker.service.errors import CommissionError, NewerRecord, UnknownKey
from astakos_worker.service.inside import connections_of
from astakos_worker.service.ledger_calls import read
from astakos_worker.worker.process import WorkerProcess
from astakosclient.errors import AstakosClientException

#: Characters of a result in the events that Flower reads: its search finds every carried key.
SHOWN = 16384


def carried(
    process: WorkerProcess, service: str, key: str | None, done: CarryResult
) -> dict[str, Any]:
    """Return the state of the task's own commission, and of those that it carried along.

    `key` is that of the task's own commission; None for a task that has none.
    """
    others = {shown(k): _line(record) for k, record in done.records.items() if k != key}
    result: dict[str, Any] = {}
    if key is not None:
        record = done.records.get(key)
        result = _own(record) if record else _recorded(process.commissions(service), key)
    if others or key is None:
        result["carried"] = others
    return {**result, "ended": done.why}


def failed(which: object, error: Exception) -> dict[str, Any]:
    """Return the refusal of a call. No commission came of it, so its state is `refused`."""
    return {"key": which, "state": "refused", "error": _fault(error)}


def conflicting(commissions: Commissions, error: CommissionError) -> dict[str, Any]:
    """Return the refusal of a call that contradicts a commission, with that commission's state."""
    return {**_recorded(commissions, error.key), "error": _fault(error)}


def _fault(error: Exception) -> dict[str, Any]:
    if isinstance(error, AstakosClientException):
        return {k: v for k, v in error.to_dict().items() if v is not None}
    return {"class": type(error).__name__, "message": str(error)}


def _own(record: Record) -> dict[str, Any]:
    result = _stands(record)
    if record.error:
        result["error"] = {k: record.error[k] for k in ("class", "message") if k in record.error}
    return result


def _recorded(commissions: Commissions, key: str) -> dict[str, Any]:
    """Return the state of a commission that this task did not work on, as the ledger has it."""
    try:
        where = awaiting(connections_of(commissions))
        record = at_once(read(where, commissions.service, key)).record
    except UnknownKey:
        return {"key": shown(key), "state": "purged"}
    except NewerRecord:
        return {"key": shown(key), "state": "left for a newer version"}
    return _stands(record)


def _stands(record: Record) -> dict[str, Any]:
    result: dict[str, Any] = {"key": shown(record.key), "state": str(record.state)}
    if record.serial is not None:
        result["serial"] = record.serial
    return {**result, "incarnation": record.incarnation}


def _line(record: Record) -> str:
    return f"{record.state} {record.serial}" if record.serial is not None else str(record.state)
