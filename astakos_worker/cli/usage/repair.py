"""Repairs drift with commissions. Each is looked at once more between its issue and its accept.

The repair is issued before the last look. So its quantity is fixed by then, and a change after the
look comes from another commission, which counts by itself. If the look finds other figures, the
repair is rejected. If this process dies, the deadline of the repair rejects it.
"""

from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from astakos_worker.engine.drift.compare import DriftFinding, Holding, stands
from astakos_worker.engine.drift.snapshot import SnapshotReader
from astakos_worker.ledger.record import KEY_LIMIT, State
from astakos_worker.service.commissions import Commission, Commissions
from astakos_worker.service.errors import CommissionError, OutcomeTimeout, Unavailable
from astakosclient.errors import AstakosClientException

#: How many repairs are pending together; one look checks all of them.
_TOGETHER = 50

#: The errors of a commission that ended without being pending or settled.
_ENDINGS = (AstakosClientException, CommissionError)


@dataclass(frozen=True, slots=True)
class Repair:
    """The result for one finding: `done`, or the reason in `why`."""

    finding: DriftFinding
    done: bool
    why: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Repairer:
    """Repairs differences that two looks found. `run` is part of every key of one run."""

    commissions: Commissions
    reader: SnapshotReader
    run: str
    force: bool = False
    #: Seconds that workers have to issue the repairs of a batch, and as many to settle them.
    patience: float = 60.0
    #: Seconds after which an undecided repair is rejected.
    deadline: float = 3600.0

    def repair(self, findings: Sequence[DriftFinding]) -> Generator[Repair]:
        """Repair each finding; yield the result of each as soon as it is known."""
        for start in range(0, len(findings), _TOGETHER):
            yield from self._batch(findings[start : start + _TOGETHER])

    def key(self, holding: Holding) -> str:
        """Return the key of a holding's repair in this run."""
        user, project, resource = holding
        key = f"usage/{resource}/{user or 'project'}/{project}/{self.run}"
        if len(key) <= KEY_LIMIT:
            return key
        return f"usage/{sha256(key.encode()).hexdigest()[:32]}/{self.run}"

    def _batch(self, findings: Sequence[DriftFinding]) -> Generator[Repair]:
        issued: list[tuple[DriftFinding, Commission]] = []
        try:
            for finding in findings:
                if finding.over_limit and not self.force:
                    why = f"over its limit of {finding.limit}; --force records it anyway"
                    yield Repair(finding, False, why)
                else:
                    issued.append((finding, self._issue(finding)))
            pending: list[tuple[DriftFinding, Commission]] = []
            until = self._now() + self.patience
            for finding, commission in issued:
                if why := self._not_pending(commission, until):
                    yield Repair(finding, False, why, commission.key)
                else:
                    pending.append((finding, commission))
            if not pending:
                return
            look = self.reader.inspect([finding for finding, _ in pending])
            against = {c.key: stands(finding, look) for finding, c in pending}
            decided = self.commissions.resolve(
                accept=[key for key, why in against.items() if not why],
                reject=[key for key, why in against.items() if why],
            )
        except BaseException:
            # Undecided repairs would reserve their users' quota until the deadline.
            self._give_up([commission for _, commission in issued])
            raise
        until = self._now() + self.patience
        for finding, commission in pending:
            key, became = commission.key, decided[commission.key]
            why = str(became) if isinstance(became, Exception) else against[key]
            try:
                outcome = commission.outcome(self._left(until))
            except _ENDINGS as error:
                why = why or str(error)
            else:
                why = why or ("" if outcome.state == State.ACCEPTED.value else outcome.state)
            yield Repair(finding, not why, why, key)

    def _issue(self, finding: DriftFinding) -> Commission:
        user, project, resource = finding.holding
        missing = finding.missing
        return self.commissions.issue_generic(
            user_provisions={(user, project, resource): missing} if user else None,
            project_provisions=None if user else {(project, resource): missing},
            key=self.key(finding.holding),
            name=f"repair of usage: {finding.own} here, {finding.usage} in Astakos",
            force=finding.over_limit,
            deadline=self.deadline,
        )

    def _not_pending(self, commission: Commission, until: float) -> str:
        """Wait until a repair is pending in Astakos; return why it is not."""
        try:
            outcome = commission.outcome(self._left(until))
        except OutcomeTimeout:
            self.commissions.resolve(reject=[commission.key])
            return f"not issued within {self.patience:g} s, so it was rejected: do workers run?"
        except Unavailable:
            raise
        except _ENDINGS as error:
            return str(error)
        return "" if outcome.state == State.PENDING.value else f"{outcome.state}: {outcome.reason}"

    def _give_up(self, commissions: Sequence[Commission]) -> None:
        with suppress(CommissionError):  # if the ledger is away, the deadline rejects them
            self.commissions.resolve(reject=[commission.key for commission in commissions])

    def _now(self) -> float:
        return self.reader.ledger.clock.now()

    def _left(self, until: float) -> float:
        return max(0.1, until - self._now())
