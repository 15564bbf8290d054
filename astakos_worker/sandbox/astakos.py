"""The stand-in as one object, without HTTP: a world, its clock, and a record of what happened.

Every change of a commission passes here, so that the audit and the state file miss none. Whoever
wants an Astakos in the same process, without sockets, takes this.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from astakos_worker.sandbox.audit import Audit, Event
from astakos_worker.sandbox.clock import Clock
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.wire import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from astakos_worker.sandbox.quota import Commission, Provision, Resolution
    from astakos_worker.sandbox.world import World


# How far east of Greenwich the server with the quirk stands.
_LOCAL: Final = timedelta(hours=2)


class Recorder(Protocol):
    """Keeps what must survive a restart; called before the answer is given."""

    def issued(self, commission: Commission, *, auto_accept: bool) -> None:
        """A commission was issued."""

    def resolved(
        self, component: str, accepted: Iterable[Commission], rejected: Iterable[Commission]
    ) -> None:
        """Commissions were resolved."""

    def changed(self, astakos: Astakos, settled: Sequence[Commission] = ()) -> None:
        """Something else changed; these commissions were issued and accepted along with it."""

    def rewrite(self, astakos: Astakos) -> None:
        """Everything changed, the audit included."""


class ForgetfulRecorder:
    """Keeps nothing."""

    def issued(self, commission: Commission, *, auto_accept: bool) -> None:
        """Keep nothing."""

    def resolved(
        self, component: str, accepted: Iterable[Commission], rejected: Iterable[Commission]
    ) -> None:
        """Keep nothing."""

    def changed(self, astakos: Astakos, settled: Sequence[Commission] = ()) -> None:
        """Keep nothing."""

    def rewrite(self, astakos: Astakos) -> None:
        """Keep nothing."""


class Astakos:
    """A world that is being used."""

    def __init__(self, world: World, *, recorder: Recorder | None = None) -> None:
        self.world = world
        self.clock = Clock()
        self.audit = Audit()
        self.quirks: frozenset[Quirk] = frozenset()
        # What refusals leave behind for others to report, with the quirk for that.
        self.shared_error_data: dict[str, object] = {}
        self.recorder: Recorder = recorder or ForgetfulRecorder()

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
        commission = self.world.book.issue(
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
            self.audit.note(Event.ISSUED, (commission,))
        return commission

    def resolve(self, component: str, serial: int, *, accept: bool) -> Commission:
        """Accept or reject one commission; see `QuotaBook.resolve`."""
        commission = self.world.book.resolve(component, serial, accept=accept)
        done = (commission,)
        self._note_resolved(component, done if accept else (), () if accept else done)
        return commission

    def resolve_many(
        self, component: str, accept: Iterable[int], reject: Iterable[int]
    ) -> Resolution:
        """Accept and reject many commissions; see `QuotaBook.resolve_many`."""
        resolution = self.world.book.resolve_many(component, accept, reject)
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
        self.audit.note(Event.ISSUED, settled)
        self.audit.note(Event.ACCEPTED, settled)

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
        self.audit.note(Event.ACCEPTED, accepted)
        self.audit.note(Event.REJECTED, rejected)
