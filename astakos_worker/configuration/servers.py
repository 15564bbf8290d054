"""Connections to the servers that a URL names: one server, or the master that Sentinels know.

`sentinel://[user:password@]host[:port];host[:port];.../database?master=name` has user and password
of the master, and of its replicas; the Sentinels themselves are asked without.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

_SCHEME = "sentinel://"
_PORT = 26379


@dataclass(frozen=True, slots=True)
class Watched:
    """A master, and the Sentinels that know where it is."""

    sentinels: tuple[tuple[str, int], ...]
    master: str
    database: int = 0
    credentials: str = ""  # as they stand in a URL, with their @

    @property
    def user(self) -> dict[str, str]:
        """The master's user and password, as far as there are any."""
        name, _, password = self.credentials.rstrip("@").partition(":")
        both = {"username": unquote(name), "password": unquote(password)}
        return {label: value for label, value in both.items() if value}


def watched(url: str) -> Watched:
    """Return what a `sentinel://` URL names; `ValueError` says what is missing."""
    first, *more = [one.removeprefix(_SCHEME) for one in url.split(";")]
    parts = [urlsplit(_SCHEME + one) for one in (first, *more)]
    found = [(one.hostname or "", one.port or _PORT) for one in parts]
    masters = parse_qs(parts[-1].query).get("master", [])
    if not all(host for host, _ in found) or len(masters) != 1:
        raise ValueError("must be sentinel://host:26379;host:26379/0?master=name")
    database = parts[-1].path.strip("/") or "0"
    if not database.isdigit():
        raise ValueError("the database after the last host must be a number")
    credentials, at, _ = parts[0].netloc.rpartition("@")
    return Watched(tuple(found), masters[0], int(database), credentials + at)


def for_celery(url: str) -> tuple[str, dict[str, Any]]:
    """Return a URL as Celery takes it, and the transport options that go with it."""
    if not url.startswith(_SCHEME) or "master=" not in url:
        return url, {}
    where = watched(url)
    each = [
        f"{_SCHEME}{where.credentials}{f'[{host}]' if ':' in host else quote(host)}:{port}"
        f"/{where.database}"
        for host, port in where.sentinels
    ]
    # By default redis-py tries one that is away for four seconds, and each of Celery's pools does.
    patience = {"socket_connect_timeout": 2, "socket_timeout": 2, "retry": None}
    return ";".join(each), {"master_name": where.master, "sentinel_kwargs": patience}


def connect(url: str, *, patience: float, connections: int = 64) -> "redis.Redis":
    """Return a pooled connection that never waits longer than a few times `patience` seconds.

    Only a broken connection is tried again: all calls may be repeated. Threads beyond the
    number of connections wait for one as long; those to a master that Sentinels watch are as many
    as there are threads.
    """
    options: dict[str, Any] = {
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
        "socket_keepalive": True,
        "retry": Retry(ExponentialBackoff(cap=0.1, base=0.02), 2, (redis.ConnectionError,)),
    }
    more = {"decode_responses": True, "health_check_interval": 10}
    if not url.startswith(_SCHEME):
        pool = redis.BlockingConnectionPool.from_url(
            url, timeout=patience, max_connections=connections, **options, **more
        )
        return redis.Redis.from_pool(pool)
    where = watched(url)
    # The first Sentinel that answers is put in front, so one that is away costs its time but once.
    sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]  # redis-py has no types here
        list(where.sentinels), sentinel_kwargs=options, **options, **more
    )
    master: redis.Redis = sentinel.master_for(where.master, db=where.database, **where.user)
    return master
