"""Compares moments of two runs. If two moments are equal, the same steps can follow both.

A moment is read while every process waits. It consists of the contents of the ledger and Astakos,
the memory of the oracle, and, for each process, its position in the code and its local variables,
which are read from its frames. Times are relative to the present time. So a run that is a second
late equals one that is not. Values that decide nothing are left out: histories, alarms, reports.
"""

import functools
import re
import types
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
from greenlet import greenlet

from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.journal import Journal
from astakos_worker.engine.lane_memory import LaneMemory
from astakos_worker.engine.ports import Limits
from astakos_worker.ledger.contract import Entry, Write
from astakos_worker.service.connections import Connections
from tests.simulation.oracle import LANE
from tests.simulation.processes import STARTED, Host, Process
from tests.simulation.stage import Stage, Watcher
from tests.simulation.world import World

#: Any number above this is a time.
_A_TIME = STARTED / 2

#: Fields that record the past and decide nothing.
_SPENT = {"history", "created", "at", "closed", "expires", "watched", "issue_time"}
#: Times that decide nothing once they are over.
_PASSING = {"lease", "leased", "send_until", "quiet_at", "stopped"}
#: Values that are the same in each run.
_CONSTANT = {Limits, Settings, Watcher, Connections}
_ATOMS = {int, bool, bytes, types.NoneType}
_WORLD = World.__init__.__code__.co_filename


