"""Ending in good order when a person or a service manager asks for it."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

#: Seconds after which an interrupt that Python threw away comes again.
_AGAIN = 0.05


@contextlib.contextmanager
def interrupt_once() -> Iterator[None]:
    """Have Ctrl-C, a service manager's SIGTERM and a closed terminal interrupt us, once.

    A second one while everything is being ended would leave it half done; that takes seconds
    at most.
    """
    asked = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(*_: object) -> None:
        if not asked.is_set():
            asked.set()
            raise KeyboardInterrupt

    hook = sys.unraisablehook

    def thrown_away(ignored: Any) -> None:
        """Interrupt once more: what comes while an object is finalised reaches nobody."""
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
