"""Look-ups of users by many callers at the same time: a task each, gathered, and kept.

Rounds of all contenders alternate. Each caller asks for one name after the other, all callers for
different ones, so that what is gathered is more than one name asked for often.
"""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from astakos_worker import Lookups, Settings
from bench.calls import PATIENCE

#: Users that the sandbox's seed has.
NAMES = [f"user{number:02}@example.org" for number in range(1, 17)]


def asks(settings: Settings, plain) -> dict:
    """How each contender finds the uuid of a name. "ours" is cold: it looks at nothing kept."""
    cold = Lookups(settings=settings.model_copy(update={"names_kept": 0}), timeout=PATIENCE)
    cached = Lookups(settings=settings, timeout=PATIENCE)
    return {
        "plain": lambda name: plain.tasks.uuid.delay(name).get(PATIENCE)[name],
        "ours": cold.uuid,
        "ours, cached": cached.uuid,
    }


def measure(
    asks: dict, seconds: float, rounds: int, callers: int = 64
) -> dict[str, dict[str, list[float]]]:
    """Answers a second, each contender for so long in each round."""
    found: dict[str, dict[str, list[float]]] = {name: {"a second": []} for name in asks}
    for ask in asks.values():
        for name in NAMES:  # what is made once is made now, and what is kept is kept
            ask(name)
    for _ in range(rounds):
        for contender, ask in asks.items():
            found[contender]["a second"].append(rate(ask, seconds, callers))
    return found


def rate(ask, seconds: float, callers: int) -> float:
    """Answers a second that so many callers got."""
    start = threading.Barrier(callers + 1)
    end = 0.0

    def caller(number: int) -> int:
        start.wait()
        for done in itertools.count():
            if time.perf_counter() > end:
                return done
            ask(NAMES[(number + done) % len(NAMES)])
        raise AssertionError  # it counts for ever

    with ThreadPoolExecutor(callers) as pool:
        futures = [pool.submit(caller, number) for number in range(callers)]
        began = time.perf_counter()
        end = began + seconds
        start.wait()
        done = sum(future.result() for future in futures)
        return done / (time.perf_counter() - began)
