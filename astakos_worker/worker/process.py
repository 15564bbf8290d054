"""The parts of one worker process: its ledger, clients and heartbeat. They are made after any fork.

The only module-level state of workers is here, behind `this_process()`.
"""

import os
import random
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.configuration.names import QUEUES, SAME_NAME
from astakos_worker.configuration.servers import connect
from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.breaker import rest_for_local_trouble
from astakos_worker.engine.carry.carrier import Carrier, CarryResult
from astakos_worker.engine.lane_memory import LaneMemory
from astakos_worker.engine.ports import Astakos
from astakos_worker.engine.sweep.findings import Report
from astakos_worker.ledger.contract import LedgerError
from astakos_worker.ledger.request import Provision
from astakos_worker.service.arguments import checked_strings
from astakos_worker.service.broker import Callbacks, sender
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.connections import Connections, Wakes
from astakos_worker.service.gather import Gather
from astakos_worker.service.known_names import known_names_of
from astakos_worker.service.waiting import RedisListener, Watcher
from astakos_worker.service.wakeups import Waker
from astakos_worker.worker.clients import Clients
from astakos_worker.worker.dead_messages import dead_messages_of
from astakos_worker.worker.health.announcing import Announcer
from astakos_worker.worker.health.consuming import ConsumerFacts
from astakos_worker.worker.health.presence import presences_of
from astakos_worker.worker.health.reading import Reader
from astakos_worker.worker.heartbeat import Heartbeat
from astakos_worker.worker.ledger_watch import LedgerWatch
from astakos_worker.worker.limits import limits_of
from astakos_worker.worker.metrics import MeasuredAstakos, Metrics
from astakos_worker.worker.seen_messages import seen_messages_of
from astakos_worker.worker.sweep_setup import owner_of, sweeping
from astakos_worker.worker.unknown_names import unknown_name
from astakosclient import LocalError

if TYPE_CHECKING:
    from astakos_worker.engine.sweep import owner

log = EventLog(__name__)

#: Seconds that a worker waits for one answer of the ledger; services have less patience.
_PATIENCE = 5.0
#: A worker says what it serves with each drive. That counts for so many drives.
_SERVED_DRIVES = 4


