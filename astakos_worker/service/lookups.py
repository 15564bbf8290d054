"""`Lookups`: a service asks Astakos by way of the workers, who hold the token, and waits.

A look-up changes nothing. So one without an answer is asked again until its caller's time is over:
a lost message costs time.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from celery.states import READY_STATES, SUCCESS

from astakos_worker.configuration import names
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.settings import Settings, SettingsOfAService
from astakos_worker.service import arguments
from astakos_worker.service.arguments import checked_strings
from astakos_worker.service.errors import Unavailable
from astakos_worker.service.gather import Gather
from astakos_worker.service.known_names import KnownNames, known_names_of
from astakos_worker.service.server_breaker import CircuitOpenError, ServerBreaker
from astakos_worker.service.wakeups import BROKER_AWAY, producer
from astakosclient.errors import AstakosClientException, NoUserName, NoUUID

T = TypeVar("T")

#: Messages that a look-up without an answer sends within its time.
_TRIES = 3
#: Messages about names that a process has under way. Further names gather meanwhile.
_AT_ONCE = 4

#: Seconds between two looks for an answer, at least and at most.
_SHORTEST_LOOK, _LONGEST_LOOK = 0.002, 0.05
#: The first look comes after this part of the time that answers have taken lately.
_FIRST_LOOK = 0.75


class Asks(Protocol):
    """Asks the workers."""

    def ask(self, what: str, kwargs: dict[str, Any], timeout: float) -> Any:
        """Return the task's result; `TimeoutError` if there is none in time."""


class Lookups:
    """Asks Astakos by way of the workers, with the token of one named service.

    `Lookups()` reads the environment (`Settings`); `Lookups("cyclades")` is for another named
    service. `timeout`: seconds to wait for an answer. One object serves all threads of a process,
    and may be made before a fork.

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
        self.service = arguments.checked_service(
            self._settings.service if service is None else service
        )
        self._timeout = arguments.checked_seconds("timeout", timeout)
        self._given = None if asks is None else self._put_up(asks, known_names)
        self._lock = threading.Lock()
        self._made: tuple[int, _Here] | None = None

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
    ) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
        """Return `{user: {project: {resource: figures}}}` of the service's own resources.

        `user`, `project`: one uuid or several; None: all. Figures are `limit`, `usage` and
        `pending` of the user in the project, and with the prefix `project_` of the whole project.
        """
        return self._ask(
            "quotas", dict, user=_some("user", user), project_id=_some("project", project)
        )

    def project_quotas(
        self, project: str | Iterable[str] | None = None
    ) -> dict[str, dict[str, dict[str, int]]]:
        """Return `{project: {resource: figures}}`, with figures of the project as in `quotas`.

        `project`: one uuid or several; None: all.
        """
        return self._ask("project_quotas", dict, project_id=_some("project", project))

    def resources(self) -> dict[str, dict[str, Any]]:
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

    def commission_info(self, serial: int) -> dict[str, Any]:
        """Return a pending commission; raise `NotFound` if it is resolved or unknown."""
        return self._ask("commission_info", dict, serial=arguments.checked_serial(serial))

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
            text = f"no answer to {what!r} within {self._timeout:g} s: {error}"
            raise Unavailable(what, text) from error
        except (_BrokerAwayError, _TaskFailedError) as error:
            raise Unavailable(what, f"no answer to {what!r}: {error}") from error

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
        # Messages and cache are on one server: if it does not answer one call, all fail at once.
        breaker = ServerBreaker("broker", BROKER_AWAY)
        asker = Asker(self._settings, breaker)
        return self._put_up(asker, known_names_of(self._settings, breaker))

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


class Asker:
    """Sends look-ups as Celery tasks and reads their results."""

    def __init__(self, settings: Settings, breaker: ServerBreaker) -> None:
        self._breaker = breaker
        self._patience = settings.patience
        self._producer = producer(settings)
        self._usual = 0.0  # seconds that answers have taken lately, on average
        # A second application reads the results: the one that sends would subscribe to each.
        self._reader = CeleryApp(
            "astakos_worker.reader",
            settings,
            {
                # A worker outlasts an outage here; a caller waits no longer than it said.
                "result_backend_always_retry": False,
                "redis_socket_timeout": settings.patience,
                "redis_socket_connect_timeout": settings.patience,
            },
            set_as_current=False,
        )

    def ask(self, what: str, kwargs: dict[str, Any], timeout: float) -> Any:
        """Return the task's result; ask again where an answer does not come."""
        end = time.monotonic() + timeout
        task_id, wait = str(uuid4()), timeout / _TRIES
        while (now := time.monotonic()) < end:
            # Under the same id each time: an answer to an earlier message is an answer.
            self._insist(partial(self._send, what, kwargs, task_id, timeout))
            answer = self._result(task_id, min(end, now + wait))
            if answer is not None:
                return answer
        raise TimeoutError("the workers are away, or Astakos does not answer them")

    def _insist(self, call: Callable[[], T]) -> T:
        """Make one call of the broker. Over a broken connection it is tried for the patience."""
        end = time.monotonic() + self._patience
        try:
            with self._breaker.call():
                while True:
                    try:
                        return call()
                    except BROKER_AWAY:
                        if time.monotonic() + _LONGEST_LOOK > end:
                            raise
                        time.sleep(_LONGEST_LOOK)
        except CircuitOpenError as error:
            raise _BrokerAwayError(str(error)) from None
        except BROKER_AWAY as error:
            text = f"the broker does not answer ({type(error).__name__})"
            raise _BrokerAwayError(text) from error

    def _send(self, what: str, kwargs: dict[str, Any], task_id: str, timeout: float) -> None:
        self._producer.send_task(
            names.LOOKUP + what,
            kwargs=kwargs,
            task_id=task_id,
            queue=names.LOOKUPS,
            expires=timeout,
            retry=False,
        )

    def _result(self, task_id: str, until: float) -> Any:
        began = time.monotonic()
        pause = self._usual * _FIRST_LOOK  # a look that is too early takes the workers' time
        while (now := time.monotonic()) < until:
            time.sleep(min(max(_SHORTEST_LOOK, pause), _LONGEST_LOOK, until - now))
            try:
                meta = self._insist(partial(self._reader.backend.get_task_meta, task_id))
            except _BrokerAwayError:  # the question is with the broker, which may come back
                pause = _LONGEST_LOOK
                continue
            took = time.monotonic() - began
            if meta["status"] in READY_STATES:
                self._usual += (took - self._usual) / 8
                self._forget(task_id)
                if meta["status"] != SUCCESS:
                    raise _TaskFailedError(f"the task failed: {meta['result']}")
                return meta["result"]
            pause = took / 2
        return None

    def _forget(self, task_id: str) -> None:
        """Remove an answer that has been read: the answers of a day would fill the server."""
        with suppress(*BROKER_AWAY):
            self._reader.backend.forget(task_id)


class _BrokerAwayError(Exception):
    """Raised when the broker does not answer: neither the message nor the result."""


class _TaskFailedError(Exception):
    """Raised when the task of a worker failed: asked again, it would fail again."""


def _some(label: str, values: str | Iterable[str] | None) -> list[str] | None:
    if values is None:
        return None
    return checked_strings(label, [values] if isinstance(values, str) else values)
