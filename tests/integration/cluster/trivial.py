"""The application with pytest-celery's own tasks in it, to test the harness itself."""

import pytest_celery.vendors.worker.tasks  # noqa: F401  # shared tasks, bound to every app

from astakos_worker.app import app

__all__ = ["app"]
