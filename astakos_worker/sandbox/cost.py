"""The cost of work: milliseconds per request and per serial, on several servers, with row locks.

The real Astakos locks the holdings of each holder that a request names. Requests that share a user
or a project go one after another, while others pass (the protocol, section 10.9). Without a model
nothing waits.
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Final, Self

import msgspec

from astakos_worker.sandbox.api.endpoint import Load, WorkKind
from astakos_worker.sandbox.errors import FaultRuleError
from astakos_worker.sandbox.input_tables import read_dataclass

# Seconds. After a pause of this machine the servers catch up on no more than this at once.
_LONGEST_CATCH_UP: Final = 0.1
# Rounds of a hash that burn about 0.1 ms of CPU. The time that they take is measured.
_ROUNDS: Final = 300


_Milliseconds = Annotated[float, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class CostModel:
    """Milliseconds of work for each kind of request, and the number of servers."""

    read_ms: _Milliseconds = 0.0
    issue_ms: _Milliseconds = 0.0
    # Added if the same request also accepts.
    auto_accept_ms: _Milliseconds = 0.0
    resolve_ms: _Milliseconds = 0.0
    serial_ms: _Milliseconds = 0.0
    servers: Annotated[int, msgspec.Meta(ge=1)] = 1
    # Burn CPU instead of waiting: a thread for each server that is at work.
    burn: bool = False

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Return a model from a JSON object; raises `FaultRuleError`."""
        return read_dataclass(cls, values, FaultRuleError, "a cost model")

    def seconds(self, load: Load) -> float:
        """Return the seconds that a server works on a request."""
        return {
            WorkKind.READ: self.read_ms,
            WorkKind.ISSUE: self.issue_ms,
            WorkKind.ISSUE_AND_ACCEPT: self.issue_ms + self.auto_accept_ms,
            WorkKind.RESOLVE: self.resolve_ms + self.serial_ms * load.serials,
        }[load.kind] / 1000

    @property
    def is_free(self) -> bool:
        """Return whether all work is free."""
        return not any(
            (self.read_ms, self.issue_ms, self.auto_accept_ms, self.resolve_ms, self.serial_ms)
        )

    def describe(self) -> dict[str, object]:
        """Return the model as JSON."""
        return asdict(self)


FREE: Final = CostModel()
# CPU of server and database, measured on a running Astakos (the protocol, section 10).
REAL: Final = CostModel(
    read_ms=2.6, issue_ms=3.7, auto_accept_ms=3.6, resolve_ms=3.2, serial_ms=1.8
)
PRESETS: Final = {"none": FREE, "real": REAL}


@dataclass(eq=False, slots=True)
class _Ticket:
    """One request that waits for a server, or is being worked on."""

    holders: frozenset[str]
    seconds: float
    done: asyncio.Future[None]
    ends: float = 0.0


class Servers:
    """Several servers, and the row locks that they share; first come, first served.

    A request that waits for a lock does not occupy a server. For example, ten issues of 3.7 ms for
    one user take 37 ms, however many servers there are; for ten users on two servers they take
    18.5 ms. The planned end of one request is the begin of the next, even if the timer fires late:
    late timers do not add up.
    """

    def __init__(self, model: CostModel = FREE) -> None:
        self.model = model
        self._free = model.servers
        self._locked: set[str] = set()
        self._waiting: deque[_Ticket] = deque()

    async def work(self, load: Load) -> None:
        """Return when the work of a request is done."""
        if self.model.is_free:
            return
        seconds = self.model.seconds(load)
        loop = asyncio.get_running_loop()
        ticket = _Ticket(load.holders, seconds, loop.create_future())
        self._waiting.append(ticket)
        self._start_possible(loop.time())
        await ticket.done

    def _start_possible(self, now: float) -> None:
        taken = set(self._locked)
        for ticket in list(self._waiting):
            if not self._free:
                return
            if taken.isdisjoint(ticket.holders):
                self._waiting.remove(ticket)
                self._locked |= ticket.holders
                self._free -= 1
                ticket.ends = now + ticket.seconds
                self._begin(ticket)
            # A request that waits for a row comes before later requests for it.
            taken |= ticket.holders

    def _begin(self, ticket: _Ticket) -> None:
        loop = asyncio.get_running_loop()
        if self.model.burn:
            burning = loop.run_in_executor(None, _burn, ticket.seconds)
            burning.add_done_callback(lambda _: self._end(ticket))
        else:
            loop.call_at(ticket.ends, self._end, ticket)

    def _end(self, ticket: _Ticket) -> None:
        self._locked -= ticket.holders
        self._free += 1
        if not ticket.done.done():
            ticket.done.set_result(None)
        now = asyncio.get_running_loop().time()
        self._start_possible(max(ticket.ends, now - _LONGEST_CATCH_UP))


def _burn(seconds: float) -> None:
    """Use up CPU of this thread, in few calls that let other threads run meanwhile.

    A real Astakos' servers are processes; these must not wait for each other's interpreter lock.
    """
    begin = time.thread_time()
    rounds, done = _ROUNDS, 0
    while (used := time.thread_time() - begin) < seconds:
        if used > 0:
            rounds = max(1, int(done / used * (seconds - used)))
        hashlib.pbkdf2_hmac("sha256", b"", b"", rounds)
        done += rounds
