"""The health check of workers: whether they take messages from the broker (F53).

A worker may answer pings and take no messages: its connection to the broker broke, and only the
channel of pings was made again. So the check sends a message to each worker, through the queue
that Celery gives every worker under `worker_direct`. The worker reads that queue together with
the queue of its work. The check asks for the worker's count of accepted tasks before and after.
If the count rises, the worker consumes. The count rises for any task, so a busy worker is
healthy before it reaches the message.

The same message tells a worker of itself (`SelfCheck`), so that its presence can say so.

The message leaves nothing behind: it has no result and no event, and it expires. A worker whose
threads are all at work takes the message when the first of them is free, within `longest_task`
seconds. Give the check at least that time.
"""

import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.utils.nodenames import worker_direct
from celery.worker import state

from astakos_worker.configuration.settings import Settings
from astakos_worker.service.broker import sender
from astakos_worker.service.wakeups import Message

PROBE = "astakos.health"
#: Seconds that all workers have to answer a question put to all.
_ROUND = 1.0
_LOOK = 0.1
#: Seconds after which a worker that did not take its own message sends itself another one.
_AGAIN = 30.0


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """The health of one worker; `words` say why. None: it is not known."""

    worker: str
    healthy: bool | None
    words: str


@dataclass(frozen=True, slots=True)
class Which:
    """The workers in question: those named, or else those of a host that read a queue (or any)."""

    host: str
    queue: str | None = None
    named: tuple[str, ...] = ()

    def takes(self, node: str, queues: Container[str]) -> bool:
        """Return whether this worker is one of them."""
        if self.named:
            return node in self.named
        here = node.partition("@")[2] == self.host
        return here and (self.queue is None or self.queue in queues)


def register(app: Celery) -> None:
    """Add the probe to an application."""

    @app.task(name=PROBE, ignore_result=True, send_events=False)
    def probe() -> None:
        """Do nothing: it counts that the worker took the message."""


def examine(app: Celery, which: Which, *, patience: float) -> list[WorkerHealth]:
    """Return the health of the workers in question.

    Takes at most `patience` seconds and one round of questions. An empty list: no worker answers.
    """
    deadline = time.monotonic() + patience
    named = list(which.named)

    found: dict[str, set[str]] = {}
    while not found or set(named) - found.keys():
        answers = app.control.inspect(destination=named or None, timeout=_ROUND).active_queues()
        for node, queues in (answers or {}).items():
            names = {each["name"] for each in queues}
            if which.takes(node, names):
                found[node] = names
        if time.monotonic() > deadline:
            break
    silent = [WorkerHealth(node, False, "does not answer") for node in named if node not in found]
    return silent + _probe(app, found, deadline)


@dataclass(frozen=True, slots=True)
class ConsumerFacts:
    """The part of a process that takes messages. `busy`: no thread of its pool is free."""

    node: str
    queues: tuple[str, ...]
    check: "SelfCheck"
    busy: Callable[[], bool]


def consumer_of(app: Celery, consumer: Any, settings: Settings) -> ConsumerFacts:
    """Return what is announced of Celery's own consumer, which has just begun to take messages.

    The probe is sent by an application that waits for its broker no longer than the patience.
    """
    queue = worker_direct(consumer.hostname)
    sends = sender(settings)
    threads = int(consumer.initial_prefetch_count)

    def send() -> bool:
        # The types of Celery know queues by name only.
        return sends.send(Message(PROBE, {}, queue=queue), expires=2 * _AGAIN)  # type: ignore[arg-type]

    return ConsumerFacts(
        consumer.hostname,
        tuple(name for name in app.amqp.queues.consume_from if name != queue.name),
        SelfCheck(send, lambda: state.all_total_count[0], every=2 * settings.drive),
        lambda: len(state.reserved_requests) >= threads,
    )


class SelfCheck:
    """Whether the worker of this process takes messages: it sends itself one when it took none.

    `send` sends the probe to this worker and returns whether the broker took it. `accepted` counts
    the tasks that the worker has accepted. While the count rises nothing is sent.
    """

    def __init__(
        self,
        send: Callable[[], bool],
        accepted: Callable[[], int],
        *,
        every: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._accepted = accepted
        self._every = every
        self._monotonic = monotonic
        self._count = -1
        self._looked = 0.0  # when the count had risen, or a probe was sent
        self._asked: float | None = None  # when the first unanswered probe was sent

    def look(self) -> float:
        """Return for how many seconds a probe has waited; 0: none waits. May send one."""
        now, count = self._monotonic(), self._accepted()
        if count != self._count:
            self._count, self._looked, self._asked = count, now, None
            return 0.0
        waits = 0.0 if self._asked is None else now - self._asked
        # A probe may be lost with the broker's data, so another one is sent, less often.
        pause = self._every if self._asked is None else _AGAIN
        if now - self._looked >= pause and self._send():
            self._looked = now
            self._asked = now if self._asked is None else self._asked
        return waits


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
