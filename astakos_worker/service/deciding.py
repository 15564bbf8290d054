"""Records decisions in the ledger, one or many, by key or by serial.

The cell of a decision is written once: the first decision stands, and a later, different one
raises.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from astakos_worker.configuration import names
from astakos_worker.ledger.contract import Write, Written
from astakos_worker.ledger.record import Decision, Record, Verb, bare_key, is_bare, shown
from astakos_worker.ledger.states import awaited, bare
from astakos_worker.service import arguments
from astakos_worker.service.connections import AwaitedConnections
from astakos_worker.service.drafts import new_incarnation
from astakos_worker.service.errors import CommissionError, DecisionConflict, Unavailable, UnknownKey
from astakos_worker.service.ledger_calls import in_batches, ledger_errors, left_for_newer, reused
from astakos_worker.service.outcome import check_decision
from astakosclient.errors import AstakosClientException, BadValue

_TASKS: dict[Verb, str] = {"accept": names.WAKE_ACCEPT, "reject": names.WAKE_REJECT}


class Target(NamedTuple):
    """A commission as a call names it: by key or serial, and by its incarnation if it is known.

    A key that is used again has another incarnation. A decision that names one decides no later
    use of the key.
    """

    which: str | int
    incarnation: str | None = None


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides commissions of one named service."""

    service: str
    connections: AwaitedConnections

    async def key(self, which: str | int) -> str:
        """Return the ledger's key of a key, or of an integer that is a serial."""
        which = arguments.checked_which(which)
        return which if isinstance(which, str) else (await self._keys([which]))[which]

    async def decide(
        self, which: str | int, verb: Verb, reason: str = "", incarnation: str | None = None
    ) -> Record:
        """Record a decision; return the commission as it is now.

        Raises as `Commissions.accept`.
        """
        reason = arguments.checked_reason(reason)
        incarnation = arguments.checked_incarnation(incarnation)
        key = await self.key(which)
        incarnations = {} if incarnation is None else {key: incarnation}
        written = await self._record({key: self._decision(verb, reason)}, incarnations)
        return _judged(key, written[key], verb, incarnation)

    async def resolve(
        self, accept: Iterable[Target], reject: Iterable[Target]
    ) -> dict[Target, Record | Exception]:
        """Decide many; return for each the commission as it is now, or its error."""
        accepts, rejects = dict.fromkeys(accept), dict.fromkeys(reject)
        targets = accepts | rejects
        keys = await self._keys(target.which for target in targets)
        # A commission may be in one list by its key, and in the other by its serial.
        both = {keys[one.which] for one in accepts} & {keys[one.which] for one in rejects}
        accepted, rejected = self._decision("accept"), self._decision("reject")
        decisions = {keys[one.which]: accepted for one in accepts}
        decisions |= {keys[one.which]: rejected for one in rejects}
        incarnations = {keys[one.which]: one.incarnation for one in targets if one.incarnation}
        written = await self._record(
            {key: one for key, one in decisions.items() if key not in both}, incarnations
        )
        results: dict[Target, Record | Exception] = {}
        for target in targets:
            key = keys[target.which]
            try:
                if key in both:
                    raise DecisionConflict(key, f"{shown(key)!r} is in both lists")
                verb = decisions[key].verb
                results[target] = _judged(key, written[key], verb, target.incarnation)
            except (AstakosClientException, CommissionError) as error:
                results[target] = error
        return results

    async def decide_or_await(
        self,
        which: str | int,
        verb: Verb,
        reason: str = "",
        *,
        patience: float,
        incarnation: str | None = None,
    ) -> Record:
        """Record a decision that came by name; if its request has not come, wait for it (F77).

        `patience`: seconds for which the decision waits. One that names an incarnation does not
        wait: its request has been here.
        """
        try:
            return await self.decide(which, verb, reason, incarnation)
        except UnknownKey as unknown:
            if incarnation is not None:
                raise
            key, now = unknown.key, self.connections.ledger.clock.now()
            decision = self._decision(verb, reason)
            record = awaited(
                key, self.service, new_incarnation(), decision, now=now, until=now + patience
            )
            with ledger_errors(key):
                [written] = await self.connections.ledger.cas([Write(record, 0, cell=decision)])
            if written.done and written.entry is not None:
                return written.entry.record
            return await self.decide(which, verb, reason)

    async def resolve_or_await(
        self,
        accept: Iterable[str | int],
        reject: Iterable[str | int],
        *,
        patience: float,
        incarnations: Mapping[str | int, str] = MappingProxyType({}),
    ) -> dict[str | int, Record | Exception]:
        """Decide many as `decide_or_await` does; return for each the commission or its error.

        `incarnations`: those of the commissions that the decisions are for, where they are known.
        """
        accepts = _targets("accept", accept, incarnations)
        rejects = _targets("reject", reject, incarnations)
        results = await self.resolve(accepts.values(), rejects.values())
        await self.await_unknown(results, accepts.values(), patience=patience)
        return {which: results[target] for which, target in (accepts | rejects).items()}

    async def await_unknown(
        self,
        results: dict[Target, Record | Exception],
        accepts: Collection[Target],
        *,
        patience: float,
    ) -> None:
        """Let the decisions of unknown keys wait, as `decide_or_await` does."""
        for target in [one for one, what in results.items() if isinstance(what, UnknownKey)]:
            verb: Verb = "accept" if target in accepts else "reject"
            try:
                results[target] = await self.decide_or_await(
                    target.which, verb, patience=patience, incarnation=target.incarnation
                )
            except (AstakosClientException, CommissionError) as error:
                results[target] = error

    async def _keys(self, items: Iterable[str | int]) -> dict[str | int, str]:
        """Return the ledger's key of each; one round trip finds those of all serials."""
        listed = list(items)
        serials = [which for which in listed if isinstance(which, int)]
        found: dict[int, str] = {}
        if serials:
            with ledger_errors(*map(bare_key, serials), reads=True):
                found = await self.connections.ledger.find(self.service, serials)
        return {
            which: which if isinstance(which, str) else found.get(which, bare_key(which))
            for which in listed
        }

    def _decision(self, verb: Verb, reason: str = "") -> Decision:
        return Decision(verb, reason, self.connections.ledger.clock.now())

    async def _record(
        self, decisions: Mapping[str, Decision], incarnations: Mapping[str, str]
    ) -> dict[str, Written | Unavailable]:
        """Write decisions and send wake-ups; see `in_batches` for an outage.

        `incarnations`: `{key: the incarnation that its decision is for}`, where it is known.
        """

        async def record(items: Sequence[tuple[str, Decision]]) -> list[Written]:
            return await self._record_batch(dict(items), incarnations)

        written = await in_batches(list(decisions.items()), record, self.connections.together)
        return dict(zip(decisions, written, strict=True))

    async def _record_batch(
        self, decisions: Mapping[str, Decision], incarnations: Mapping[str, str]
    ) -> list[Written]:
        """Write decisions and send wake-ups; a serial without a record gets a record of its own."""
        ledger = self.connections.ledger
        named = {key: incarnations[key] for key in decisions if key in incarnations}
        written = await ledger.decide(self.service, decisions, named)
        new = [key for key in decisions if is_bare(key) and _is_nowhere(written[key])]
        if new:
            made = await ledger.cas([self._bare(key, decisions[key]) for key in new])
            written |= dict(zip(new, made, strict=True))
        if late := {key: decisions[key] for key in new if not written[key].done}:
            written |= await ledger.decide(self.service, late)  # another writer has just made them
        for key, one in written.items():
            if one.wakeup and one.entry is not None:
                task = _TASKS[decisions[key].verb]
                self.connections.waker.wake(task, self.service, key, one.entry.version)
        return [written[key] for key in decisions]

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


def _is_nowhere(written: Written) -> bool:
    return written.entry is None and not written.newer


def _judged(
    key: str, written: Written | Unavailable, verb: Verb, incarnation: str | None
) -> Record:
    """Return the commission if this decision stands; raise the error if it does not."""
    if isinstance(written, Unavailable):
        raise written
    if written.newer:
        raise left_for_newer(key)
    if written.superseded:
        raise reused(key, incarnation)
    if written.entry is None:
        raise UnknownKey(key, f"there is no commission {shown(key)!r} to {verb}")
    record = written.entry.record
    check_decision(record, verb)
    return record


def _targets(
    label: str, items: Iterable[str | int], incarnations: Mapping[str | int, str]
) -> dict[str | int, Target]:
    """Return `{item: what it names}`, in order; `BadValue` for what is neither key nor serial."""
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise BadValue(f"{label} must be a list of keys and serials, not {items!r:.80}")
    return {item: Target(arguments.checked_which(item), incarnations.get(item)) for item in items}
