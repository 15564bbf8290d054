"""Makes the faults of both timetables: one thread for the machine, one for Astakos.

If a fault takes long, the next one may be late; it is then made at once. At the end every process
runs again, and no more faults are made.
"""

import threading
import time
from collections.abc import Callable, Sequence

from redis import Redis, RedisError

from astakos_worker.demo.run_state import RunState
from astakos_worker.local import Process
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.errors import ControlError
from astakos_worker.sandbox.faults import Kind
from astakos_worker.service.errors import Unavailable
from tests.chaos.fault_timetable import FAULTS, LATE, ScheduledFault
from tests.chaos.moving_name import FailoverStack

#: Seconds within which a component that was killed is up again, on a busy machine.
_UP = 60.0
_LOOK = 0.1
_COLOURS = {"kill": "bold red", "pause": "red", "broker": "bold red", "fail-over": "bold red"}


class FaultRunner:
    """Two threads that do what the timetables say; `finished` when both have ended."""

    def __init__(
        self,
        stack: FailoverStack,
        state: RunState,
        behind: Callable[[str], int],
        *,
        machine: Sequence[ScheduledFault],
        astakos: Sequence[ScheduledFault],
        seed: int,
    ) -> None:
        self._stack = stack
        self._state = state
        #: Does what happens behind the service's back; returns how many commissions it made.
        self._behind = behind
        self._control = ControlClient(str(stack.sandbox_url))
        self._seed = seed
        #: When the last late request will have been executed.
        self.last_ghost_at = 0.0
        self._over = threading.Event()
        self._broken: list[BaseException] = []
        began = time.monotonic()
        self._threads = [
            threading.Thread(
                target=self._run, args=(began, scheduled, do), name=f"storm-{name}", daemon=True
            )
            for name, scheduled, do in (
                ("machine", machine, self._disturb_machine),
                ("astakos", astakos, self._disturb_astakos),
            )
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    @property
    def finished(self) -> bool:
        """Return whether both timetables are through; raise the error that ended one."""
        if self._broken:
            raise self._broken[0]
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """End both now, and let every process run again."""
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(2 * _UP)
        for process in self._stack.processes.values():
            process.resume()

    def _run(
        self,
        began: float,
        scheduled: Sequence[ScheduledFault],
        do: Callable[[ScheduledFault], None],
    ) -> None:
        try:
            for fault in scheduled:
                if self._over.wait(max(0.0, began + fault.at - time.monotonic())):
                    return
                do(fault)
        # Whatever it is, the thread that asks whether all is finished raises it.
        except BaseException as error:  # noqa: BLE001
            self._broken.append(error)

    # --- The machine --------------------------------------------------------------------------

    def _disturb_machine(self, fault: ScheduledFault) -> None:
        verb, _, whom = fault.what.partition(" ")
        if verb == "kill":
            process = self._until_up(whom)
            self._say(fault, f"kill -9 of {whom}")
            process.kill()
        elif verb == "pause":
            process = self._until_up(whom)
            self._say(fault, f"{whom} is paused for {fault.seconds} s")
            process.pause()
            self._over.wait(fault.seconds)
            process.resume()
        elif verb == "clock":
            if self._stack.set_clock(int(whom)):
                self._say(fault, f"the clock of broker and ledger is set by {whom} s")
        elif verb == "fail-over":
            self._stack.fail_over(_UP)
            self._say(fault, "broker and ledger fail over to another server behind their name")
        else:
            self._forget(fault)

    def _until_up(self, name: str) -> Process:
        process, end = self._stack.process(name), time.monotonic() + _UP
        while not process.alive and time.monotonic() < end and not self._over.wait(_LOOK):
            pass
        return process

    def _forget(self, fault: ScheduledFault) -> None:
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
                    self._say(fault, f"the broker loses its data, {waiting} keys")
                    return

    # --- Astakos ------------------------------------------------------------------------------

    def _disturb_astakos(self, fault: ScheduledFault) -> None:
        if fault.what in FAULTS:
            self._say(fault, f"Astakos, for {fault.seconds} s: {fault.what}")
            self._asked(lambda: self._control.set_faults(FAULTS[fault.what], seed=self._seed))
            self._over.wait(fault.seconds)
            self._asked(self._control.clear_faults)
            if FAULTS[fault.what]["kind"] is Kind.GHOST:
                self.last_ghost_at = time.monotonic() + LATE
        elif fault.what == "outage":
            self._say(fault, f"Astakos refuses connections for {fault.seconds} s")
            self._asked(lambda: self._control.outage(fault.seconds))
            self._over.wait(fault.seconds)
            self._asked(self._control.clear_faults)
        elif fault.what == "kill sandbox":
            self._say(fault, "kill -9 of sandbox")
            self._stack.processes["sandbox"].kill()
            self._asked(self._control.clear_faults)
        else:
            self._behind_its_back(fault)

    def _behind_its_back(self, fault: ScheduledFault) -> None:
        end = time.monotonic() + _UP
        while not self._over.is_set():
            try:
                count = self._behind(fault.what)
            except Unavailable:  # the ledger is away: again
                if time.monotonic() > end:
                    raise
                self._over.wait(_LOOK)
            else:
                self._say(fault, f"behind the service's back: {count} {fault.what}")
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

    def _say(self, fault: ScheduledFault, text: str) -> None:
        self._state.count_fault(fault.what)
        self._state.say(text, _COLOURS.get(fault.what.partition(" ")[0], "yellow"))
