"""A sweep as the settings want it: with the owner, and with threads for its requests."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.ports import Astakos, Limits, Ring
from astakos_worker.engine.sweep.owner import Ask
from astakos_worker.engine.sweep.sweep import Sweep
from astakos_worker.ledger.contract import Ledger
from astakos_worker.worker.owner_function import OwnerFunction


def owner_of(settings: Settings, service: str) -> Ask | None:
    """Return who is asked about a named service's commissions; None if there is nobody."""
    one = settings.services.get(service)
    path = settings.owner if one is None or one.owner is None else one.owner
    return OwnerFunction(path, settings.owner_timeout) if path else None


@contextmanager
def sweeping(
    astakos: Astakos,
    ledger: Ledger,
    limits: Limits,
    ring: Ring,
    *,
    ask: Ask | None,
    requests: int,
) -> Iterator[Sweep]:
    """Lend a sweep that asks Astakos about so many commissions at a time."""
    threads = ThreadPoolExecutor(requests, "astakos-sweep")
    try:
        yield Sweep(astakos, ledger, ledger.clock, limits, ring, ask, threads.map)
    finally:
        # Those under way have a deadline; who was interrupted does not wait for the others.
        threads.shutdown(wait=False, cancel_futures=True)
