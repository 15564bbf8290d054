"""In which order the rows of one project go to the ledger, and which of them together. Pure.

Rows go oldest first. Neighbours that issue go in one round trip, and so do neighbours that decide.
An accept joins the issue of its key if only issues stand between the two. So it is recorded earlier
than its row says. That is safe: an accept never makes a later commission fit less.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from msgspec.structs import replace as replace_fields

from astakos_worker.ledger.record import Decision
from astakos_worker.service.drafts import Draft
from astakos_worker.service.outbox.rows import OutboxDecision, Row


@dataclass(slots=True)
class Issue:
    """A commission to issue, its row, and the row of an accept that joined it."""

    row: Row
    draft: Draft
    accept: Row | None = None

    def take(self, row: Row, decision: OutboxDecision) -> bool:
        """Let an accept join; return whether it did."""
        record = self.draft.record
        if decision.kind != "accept" or not decision.plain or record.decision is not None:
            return False
        accepted = replace_fields(record, decision=Decision("accept", "", record.created))
        self.draft = replace(self.draft, record=accepted)
        self.accept = row
        return True


@dataclass(slots=True)
class Run:
    """Neighbours that go to the ledger together: by key, each key once."""

    kind: Literal["issue", "decide", "extend"]
    issues: dict[str, Issue] = field(default_factory=dict)
    decisions: dict[str, tuple[Row, OutboxDecision]] = field(default_factory=dict)


def runs(said: Iterable[tuple[Row, Draft | OutboxDecision]]) -> list[Run]:
    """Return the runs of one project, in order."""
    made: list[Run] = []
    for row, one in said:
        last = made[-1] if made else None
        if isinstance(one, Draft):
            if last is None or last.kind != "issue" or row.key in last.issues:
                last = Run("issue")
                made.append(last)
            last.issues[row.key] = Issue(row, one)
            continue
        if last and row.key in last.issues and last.issues[row.key].take(row, one):
            continue
        kind: Literal["extend", "decide"] = "extend" if one.kind == "extend" else "decide"
        if last is None or last.kind != kind or row.key in last.decisions:
            last = Run(kind)
            made.append(last)
        last.decisions[row.key] = row, one
    return made
