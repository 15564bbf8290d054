"""The calls of `Commissions`, as coroutines: what is written, and how the answer is judged.

`Commissions` runs them in a thread, `AsyncCommissions` in an event loop; see `awaited.py`. Each
writes to the ledger first, and answers from what the ledger says.
"""

from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Unpack

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Entry, LedgerError
from astakos_worker.ledger.record import Record, State, Verb, is_bare
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments, new_commission
from astakos_worker.service.changing import extend
from astakos_worker.service.connections import AwaitedConnections
from astakos_worker.service.deciding import Decider, Target, bare_serial
from astakos_worker.service.drafts import Draft, ignored_options
from astakos_worker.service.errors import OutcomeTimeout, Unavailable
from astakos_worker.service.issuing import Issuer
from astakos_worker.service.ledger_calls import is_of, ledger_errors, missing, read, reused
from astakos_worker.service.new_commission import NewCommission
from astakos_worker.service.options import Handling
from astakos_worker.service.outcome import Outcome, or_error, outcome_of, still_open, through
from astakos_worker.service.served import unserved
from astakosclient.errors import BadValue

log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one named service, over connections of one process or event loop."""

    service: str
    settings: Settings
    connections: AwaitedConnections

    @property
    def issuer(self) -> Issuer:
        """What issues, and returns records."""
        return Issuer(self.service, self.settings, self.connections)

    @property
    def decider(self) -> Decider:
        """What decides, and returns records."""
        return Decider(self.service, self.connections)

    async def issue(
        self, request: Request, key: str | None, **options: Unpack[Handling]
    ) -> "Followed":
        """Return a commission, which is in the ledger now."""
        draft = self.issuer.draft(request, key, **options)
        return _issued(draft, await self.issuer.issue_one(draft))

    async def issue_many(
        self, commissions: Iterable[NewCommission]
    ) -> list["Followed | Exception"]:
        """Issue many; return each, or its error, in order."""
        drafts: list[Draft | Exception] = []
        for number, one in enumerate(new_commission.listed(commissions), 1):
            if number % self.connections.together == 0:
                await self.connections.sleep(0)  # an event loop serves others
            try:
                request, key, options = new_commission.read(one)
                drafts.append(self.issuer.draft(request, key, **options))
            except BadValue as error:
                drafts.append(error)
        wanted = [one for one in drafts if isinstance(one, Draft)]
        try:
            records = iter(await self.issuer.issue_all(wanted))
        except Unavailable as error:
            made = iter(error.tokens)
            tokens = [next(made) if isinstance(one, Draft) else None for one in drafts]
            raise Unavailable(error.key, str(error), error.token, tokens) from error.__cause__
        results: list[Followed | Exception] = []
        for draft in drafts:
            if isinstance(draft, Draft):
                record = next(records)
                results.append(_issued(draft, record) if isinstance(record, Record) else record)
            else:
                results.append(draft)
        return results

    async def decide(
        self, which: str | int, verb: Verb, reason: str = "", incarnation: str | None = None
    ) -> Record:
        """Record a decision; where there is an outbox, one of an unknown key waits for it (F96)."""
        if not self.settings.outbox:
            return await self.decider.decide(which, verb, reason, incarnation)
        patience = self.settings.awaited
        return await self.decider.decide_or_await(
            which, verb, reason, patience=patience, incarnation=incarnation
        )

    async def resolve(
        self, accepts: Collection[Target], rejects: Collection[Target]
    ) -> dict[Target, Outcome | Exception]:
        """Decide many; return for each its outcome or its error."""
        results = await self.decider.resolve(accepts, rejects)
        if self.settings.outbox:
            await self.decider.await_unknown(results, accepts, patience=self.settings.awaited)
        return {
            target: outcome_of(one) if isinstance(one, Record) else one
            for target, one in results.items()
        }

    async def extend(
        self, which: str | int, deadline: float, incarnation: str | None = None
    ) -> Record:
        """Set a commission's deadline to `deadline` seconds from now."""
        seconds = arguments.checked_seconds("deadline", deadline)
        incarnation = arguments.checked_incarnation(incarnation)
        key = await self.decider.key(which)
        return (await extend(self.connections, self.service, key, seconds, incarnation)).record

    async def get(self, which: str | int, incarnation: str | None = None) -> Outcome:
        """Return how a commission stands, without waiting."""
        incarnation = arguments.checked_incarnation(incarnation)
        key = await self.decider.key(which)
        return outcome_of((await read(self.connections, self.service, key, incarnation)).record)

    async def outcome(
        self, which: str | int, seconds: float | None = None, incarnation: str | None = None
    ) -> Outcome:
        """Wait until a commission is pending and undecided, or has ended; return its outcome."""
        limit = self.settings.hold_deadline
        if seconds is not None:
            limit = arguments.checked_timeout("timeout", seconds)
        incarnation = arguments.checked_incarnation(incarnation)
        key = await self.decider.key(which)
        ledger = self.connections.ledger
        began = ledger.clock.now()

        def over(entry: Entry) -> bool:
            return through(entry) or not is_of(entry, incarnation)

        with ledger_errors(key, reads=True):
            entry, done = await self.connections.watcher.wait(self.service, key, over, limit)
            if entry is None:
                raise await missing(ledger, self.service, key)
        if not is_of(entry, incarnation):
            raise reused(key, incarnation)
        outcome = outcome_of(entry.record)
        if outcome.state == State.MERGED.value and outcome.error is not None:
            # The same wait goes on, for the seconds that are left of it.
            left = max(0.0, limit - (ledger.clock.now() - began))
            return await self.outcome(str(outcome.error["merged"]), left)
        if not done:
            raise OutcomeTimeout(key, still_open(outcome, limit, await self._unserved()))
        return or_error(outcome)

    async def _unserved(self) -> str:
        """Return why no worker does the work of this service; "" if one does, or who knows."""
        try:
            served = await self.connections.ledger.served()
        except LedgerError:
            return ""
        return unserved(served, self.settings.namespace, self.service)


