"""Scripts: the calls of callers, and the contents of the ledger and Astakos before the first call.

Two errors are no violation: the commission was refused, or another decision came first. Any other
error that a script does not expect is a violation.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from astakos_worker.ledger.awaited import at_once
from astakos_worker.ledger.record import bare_key
from astakos_worker.ledger.request import Request, Tag, fingerprint
from astakos_worker.service.arguments import one
from astakos_worker.service.errors import (
    CommissionFailed,
    DecisionConflict,
    OutcomeTimeout,
    Unavailable,
    UnknownKey,
)
from astakos_worker.service.inside import decider_of
from astakosclient.errors import NotFound, QuotaLimit
from tests.simulation.oracle import LANE, NAMESPACE, Bounds
from tests.simulation.simulated_astakos import COMPONENT
from tests.simulation.stage import PROJECT, RESOURCE, SETTINGS, USER, Stage

KEY = "k1"

#: How a commission may end for its caller without anybody being at fault.
_ENDINGS = (QuotaLimit, NotFound, CommissionFailed, OutcomeTimeout)

Body = Callable[[Stage], None]

_OTHER = "another component"


@dataclass(frozen=True, slots=True)
class Script:
    """Callers that run at once, and the scene that they find."""

    name: str
    callers: tuple[Body, ...]
    before: Body = lambda _stage: None
    room: int = 10  # units of quota
    bounds: Bounds = field(default_factory=Bounds)


def _issue(stage: Stage) -> None:
    stage.issue(KEY)


def _issue_then_accept(stage: Stage) -> None:
    stage.issue(KEY)
    with suppress(*_ENDINGS):
        stage.through(KEY)
        stage.accept(KEY)


def _issue_then_reject(stage: Stage) -> None:
    stage.issue(KEY)
    with suppress(*_ENDINGS):
        stage.through(KEY)
        stage.reject(KEY)


def _issue_then_reject_if_first(stage: Stage) -> None:
    with suppress(DecisionConflict):
        _issue_then_reject(stage)


def _issue_accepted(stage: Stage) -> None:
    with suppress(*_ENDINGS):
        stage.issue(KEY, accept=True)


def _accept_while_queued(stage: Stage) -> None:
    stage.issue(KEY)
    with suppress(*_ENDINGS):
        stage.accept(KEY)


def _reject_while_queued(stage: Stage) -> None:
    stage.issue(KEY)
    with suppress(*_ENDINGS):
        stage.reject(KEY)


def _accept_if_first(stage: Stage) -> None:
    with suppress(DecisionConflict, UnknownKey, *_ENDINGS):
        stage.accept(KEY)


def _reject_if_first(stage: Stage) -> None:
    with suppress(DecisionConflict, UnknownKey, *_ENDINGS):
        stage.reject(KEY)


def _three_accepted(stage: Stage) -> None:
    with suppress(*_ENDINGS):
        for key in ("k1", "k2", "k3"):
            stage.issue(key, accept=True)


def _three_decided_later(stage: Stage) -> None:
    keys = ("k1", "k2", "k3")
    for key in keys:
        stage.issue(key)
    with suppress(*_ENDINGS):
        for key in keys:
            stage.through(key)
        stage.accept("k1")
        stage.reject("k2")
        stage.accept("k3")


def _decide_by_name(stage: Stage) -> None:
    with suppress(*_ENDINGS):
        decider = decider_of(stage.commissions)
        patience = SETTINGS.awaited
        stage.again(lambda: at_once(decider.decide_or_await(KEY, "accept", patience=patience)))
        stage.oracle.decided(KEY, "accept")


def _held(stage: Stage) -> None:
    with (
        suppress(DecisionConflict, Unavailable, *_ENDINGS),
        stage.commissions.hold(
            user=USER, project=PROJECT, provisions={RESOURCE: 1}, key=KEY, deadline=30.0
        ),
    ):
        stage.world.sleep(1.0)


def _held_and_failed(stage: Stage) -> None:
    with (
        suppress(DecisionConflict, Unavailable, ZeroDivisionError, *_ENDINGS),
        stage.commissions.hold(
            user=USER, project=PROJECT, provisions={RESOURCE: 1}, key=KEY, deadline=30.0
        ),
    ):
        raise ZeroDivisionError


def _issue_with_callback(stage: Stage) -> None:
    with suppress(*_ENDINGS):
        stage.issue(KEY, accept=True, callback="service.hears")


def _issue_with_callback_when_pending(stage: Stage) -> None:
    with suppress(*_ENDINGS):
        moments = ("pending", "closed")
        stage.issue(KEY, accept=True, callback="service.hears", callback_on=moments)


def _use_again(stage: Stage) -> None:
    with suppress(*_ENDINGS):
        stage.issue(KEY, accept=True)
        stage.through(KEY)
        stage.issue(KEY, accept=True, reuse=True)


def _left_to_its_deadline(stage: Stage) -> None:
    stage.issue(KEY, deadline=30.0)
    stage.world.sleep(70.0)
    stage.world.environment.sweep()


def _an_orphan(stage: Stage) -> None:
    stage.pending(f"lost {_tag('nobody')}")


def _a_twin(stage: Stage) -> None:
    """Have Astakos hold another commission of the key's own incarnation, once it is pending."""
    stage.issue(KEY)
    with suppress(*_ENDINGS):
        stage.through(KEY)
    record = stage.raw.get(LANE, [KEY])[KEY].record
    stage.oracle.unheard.add(KEY)
    stage.pending(str(record.tag(NAMESPACE)))
    with suppress(*_ENDINGS):
        stage.accept(KEY)


