"""What each event changes in a record: one short function for each kind of event. Pure.

`states.py` has checked before that the event applies in the record's state. Where an event has
another condition (a decided record, a bare serial), its function raises `NotNow`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from astakos_worker.ledger import events
from astakos_worker.ledger.changes import (
    bare_serials,
    deciding,
    interventions,
    issuing,
    settling,
    waiting,
)
from astakos_worker.ledger.record import Record

#: Event -> the function that applies it.
CHANGES: Final[Mapping[type[events.Event], Callable[[Record, Any, float], Record]]] = {
    # The request and the decision.
    events.Requested: deciding.requested,
    events.Decided: deciding.decided,
    events.Extended: deciding.extended,
    # Issuing.
    events.Marked: issuing.marked,
    events.Unsent: issuing.unsent,
    events.Declined: issuing.declined,
    events.Doubtful: issuing.doubtful,
    events.Refused: issuing.refused,
    events.Absent: issuing.absent,
    events.Issued: issuing.issued,
    # Settling.
    events.SettleMarked: settling.settle_marked,
    events.SettleUnsent: settling.settle_unsent,
    events.SettleFailed: settling.settle_failed,
    events.Settled: settling.settled,
    events.SettleNotFound: settling.settle_not_found,
    events.TwinSettled: settling.twin_settled,
    # Bare serials.
    events.Recognised: bare_serials.recognised,
    events.NotThere: bare_serials.not_there,
    events.Merged: bare_serials.merged,
    # What the sweep finds, and what a person does.
    events.Vanished: interventions.vanished,
    events.Resurfaced: interventions.resurfaced,
    events.TwinResurfaced: interventions.twin_resurfaced,
    events.Conflicted: interventions.conflicted,
    events.Died: interventions.died,
    events.Revived: interventions.revived,
    events.Discarded: interventions.discarded,
    # No state moves.
    events.Postponed: waiting.postponed,
    events.Released: waiting.released,
    events.CallbackSent: waiting.callback_sent,
}
