"""Whether workers consume, as opposed to being alive (F53).

A worker whose connection to the broker is half mended answers pings, which come by another
channel, and takes no messages. So each worker is sent a message of its own: through the queue
that Celery gives every worker under `worker_direct`, read by the same consumer, in the same
call, as the queue of its work. The worker's count of accepted tasks, asked for before and after,
then rises or does not. The count rises for any task: one that is busy needs no probe to arrive.

The probe is bounded and leaves nothing behind: no result, no event (Flower would show little
else), and it expires. A worker all of whose threads are at work takes it when the first of them
is free, within `longest_task`; that is the patience to have.
"""

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass

from celery import Celery
from celery.utils.nodenames import worker_direct

from astakos_worker.ledger.contract import Ledger, LedgerError

PROBE = "astakos.health"
#: Seconds for all workers to answer a question put to all; one that was named answers at once.
_ROUND = 1.0
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """What was found of one worker."""

    worker: str
    healthy: bool
    words: str


def register(app: Celery) -> None:
    """Add the probe to an application."""

    @app.task(name=PROBE, ignore_result=True, send_events=False)
    def probe() -> None:
        """Do nothing: that it was taken is the answer."""


def examine(
    app: Celery,
    *,
    host: str | None = None,
    queue: str | None = None,
    workers: Iterable[str] = (),
    patience: float,
) -> list[WorkerHealth]:
    """Examine the workers named, or else those of a host (this one) that serve a queue (any).

    Takes at most `patience` seconds and one round of questions. No finding: none answers.
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
    """Return a line for each alarm of each lane; one that says so if the ledger is away."""
    try:
        lanes = [ledger.lane(name) for name in ledger.lanes()]
    except LedgerError as error:
        return [f"the ledger tells no alarms: {error}"]
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
            # A worker that was started again counts from nought.
            if now is not None and count is not None and now != count:
                findings.append(WorkerHealth(node, True, "consumes"))
                del before[node]
            elif count is None:
                before[node] = now
        time.sleep(_LOOK)
    findings += [WorkerHealth(node, False, "answers, and does not consume") for node in before]
    return findings


def _accepted(app: Celery, node: str) -> int | None:
    """How many tasks a worker has taken on so far; None if it does not answer now."""
    answers = app.control.inspect(destination=[node], timeout=_ROUND).stats() or {}
    return sum(answers[node]["total"].values()) if node in answers else None
