"""Clients of Astakos, one a named service and process, each with its pool of connections.

Made when first wanted, so after a fork. A token file that has changed makes a new client: a
token is rotated without a restart (F60).
"""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from astakos_worker.configuration.settings import ServiceSettings, Settings
from astakosclient import AstakosClient
from astakosclient.errors import BadValue

#: Seconds between two looks at a token file.
_LOOK = 1.0


@dataclass(slots=True)
class _Made:
    client: AstakosClient
    token: str = field(repr=False)
    looked: float


class Clients:
    """Gives the client of a named service."""

    def __init__(self, settings: Settings, *, connections: int = 32) -> None:
        self._settings = settings
        self._connections = connections
        self._made: dict[str, _Made] = {}
        self._lock = threading.Lock()

    def of(self, service: str) -> AstakosClient:
        """Return the client of a service; `KeyError` names the setting that is missing."""
        now = time.monotonic()
        made = self._made.get(service)
        if made is not None and now - made.looked < _LOOK:
            return made.client
        with self._lock:
            made = self._made.get(service)
            token = self._token(self._settings.for_service(service), made)
            if made is None or made.token != token:
                made = self._made[service] = _Made(self._build(service, token), token, now)
            made.looked = now
            return made.client

    def _build(self, service: str, token: str) -> AstakosClient:
        settings, one = self._settings, self._settings.for_service(service)
        return AstakosClient(
            token,
            one.auth_url,
            use_pool=True,
            pool_size=self._connections,
            connect_timeout=settings.connect_timeout,
            total_timeout=settings.request_deadline,
            verify=str(one.ca_file) if one.ca_file else True,
        )

    @staticmethod
    def _token(one: ServiceSettings, made: _Made | None) -> str:
        """Return the token that is valid now; while its file is being written, the last one."""
        if one.token is not None:
            return one.token.get_secret_value()
        path = Path(one.token_file or "")
        try:
            token = path.read_text(encoding="utf-8").strip()
        except OSError:
            if made is None:
                raise
            return made.token
        if token:
            return token
        if made is None:
            raise BadValue(f"the token file {path} is empty")
        return made.token
