"""The health check of workers: whether they take messages from the broker (F53).

A worker may answer pings and take no messages: its connection to the broker broke, and only the
channel of pings was made again. So the check sends a message to each worker, through the queue
that Celery gives every worker under `worker_direct`. The worker reads that queue together with
the queue of its work. The check asks for the worker's count of accepted tasks before and after.
If the count rises, the worker consumes. The count rises for any task, so a busy worker is
healthy before it reaches the message.

The message leaves nothing behind: it has no result and no event, and it expires. A worker whose
threads are all at work takes the message when the first of them is free, within `longest_task`
seconds. Give the check at least that time.
"""

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass

from celery import Celery
from celery.utils.nodenames import worker_direct

from astakos_worker.ledger.contract import Ledger, LedgerError

PROBE = "astakos.health"
#: Seconds that all workers have to answer a question put to all.
_ROUND = 1.0
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """The health of one worker; `words` say why."""

    worker: str
    healthy: bool
    words: str


def register(app: Celery) -> None:
    """Add the probe to an application."""

    @app.task(name=PROBE, ignore_result=True, send_events=False)
    def probe() -> None:
        """Do nothing: it counts that the worker took the message."""


def examine(
    app: Celery,
    *,
    host: str | None = None,
    queue: str | None = None,
    workers: Iterable[str] = (),
    patience: float,
) -> list[WorkerHealth]:
    """Return the health of the workers named.

    Without `workers`, return that of all workers on `host` (by default this one) that read
    `queue` (by default any). Takes at most `patience` seconds and one round of questions. An
    empty list: no worker answers.
    """
    deadline = time.monotonic() + patience
    host = host or socket.gethostname()
    named = list(workers)

    def asked_for(node: str, queues: set[str]) -> bool:
        here = node.partition("@")[2] == host and (queue is None or queue in queues)
        return node in named if named else here

    found: dict[str, set[str]] = {}
    while not found or set(named) - found.keys():
        answers = app.control.inspect(destination=named or None, timeout=_ROUND).active_queues()
        for node, queues in (answers or {}).items():
            names = {each["name"] for each in queues}
            if asked_for(node, names):
                found[node] = names
        if time.monotonic() > deadline:
            break
    silent = [WorkerHealth(node, False, "does not answer") for node in named if node not in found]
    return silent + _probe(app, found, deadline)


def alarms(ledger: Ledger) -> list[str]:
    """Return a line for each alarm of each lane.

    If the ledger is away, the only line says so.
    """
    try:
        lanes = [ledger.lane(name) for name in ledger.lanes()]
    except LedgerError as error:
        return [f"the alarms are not known: {error}"]
    return [
        f"ALARM {lane.name} {name}: {text}"
        for lane in lanes
        for name, text in sorted(lane.alarms.items())
    ]


def _probe(app: Celery, found: dict[str, set[str]], deadline: float) -> list[WorkerHealth]:
    findings = []
    before = {node: _accepted(app, node) for node in found}
    for node, queues in found.items():
        direct = worker_direct(node)
        if direct.name not in queues:
            words = "has no queue of its own; set `worker_direct = True` in celeryconfig.py"
            findings.append(WorkerHealth(node, False, words))
            del before[node]
            continue
        left = max(1.0, deadline - time.monotonic())
        app.send_task(
            PROBE,
            queue=direct,  # type: ignore[arg-type]  # its types know queues by name only
            expires=left,
            ignore_result=True,
            retry=False,
        )
    while before and time.monotonic() < deadline:
        for node, count in list(before.items()):
            now = _accepted(app, node)
            # The count of a worker that was restarted begins at 0 again.
            if now is not None and count is not None and now != count:
                findings.append(WorkerHealth(node, True, "consumes"))
                del before[node]
            elif count is None:
                before[node] = now
        time.sleep(_LOOK)
    findings += [WorkerHealth(node, False, "answers, and does not consume") for node in before]
    return findings


def _accepted(app: Celery, node: str) -> int | None:
    """Return how many tasks a worker has accepted; None if the worker does not answer now."""
    answers = app.control.inspect(destination=[node], timeout=_ROUND).stats() or {}
    return sum(answers[node]["total"].values()) if node in answers else None
