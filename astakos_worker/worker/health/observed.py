"""What was read for the judgement: values only. Times are in seconds.

What could not be read is `None` (a refused command), or an `Away` in place of a server's facts.
Neither is a fault by itself: `judgement.py` says what it means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from astakos_worker.ledger.contract import Lane

#: How long a worker that fell silent is waited for. Then it was removed, and is forgotten.
REMEMBERED: Final = 600.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The settings by which lateness is judged."""

    overdue: float = 60.0  # due work that waits longer is late
    sweep: float = 60.0  # between two sweeps of a service
    silent: float = 6.0  # a worker that has not beaten for longer stands still
    longest_task: float = 40.0  # a worker with no free thread takes messages again after this

    @property
    def sweep_late(self) -> float:
        """How old the last sweep of a service may be."""
        return 3 * self.sweep

    @property
    def beat_late(self) -> float:
        """How long ago beat may have ordered its last sweep."""
        return 2.5 * self.sweep


@dataclass(frozen=True, slots=True)
class Presence:
    """What a worker process says of itself. `age`: how long ago it said so, by the ledger's server.

    `clock` is how far the clock of its machine is ahead of the ledger server's, give or take
    `clock_error`. `unanswered` is how long its own message has waited for it to take it; 0: there
    is none that waits. `faults` has a line for each service whose client it cannot make.
    """

    node: str
    age: float
    up: float = 0.0
    queues: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    clock: float = 0.0
    clock_error: float = 0.0
    unanswered: float = 0.0
    busy: bool = False  # no thread of its pool is free
    faults: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica, as its master knows it: `lag` is the time since its last word."""

    name: str
    state: str
    lag: float


@dataclass(frozen=True, slots=True)
class Server:
    """What the server of the ledger or of the broker says of itself. None: it could not be read."""

    database: int = 0
    run_id: str | None = None
    evicts: str | None = None  # its maxmemory-policy
    appendonly: bool | None = None
    appendfsync: str | None = None
    writes_fail: bool | None = None  # its append-only file cannot be written
    cluster: bool | None = None
    replica_of: str | None = None  # the master's address; "": it is a master
    replicas: tuple[Replica, ...] | None = None
    clock: float = 0.0  # of the broker: how far it is ahead of the ledger server's ...
    clock_error: float = 0.0  # ... give or take this
    refused: tuple[str, ...] = ()  # the commands that it refused


@dataclass(frozen=True, slots=True)
class Away:
    """A server that does not answer, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Swept:
    """The last sweep of a service: how long ago it began, and why it stopped early, if it did."""

    age: float
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class WaitingRows:
    """The rows of a service's outbox that wait to be sent; `oldest`: since when."""

    waiting: int = 0
    oldest: float = 0.0


@dataclass(frozen=True, slots=True)
class Observed:
    """All that was read, at one moment."""

    ledger: Server | Away
    broker: Server | Away
    bounds: Bounds = field(default_factory=Bounds)
    namespace: str = "default"
    #: The named services of the environment of the process that reads.
    services: tuple[str, ...] = ()
    lanes: tuple[Lane, ...] = ()
    sweeps: Mapping[str, Swept] = field(default_factory=dict)
    workers: tuple[Presence, ...] | None = ()
    #: Beat, whose age says when it last ordered a sweep; None: no beat has said anything.
    beat: Presence | None = None
    #: How many messages wait in each of our queues; None: that could not be read.
    queues: Mapping[str, int] | None = None
    #: Messages that no worker could read; None: that could not be read.
    dead_messages: int | None = None
    #: Open commissions of the other namespaces on the ledger's server that no worker serves.
    others: Mapping[str, int] = field(default_factory=dict)
    #: The ledger's id, and the id of the ledger that the broker's server remembers; "": none yet;
    #: None: it could not be read.
    ledger_id: str | None = None
    remembered_id: str = ""
    outbox: WaitingRows | Away | None = None  # None: no outbox is named
    #: What else could not be read: what, and why.
    unread: Mapping[str, str] = field(default_factory=dict)
