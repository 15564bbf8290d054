"""Runs two servers behind one name, as a managed service does. The name moves; connections stay.

Broker and ledger are on one server, and a second server replicates it. A fail-over hands the work
to the second one without losing a write, as an operator's tool does. Then the name leads to the new
server. A connection to the old server stays open, and its writes are answered with `READONLY`.
"""

import asyncio
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from astakos_worker.local import LocalStack, Process, StackError, commands
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.readiness import server_answers
from astakos_worker.local.server_program import server_program

#: A library that shifts a server's clock by the seconds in a file.
_SOURCE = Path(__file__).parents[1] / "integration" / "cluster" / "stepped_clock.c"
_LIBRARY, _CLOCK = "stepped_clock.so", "clock"
_CHUNK = 65536
_LOOK = 0.05
#: Milliseconds in which the old server must bring the new one up to date. Later nothing happens.
_HAND_OVER = 5000
#: The full copy for a replica starts at once. By default it waits five seconds for other replicas.
_AT_ONCE = ("--repl-diskless-sync-delay", "0")


class MovingName:
    """A port that forwards each new connection to the server that the name means now."""

    def __init__(self, target: int) -> None:
        self._held = Port()
        self.port = self._held.number
        self.target = target
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._connected, LOOPBACK, self.port)
        )
        self._thread = threading.Thread(target=self._loop.run_forever, name="name", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the port and every connection through it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._server.close()
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()
        self._held.close()

    async def _connected(self, ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            theirs, on = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            back.close()
            return
        ways = [asyncio.ensure_future(_pass(ours, on)), asyncio.ensure_future(_pass(theirs, back))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            on.close()
            back.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


class FailoverStack(LocalStack):
    """The local stack with a second server that replicates the broker's, behind one name."""

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, **options)
        self._name: MovingName | None = None
        self._server_ports: dict[str, int] = {}
        self._off = 0  # seconds by which the servers' clock is off
        self.primary = "broker"

    def set_clock(self, seconds: int) -> bool:
        """Step the clock of both servers' machine; False where there is no C compiler for it."""
        if not (self.directory / _LIBRARY).exists():
            return False
        self._off += seconds
        new = self.directory / "clock.new"
        new.write_text(str(self._off))
        new.replace(self.directory / _CLOCK)
        return True

    @property
    def standby(self) -> str:
        """The process that replicates the primary."""
        return "broker" if self.primary == "standby" else "standby"

    def process(self, name: str) -> Process:
        """Return a process; `broker` is the server that does the broker's work now."""
        return self.processes[self.primary if name == "broker" else name]

    def start(self) -> None:
        """Start everything, and let the second server replicate the first."""
        super().start()
        self._follow(time.monotonic() + self.patience)

    def stop(self) -> None:
        """End everything."""
        super().stop()
        if self._name:
            self._name.close()
            self._name = None

    def fail_over(self, timeout: float) -> None:
        """Hand the work to the other server and move the name, within `timeout` seconds.

        Raises `StackError` if that takes longer.
        """
        end = time.monotonic() + timeout
        old, new = self._server(self.primary), self._server(self.standby)
        with old, new:
            while _role(new) != "master":
                self._follow(end)
                with suppress(RedisError):  # it is not up to date yet, or has done it meanwhile
                    port = self._server_ports[self.standby]
                    old.execute_command("FAILOVER", "TO", LOOPBACK, port, "TIMEOUT", _HAND_OVER)
                _in_time(end, "a fail-over")
                while _role(old, "master_failover_state") not in {"no-failover", ""}:
                    time.sleep(_LOOK)
                    _in_time(end, "a fail-over")
        self.primary = self.standby
        if self._name is not None:
            self._name.target = self._server_ports[self.primary]

    def _follow(self, end: float) -> None:
        """Wait until the standby has all that the primary has."""
        with self._server(self.standby) as standby:
            while _role(standby, "master_link_status") != "up":
                if _role(standby) == "master" and self._primary_is_one():
                    with suppress(RedisError):
                        standby.replicaof(LOOPBACK, self._server_ports[self.primary])
                time.sleep(_LOOK)
                _in_time(end, "the second server")

    def _primary_is_one(self) -> bool:
        with self._server(self.primary) as primary:
            return _role(primary) == "master"

    def _server(self, name: str) -> Redis:
        return Redis(LOOPBACK, self._server_ports[name], socket_timeout=5, decode_responses=True)

    def _answers(self, node: str) -> bool:
        """Say whether a worker answers, over a new connection each time.

        A pooled one would stay with the old server: a replica does not refuse to PUBLISH.
        """
        if self._control is None:
            return False
        control = self._control.control
        control.mailbox._producer_pool = None
        try:
            with self._control.connection_for_write() as new:
                return bool(control.ping([node], timeout=0.5, connection=new))
        except (OperationalError, RedisError, OSError):
            return False

    def _plan_server(self) -> None:
        super()._plan_server()
        data = self.directory / "standby-data"
        data.mkdir(exist_ok=True)
        first = int(self.broker_url.rpartition(":")[2].partition("/")[0])
        second = self._port("standby")
        self._server_ports = {"broker": first, "standby": second}
        words = commands.server(server_program(), second, LOOPBACK, data)
        self._add("standby", words, lambda: server_answers(second))
        for name in self._server_ports:
            self.processes[name].words += _AT_ONCE
            self.processes[name].environment |= self._clock_variables()
        self._name = MovingName(first)
        self.broker_url, self.ledger_url = (
            f"redis://{LOOPBACK}:{self._name.port}/{database}" for database in (0, 1)
        )
        self._variables |= {
            "ASTAKOS_BROKER_URL": self.broker_url,
            "ASTAKOS_LEDGER_URL": self.ledger_url,
        }

    def _clock_variables(self) -> dict[str, str]:
        """Build the library that is preloaded into the servers, and return its variables."""
        library, compiler = self.directory / _LIBRARY, shutil.which("cc")
        if compiler is None:
            return {}
        if not library.exists():
            words = [compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"]
            subprocess.run(words, check=True)
        return {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(self.directory / _CLOCK)}


def _role(server: Redis, field: str = "role") -> str:
    """Return what a server says of its replication; nothing while it does not answer."""
    with suppress(RedisError):
        return str(server.info("replication").get(field, ""))
    return ""


def _in_time(end: float, what: str) -> None:
    if time.monotonic() > end:
        raise StackError(f"{what} was not ready in time")