def _issued(draft: Draft, record: Record) -> "Followed":
    """Return a commission; warn if options of its call were passed over."""
    ignored = ignored_options(draft, record)
    if ignored:
        log.warning("options_ignored", key=record.key, options=", ".join(ignored))
    return Followed(record, ignored)


#: What a call does: it reads, it writes, or it waits until a commission has changed.
CallKind = Literal["read", "write", "wait"]


class RunsCalls(Protocol):
    """Runs a coroutine with the `Calls` of this process or event loop.

    In a thread it returns the result; for an event loop it returns what is to be awaited. A call
    that is to be a "write" goes on to its end, even if its caller is cancelled meanwhile. One that
    is to be a "wait" may take long.
    """

    def __call__(
        self, call: Callable[[Calls], Coroutine[Any, Any, Any]], /, kind: CallKind = "read"
    ) -> Any:
        """Run it."""


class Followed:
    """One commission as a handle follows it: this use of its key, and the last that was heard."""

    def __init__(self, record: Record, ignored: tuple[str, ...] = ()) -> None:
        self.key: str = record.key
        self.ignored: tuple[str, ...] = ignored
        self.last: Outcome = outcome_of(record)

    @property
    def target(self) -> Target:
        """This use of the key. A serial names one commission by itself."""
        if is_bare(self.key):
            # It may turn out to be a keyed commission's: by its serial it is still found.
            return Target(bare_serial(self.key))
        return Target(self.key, self.last.incarnation)

    async def decide(self, calls: Calls, verb: Verb, reason: str = "") -> Record:
        """Record a decision; return the record, which a serial may have led to."""
        which, incarnation = self.target
        record = await calls.decide(which, verb, reason, incarnation)
        self.last = outcome_of(record)
        return record

    async def extend(self, calls: Calls, deadline: float) -> Record:
        """Set a new deadline; return the record."""
        which, incarnation = self.target
        record = await calls.extend(which, deadline, incarnation)
        self.last = outcome_of(record)
        return record

    async def get(self, calls: Calls) -> Outcome:
        """Return how it stands, without waiting."""
        which, incarnation = self.target
        self.last = await calls.get(which, incarnation)
        return self.last

    async def outcome(self, calls: Calls, seconds: float | None = None) -> Outcome:
        """Wait until it is pending and undecided, or has ended."""
        which, incarnation = self.target
        self.last = await calls.outcome(which, seconds, incarnation)
        return self.last
