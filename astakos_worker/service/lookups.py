"""`Lookups`: a service asks Astakos by way of the workers, who hold the token, and waits.

A look-up changes nothing. So one without an answer is asked again until its caller's time is over:
a lost message costs time.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from astakos_worker.configuration import names
from astakos_worker.configuration.settings import Settings, SettingsOfAService
from astakos_worker.ledger.contract import LedgerError
from astakos_worker.service import arguments
from astakos_worker.service.arguments import checked_strings
from astakos_worker.service.asks import Asks, BrokerAwayError, TaskFailedError
from astakos_worker.service.connect import connected
from astakos_worker.service.errors import Unavailable
from astakos_worker.service.gather import Gather
from astakos_worker.service.known_names import KnownNames
from astakos_worker.service.loading import LOADING
from astakos_worker.service.served import unserved
from astakosclient.answer_types import Commission, Figures, ProjectFigures, Resource
from astakosclient.errors import AstakosClientException, NoUserName, NoUUID

if TYPE_CHECKING:
    from astakos_worker.testing.in_memory import InMemoryCommissions, InMemoryLookups

T = TypeVar("T")

#: Messages about names that a process has under way. Further names gather meanwhile.
_AT_ONCE = 4


class Lookups:
    """Asks Astakos by way of the workers, with the token of one named service.

    `Lookups()` reads the environment (`Settings`); `Lookups("cyclades")` is for another named
    service. `settings` replaces those of the environment. `timeout`: seconds to wait for an answer.
    `asks` and `known_names` are only for this package's own use. One object serves all threads of a
    process, and may be made before a fork.

    Each call raises `BadValue` for a wrong argument, the error that the client would raise, and
    `Unavailable` if no answer came within `timeout` seconds. While the broker does not answer, a
    call raises `Unavailable` within the setting `ASTAKOS_PATIENCE`, which is a second.
    """

    def __init__(
        self,
        service: str | None = None,
        *,
        settings: Settings | None = None,
        timeout: float = 10.0,
        asks: Asks | None = None,
        known_names: KnownNames | None = None,
    ) -> None:
        self._settings = settings or SettingsOfAService()
        self.service: str = arguments.checked_service(
            self._settings.service if service is None else service
        )
        self._timeout = arguments.checked_seconds("timeout", timeout)
        self._given = None if asks is None else self._put_up(asks, known_names)
        self._lock = threading.Lock()
        self._made: tuple[int, _Here] | None = None

    @staticmethod
    def in_memory(
        commissions: "InMemoryCommissions | None" = None, *, service: str = "default"
    ) -> "InMemoryLookups":
        """Return `Lookups` for unit tests, without broker, workers and Astakos.

        `commissions`: those of `Commissions.in_memory()`, whose Astakos answers; None: an Astakos
        of its own, without limits. A test adds users: `lookups.users.add_user("ada@example.org")`.
        """
        from astakos_worker.testing.in_memory import (  # noqa: PLC0415  # tests only
            InMemoryCommissions,
            InMemoryLookups,
        )

        beside = InMemoryCommissions() if commissions is None else commissions
        return InMemoryLookups(beside.astakos, service=service)

    def usernames(self, uuids: Iterable[str]) -> dict[str, str]:
        """Return `{uuid: user name}`; unknown uuids are absent."""
        return self._names("usernames", "uuids", uuids)

    def username(self, uuid: str) -> str:
        """Return the name of one user; raise `NoUserName` if there is none."""
        found = self.usernames([uuid])
        if uuid not in found:
            raise NoUserName(uuid)
        return found[uuid]

    def uuids(self, display_names: Iterable[str]) -> dict[str, str]:
        """Return `{user name: uuid}`; unknown names are absent."""
        return self._names("uuids", "display_names", display_names)

    def uuid(self, display_name: str) -> str:
        """Return the uuid of one user; raise `NoUUID` if there is none."""
        found = self.uuids([display_name])
        if display_name not in found:
            raise NoUUID(display_name)
        return found[display_name]

    def quotas(
        self, user: str | Iterable[str] | None = None, project: str | Iterable[str] | None = None
    ) -> dict[str, dict[str, dict[str, Figures]]]:
        """Return `{user: {project: {resource: figures}}}` of the service's own resources.

        `user`, `project`: one uuid or several; None: all. Figures are `limit`, `usage` and
        `pending` of the user in the project, and with the prefix `project_` of the whole project.
        """
        return self._ask(
            "quotas", dict, user=_some("user", user), project_id=_some("project", project)
        )

    def project_quotas(
        self, project: str | Iterable[str] | None = None
    ) -> dict[str, dict[str, ProjectFigures]]:
        """Return `{project: {resource: figures}}`, with figures of the project as in `quotas`.

        `project`: one uuid or several; None: all.
        """
        return self._ask("project_quotas", dict, project_id=_some("project", project))

    def resources(self) -> dict[str, Resource]:
        """Return `{resource: description}` of all visible resources."""
        return self._ask("resources", dict)

    def services(self) -> list[dict[str, Any]]:
        """Return the registered services."""
        return self._ask("services", list)

    def endpoints(self) -> dict[str, Any]:
        """Return the public catalog; `astakosclient.parse_endpoints` reads it."""
        return self._ask("endpoints", dict)

    def pending_commissions(self) -> list[int]:
        """Return the serials that are pending in Astakos for the service's token."""
        return self._ask("pending_commissions", list)

    def commission_info(self, serial: int) -> Commission:
        """Return a pending commission; raise `NotFound` if it is resolved or unknown."""
        found = self._ask("commission_info", dict, serial=arguments.checked_serial(serial))
        return cast("Commission", found)

    # --- Inside -------------------------------------------------------------------------------

    def _names(self, what: str, label: str, values: Iterable[str]) -> dict[str, str]:
        """Return the cached answers for these names, and ask the workers for the others."""
        wanted = checked_strings(label, values)
        if not wanted:
            return {}
        here, end = self._here, time.monotonic() + self._timeout
        found: dict[str, str] = {}
        missing = wanted
        if here.known_names is not None:
            found, unknown = here.known_names.read(self.service, what, wanted)
            missing = [name for name in wanted if name not in found and name not in unknown]
        if missing:
            with self._in_time(what):
                found |= here.gathers[what].ask(missing, max(0.0, end - time.monotonic()))
        return {name: found[name] for name in wanted if name in found}

    def _ask(self, what: str, kind: Callable[[Any], T], **kwargs: Any) -> T:
        with self._in_time(what):
            return kind(self._answer(self._here.asks, what, kwargs, self._timeout))

    def _answer(self, asks: Asks, what: str, kwargs: dict[str, Any], timeout: float) -> Any:
        answer = asks.ask(what, {"service": self.service, **kwargs}, timeout)
        if "error" in answer:
            raise AstakosClientException.from_dict(answer["error"])
        return answer["value"]

    @contextmanager
    def _in_time(self, what: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            text = f"no answer to {what!r} within {self._timeout:g} s: {self._unserved() or error}"
            raise Unavailable(what, text) from error
        except (BrokerAwayError, TaskFailedError) as error:
            raise Unavailable(what, f"no answer to {what!r}: {error}") from error

    def _unserved(self) -> str:
        """Return why no worker answers look-ups of this service; "" if one does, or who knows."""
        if self._given is not None:
            return ""
        try:
            served = connected(self._settings).ledger.served()
        except LedgerError:
            return ""
        return unserved(served, self._settings.namespace, self.service, names.LOOKUPS)

    @property
    def _here(self) -> "_Here":
        """The connections of this process: a child does not use those of its parent."""
        if self._given is not None:
            return self._given
        pid = os.getpid()
        if self._made is None or self._made[0] != pid:
            with self._lock:
                if self._made is None or self._made[0] != pid:
                    self._made = pid, self._connect()
        return self._made[1]

    def _connect(self) -> "_Here":
        if self._settings.in_memory:
            from astakos_worker.testing.in_memory import the_cloud  # noqa: PLC0415  # tests only

            return self._put_up(the_cloud(self._settings).lookups, None)
        with LOADING:
            from astakos_worker.service.asker import asker_and_names  # noqa: PLC0415  # loads Celery

        return self._put_up(*asker_and_names(self._settings))

    def _put_up(self, asks: Asks, known_names: KnownNames | None) -> "_Here":
        def gather(what: str, label: str) -> Gather:
            def fetch(some: Sequence[str], left: float | None) -> dict[str, str]:
                seconds = self._timeout if left is None else left
                return dict(self._answer(asks, what, {label: list(some)}, seconds))

            return Gather(fetch, names.SAME_NAME[what], leads=_AT_ONCE)

        labels = {"usernames": "uuids", "uuids": "display_names"}
        return _Here(
            asks, known_names, {what: gather(what, label) for what, label in labels.items()}
        )


@dataclass(frozen=True, slots=True)
class _Here:
    """What the look-ups of one process work with."""

    asks: Asks
    known_names: KnownNames | None
    gathers: Mapping[str, Gather]


def _some(label: str, values: str | Iterable[str] | None) -> list[str] | None:
    if values is None:
        return None
    return checked_strings(label, [values] if isinstance(values, str) else values)
