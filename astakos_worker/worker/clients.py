"""Clients of Astakos: one for each named service and process, with a pool of connections.

A client is made when it is first used, so after any fork. A token file that has changed makes a
new client: a token is rotated without a restart (F60). So does a changed file of authorities.
"""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from astakos_worker.configuration.service_settings import ServiceSettings, read_token
from astakos_worker.configuration.settings import Settings
from astakosclient import AstakosClient, LocalError
from astakosclient.errors import BadValue

#: Seconds between two looks at a token file.
_LOOK = 1.0
#: Seconds for which a token file may be missing or spoilt. A program that rotates the token may
#: write the file in steps; until it has done so the old token is used.
_ROTATION = 3.0


@dataclass(slots=True)
class _Made:
    client: AstakosClient
    token: str = field(repr=False)
    authorities: tuple[int, ...]
    looked: float
    spoilt_since: float | None = None


class Clients:
    """Gives the client of a named service."""

    def __init__(self, settings: Settings, *, connections: int = 32) -> None:
        self._settings = settings
        self._connections = connections
        self._made: dict[str, _Made] = {}
        self._lock = threading.Lock()

    def of(self, service: str) -> AstakosClient:
        """Return the client of a service.

        `LocalError` says why this machine cannot make one: no byte was sent. `KeyError` names the
        setting of a service that is not configured.
        """
        now = time.monotonic()
        made = self._made.get(service)
        if made is not None and made.spoilt_since is None and now - made.looked < _LOOK:
            return made.client
        with self._lock:
            made = self._made.get(service)
            one = self._settings.for_service(service)
            try:
                token, authorities = _token(one), _stamp(one.ca_file)
                if made is None or (made.token, made.authorities) != (token, authorities):
                    client = self._build(one, token)
                    made = self._made[service] = _Made(client, token, authorities, now)
            except (ValueError, BadValue, LocalError) as error:
                if made is None or now - (made.spoilt_since or now) >= _ROTATION:
                    raise LocalError(OSError(str(error))) from None
                made.spoilt_since = made.spoilt_since or now
            else:
                made.spoilt_since = None
            made.looked = now
            return made.client

    def _build(self, one: ServiceSettings, token: str) -> AstakosClient:
        client = AstakosClient(
            token,
            one.auth_url,
            use_pool=True,
            pool_size=self._connections,
            connect_timeout=self._settings.connect_timeout,
            total_timeout=self._settings.request_deadline,
            verify=str(one.ca_file) if one.ca_file else True,
        )
        client.prepare()  # so that authorities or a proxy that cannot be used are found now (F84)
        return client


def _token(one: ServiceSettings) -> str:
    if one.token is not None:
        return one.token.get_secret_value()
    return read_token(one.token_file or Path())  # the settings have one of the two


def _stamp(path: Path | None) -> tuple[int, ...]:
    """Return numbers that differ when a file has changed; none for no file."""
    try:
        found = path.stat() if path else None
    except OSError:
        found = None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found else ()


def faults(settings: Settings) -> list[str]:
    """Return a line for each named service whose client this machine cannot make."""
    clients, found = Clients(settings), []
    for service in settings.services:
        try:
            clients.of(service)
        except LocalError as error:
            found.append(f"service {service}: {error}")
    return found
