"""Reads everything that is judged: the ledger's server, the broker's, and a service's outbox.

Nothing is written. A server that does not answer is `Away`; a command that a server refuses leaves
its values open. So reading never raises for what is wrong with what is read, and takes a few times
the patience at most.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

import redis

from astakos_worker.configuration.names import COMMISSIONS, QUEUES
from astakos_worker.configuration.servers import connect, read_url
from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.sweep.sweep import last_report
from astakos_worker.ledger.contract import Lane, LedgerError, ServerLedger
from astakos_worker.service.connect import ledger_of
from astakos_worker.worker.dead_messages import dead_messages_of
from astakos_worker.worker.health.observed import (
    Away,
    Bounds,
    Observed,
    Replica,
    Server,
    Swept,
    WaitingRows,
)
from astakos_worker.worker.health.presence import Presences

Value = TypeVar("Value")

#: The set of all namespaces that have used a ledger's server.
NAMESPACES: Final = "astakos:namespaces"


def bounds_of(settings: Settings) -> Bounds:
    """Return by which times lateness is judged."""
    return Bounds(
        overdue=settings.overdue,
        sweep=settings.sweep,
        # A worker renews its presence with each drive, and a beat or two may be late.
        silent=settings.forgotten_after + 2 * settings.heartbeat,
        longest_task=settings.longest_task,
    )


class Reader:
    """Reads what there is to judge. `outbox` reads a service's outbox, where there is one."""

    def __init__(
        self, settings: Settings, *, outbox: Callable[[], WaitingRows | Away] | None = None
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._ledger: ServerLedger = ledger_of(settings)
        self._dead_messages = dead_messages_of(settings)
        patience = settings.patience
        self._servers = {
            "ledger": connect(settings.ledger_url, patience=patience, connections=4),
            "broker": connect(settings.broker_url, patience=patience, connections=4),
        }

    def read(self) -> Observed:
        """Return what there is to judge, as it is now."""
        settings = self._settings
        ledger, broker = self._read_servers()
        unread: dict[str, str] = {}
        known: dict[str, Any] = {}
        if not isinstance(broker, Away):
            known |= _tried(unread, "the queues", self._read_broker) or {}
        if not isinstance(ledger, Away):
            names = {*known.pop("remembered", ()), *settings.services}
            known |= _tried(unread, "the ledger", lambda: self._read_ledger(names, unread)) or {}
            known |= _tried(unread, "the workers", self._read_workers) or {"workers": None}
            known |= _tried(unread, "other namespaces", self._read_others) or {}
            count = _tried(unread, "dead messages", lambda: len(self._dead_messages.list()))
            known["dead_messages"] = count
        else:
            known["workers"] = None
            known.pop("remembered", None)
        return Observed(
            ledger=ledger,
            broker=broker,
            bounds=bounds_of(settings),
            namespace=settings.namespace,
            services=tuple(settings.services),
            outbox=self._outbox() if self._outbox else None,
            unread=unread,
            **known,
        )

    # --- The servers --------------------------------------------------------------------------

    def _read_servers(self) -> tuple[Server | Away, Server | Away]:
        """Return ledger and broker; the broker's clock is compared with the ledger's."""
        ledger, broker = self._server("ledger"), self._server("broker")
        if isinstance(ledger, Server) and isinstance(broker, Server):
            error = broker.clock_error + ledger.clock_error
            broker = replace(broker, clock=broker.clock - ledger.clock, clock_error=error)
        return ledger, broker

    def _server(self, name: str) -> Server | Away:
        """Return a server's facts; its clock is compared with that of this machine."""
        server, url = self._servers[name], getattr(self._settings, f"{name}_url")
        refused: list[str] = []
        try:
            asked = time.time()
            clock = _asked(refused, "TIME", server.time)
            answered = time.time()
            info = _asked(refused, "INFO", lambda: server.info("everything"))
            fsync = _asked(refused, "CONFIG GET", lambda: server.config_get("appendfsync"))
        except (redis.RedisError, OSError) as error:
            return Away(f"{type(error).__name__}: {error}")
        found = server_of(info, fsync, database=read_url(url).database, refused=tuple(refused))
        if clock is None:
            return found
        ahead = clock[0] + clock[1] / 1e6 - (asked + answered) / 2
        return replace(found, clock=ahead, clock_error=abs(answered - asked) / 2)

    # --- The broker's server ------------------------------------------------------------------

    def _read_broker(self) -> dict[str, Any]:
        prefix = f"astakos:{self._settings.namespace}:"

        pipe: Any = self._servers["broker"].pipeline(transaction=False)
        for queue in QUEUES:
            pipe.llen(queue)
        pipe.hkeys(f"{prefix}writes")
        pipe.get(f"{prefix}ledger")
        *lengths, remembered, its_id = pipe.execute()
        return {
            "queues": dict(zip(QUEUES, lengths, strict=True)),
            "remembered": remembered,
            "remembered_id": its_id or "",
        }

    # --- The ledger ---------------------------------------------------------------------------

    def _read_ledger(self, more: Iterable[str], unread: dict[str, str]) -> dict[str, Any]:
        """Return lanes and sweeps. `more` are lanes that this ledger may have forgotten."""
        ledger = self._ledger
        lanes: list[Lane] = []
        sweeps: dict[str, Swept] = {}
        now = ledger.clock.now()
        for name in sorted({*ledger.lanes(), *more}):
            lane = _tried(unread, f"lane {name}", partial(ledger.lane, name))
            last = _tried(unread, f"sweep of {name}", partial(last_report, ledger, name))
            if lane is not None:
                lanes.append(lane)
            if last is not None:
                sweeps[name] = Swept(max(0.0, now - last.started), last.stopped)
        its_id = self._servers["ledger"].get(f"astakos:{self._settings.namespace}:id")
        return {"lanes": tuple(lanes), "sweeps": sweeps, "ledger_id": str(its_id or "")}

    def _read_workers(self) -> dict[str, Any]:
        workers, beat = self._presences(self._settings.namespace).read()
        return {"workers": workers, "beat": beat}

    def _presences(self, namespace: str) -> Presences:
        return Presences(self._servers["ledger"], namespace)

    def _read_others(self) -> dict[str, Any]:
        """Return how many commissions are open in namespaces that no worker serves."""
        server = self._servers["ledger"]
        names: Any = server.smembers(NAMESPACES)
        silent = bounds_of(self._settings).silent
        others: dict[str, int] = {}
        for name in sorted(set(names) - {self._settings.namespace}):
            workers, _ = self._presences(name).read()
            if any(COMMISSIONS in one.queues and one.age <= silent for one in workers):
                continue
            lanes: Any = server.smembers(f"astakos:{name}:lanes")
            opened: Any = [server.zcard(f"astakos:{name}:{lane}:open") for lane in lanes]
            if total := sum(opened):
                others[name] = total
        return {"others": others}


def server_of(
    info: Mapping[str, Any] | None,
    fsync: Mapping[Any, Any] | None,
    *,
    database: int,
    refused: tuple[str, ...] = (),
) -> Server:
    """Return what a server's answers to INFO and CONFIG GET say; None: it refused that one."""
    info = info or {}
    appendonly = info.get("aof_enabled")
    failing = info.get("aof_last_write_status")
    role = info.get("role")
    master = f"{info.get('master_host')}:{info.get('master_port')}"
    rows = [value for name, value in info.items() if _is_replica(name) and isinstance(value, dict)]
    return Server(
        database=database,
        run_id=info.get("run_id"),
        evicts=info.get("maxmemory_policy"),
        appendonly=None if appendonly is None else bool(appendonly),
        appendfsync=(fsync or {}).get("appendfsync"),
        writes_fail=None if failing is None else failing != "ok",
        cluster=None if not info else bool(info.get("cluster_enabled")),
        replica_of=None if role is None else (master if role == "slave" else ""),
        replicas=tuple(map(_replica, rows)) if info else None,
        refused=refused,
    )


def _is_replica(name: str) -> bool:
    return name.startswith("slave") and name[5:].isdigit()


def _replica(row: Mapping[str, Any]) -> Replica:
    return Replica(f"{row.get('ip')}:{row.get('port')}", str(row["state"]), float(row["lag"]))


def _asked(refused: list[str], command: str, ask: Callable[[], Value]) -> Value | None:
    """Return an answer; None if the server refuses the command, which is noted."""
    try:
        return ask()
    except redis.ConnectionError:  # the class of some errors that a server answers: it is not ready
        raise
    except redis.ResponseError:
        refused.append(command)
        return None


def _tried(unread: dict[str, str], what: str, read: Callable[[], Value]) -> Value | None:
    """Return what was read; None if it cannot be, which is noted."""
    try:
        return read()
    except (redis.RedisError, OSError, LedgerError, ValueError, LookupError, TypeError) as error:
        unread[what] = f"{type(error).__name__}: {error}"
        return None
