"""What `Commissions` and `AsyncCommissions` have in common, and their handles: all but the running.

Arguments and documentation are here once. The calls themselves are in `calls.py`.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Generic, TypeVar

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.configuration.settings import Settings, SettingsOfAService
from astakos_worker.ledger.record import Record, Verb, shown
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments
from astakos_worker.service.calls import CallKind, Calls, Followed, RunsCalls
from astakos_worker.service.deciding import Target
from astakos_worker.service.hold import Hold
from astakos_worker.service.options import Options, handling
from astakos_worker.service.outcome import CommissionState, Outcome
from astakos_worker.service.signatures import Decides, Issues
from astakosclient.errors import BadValue

log = EventLog(__name__)

#: A handle, or what is awaited for one.
Handle = TypeVar("Handle")
#: An outcome, or what is awaited for one.
Told = TypeVar("Told")
#: What `with` or `async with` takes.
Block = TypeVar("Block")


class CommissionHandle(Generic[Handle, Told]):
    """A handle of one commission: cheap to make, and it holds no connection.

    `key` is the commission's idempotency key. (For a serial that another client issued it is a
    key that the ledger reserves.) The handle names this one use of the key: if the key is used
    again, its calls raise `KeyReused`.
    """

    def __init__(self, run: RunsCalls, followed: Followed) -> None:
        self.key: str = followed.key
        self._run = run
        self._followed = followed

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {shown(self.key)} {self.last.state}>"

    @property
    def ignored(self) -> tuple[str, ...]:
        """The options of this call that the commission does not have.

        Some of "name", "deadline" and "callback": the commission was there before, with others,
        and the first ones stand.
        """
        return self._followed.ignored

    @property
    def state(self) -> CommissionState:
        """The state of `last`; see `Outcome`. Asks nobody."""
        return self.last.state

    @property
    def serial(self) -> int | None:
        """The serial of `last`; None while it has none. Asks nobody."""
        return self.last.serial

    @property
    def incarnation(self) -> str:
        """The name of this use of the key: a key that is used again has another one."""
        return self.last.incarnation

    @property
    def last(self) -> Outcome:
        """The outcome that this handle heard last. Asks nobody; `get()` does."""
        return self._followed.last

    def accept(self) -> Handle:
        """Decide to accept; see `Commissions.accept`."""
        return self._handle_after(lambda calls: self._followed.decide(calls, "accept"))

    def reject(self, reason: str = "") -> Handle:
        """Decide to reject; see `Commissions.reject`."""
        return self._handle_after(lambda calls: self._followed.decide(calls, "reject", reason))

    def extend(self, deadline: float) -> Handle:
        """Set a new deadline, `deadline` seconds from now; see `Commissions.extend`."""
        return self._handle_after(lambda calls: self._followed.extend(calls, deadline))

    def get(self) -> Told:
        """Return how it stands, without waiting; see `Commissions.get`."""
        told: Told = self._run(self._followed.get)
        return told

    def outcome(self, timeout: float | None = None) -> Told:
        """Wait until it is pending, or has ended; see `Commissions.outcome`."""
        told: Told = self._run(lambda calls: self._followed.outcome(calls, timeout), "wait")
        return told

    def _handle_after(self, call: Callable[[Calls], Coroutine[Any, Any, Record]]) -> Handle:
        async def run(calls: Calls) -> object:
            return type(self)(self._run, Followed(await call(calls)))

        handle: Handle = self._run(run, "write")
        return handle


class Face(Issues[Handle], Decides[Handle], Generic[Handle, Told, Block]):
    """The calls about commissions of one named service."""

    #: Makes a handle.
    _handle_class: type[CommissionHandle[Any, Any]]

    def __init__(self, service: str | None, settings: Settings | None) -> None:
        self._settings = settings or SettingsOfAService()
        self.service: str = arguments.checked_service(
            self._settings.service if service is None else service
        )
        if self._settings.in_memory:
            log.warning("ledger_in_memory", reason="commissions end with this process: for tests")

    def extend(
        self, which: str | int, deadline: float, *, incarnation: str | None = None
    ) -> Handle:
        """Set a commission's deadline to `deadline` seconds from now.

        It may have had none, or a later one. `which` and `incarnation` as for `accept`. Raises
        `DecisionConflict` if it has been decided or has expired; otherwise as `accept`.
        """
        return self._handled(lambda calls: calls.extend(which, deadline, incarnation))

    def get(self, which: str | int, *, incarnation: str | None = None) -> Told:
        """Return how a commission stands, without waiting.

        `which` and `incarnation` as for `accept`. Raises `UnknownKey` if there is none,
        `KeyReused`, `BadValue`, `Unavailable`.
        """
        told: Told = self._run(lambda calls: calls.get(which, incarnation))
        return told

    def outcome(
        self,
        which: str | int,
        timeout: float | None = None,
        *,
        incarnation: str | None = None,
    ) -> Told:
        """Wait until a commission is pending and undecided, or has ended; return its outcome.

        `which` and `incarnation` as for `accept`. `timeout`: seconds; None: the setting
        `ASTAKOS_HOLD_DEADLINE`.

        Raises what the client would have raised for a refused commission (`QuotaLimit`, ...),
        `NotFound` for a serial that Astakos does not know, `CommissionFailed` where a person has
        to look, `OutcomeTimeout` if the time is over, `UnknownKey`, `KeyReused`, `BadValue`,
        `Unavailable`.
        """
        told: Told = self._run(lambda calls: calls.outcome(which, timeout, incarnation), "wait")
        return told

    def hold(
        self,
        *,
        user: str,
        project: str,
        provisions: Mapping[str, int],
        key: str | None = None,
        name: str = "",
        force: bool = False,
        deadline: float | None = None,
        timeout: float = 30.0,
    ) -> Block:
        """Reserve quota for a `with` block; accept at its end, reject if it raises.

        Arguments as for `issue`, and `timeout`: seconds to wait for the reservation on entry.
        `deadline`: seconds; None: the setting `ASTAKOS_HOLD_DEADLINE`. If the process dies
        inside the block, the deadline rejects the commission.

        Raises on entry `QuotaLimit` or another error with which Astakos refused it,
        `DecisionConflict` if the key was rejected before, `OutcomeTimeout` if there is no serial
        in time: the commission is rejected then, and nothing stays reserved. Raises on leaving
        `DecisionConflict` if it has expired by then, `Unavailable` if the decision could not be
        recorded. An exception of the block itself always comes through.
        """

        def hold() -> Hold:
            seconds = arguments.checked_timeout("timeout", timeout)
            limit = self._settings.hold_deadline if deadline is None else deadline
            request = arguments.one(user, project, provisions, name=name, force=force)
            return Hold(request, key, limit, seconds)

        return self._block(hold)

    # --- Inside -------------------------------------------------------------------------------

    def _run(
        self, call: Callable[[Calls], Coroutine[Any, Any, Any]], /, kind: CallKind = "read"
    ) -> Any:
        """Run a call; see `RunsCalls`."""
        raise NotImplementedError

    def _block(self, hold: Callable[[], Hold]) -> Block:
        """Return what runs the block of a `with`, between a hold's beginning and its end."""
        raise NotImplementedError

    def _handled(self, call: Callable[[Calls], Coroutine[Any, Any, Record]]) -> Handle:
        async def run(calls: Calls) -> object:
            return self._handle_of(Followed(await call(calls)))

        handle: Handle = self._run(run, "write")
        return handle

    def _handle_of(self, followed: Followed) -> Any:
        return self._handle_class(self._run, followed)

    def _issue(self, request: Request, key: str | None, options: Options) -> Handle:
        async def run(calls: Calls) -> object:
            return self._handle_of(await calls.issue(request, key, **handling(options)))

        handle: Handle = self._run(run, "write")
        return handle

    def _decide(self, which: str | int, verb: Verb, reason: str, incarnation: str | None) -> Handle:
        return self._handled(lambda calls: calls.decide(which, verb, reason, incarnation))

    async def _resolved(
        self, calls: Calls, accepts: dict[Any, Target], rejects: dict[Any, Target]
    ) -> dict[Any, Outcome | Exception]:
        results = await calls.resolve(accepts.values(), rejects.values())
        return {which: results[target] for which, target in (accepts | rejects).items()}


def targets(label: str, items: Iterable[Any]) -> dict[Any, Target]:
    """Return `{item: what it names}`; `BadValue` for what is neither key, serial nor handle."""
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise BadValue(f"{label} must be a list of keys, serials and handles, not {items!r:.80}")
    return {item: _target(item) for item in items}


def _target(item: object) -> Target:
    if isinstance(item, CommissionHandle):
        return item._followed.target  # noqa: SLF001  # a handle shows its users less
    return Target(arguments.checked_which(item))
