"""The Celery application: `celery -A astakos_worker.app worker`.

Importing this module reads the environment and opens nothing. What a worker process holds is
made when its first task runs or the worker is ready, whichever is first, so after any fork.
"""

import os
from typing import Any

import structlog
from celery.signals import (
    beat_init,
    worker_init,
    worker_process_init,
    worker_ready,
    worker_shutdown,
)
from pydantic import ValidationError

from astakos_worker.configuration.environment import not_settings
from astakos_worker.configuration.logs import configure_logs
from astakos_worker.configuration.setting_errors import in_words
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import LedgerError, UnavailableError
from astakos_worker.service.connect import ledger_of
from astakos_worker.worker import health
from astakos_worker.worker.process import WorkerProcess, this_process
from astakos_worker.worker.result_store import WorkerApp
from astakos_worker.worker.tasks import by_name, lookups, sweep, wakeups

log = structlog.get_logger(__name__)


def _settings() -> Settings:
    """Read the settings; a worker with times that contradict each other does not start."""
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit(f"astakos-worker: {in_words(error)}") from None


settings = _settings()
app = WorkerApp("astakos_worker", settings)
# Celery knows a setting for the class of its consumer, and none for that of its requests.
app.Task.Request = "astakos_worker.worker.consuming:Request"


def here() -> WorkerProcess:
    """Return what this process holds."""
    return this_process(settings)


app.dead_messages = lambda: here().dead_messages
for shells in (wakeups, by_name, lookups, sweep):
    shells.register(app, here)
health.register(app)


@beat_init.connect
def _serves(**_: Any) -> None:
    """Refuse to start for nobody: messages by name would be refused, and no sweep be ordered."""
    for name in not_settings(os.environ, Settings.model_fields):
        log.warning("not_a_setting", variable=name)
    if not settings.services:
        raise SystemExit(
            "astakos-worker: no service is configured; set ASTAKOS_SERVICES__DEFAULT__AUTH_URL and "
            "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE"
        )


@worker_init.connect
def _check(**_: Any) -> None:
    """Refuse to start on a ledger that forgets; one that is away will be back."""
    _serves()
    try:
        ledger_of(settings).check()
    except UnavailableError as error:
        log.warning("ledger_away", error=str(error))
    except LedgerError as error:
        raise SystemExit(f"astakos-worker: {error}") from error


@worker_ready.connect
@worker_process_init.connect
def _start(**_: Any) -> None:
    here()


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    here().stop()


configure_logs()
