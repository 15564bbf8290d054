"""Records decisions in the ledger, one or many, by key or by serial.

The cell of a decision is written once: the first decision stands, and a later, different one
raises.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from astakos_worker.configuration import names
from astakos_worker.ledger.contract import Write, Written
from astakos_worker.ledger.record import Decision, Record, Verb, bare_key, is_bare, shown
from astakos_worker.ledger.states import awaited, bare
from astakos_worker.service import arguments
from astakos_worker.service.connections import Connections
from astakos_worker.service.drafts import new_incarnation
from astakos_worker.service.errors import CommissionError, DecisionConflict, Unavailable, UnknownKey
from astakos_worker.service.ledger_calls import in_batches, ledger_errors, left_for_newer
from astakos_worker.service.outcome import check_decision
from astakosclient.errors import AstakosClientException, BadValue

_TASKS: dict[Verb, str] = {"accept": names.WAKE_ACCEPT, "reject": names.WAKE_REJECT}


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides commissions of one named service."""

    service: str
    connections: Connections

    def key(self, which: str | int) -> str:
        """Return the ledger's key of a key, or of an integer that is a serial."""
        which = arguments.checked_which(which)
        return which if isinstance(which, str) else self._keys([which])[which]

    def decide(self, which: str | int, verb: Verb, reason: str = "") -> Record:
        """Record a decision; return the commission as it is now.

        Raises as `Commissions.accept`.
        """
        key = self.key(which)
        [verdict] = self._record({key: self._decision(verb, reason)}).values()
        return _judged(key, verdict, verb)

    def resolve(
        self, accept: Iterable[str | int], reject: Iterable[str | int]
    ) -> dict[str | int, Record | Exception]:
        """Decide many; return for each the commission as it is now, or its error."""
        accepted, rejected = _distinct("accept", accept), _distinct("reject", reject)
        keys = self._keys([*accepted, *rejected])
        # A commission may be in one list by its key, and in the other by its serial.
        both = {keys[which] for which in accepted} & {keys[which] for which in rejected}
        accepts, rejects = self._decision("accept"), self._decision("reject")
        wanted = {keys[which]: accepts for which in accepted}
        wanted |= {keys[which]: rejects for which in rejected}
        verdicts = self._record({key: d for key, d in wanted.items() if key not in both})
        out: dict[str | int, Record | Exception] = {}
        for which in (*accepted, *rejected):
            key = keys[which]
            try:
                if key in both:
                    raise DecisionConflict(key, f"{which!r} is in both lists")
                out[which] = _judged(key, verdicts[key], wanted[key].verb)
            except (AstakosClientException, CommissionError) as error:
                out[which] = error
        return out

    def decide_or_await(
        self, which: str | int, verb: Verb, reason: str = "", *, patience: float
    ) -> Record:
        """Record a decision that came by name; if its request has not come, wait for it (F77).

        `patience`: seconds for which the decision waits.
        """
        try:
            return self.decide(which, verb, reason)
        except UnknownKey as unknown:
            key, now = unknown.key, self.connections.ledger.clock.now()
            decision = self._decision(verb, reason)
            record = awaited(
                key, self.service, new_incarnation(), decision, now=now, until=now + patience
            )
            with ledger_errors(key):
                [verdict] = self.connections.ledger.cas([Write(record, 0, cell=decision)])
            if verdict.done and verdict.entry is not None:
                return verdict.entry.record
            return self.decide(which, verb, reason)

    def resolve_or_await(
        self, accept: Iterable[str | int], reject: Iterable[str | int], *, patience: float
    ) -> dict[str | int, Record | Exception]:
        """Decide many as `decide_or_await` does; return them as `resolve` does."""
        accept, reject = _distinct("accept", accept), _distinct("reject", reject)
        out = self.resolve(accept, reject)
        for which in [which for which, one in out.items() if isinstance(one, UnknownKey)]:
            verb: Verb = "accept" if which in accept else "reject"
            try:
                out[which] = self.decide_or_await(which, verb, patience=patience)
            except (AstakosClientException, CommissionError) as error:
                out[which] = error
        return out

    def _keys(self, items: Iterable[str | int]) -> dict[str | int, str]:
        """Return the ledger's key of each; one round trip finds those of all serials."""
        listed = list(items)
        serials = [which for which in listed if isinstance(which, int)]
        found: dict[int, str] = {}
        if serials:
            with ledger_errors(*map(bare_key, serials)):
                found = self.connections.ledger.find(self.service, serials)
        return {
            which: which if isinstance(which, str) else found.get(which, bare_key(which))
            for which in listed
        }

    def _decision(self, verb: Verb, reason: str = "") -> Decision:
        return Decision(verb, reason, self.connections.ledger.clock.now())

    def _record(self, decisions: Mapping[str, Decision]) -> dict[str, Written | Unavailable]:
        """Write decisions and send wake-ups; see `in_batches` for an outage."""
        return dict(
            zip(decisions, in_batches(list(decisions.items()), self._record_batch), strict=True)
        )

    def _record_batch(self, items: Sequence[tuple[str, Decision]]) -> list[Written]:
        """Write decisions and send wake-ups; a serial without a record gets a record of its own."""
        ledger, decisions = self.connections.ledger, dict(items)
        verdicts = ledger.decide(self.service, decisions)
        new = [key for key in decisions if is_bare(key) and _is_nowhere(verdicts[key])]
        if new:
            made = ledger.cas([self._bare(key, decisions[key]) for key in new])
            verdicts |= dict(zip(new, made, strict=True))
        if late := {key: decisions[key] for key in new if not verdicts[key].done}:
            verdicts |= ledger.decide(self.service, late)  # another writer has just made them
        for key, verdict in verdicts.items():
            if verdict.wakeup and verdict.entry is not None:
                task = _TASKS[decisions[key].verb]
                self.connections.waker.wake(task, self.service, key, verdict.entry.version)
        return [verdicts[key] for key in decisions]

    def _bare(self, key: str, decision: Decision) -> Write:
        record = bare(
            key,
            self.service,
            new_incarnation(),
            serial=bare_serial(key),
            decision=decision,
            now=self.connections.ledger.clock.now(),
        )
        return Write(record, 0, cell=decision, wakeup=True)


def bare_serial(key: str) -> int:
    """Return the serial of a reserved key."""
    return int(key[1:])


def _is_nowhere(verdict: Written) -> bool:
    return verdict.entry is None and not verdict.newer


def _judged(key: str, verdict: Written | Unavailable, verb: Verb) -> Record:
    """Return the commission if this decision stands; raise the error if it does not."""
    if isinstance(verdict, Unavailable):
        raise verdict
    if verdict.newer:
        raise left_for_newer(key)
    if verdict.entry is None:
        raise UnknownKey(key, f"there is no commission {shown(key)!r} to {verb}")
    record = verdict.entry.record
    check_decision(record, verb)
    return record


def _distinct(label: str, items: Iterable[str | int]) -> tuple[str | int, ...]:
    """Return keys and serials, each once, in order; `BadValue` for what is neither."""
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise BadValue(f"{label} must be a list of keys and serials, not {items!r:.80}")
    return tuple(dict.fromkeys(arguments.checked_which(which) for which in items))
