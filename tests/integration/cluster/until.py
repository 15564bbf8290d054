"""Waits for a condition with a bound, instead of sleeping for luck."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def until(condition: Callable[[], Value], within: float = 30, every: float = 0.05) -> Value:
    """Return the condition's first true value; fail the test when it stays false so long."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > deadline:
            message = f"still {value!r} after {within:g} seconds"
            raise AssertionError(message)
        time.sleep(every)
    return value