def _own_client(stage: Stage) -> None:
    stage.pending("by a service's own client")


def _accept_its_serial(stage: Stage) -> None:
    with suppress(DecisionConflict, *_ENDINGS):
        stage.accept(3)


def _reject_its_serial(stage: Stage) -> None:
    with suppress(DecisionConflict, *_ENDINGS):
        stage.reject(3)


def _accept_what_never_was(stage: Stage) -> None:
    with suppress(DecisionConflict, *_ENDINGS):
        stage.accept(77)


def _accept_many_that_never_were(stage: Stage) -> None:
    stage.again(lambda: stage.commissions.resolve(accept=range(77, 82)))


def _accept_with_the_wrong_token(stage: Stage) -> None:
    """Give the workers another component's token for a while, when a commission is pending."""
    stage.issue(KEY)
    stage.pending("another component's own", component=_OTHER)
    with suppress(*_ENDINGS):
        stage.through(KEY)
        stage.world.at(stage.world.clock.time + 300.0, lambda: _use_token(stage, COMPONENT))
        _use_token(stage, _OTHER)
        stage.accept(KEY)


def _use_token(stage: Stage, component: str) -> None:
    stage.astakos.component = component
    stage.oracle.changes += 1


def _restored(stage: Stage) -> None:
    """Set Astakos back to a backup in which a settled commission, and a twin, are pending."""
    with suppress(*_ENDINGS):
        stage.issue(KEY)
        stage.through(KEY)
        record = stage.raw.get(LANE, [KEY])[KEY].record
        stage.oracle.unheard.add(KEY)
        stage.pending(str(record.tag(NAMESPACE)))
        restore = stage.backup()
        stage.accept(KEY)
        if stage.quiet(KEY):
            restore()


def _restored_though_cancelled(stage: Stage) -> None:
    """The same for a ghost of a commission that has no serial of its own."""
    stage.issue(KEY)
    with suppress(*_ENDINGS):
        stage.reject(KEY)
        if not stage.quiet(KEY):
            return
        stage.oracle.unheard.add(KEY)
        stage.pending(str(stage.raw.get(LANE, [KEY])[KEY].record.tag(NAMESPACE)))
        restore = stage.backup()
        stage.world.environment.sweep()
        if stage.quiet(KEY) and not stage.any_pending():
            restore()


