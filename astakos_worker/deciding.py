"""Decisions into the ledger, one or many, by key or by serial; and what stands afterwards.

A decision is a write-once cell: whoever was first has decided, and the others are told.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from astakos_worker import names, requests
from astakos_worker.enqueueing import new_incarnation
from astakos_worker.errors import DecisionConflict, UnknownKey
from astakos_worker.ledger.contract import Entry, Verdict, Write
from astakos_worker.ledger.record import Decision, Verb, bare_key, is_bare, shown
from astakos_worker.ledger.states import awaited, bare
from astakos_worker.outcomes import check_decision
from astakos_worker.parts import Parts, ledger_errors
from astakosclient.errors import AstakosClientException, BadValue

_TASKS: dict[Verb, str] = {"accept": names.WAKE_ACCEPT, "reject": names.WAKE_REJECT}


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides commissions of one named service."""

    service: str
    parts: Parts

    def key(self, which: str | int) -> str:
        """Return the ledger's key of what a caller named: a key, or an integer for a serial."""
        if isinstance(which, str):
            return requests.checked_key(which)
        serial = requests.checked_serial(which)
        with ledger_errors(bare_key(serial)):
            found = self.parts.ledger.find(self.service, [serial])
        return found.get(serial, bare_key(serial))

    def decide(self, which: str | int, verb: Verb, reason: str = "") -> Entry:
        """Record a decision, and return the commission; raises as `Commissions.accept`."""
        return self._decide(which, verb, reason, _TASKS[verb])

    def resolve(
        self, accept: Iterable[str | int], reject: Iterable[str | int]
    ) -> dict[str | int, Entry | Exception]:
        """Decide each for itself; return each as it is now, or its error."""
        accepted, rejected = _distinct("accept", accept), _distinct("reject", reject)
        out: dict[str | int, Entry | Exception] = {}
        for which in accepted & rejected:
            out[which] = DecisionConflict(str(which), f"{which!r} is in both lists")
        verbs: tuple[tuple[Verb, set[str | int]], ...] = (
            ("accept", accepted - rejected),
            ("reject", rejected - accepted),
        )
        for verb, items in verbs:
            for which in items:
                try:
                    out[which] = self.decide(which, verb)
                except (AstakosClientException, DecisionConflict, UnknownKey) as error:
                    out[which] = error
        return out

    def decide_or_await(
        self, which: str | int, verb: Verb, reason: str = "", *, patience: float
    ) -> Entry:
        """Decide what came as a message; before its request it is kept so many seconds (F77)."""
        try:
            return self._decide(which, verb, reason, names.WAKE_DRIVE)
        except UnknownKey:
            key = self.key(which)
            now = self.parts.ledger.clock.now()
            decision = Decision(verb, reason, now)
            record = awaited(
                key, self.service, new_incarnation(), decision, now=now, until=now + patience
            )
            with ledger_errors(key):
                [verdict] = self.parts.ledger.cas([Write(record, 0, cell=decision)])
            if verdict.done and verdict.entry is not None:
                return verdict.entry
            return self._decide(which, verb, reason, names.WAKE_DRIVE)

    def _decide(self, which: str | int, verb: Verb, reason: str, task: str) -> Entry:
        key = self.key(which)
        decision = Decision(verb, reason, self.parts.ledger.clock.now())
        with ledger_errors(key):
            verdict = self.parts.ledger.decide(self.service, {key: decision})[key]
            if verdict.entry is None and is_bare(key):
                verdict = self._decide_bare(int(key[1:]), decision)
        entry = verdict.entry
        if entry is None:
            raise UnknownKey(key, f"there is no commission {shown(key)!r} to {verb}")
        if verdict.ring:
            self.parts.waker.wake(task, self.service, key, entry.version)
        check_decision(entry, verb)
        return entry

    def _decide_bare(self, serial: int, decision: Decision) -> Verdict:
        ledger, key = self.parts.ledger, bare_key(serial)
        record = bare(
            key,
            self.service,
            new_incarnation(),
            serial=serial,
            decision=decision,
            now=ledger.clock.now(),
        )
        [verdict] = ledger.cas([Write(record, 0, cell=decision, ring=True)])
        if not verdict.done:  # somebody else has just made it
            return ledger.decide(self.service, {key: decision})[key]
        return verdict


def _distinct(label: str, items: Iterable[str | int]) -> set[str | int]:
    if isinstance(items, str):
        raise BadValue(f"{label} must be a list of keys or serials, not one string")
    checked: set[str | int] = set()
    for which in items:
        if isinstance(which, str):
            checked.add(requests.checked_key(which))
        else:
            checked.add(requests.checked_serial(which))
    return checked