class Moment:
    """Gives equal numbers for equal moments of the runs of one case."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        world, workers = stage.world, stage.workers
        parts = (world, workers, stage.raw, stage.book, stage.oracle, stage.ledger, stage.astakos)
        # These are the same in each run, and what they hold is looked at by name.
        self._known = {id(one): type(one).__name__ for one in (stage, *parts, stage.commissions)}
        self._now = 0.0
        self._met: dict[int, int] = {}
        self._incarnations: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._rows: dict[str, Any] = {}

    def value(self) -> int:
        """Return a number that is equal for equal moments."""
        stage = self._stage
        world = stage.world
        self._now = world.clock.time
        self._met, self._incarnations = {}, {}
        self._names = {process.name: process.host.name for process in world._processes}
        waits, changes = world.resting
        whole = (
            (world.calm, waits, changes == stage.oracle.changes),
            self._ledger(),
            (stage.book.commissions, stage.book.holdings, stage.book.next_serial),
            (stage.astakos._had, stage.astakos.component, *self._storm()),
            self._oracle(),
            stage.workers.situation(),
            [(process, process.greenlet) for process in world._processes],
            [(time, call) for time, _, call in sorted(world._timers)],
        )
        return hash(self._plain(whole))

    def _ledger(self) -> object:
        raw = self._stage.raw
        at = raw._lanes.get(LANE)
        if at is None:
            return None
        self._rows = at.rows
        awake = self._future(at.awake)
        leases = {
            name: (holder, till) for name, (holder, till) in raw._leases.items() if till > self._now
        }
        return (
            at.rows,
            at.serials,
            awake,
            self._future(at.promised),
            [who in awake and who for who in at.settlers],
            at.trier in awake and at.trier,
            (at.until, at.level, at.failures, at.sightings, leases),
        )

    def _oracle(self) -> object:
        oracle = self._stage.oracle
        known = {
            key: (one.serial, one.decision, one.cell, one.state)
            for key, one in oracle._known.items()
        }
        told = (oracle.told, oracle.enqueued, oracle.existed, oracle.heard, oracle.past, known)
        marked = (oracle.touched, oracle.late, oracle.unheard, oracle.foreign, oracle.posts)
        marked = (*marked, oracle.doubled, +oracle.sends)
        return told, marked, set(oracle.accepted), set(oracle.rejected)

    def _storm(self) -> tuple[str, float]:
        astakos = self._stage.astakos
        over = astakos.storm_until <= self._now
        return ("", 0.0) if over else (astakos.storm, astakos.storm_until)

    def _remembered(self, memory: LaneMemory) -> list[Any]:
        """Return of a time of success only what decides something: for which records it counts."""
        since = {key: row.record.failing_since for key, row in self._rows.items()}
        counts = [
            (kind, key)
            for kind, at in sorted(memory.succeeded.items())
            for key, failing in since.items()
            if failing is not None and failing <= at
        ]
        return [memory.batch_size, *counts]

    def _future(self, times: dict[str, float]) -> dict[str, float]:
        return {name: time for name, time in times.items() if time >= self._now}

    # --- Any value, as one that can be compared -------------------------------------------------

    def _plain(self, value: Any) -> Any:  # noqa: C901, PLR0911  # one arm a kind
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is str:
            return self._name(value)
        if kind is float:
            return ("at", round(value - self._now, 3)) if value > _A_TIME else value
        plain = self._plain
        if kind is tuple or kind is list:
            return tuple([plain(each) for each in value])
        if kind is dict or isinstance(value, dict):
            return frozenset([(plain(k), plain(v)) for k, v in value.items()])
        number = id(value)
        if number in self._known or kind in _CONSTANT:
            return kind.__name__
        if isinstance(value, str | int):  # states, and the like
            return value
        if isinstance(value, tuple):
            return (kind.__name__, *map(plain, value))
        if isinstance(value, set | frozenset):
            return frozenset(map(plain, value))
        if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType):
            return getattr(value, "__name__", kind.__name__)
        if number in self._met:  # a ring, or the same again
            return ("met", self._met[number])
        self._met[number] = len(self._met)
        return (kind.__name__, *map(plain, self._inside(value)))

    def _inside(self, value: Any) -> Iterable[Any]:  # noqa: C901, PLR0911, PLR0912  # as above
        match value:
            case Process():
                return (value.name, value.host, value.until, value.when)
            case Host():
                return (value.name, value.alive, max(value.stopped, self._now))
            case greenlet():
                return () if value.dead else self._frames(value)
            case types.FunctionType():
                cells = value.__closure__ or ()
                return (value.__code__.co_qualname, *(_content(cell) for cell in cells))
            case types.MethodType():
                return (value.__func__.__qualname__, value.__self__)
            case functools.partial():
                return (value.func, value.args)
            case types.GeneratorType():
                return () if value.gi_frame is None else self._frame(value.gi_frame)
            case LaneMemory():
                return self._remembered(value)
            case Journal():
                return list(value._times.values())
            case BaseException():
                return value.args
            case Entry() | Write():
                return self._behind(value)
        if is_dataclass(value) or isinstance(value, msgspec.Struct):
            return self._fields(value)
        if hasattr(value, "__dict__"):
            return vars(value).items()
        if slots := getattr(type(value), "__slots__", ()):
            return [getattr(value, name, None) for name in slots]
        try:
            return value.__reduce__()[1:]  # iterators say so where they are
        except TypeError:
            return ()

    def _fields(self, value: Any) -> list[Any]:
        out: list[Any] = []
        for each in _fields_of(type(value)):
            inner = getattr(value, each)
            if each in _PASSING and isinstance(inner, float):
                inner = max(inner, self._now)
            out.append(inner)
        return out

    def _behind(self, value: Entry | Write) -> list[Any]:
        """Return a record that a process holds, and how many writes and claims it is behind."""
        row = self._rows.get(value.record.key)
        version, fence = (row.version, row.fence) if row else (0, 0)
        own = {"version": version - value.version, "fence": fence - (value.fence or 0)}
        return [
            own.get(each.name, getattr(value, each.name))
            for each in fields(value)
            if each.name != "leased"
        ]

    def _frames(self, process: greenlet) -> Iterable[Any]:
        frame = process.gr_frame
        if frame is None:  # it has not begun
            yield process.run
        while frame is not None:
            if frame.f_code.co_filename != _WORLD:  # how a process waits is what it waits for
                yield self._frame(frame)
            frame = frame.f_back

    @staticmethod
    def _frame(frame: types.FrameType) -> tuple[Any, ...]:
        return (frame.f_code.co_qualname, frame.f_lasti, frame.f_locals)

    def _name(self, text: str) -> str:
        """Return a name without its drawn or counted part."""
        if "[astakos1 " in text or (len(text) == _DRAWN and not text.strip("0123456789abcdef")):
            return _INCARNATION.sub(self._number, text)
        host = self._names.get(text)
        if host is not None:
            return f"now on {host}"
        return text.rstrip("0123456789") if text.startswith(_NUMBERED) else text

    def _number(self, found: re.Match[str]) -> str:
        """Return the number of an incarnation, in the order in which they are met."""
        return str(self._incarnations.setdefault(found[0], len(self._incarnations)))


_DRAWN = 8
_INCARNATION = re.compile(r"\b[0-9a-f]{8}\b")
_NUMBERED = ("w1:task", "w2:task", "drive", "sweep")


@functools.cache
def _fields_of(kind: type) -> tuple[str, ...]:
    left_out = {*_SPENT, *(("version", "fence") if kind.__name__ == "MemoryRow" else ())}
    of = msgspec.structs.fields if issubclass(kind, msgspec.Struct) else fields
    return tuple(each.name for each in of(kind) if each.name not in left_out)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
