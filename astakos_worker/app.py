"""The Celery application: `celery -A astakos_worker.app worker`.

Importing this module reads the environment and opens nothing. A worker process makes its ledger
and clients when its first task runs or when the worker is ready, whichever is first: after any
fork.
"""

import os
from typing import Any

from celery.signals import (
    after_task_publish,
    beat_init,
    worker_init,
    worker_process_init,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from pydantic import ValidationError

from astakos_worker.configuration import names
from astakos_worker.configuration.environment import (
    celerys_variables,
    drop_injected,
    not_settings,
)
from astakos_worker.configuration.event_log import EventLog
from astakos_worker.configuration.logs import configure_logs
from astakos_worker.configuration.setting_errors import in_words
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import LedgerError, UnavailableError
from astakos_worker.service.connect import ledger_of
from astakos_worker.worker.clients import faults
from astakos_worker.worker.health import consuming, ordering
from astakos_worker.worker.process import WorkerProcess, made_here, this_process
from astakos_worker.worker.result_store import WorkerApp
from astakos_worker.worker.tasks import by_name, lookups, sweep, wakeups

log = EventLog(__name__)


def _settings() -> Settings:
    """Read the settings. A worker whose times contradict each other does not start."""
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit(f"astakos-worker: {in_words(error)}") from None


settings = _settings()
app = WorkerApp("astakos_worker", settings)
# Celery has a setting for the class of its consumer, and none for that of its requests.
app.Task.Request = "astakos_worker.worker.consuming:TaskRequest"


def here() -> WorkerProcess:
    """Return what this process has."""
    return this_process(settings, lambda: list(app.amqp.queues.consume_from))


app.dead_messages = lambda: here().dead_messages
for shells in (wakeups, by_name, lookups, sweep):
    shells.register(app, here)
consuming.register(app)


@beat_init.connect
def _check_services(**_: Any) -> None:
    """Refuse to start without a named service, and warn of variables that set nothing."""
    for name in not_settings(os.environ, Settings.model_fields):
        log.warning("not_a_setting", variable=name)
    for name, instead in celerys_variables(os.environ).items():
        log.warning("not_a_setting", variable=name, use=instead)
    for name in settings.in_clear:
        log.warning("token_in_clear", service=name, use="an https:// address")
    if not settings.services:
        raise SystemExit(
            "astakos-worker: no service is configured; set ASTAKOS_SERVICES__DEFAULT__AUTH_URL and "
            "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE"
        )


@worker_init.connect
def _check(**_: Any) -> None:
    """Refuse to start with what does not heal by itself; a ledger that is away comes back."""
    _check_services()
    if wrong := faults(settings):
        raise SystemExit("\n".join(f"astakos-worker: {line}" for line in wrong))
    try:
        ledger_of(settings).check()
    except UnavailableError as error:
        log.warning("ledger_away", error=str(error))
    except LedgerError as error:
        raise SystemExit(f"astakos-worker: {error}") from error


@worker_process_init.connect
def _start(**_: Any) -> None:
    here()


@worker_ready.connect
def _consume(sender: Any, **_: Any) -> None:
    """Announce the worker, now that it takes messages."""
    here().consumes(consuming.consumer_of(app, sender, settings))


@worker_shutting_down.connect
def _end(**_: Any) -> None:
    """Announce that the worker takes no more messages. This runs in a handler of a signal."""
    if process := made_here():
        process.announcer.ends()


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    here().stop()


@beat_init.connect
def _announce_beat(**_: Any) -> None:
    """Note when beat orders a sweep: now is the first time, as it orders one at once."""
    orders = ordering.Orders(settings)
    after_task_publish.connect(orders.ordered, sender=names.RECONCILE, weak=False)
    orders.ordered()


# Flower reads its options from `FLOWER_...` after this import. For a Service with the name `flower`
# Kubernetes injects `FLOWER_PORT=tcp://...` into every pod.
drop_injected(os.environ, "FLOWER_")
configure_logs()
