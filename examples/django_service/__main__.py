"""The service's `manage.py`, with its settings."""

import os
import secrets
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import execute_from_command_line

DATABASE = urlsplit(os.environ.get("DATABASE", "sqlite:///servers.db"))
ENGINES = {"postgresql": "postgresql", "sqlite": "sqlite3"}

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": f"django.db.backends.{ENGINES[DATABASE.scheme]}",
            "NAME": DATABASE.path[1:],
            "HOST": DATABASE.hostname,
            "PORT": DATABASE.port,
            "USER": DATABASE.username,
            "PASSWORD": DATABASE.password,
        }
    },
    INSTALLED_APPS=["astakos_worker.django", "examples.django_service"],
    ROOT_URLCONF="examples.django_service.views",
    SECRET_KEY=secrets.token_hex(),
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    USE_TZ=True,
)
execute_from_command_line()
