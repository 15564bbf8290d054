"""Makes the connections of a service's process: ledger, wake-ups, watcher. Opens nothing yet.

One set for each process and settings. After a fork the child makes new ones, because it must not
use the connections of its parent.
"""

import os
import threading
from functools import partial
from typing import Any

from astakos_worker.configuration.servers import connect
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Ledger, ServerLedger, WakeupPolicy
from astakos_worker.ledger.redis.store import RedisLedger
from astakos_worker.service.connections import Connections
from astakos_worker.service.guarded_ledger import guarded
from astakos_worker.service.serving_check import CheckingSender
from astakos_worker.service.waiting import RedisListener, Watcher
from astakos_worker.service.wakeups import Sends, Waker


def ledger_of(settings: Settings, *, patience: float | None = None) -> ServerLedger:
    """Return the ledger that the settings name."""
    return ledger_on(connect(settings.ledger_url, patience=patience or settings.patience), settings)


def ledger_on(server: Any, settings: Settings) -> RedisLedger:
    """Return the ledger that the settings name, over a client of threads or of an event loop."""
    return RedisLedger(
        server,
        settings.namespace,
        wakeups=WakeupPolicy(
            settings.carriers,
            settings.records_per_carrier,
            settings.promise,
            settings.forgotten_after,
            settings.coalesce,
        ),
        retention=settings.retention,
        bare_retention=settings.bare_retention,
    )


_made: dict[str, Connections] = {}
_pid = os.getpid()
_lock = threading.Lock()


def connected(settings: Settings) -> Connections:
    """Return the connections of this process for these settings."""
    if settings.in_memory:
        from astakos_worker.testing.in_memory import the_cloud  # noqa: PLC0415  # tests only

        return the_cloud(settings).connections
    name = settings.model_dump_json(exclude={"services"})
    if _pid != os.getpid():  # uWSGI forks without telling Python, unless it is told to
        _forget()
    with _lock:
        if name not in _made:
            ledger = ledger_of(settings)
            calls = guarded(ledger)
            listener = RedisListener(
                connect(settings.ledger_url, patience=settings.patience), ledger
            )
            _made[name] = Connections(
                calls,
                Waker(partial(_sender, settings, calls), patience=settings.patience),
                Watcher(calls, listener),
            )
        return _made[name]


def _sender(settings: Settings, ledger: Ledger) -> Sends:
    from astakos_worker.service.broker import sender  # noqa: PLC0415  # loads Celery

    return CheckingSender(sender(settings), ledger, settings.namespace)


def _forget() -> None:
    global _lock, _pid  # a thread of the parent may hold the old lock
    _lock, _pid = threading.Lock(), os.getpid()
    _made.clear()


os.register_at_fork(after_in_child=_forget)
