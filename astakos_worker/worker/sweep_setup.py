"""Sets up a sweep by the settings: its owner, and the threads of its requests."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.ports import Astakos, Limits, WakeLane
from astakos_worker.engine.sweep.owner import Ask
from astakos_worker.engine.sweep.sweep import Sweep
from astakos_worker.ledger.contract import Ledger
from astakos_worker.worker.owner_function import OwnerFunction


def owner_of(settings: Settings, service: str) -> Ask | None:
    """Return the owner of a named service's commissions; None if the settings name none."""
    one = settings.services.get(service)
    path = settings.owner if one is None or one.owner is None else one.owner
    return OwnerFunction(path, settings.owner_timeout) if path else None


@contextmanager
def sweeping(
    astakos: Astakos,
    ledger: Ledger,
    limits: Limits,
    wake_lane: WakeLane,
    *,
    ask: Ask | None,
    requests: int,
) -> Iterator[Sweep]:
    """Lend a sweep that sends up to `requests` requests about single commissions at once."""
    threads = ThreadPoolExecutor(requests, "astakos-sweep")
    try:
        yield Sweep(astakos, ledger, ledger.clock, limits, wake_lane, ask, threads.map)
    finally:
        # Requests under way end by their own deadline; an interrupted sweep does not wait for them.
        threads.shutdown(wait=False, cancel_futures=True)
