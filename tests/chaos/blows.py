"""Carries out a storm: one thread for the machine's blows, one for those of Astakos.

A blow that comes late, since the one before took its time, comes at once. When it is over,
everything runs again and nothing goes wrong any more.
"""

import threading
import time
from collections.abc import Callable, Sequence

from redis import Redis, RedisError

from astakos_worker.demo.board import Board
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.errors import ControlError
from astakos_worker.sandbox.faults import Kind
from astakos_worker.service.errors import Unavailable
from tests.chaos.storm import FAULTS, LATE, Blow

#: Seconds within which a component that was killed is up again, on a busy machine.
_UP = 60.0
_LOOK = 0.1
_COLOURS = {"kill": "bold red", "pause": "red", "broker": "bold red"}


class Storm:
    """Two threads that do what the timetables say; `still` when both are through."""

    def __init__(
        self,
        stack: LocalStack,
        board: Board,
        behind: Callable[[str], int],
        *,
        machine: Sequence[Blow],
        astakos: Sequence[Blow],
        seed: int,
    ) -> None:
        self._stack = stack
        self._board = board
        #: Does what goes on behind the service's back; returns how much of it.
        self._behind = behind
        self._control = ControlClient(str(stack.sandbox_url))
        self._seed = seed
        #: When the last ghost will have worked.
        self.haunted = 0.0
        self._over = threading.Event()
        self._broken: list[BaseException] = []
        began = time.monotonic()
        self._threads = [
            threading.Thread(
                target=self._run, args=(began, blows, do), name=f"storm-{name}", daemon=True
            )
            for name, blows, do in (
                ("machine", machine, self._strike),
                ("astakos", astakos, self._misbehave),
            )
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    @property
    def still(self) -> bool:
        """Return whether it is over; raise what it stumbled over."""
        if self._broken:
            raise self._broken[0]
        return not any(thread.is_alive() for thread in self._threads)

    def calm(self) -> None:
        """End it now, wherever it is, and let everything run again."""
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(2 * _UP)
        for process in self._stack.processes.values():
            process.resume()

    def _run(self, began: float, blows: Sequence[Blow], do: Callable[[Blow], None]) -> None:
        try:
            for blow in blows:
                if self._over.wait(max(0.0, began + blow.at - time.monotonic())):
                    return
                do(blow)
        # Whatever it is, whoever asks whether it is still is to know.
        except BaseException as error:  # noqa: BLE001
            self._broken.append(error)

    # --- The machine --------------------------------------------------------------------------

    def _strike(self, blow: Blow) -> None:
        verb, _, whom = blow.what.partition(" ")
        if verb == "kill":
            self._until_up(whom)
            self._say(blow, f"kill -9 of {whom}")
            self._stack.processes[whom].kill()
        elif verb == "pause":
            self._until_up(whom)
            self._say(blow, f"{whom} stands still for {blow.seconds} s")
            self._stack.processes[whom].pause()
            self._over.wait(blow.seconds)
            self._stack.processes[whom].resume()
        else:
            self._forget(blow)

    def _until_up(self, name: str) -> None:
        process, end = self._stack.processes[name], time.monotonic() + _UP
        while not process.alive and time.monotonic() < end and not self._over.wait(_LOOK):
            pass

    def _forget(self, blow: Blow) -> None:
        """Empty the broker's database: messages, what is unacknowledged, results."""
        end = time.monotonic() + _UP
        with Redis.from_url(self._stack.broker_url, socket_timeout=5) as broker:
            while time.monotonic() < end and not self._over.is_set():
                try:
                    waiting = broker.dbsize()
                    broker.flushdb()
                except (RedisError, OSError):
                    self._over.wait(_LOOK)
                else:
                    self._say(blow, f"the broker forgets everything, {waiting} keys")
                    return

    # --- Astakos ------------------------------------------------------------------------------

    def _misbehave(self, blow: Blow) -> None:
        if blow.what in FAULTS:
            self._say(blow, f"Astakos, for {blow.seconds} s: {blow.what}")
            self._asked(lambda: self._control.set_faults(FAULTS[blow.what], seed=self._seed))
            self._over.wait(blow.seconds)
            self._asked(self._control.clear_faults)
            if FAULTS[blow.what]["kind"] is Kind.GHOST:
                self.haunted = time.monotonic() + LATE
        elif blow.what == "outage":
            self._say(blow, f"Astakos refuses connections for {blow.seconds} s")
            self._asked(lambda: self._control.outage(blow.seconds))
            self._over.wait(blow.seconds)
            self._asked(self._control.clear_faults)
        elif blow.what == "kill sandbox":
            self._say(blow, "kill -9 of sandbox")
            self._stack.processes["sandbox"].kill()
            self._asked(self._control.clear_faults)
        else:
            self._behind_its_back(blow)

    def _behind_its_back(self, blow: Blow) -> None:
        end = time.monotonic() + _UP
        while not self._over.is_set():
            try:
                count = self._behind(blow.what)
            except Unavailable:  # the ledger is away: again
                if time.monotonic() > end:
                    raise
                self._over.wait(_LOOK)
            else:
                self._say(blow, f"behind the service's back: {count} {blow.what}")
                return

    def _asked(self, control: Callable[[], None]) -> None:
        """Steer the sandbox as soon as it listens."""
        end = time.monotonic() + _UP
        while True:
            try:
                control()
            except ControlError:
                if time.monotonic() > end:
                    raise
                time.sleep(_LOOK)
            else:
                return

    def _say(self, blow: Blow, text: str) -> None:
        self._board.meddled(blow.what)
        self._board.say(text, _COLOURS.get(blow.what.partition(" ")[0], "yellow"))