def _restored_bare(stage: Stage) -> None:
    restore = stage.backup()
    with suppress(*_ENDINGS):
        stage.accept(3)
        if stage.quiet(bare_key(3)):
            restore()


def _reused(stage: Stage) -> None:
    """Set Astakos back to before a commission, whose serial it gives to another then (F44)."""
    restore = stage.backup()
    with suppress(*_ENDINGS):
        stage.issue(KEY, accept=True)
        if stage.quiet(KEY):
            restore()
            serial = stage.raw.get(LANE, [KEY])[KEY].record.serial
            while serial is not None and serial not in stage.book.commissions:
                stage.oracle.foreign.add(stage.pending("by a service's own client"))


def _reused_bare(stage: Stage) -> None:
    restore = stage.backup()
    serial = stage.pending("by a service's own client")
    with suppress(*_ENDINGS):
        stage.accept(serial)
        if stage.quiet(bare_key(serial)):
            restore()
            stage.oracle.foreign.add(stage.pending("by a service's own client"))


def _tag(key: str) -> Tag:
    request: Request = one(USER, PROJECT, {RESOURCE: 1})
    return Tag(NAMESPACE, key, "0123abcd", fingerprint(LANE, request))


SCRIPTS = {
    script.name: script
    for script in (
        Script("issue", (_issue,)),
        Script("issue_then_accept", (_issue_then_accept,)),
        Script("issue_then_reject", (_issue_then_reject,)),
        Script("issue_accepted", (_issue_accepted,)),
        Script("accept_while_queued", (_accept_while_queued,)),
        Script("reject_while_queued", (_reject_while_queued,)),
        Script("issued_twice", (_issue_accepted, _issue)),
        Script("rivals", (_issue, _accept_if_first, _reject_if_first)),
        Script("refused", (_issue_accepted,), room=0, bounds=Bounds(refusals=True)),
        Script("just_enough", (_issue_accepted,), room=1),
        Script("three_accepted", (_three_accepted,)),
        Script("three_decided_later", (_three_decided_later,)),
        Script(
            "decided_by_name",
            (_decide_by_name, _issue_accepted),
            bounds=Bounds(never_issued=True),
        ),
        Script("held", (_held,)),
        Script("held_and_failed", (_held_and_failed,)),
        Script("called_back", (_issue_with_callback,)),
        Script("called_back_when_pending", (_issue_with_callback_when_pending,)),
        Script("key_used_again", (_use_again,)),
        Script("left_to_its_deadline", (_left_to_its_deadline,)),
        Script("orphan", (_issue_accepted,), before=_an_orphan),
        Script("twin", (_a_twin,)),
        Script("wrong_token", (_accept_with_the_wrong_token,)),
        Script("restored", (_restored,)),
        Script("restored_though_cancelled", (_restored_though_cancelled,)),
        Script("restored_bare", (_restored_bare,), before=_own_client),
        Script("reused", (_reused,), bounds=Bounds(conflicts=frozenset({KEY}))),
        Script("reused_bare", (_reused_bare,), bounds=Bounds(conflicts=frozenset({bare_key(3)}))),
        Script("bare_accepted", (_accept_its_serial,), before=_own_client),
        Script("bare_rejected", (_reject_its_serial,), before=_own_client),
        Script(
            "serial_before_its_key",
            (_issue_accepted, _accept_its_serial),
            bounds=Bounds(unknown=True),
        ),
        Script("serial_for_its_key", (_issue, _accept_its_serial), bounds=Bounds(unknown=True)),
        Script("serial_never_there", (_accept_what_never_was,), bounds=Bounds(unknown=True)),
        Script("serials_never_there", (_accept_many_that_never_were,), bounds=Bounds(unknown=True)),
        Script(
            "serial_against_its_key",
            (_issue_then_reject_if_first, _accept_its_serial),
            bounds=Bounds(unknown=True, conflicts=frozenset({bare_key(3)})),
        ),
    )
}
