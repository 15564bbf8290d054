"""What is in a ledger already is read, and written again as it was, by every later version.

`stored_texts.jsonl` is frozen: `json.dumps` wrote it, before records were structs.
"""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from astakos_worker.ledger import events
from astakos_worker.ledger.record import SCHEMA, Decision, Record, State, Twin
from astakos_worker.ledger.record_json import (
    NewerSchemaError,
    UnreadableError,
    dump,
    dump_decision,
    load,
    load_decision,
    why_unreadable,
)
from astakos_worker.ledger.request import Provision, Request, fingerprint
from tests.unit.ledger.records import (
    ABSENT,
    ACCEPT,
    DOUBTFUL,
    FAULT,
    MARKED,
    NOW,
    SETTLES,
    after,
    at,
    awaited,
    bare,
    fresh,
)

_LIMIT = {
    "class": "QuotaLimit",
    "status": 413,
    "data": {"provision": None, "big": 2**70, "list": [1, 2.5, True]},
    "message": 'περισσότερα "\\ \x07\u2028',
}

# In the order of the texts.
RECORDS = {
    "queued": fresh(),
    "awaited": awaited(),
    "issuing, a verdict waits for a probe": after(
        fresh(),
        *(MARKED, DOUBTFUL, ABSENT),
        *(events.Marked(NOW + 100, NOW + 200), events.Refused(2, _LIMIT)),
    ),
    "settling, with all that there can be": replace(
        at(State.SETTLING),
        callback="shop.settled",
        moments=("pending", "closed"),
        callbacks_sent=("pending",),
        deadline=2000.5,
        twins=(Twin(8), Twin(9, done=True)),
        error=FAULT,
        failing_since=NOW,
    ),
    "a bare serial": after(bare(), events.Recognised("abc", "their server"), SETTLES),
    "accepted": at(State.ACCEPTED),
    "a lone surrogate": replace(fresh(), error={"class": "BadRequest", "message": "\ud800 oops é"}),
}
# Not by `splitlines`: a line separator within a text is none between two.
TEXTS = Path(__file__).with_name("stored_texts.jsonl").read_text("utf-8").rstrip("\n").split("\n")


@pytest.mark.parametrize(
    ("record", "text"), list(zip(RECORDS.values(), TEXTS, strict=True)), ids=RECORDS
)
def test_what_is_stored_is_read_and_written_as_it_was(record: Record, text: str):
    """F78: workers of both versions work on one ledger during an upgrade."""
    assert load(text) == load(text.encode()) == record
    assert load(text).history == record.history
    assert list(json.loads(dump(record)).items()) == list(json.loads(text).items())
    assert dump(load(text)) == dump(record)


@pytest.mark.parametrize(
    ("decision", "text"),
    [
        (ACCEPT, '["accept","",1000.0]'),
        (Decision("reject", "expired", 1763917500.123), '["reject","expired",1763917500.123]'),
        (Decision("reject", "λ \ud800", 1e16), '["reject","\\u03bb \\ud800",1e+16]'),
    ],
)
def test_a_decision_in_its_cell_is_read_and_written_as_it_was(decision: Decision, text: str):
    assert load_decision(text) == load_decision(text.encode()) == decision
    assert json.loads(dump_decision(decision)) == json.loads(text)


def test_a_fingerprint_is_what_it_was():
    """F13: a probe compares it with one that stands in Astakos since before the upgrade."""
    odd = Provision("user:ψ\x7f", None, 'a "resource"\\\n\U0001f600', -(2**63))
    assert fingerprint("cyclades", fresh().request) == "0aeb8c77552fc09b"
    assert fingerprint("υπηρεσία", Request((odd,), force=True)) == "c4dc047b16b3d416"


# --- What was not refused before is not refused now -------------------------------------------


def test_numbers_without_a_point_are_times_too():
    text = dump(fresh()).replace("1000.0", "1000")
    assert load(text) == fresh() and load_decision('["accept","",1000]') == ACCEPT


@pytest.mark.parametrize("reason", [None, 5, ["a", "list"]])
def test_a_reason_that_is_no_text_makes_no_record_unreadable(reason):
    """It would stand in its lane's way for good."""
    decision = Decision("reject", reason, NOW)
    assert load_decision(dump_decision(decision)) == decision
    record = fresh(decision=decision, callback=57)
    assert load(dump(record)) == record
    assert load(dump(record)).history == record.history


def test_a_kind_of_text_or_number_of_its_own_is_stored_as_what_it_is():
    """Django's `SafeString` is one, numpy's `float64` another."""

    class Text(str):
        __slots__ = ()

        def __str__(self):
            return self

    class Count(int):
        pass

    class Time(float):
        pass

    odd = Request((Provision(Text("user:u"), "project:p", "vm", Count(2)),), Text("λ"))
    plain = Request((Provision("user:u", "project:p", "vm", 2),), "λ")
    record = replace(fresh(), request=odd, deadline=Time(5.5))
    assert load(dump(record)) == replace(fresh(), request=plain, deadline=5.5)
    broken = replace(record, error={"message": "\ud800"})
    assert load(dump(broken)).request == plain


def test_what_json_cannot_hold_is_refused_where_it_is_stored():
    with pytest.raises(TypeError, match="cannot hold object"):
        dump(replace(fresh(), error={"class": object()}))


def test_default_moments_are_left_out_whoever_made_them():
    """There may be millions of records."""
    same = tuple(moment for moment in ("closed",))
    record = fresh(moments=same)
    assert record.moments is same and "moments" not in json.loads(dump(record))


@pytest.mark.parametrize("others", ['"state":7', '"state":{},"lately":[1]', '"key":["\\ud800"]'])
def test_whatever_else_is_in_a_newer_record_it_is_newer(others):
    """F78."""
    text = f'{{"schema":{SCHEMA + 1},{others}}}'
    assert "is newer than" in why_unreadable(text)
    with pytest.raises(NewerSchemaError):
        load(text)


def test_an_older_schema_is_read():
    assert load(dump(fresh()).replace('"schema":1', '"schema":0', 1)) == fresh()


@pytest.mark.parametrize("garbage", ["", "no JSON", b"\xff", '{"schema":1'])
def test_garbage_is_a_value_error(garbage):
    with pytest.raises(ValueError, match=r"."):
        load(garbage)


def test_a_field_of_no_known_version_is_not_dropped_in_silence():
    """Written again, the record would have lost it."""
    with pytest.raises(UnreadableError, match="lately"):
        load(dump(fresh()).replace("{", '{"lately":1,', 1))


def test_a_record_is_a_value_that_nobody_changes():
    record = at(State.ACCEPTED)
    assert hash(record) == hash(at(State.ACCEPTED))
    with pytest.raises(AttributeError):
        record.state = State.QUEUED
    with pytest.raises(AttributeError):
        record.request.name = "another"
