"""The service's settings; its database is postgresql://user@host/name in DATABASE."""

import os
from urllib.parse import urlsplit

_database = urlsplit(os.environ.get("DATABASE", "sqlite:///servers.db"))

DATABASES = {
    "default": {
        "ENGINE": f"django.db.backends.{_database.scheme.replace('sqlite', 'sqlite3')}",
        "NAME": _database.path[1:],
        "HOST": _database.hostname,
        "PORT": _database.port,
        "USER": _database.username,
        "PASSWORD": _database.password,
    }
}
INSTALLED_APPS = ["astakos_worker.django", "examples.django_service"]
ROOT_URLCONF = "examples.django_service.views"
SECRET_KEY = os.urandom(32).hex()
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
