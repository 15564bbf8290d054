"""Reads the URLs of broker, ledger and results, in every documented form, and makes connections.

One server: `redis://[user:password@]host[:port][/database]`, `rediss://...` for TLS, and
`unix://[user:password@]/path[?db=1]` or, as Celery spells it, `redis+socket://` for a socket.

A master that Sentinels know:
`sentinel://[user:password@]host[:port];host[:port];.../database?master=name`. User and password
are the master's; those of the Sentinels are the options `sentinel_username` and
`sentinel_password`. With `ssl=true` the master speaks TLS, with `sentinel_ssl=true` the Sentinels.

TLS verifies the server's certificate and name. `ssl_ca_certs=/path` names the authority; further
options of redis-py and Celery that begin with `ssl_` are understood too.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import ExponentialBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from astakos_worker.configuration import failover_asyncio
from astakos_worker.configuration.failover import (
    Pool,
    SentinelConnection,
    SentinelTlsConnection,
    SocketConnection,
    TcpConnection,
    TlsConnection,
)

_SOCKETS: Final = ("unix", "redis+socket", "socket")
_SCHEMES: Final = ("redis", "rediss", "sentinel", *_SOCKETS)

_ENCODE: Final = "; write @ : / ? # % of a user or password as %40 %3A %2F %3F %23 %25"


def _cert_reqs(value: str) -> str:
    found = value.lower().removeprefix("cert_")
    if found not in {"none", "optional", "required"}:
        raise ValueError("must be none, optional or required")
    return found


def _switch(value: str) -> bool:
    if value.lower() not in {"true", "yes", "1", "false", "no", "0"}:
        raise ValueError("must be true or false")
    return value.lower() in {"true", "yes", "1"}


def _file(value: str) -> str:
    try:
        with Path(value).open("rb"):
            return value
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror})") from None


def _directory(value: str) -> str:
    if not Path(value).is_dir():
        raise ValueError("is no directory")
    return value


def _version(value: str) -> ssl.TLSVersion:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        if value in {version.name, str(int(version)), version.name.removeprefix("TLSv")}:
            return version
    raise ValueError("must be TLSv1_2 or TLSv1_3")


#: The options of TLS in a URL, and how each is read. Names and values are those of redis-py;
#: Celery's `CERT_REQUIRED` and the like are understood too.
_TLS: Final[dict[str, Callable[[str], Any]]] = {
    "ssl_cert_reqs": _cert_reqs,
    "ssl_check_hostname": _switch,
    "ssl_ca_certs": _file,
    "ssl_ca_path": _directory,
    "ssl_ca_data": str,
    "ssl_certfile": _file,
    "ssl_keyfile": _file,
    "ssl_password": str,
    "ssl_ciphers": str,
    "ssl_min_version": _version,
}

#: What a connection verifies if the URL says nothing else.
_VERIFY: Final = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """What a URL says about a server. `hosts` are the Sentinels' where `master` is given."""

    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""  # of a socket
    master: str = ""
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    #: The options of TLS; None: the server speaks none.
    tls: dict[str, Any] | None = field(default=None, repr=False)
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)
    sentinel_tls: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def login(self) -> dict[str, str]:
        """The user and password for the server, as far as there are any."""
        return _login(self.username, self.password)

    @property
    def sentinel_login(self) -> dict[str, str]:
        """The user and password for the Sentinels, as far as there are any."""
        return _login(self.sentinel_username, self.sentinel_password)


def read_url(url: str) -> ServerUrl:
    """Return what a URL says. `ValueError` gives the reason and repeats nothing of the URL."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("has a space or a line break in it")
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in _SCHEMES:
        raise ValueError(
            "must be a redis://, rediss://, unix://, redis+socket:// or sentinel:// URL"
        )
    first, *more = (_split(one) for one in _each_host(url, scheme))
    last = more[-1] if more else first
    if any(part.fragment for part in (first, *more)):
        raise ValueError(f"has a # in it{_ENCODE}")
    options = _options(last.query, scheme)
    username, password = _userinfo(first)
    username = username or options.get("username", "")
    password = password or options.get("password", "")
    tls = {**_VERIFY, **{name: options[name] for name in _TLS if name in options}}
    if scheme in _SOCKETS:
        return ServerUrl(
            path=_socket(first),
            database=options.get("db", options.get("virtual_host", 0)),
            username=username,
            password=password,
        )
    sentinels = scheme == "sentinel"
    default = 26379 if sentinels else 6379
    return ServerUrl(
        hosts=tuple(_host(part, default) for part in (first, *more)),
        master=options.get("master", ""),
        database=_database(last.path) if last.path.strip("/") else options.get("db", 0),
        username=username,
        password=password,
        tls=tls if scheme == "rediss" or options.get("ssl") else None,
        sentinel_username=options.get("sentinel_username", ""),
        sentinel_password=options.get("sentinel_password", ""),
        sentinel_tls=tls if options.get("sentinel_ssl") else None,
    )


class ForCelery(NamedTuple):
    """A server in the form that Celery's settings need."""

    url: str
    #: For `broker_use_ssl` and `redis_backend_use_ssl`; None: no TLS.
    use_ssl: dict[str, Any] | None
    #: For `broker_transport_options` and `result_backend_transport_options`.
    options: dict[str, Any]


