"""The stand-in as one object, without HTTP: its rows, its clock, its quirks and its audit.

Each change of a commission passes here, so that the audit and the state file miss none. A program
that wants an Astakos in its own process, without sockets, uses this.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from astakos_worker.sandbox.api_messages import iso_time
from astakos_worker.sandbox.audit import Audit, CommissionEvent
from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.quota import Commission, Provision, Resolution

# How far east of Greenwich the server with the quirk stands.
_LOCAL: Final = timedelta(hours=2)


class MovableClock:
    """Wall-clock time in UTC, plus however far it has been advanced."""

    def __init__(self, ahead: float = 0.0) -> None:
        self._ahead = timedelta(seconds=ahead)

    @property
    def ahead(self) -> float:
        """How many seconds it has been advanced by."""
        return self._ahead.total_seconds()

    def now(self) -> datetime:
        """The time that Astakos believes it is."""
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the clock; tokens may expire by it. OverflowError beyond the year 9999."""
        ahead = self._ahead + timedelta(seconds=seconds)
        # Raises an error for a time so late that no later expiry could be computed.
        datetime.now(UTC) + ahead + timedelta(days=366)
        self._ahead = ahead


class Recorder:
    """Keeps changes for a restart, before the reply is sent. This one keeps nothing."""

    def issued(self, commission: Commission, *, auto_accept: bool) -> None:
        """Keep that a commission was issued."""

    def resolved(
        self, component: str, accepted: Iterable[Commission], rejected: Iterable[Commission]
    ) -> None:
        """Keep that commissions were resolved."""

    def changed(self, astakos: "SandboxAstakos", settled: Sequence[Commission] = ()) -> None:
        """Keep another change; `settled` were issued and accepted as a part of it."""

    def rewrite(self, astakos: "SandboxAstakos") -> None:
        """Keep that everything changed, the audit included."""


class SandboxAstakos:
    """A database in use."""

    def __init__(self, database: Database, *, recorder: Recorder | None = None) -> None:
        self.database = database
        self.clock = MovableClock()
        self.audit = Audit()
        self.quirks: frozenset[Quirk] = frozenset()
        # The `data` of all refusals so far, which a 404 shows with the quirk for that.
        self.shared_error_data: dict[str, object] = {}
        self.recorder: Recorder = recorder or Recorder()

    def issue(
        self,
        component: str,
        provisions: Sequence[Provision],
        *,
        name: str = "",
        force: bool = False,
        auto_accept: bool = False,
        at: datetime | None = None,
    ) -> Commission:
        """Issue a commission, now unless told otherwise; see `QuotaBook.issue` for errors."""
        commission = self.database.book.issue(
            component,
            provisions,
            at=at or self.clock.now(),
            name=name,
            force=force,
            auto_accept=auto_accept,
        )
        self.recorder.issued(commission, auto_accept=auto_accept)
        if auto_accept:
            self.note_settled((commission,))
        else:
            self.audit.note(CommissionEvent.ISSUED, (commission,))
        return commission

    def resolve(self, component: str, serial: int, *, accept: bool) -> Commission:
        """Accept or reject one commission; see `QuotaBook.resolve`."""
        commission = self.database.book.resolve(component, serial, accept=accept)
        done = (commission,)
        self._note_resolved(component, done if accept else (), () if accept else done)
        return commission

    def resolve_many(
        self, component: str, accept: Iterable[int], reject: Iterable[int]
    ) -> Resolution:
        """Accept and reject many commissions; see `QuotaBook.resolve_many`."""
        resolution = self.database.book.resolve_many(component, accept, reject)
        self._note_resolved(component, resolution.accepted, resolution.rejected)
        return resolution

    def changed(self, *settled: Commission) -> None:
        """Say that something other than a commission was changed.

        `settled` were issued and accepted in the quota book as a part of that change: both are
        kept together, or neither is.
        """
        self.recorder.changed(self, settled)
        self.note_settled(settled)

    def note_settled(self, settled: Sequence[Commission]) -> None:
        """Enter commissions that were issued and accepted at once into the audit."""
        self.audit.note(CommissionEvent.ISSUED, settled)
        self.audit.note(CommissionEvent.ACCEPTED, settled)

    def time(self, moment: datetime) -> str:
        """A time as the API spells it."""
        if Quirk.LOCAL_TIME in self.quirks:
            moment += _LOCAL
        return iso_time(moment)

    def _note_resolved(
        self, component: str, accepted: Sequence[Commission], rejected: Sequence[Commission]
    ) -> None:
        if accepted or rejected:
            self.recorder.resolved(component, accepted, rejected)
        self.audit.note(CommissionEvent.ACCEPTED, accepted)
        self.audit.note(CommissionEvent.REJECTED, rejected)
