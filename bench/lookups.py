"""Measures look-ups of users by many callers at once: a task for each, gathered, and cached.

Rounds of all contenders alternate. Each caller asks for one name after the other. All callers ask
for different names, so a gathered request has several names in it.
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
    """Return how each contender finds the uuid of a name. "ours" uses no cache."""
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
    """Measure answers a second; each contender runs for the same time in each round."""
    found: dict[str, dict[str, list[float]]] = {name: {"a second": []} for name in asks}
    for ask in asks.values():
        for name in NAMES:  # open connections and fill caches before the clock starts
            ask(name)
    for _ in range(rounds):
        for contender, ask in asks.items():
            found[contender]["a second"].append(rate(ask, seconds, callers))
    return found


def rate(ask, seconds: float, callers: int) -> float:
    """Return the answers a second that `callers` callers got."""
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
