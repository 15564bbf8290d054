"""Ending in good order when a person or a service manager asks for it."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interrupted_once() -> Iterator[None]:
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

    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