def for_celery(url: str) -> ForCelery:
    """Return a server in the form that Celery's settings need; another kind of URL as it is."""
    if url.partition("://")[0].lower() not in _SCHEMES:
        return ForCelery(url, None, {})
    server = read_url(url)
    login = _quoted(server)
    if server.path:
        path = quote(server.path)
        return ForCelery(f"redis+socket://{login}{path}?virtual_host={server.database}", None, {})
    scheme = "sentinel" if server.master else "rediss" if server.tls else "redis"
    each = [
        f"{scheme}://{login}{f'[{host}]' if ':' in host else quote(host)}:{port}/{server.database}"
        for host, port in server.hosts
    ]
    options: dict[str, Any] = {}
    if server.master:
        # By default redis-py tries a Sentinel that is away for four seconds, in each of the pools.
        patience = {"socket_connect_timeout": 2, "socket_timeout": 2, "retry": None}
        options = {
            "master_name": server.master,
            "sentinel_kwargs": {**patience, **_sentinel_options(server)},
        }
    return ForCelery(";".join(each), server.tls, options)


def connect(url: str, *, patience: float, connections: int = 64) -> "redis.Redis":
    """Return a client with a pool of connections; nothing is opened yet.

    A call waits at most a few times `patience` seconds. Only a broken connection is tried again,
    since all calls may be repeated. A thread waits as long for one of the `connections`; with
    Sentinels there are as many connections as threads.
    """
    server = read_url(url)
    options = {
        **_options_of_calls(server, patience),
        "retry": Retry(ExponentialBackoff(cap=0.1, base=0.02), 2, (redis.ConnectionError,)),
    }
    where = _place(server)
    if server.path:
        where["connection_class"] = SocketConnection
    elif server.master:
        where["connection_class"] = SentinelTlsConnection if server.tls else SentinelConnection
    else:
        where["connection_class"] = TlsConnection if server.tls else TcpConnection
    where |= server.tls or {}
    if not server.master:
        options |= {"timeout": patience, "max_connections": connections}
        pool = Pool(**where, **options)  # type: ignore[no-untyped-call]  # redis-py
        return redis.Redis.from_pool(pool)
    # The first Sentinel that answers is asked first from then on: an absent one costs time once.
    of_sentinels = _options_of_sentinels(server, options)
    sentinel: Any = Sentinel(list(server.hosts), sentinel_kwargs=of_sentinels)  # type: ignore[no-untyped-call]  # redis-py has no types here
    master: redis.Redis = sentinel.master_for(server.master, **where, **options)
    return master


async def connect_asyncio(
    url: str, *, patience: float, connections: int = 64
) -> "redis.asyncio.Redis":
    """Return a client for the running event loop, as `connect` does; nothing is opened yet."""
    server = read_url(url)
    options = {
        **_options_of_calls(server, patience),
        "retry": AsyncRetry(ExponentialBackoff(cap=0.1, base=0.02), 2, (redis.ConnectionError,)),
    }
    where = _place(server)
    if server.path:
        where["connection_class"] = failover_asyncio.LoopSocketConnection
    elif server.tls:
        where |= server.tls
        where["tls"] = await asyncio.to_thread(failover_asyncio.context_of, server.tls)
        where["connection_class"] = (
            failover_asyncio.LoopSentinelTlsConnection
            if server.master
            else failover_asyncio.LoopTlsConnection
        )
    else:
        where["connection_class"] = (
            failover_asyncio.LoopSentinelConnection
            if server.master
            else failover_asyncio.LoopTcpConnection
        )
    if not server.master:
        options |= {"timeout": patience, "max_connections": connections}
        return redis.asyncio.Redis.from_pool(failover_asyncio.LoopPool(**where, **options))
    of_sentinels = _options_of_sentinels(server, options)
    sentinel: Any = AsyncSentinel(list(server.hosts), sentinel_kwargs=of_sentinels)  # type: ignore[no-untyped-call]  # as above
    master: redis.asyncio.Redis = sentinel.master_for(server.master, **where, **options)
    return master


