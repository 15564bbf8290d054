"""Ctrl-C, and the signals of a service manager: a command ends in good order."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

#: The exit status of a command that was interrupted.
INTERRUPTED = 130
#: Seconds until an interrupt that Python threw away is sent again.
_AGAIN = 0.05


@contextlib.contextmanager
def interrupt_once() -> Iterator[None]:
    """Raise `KeyboardInterrupt` in the block, once, for SIGINT, SIGTERM and SIGHUP.

    A second signal is ignored: it would stop the clean-up half way, which takes a few seconds.
    """
    asked = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(*_: object) -> None:
        if not asked.is_set():
            asked.set()
            raise KeyboardInterrupt

    hook = sys.unraisablehook

    def thrown_away(ignored: Any) -> None:
        """Interrupt again: Python drops an exception that is raised while an object is freed."""
        if ignored.exc_type is not KeyboardInterrupt:
            hook(ignored)
            return
        asked.clear()
        main = threading.main_thread().ident
        threading.Timer(_AGAIN, signal.pthread_kill, (main, signal.SIGINT)).start()

    before = {number: signal.signal(number, interrupt) for number in signals}
    sys.unraisablehook = thrown_away
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