class WorkerProcess:
    """Everything that the tasks of one process need.

    `queues` returns the names of the queues that the process reads.
    """

    def __init__(self, settings: Settings, queues: Callable[[], Iterable[str]] = tuple) -> None:
        self.settings = settings
        self.limits = limits_of(settings)
        self.clients = Clients(settings)
        self.ledger = ledger_of(settings, patience=_PATIENCE)
        broker = connect(settings.broker_url, patience=settings.patience, connections=2)
        self.dead_messages = dead_messages_of(settings)
        self.seen_messages = seen_messages_of(settings, patience=_PATIENCE)
        # Wake-ups are sent by an application of their own. The one that consumes waits for its
        # broker, and neither a carrier with claimed records nor the heartbeat may wait so long.
        self.waker = Waker(partial(sender, settings), patience=settings.patience)
        self._callbacks = Callbacks(settings)
        self.metrics = Metrics(self.ledger, Reader(settings).read)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        listener = RedisListener(connect(settings.ledger_url, patience=_PATIENCE), self.ledger)
        self._watcher = Watcher(self.ledger, listener)
        self._ledger_watch = LedgerWatch(self.ledger, broker, settings.namespace)
        #: Says to operators that this worker is there, and what it cannot do.
        self.announcer = Announcer(
            presences_of(settings, patience=_PATIENCE),
            self.clients,
            tuple(settings.services),
            self.metrics.counts,
        )
        self.heartbeat = Heartbeat(
            self.ledger,
            (self.announcer.look, self._ledger_watch.look, self._say_what_is_served),
            self.waker.wake_lane,
            name=self.name,
            every=settings.heartbeat,
            drive=settings.drive,
        )
        self._queues = queues
        self._owners: dict[str, owner.Ask | None] = {}
        self._known_names = known_names_of(settings)
        self._memories: dict[str, LaneMemory] = {}
        self._gathers: dict[tuple[str, str], Gather] = {}
        self._lock = threading.Lock()
        self._unserve: Callable[[], None] = lambda: None

    def commissions(self, service: str, waker: Wakes | None = None) -> Commissions:
        """Return the service's calls, for requests that came as messages."""
        connections = Connections(self.ledger, waker or self.waker, self._watcher)
        return Commissions(service, settings=self.settings, connections=connections)

    def carry(
        self, service: str, carrier: str, *, own: str | None = None, wake: str | None = None
    ) -> CarryResult:
        """Work on a lane as a carrier of this process.

        `carrier` names the carrier within the process: its task's id. `own` is the key of the
        task's own commission, and `wake` the name of the wake-up that the task is. A machine that
        cannot make a client carries nothing, and its lane rests (F84).
        """
        try:
            astakos = self._astakos(service)
        except LocalError as error:
            return self._rest(service, f"{socket.gethostname()}: {error}")
        worker = Carrier(
            astakos,
            self.ledger,
            self.ledger.clock,
            self.limits,
            random.random,
            self.waker.wake_lane,
            self._callbacks.send,
            self._memories.setdefault(service, LaneMemory()),
            self._explain,
        )
        name = f"{self.name}:{carrier}"
        since = self.ledger.clock.now()
        with self.heartbeat.at_work(service, name):
            done = worker.carry(service, name, own=own, wake=wake)
        self.metrics.carried(service, done.records.values(), since)
        return done

    def _explain(self, service: str, provisions: Sequence[Provision]) -> str:
        return unknown_name(self.clients.of(service), provisions)

    def _rest(self, service: str, reason: str) -> CarryResult:
        if not self.ledger.lane(service).resting:
            rest_for_local_trouble(self.ledger, service, self.limits, random.random, reason)
        return CarryResult(why="resting")

    def sweep(self, service: str, holder: str, *, fix: bool = True) -> Report:
        """Sweep a lane; `holder` names the sweep within this process."""
        settings = self.settings
        if service not in self._owners:
            self._owners[service] = owner_of(settings, service)
        with sweeping(
            self._astakos(service),
            self.ledger,
            replace(self.limits, sweep_seconds=settings.sweep_seconds),
            self.waker.wake_lane,
            ask=self._owners[service],
            requests=settings.sweep_requests,
        ) as sweep:
            report = Report(service, fix=fix)
            try:
                for _ in sweep.findings(report, f"{self.name}:{holder}"):
                    pass
            finally:
                self.metrics.swept(report)
        return report

    def users(self, service: str, what: str, wanted: Iterable[str] | None) -> dict[str, str]:
        """Return `{uuid: name}` for "usernames", `{name: uuid}` for "uuids".

        `wanted` are the names or uuids to look up; None: all.
        """
        self.clients.of(service)  # its error is for this caller alone, and no other of the request
        if wanted is None:
            return self._fetch_users(service, what, None)
        with self._lock:
            gather = self._gathers.get((service, what))
            if gather is None:
                gather = self._gathers[service, what] = Gather(
                    lambda some, _: self._fetch_users(service, what, some), SAME_NAME[what]
                )
        return gather.ask(checked_strings(what, wanted))

    def _fetch_users(self, service: str, what: str, wanted: Sequence[str] | None) -> dict[str, str]:
        client = self.clients.of(service)
        if what == "usernames":
            found = client.service_get_usernames(wanted)
        else:
            found = client.service_get_uuids(wanted)
        if self._known_names and wanted is not None:
            self._known_names.write(service, what, wanted, found)
        return found

    def _astakos(self, service: str) -> Astakos:
        return MeasuredAstakos(self.clients.of(service), service, self.metrics)

    def _say_what_is_served(self) -> None:
        """Say in the ledger which queues this process reads, for which services."""
        seconds = _SERVED_DRIVES * self.settings.drive + self.settings.heartbeat
        ours = [queue for queue in self._queues() if queue in QUEUES]
        self.ledger.serve(self.settings.services, ours, seconds)

    def consumes(self, consumer: ConsumerFacts) -> None:
        """Announce that this process takes messages from now on."""
        try:
            self.announcer.consumes(consumer)
        except LedgerError as error:  # the heartbeat announces it later
            log.warning("not_announced", error=str(error))

    def start(self) -> None:
        """Start the heartbeat, and show the metrics if they are wanted."""
        self._ledger_watch.exchange()  # before anything is claimed
        self.heartbeat.start()
        if self.settings.metrics_port:
            self._unserve = self.metrics.serve(
                self.settings.metrics_host, self.settings.metrics_port
            )

    def stop(self) -> None:
        """End the heartbeat and the metrics, and withdraw the worker's presence."""
        self.heartbeat.stop()
        self.announcer.ends()
        with suppress(LedgerError):
            self.announcer.look()
        self._unserve()


_lock = threading.Lock()
_made: dict[int, WorkerProcess] = {}


def this_process(settings: Settings, queues: Callable[[], Iterable[str]] = tuple) -> WorkerProcess:
    """Return what this process has; the first call makes it and starts its heartbeat.

    `queues` returns the names of the queues that it reads.
    """
    pid = os.getpid()
    made = _made.get(pid)
    if made is None:
        with _lock:
            made = _made.get(pid)
            if made is None:
                made = WorkerProcess(settings, queues)
                made.start()  # before any task works with it
                _made[pid] = made
    return made


def made_here() -> WorkerProcess | None:
    """Return what this process has; None if it has made nothing yet."""
    return _made.get(os.getpid())


def _forget() -> None:
    global _lock  # noqa: PLW0603  # a thread of the parent may hold the lock
    _lock = threading.Lock()
    _made.clear()


os.register_at_fork(after_in_child=_forget)