async def close_asyncio(server: "redis.asyncio.Redis") -> None:
    """Close a client that `connect_asyncio` has made, and what it asks for its server."""
    await server.aclose()
    manager = getattr(server.connection_pool, "sentinel_manager", None)
    for sentinel in manager.sentinels if manager else ():
        await sentinel.aclose()


def _place(server: ServerUrl) -> dict[str, Any]:
    """Return where a server is, as redis-py's connections take it; Sentinels know it."""
    if server.path:
        return {"path": server.path}
    if server.master:
        return {}
    [(host, port)] = server.hosts
    return {"host": host, "port": port}


def _options_of_calls(server: ServerUrl, patience: float) -> dict[str, Any]:
    """Return how the server is called, as redis-py's connections take it."""
    keep = {} if server.path else {"socket_keepalive": True}
    return {
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
        **keep,
        "decode_responses": True,
        # Bytes that are not UTF-8 become text such as \xff, which no JSON has: so one value is
        # unreadable, and the rest of the reply is not lost with it.
        "encoding_errors": "backslashreplace",
        "health_check_interval": 10,
        "db": server.database,
        **server.login,
    }


def _options_of_sentinels(server: ServerUrl, options: Mapping[str, Any]) -> dict[str, Any]:
    same = ("socket_timeout", "socket_connect_timeout", "socket_keepalive", "retry")
    return {**{name: options[name] for name in same}, **_sentinel_options(server)}


def _sentinel_options(server: ServerUrl) -> dict[str, Any]:
    tls = {"ssl": True, **server.sentinel_tls} if server.sentinel_tls else {}
    return {**server.sentinel_login, **tls}


def _each_host(url: str, scheme: str) -> list[str]:
    """Return a URL for each host; of several, the last has the path and the options."""
    if scheme != "sentinel":
        return [url]
    start = f"{scheme}://"
    return [start + one.removeprefix(start) for one in url[len(start) :].split(";")]


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError(f"cannot be read as a URL{_ENCODE}") from None


def _userinfo(part: SplitResult) -> tuple[str, str]:
    name, _, password = part.netloc.rpartition("@")[0].partition(":")
    return unquote(name), unquote(password)


def _host(part: SplitResult, default: int) -> tuple[str, int]:
    place = part.netloc.rpartition("@")[2]
    host, colon, port = place.rpartition(":")
    if place.endswith("]") or not colon:
        host, port = place, str(default)
    try:
        number = int(port)
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise ValueError(f"the port must be a number from 1 to 65535{_ENCODE}")
    if not host and part.scheme == "sentinel":
        raise ValueError("must be sentinel://host:26379;host:26379/0?master=name")
    return unquote(host.strip("[]")) or "localhost", number


def _socket(part: SplitResult) -> str:
    if part.netloc.rpartition("@")[2] or not part.path.strip("/"):
        raise ValueError("a socket must be unix:///path/to/socket, with three slashes")
    return "/" + unquote(part.path).lstrip("/")


def _database(text: str) -> int:
    number = text.strip("/")
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"the database must be a number{_ENCODE}")
    return int(number)


def _options(query: str, scheme: str) -> dict[str, Any]:
    """Return the options after the `?`, read; `ValueError` for one that the form does not have."""
    readers: dict[str, Callable[[str], Any]] = {"db": _database, "username": str, "password": str}
    if scheme in _SOCKETS:
        readers["virtual_host"] = _database
    if scheme == "rediss":
        readers |= _TLS
    if scheme == "sentinel":
        texts = dict.fromkeys(("master", "sentinel_username", "sentinel_password"), str)
        readers |= {**_TLS, **texts, "ssl": _switch, "sentinel_ssl": _switch}
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in readers:
            hint = "; TLS is rediss://" if scheme == "redis" and name in _TLS else ""
            raise ValueError(
                f"a {scheme}:// URL has the options {', '.join(readers)} and no others{hint}"
            )
        try:
            found[name] = readers[name](value)
        except ValueError as error:
            raise ValueError(f"the option {name}: {error}") from None
    if scheme == "sentinel" and not found.get("master"):
        raise ValueError("must be sentinel://host:26379;host:26379/0?master=name")
    return found


def _login(username: str, password: str) -> dict[str, str]:
    both = {"username": username, "password": password}
    return {label: value for label, value in both.items() if value}


def _quoted(server: ServerUrl) -> str:
    """Return user and password as a URL has them, with the @."""
    if not server.login:
        return ""
    return f"{quote(server.username, safe='')}:{quote(server.password, safe='')}@"
