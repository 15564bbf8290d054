"""The application with pytest-celery's own tasks in it, to test the harness itself.

And with a way to make a worker deaf: alive, answering, and taking no message any more.
"""

from typing import Any

import pytest_celery.vendors.worker.tasks  # noqa: F401  # shared tasks, bound to every app
from celery.worker.control import control_command

from astakos_worker.app import app
from astakos_worker.worker.health import consuming as health

app.conf.worker_direct = True
if health.PROBE not in app.tasks:
    health.register(app)


@control_command()
def go_deaf(state: Any) -> dict[str, str]:
    """Leave the consumer as it is when a reconnection went wrong half-way."""
    state.consumer.task_consumer.channel.qos.can_consume = lambda: False
    return {"ok": "deaf"}
