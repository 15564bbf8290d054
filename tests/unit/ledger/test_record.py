"""A record's JSON gives back the record, and its fingerprint tells contents apart."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from astakos_worker.ledger.record import (
    SCHEMA,
    Decision,
    HistoryLine,
    Record,
    State,
    Twin,
    bare_key,
    is_bare,
    shown,
)
from astakos_worker.ledger.record_json import (
    NewerSchemaError,
    dump,
    dump_decision,
    load,
    load_decision,
)
from astakos_worker.ledger.request import Provision, Request, fingerprint, merge
from tests.unit.ledger.records import ACCEPT, FAULT, REQUEST, at, fresh

# Lone surrogates too: an error text of Astakos may bring one along.
texts = st.text(st.characters(), max_size=20)
moments = st.floats(allow_nan=False, allow_infinity=False)
provisions = st.builds(Provision, texts, st.none() | texts, texts, st.integers(-(2**63), 2**63 - 1))
requests = st.builds(Request, st.lists(provisions, max_size=4).map(tuple), texts, st.booleans())
decisions = st.builds(Decision, st.sampled_from(["accept", "reject"]), texts, moments)
faults = st.dictionaries(texts, texts | st.integers() | st.none(), max_size=3)
counts = st.integers(0, 1000)
records = st.builds(
    Record,
    key=texts.filter(bool),
    service=texts,
    incarnation=texts,
    state=st.sampled_from(list(State)),
    created=moments,
    request=st.none() | requests,
    serial=st.none() | st.integers(0, 2**53),
    decision=st.none() | decisions,
    deadline=st.none() | moments,
    due=st.none() | moments,
    marks=counts,
    send_until=st.none() | moments,
    quiet_at=st.none() | moments,
    doubts=counts,
    refusal=st.none() | faults,
    settles=counts,
    sent=st.lists(counts, max_size=3).map(tuple),
    twins=st.lists(st.builds(Twin, counts, st.booleans()), max_size=3).map(tuple),
    attempts=counts,
    failing_since=st.none() | moments,
    error=st.none() | faults,
    callback=st.none() | texts,
    moments=st.lists(st.sampled_from(["pending", "refused", "closed"]), min_size=1).map(tuple),
    callbacks_sent=st.lists(texts, max_size=2).map(tuple),
    closed=st.none() | moments,
    history=st.lists(st.builds(HistoryLine, moments, texts), max_size=4).map(tuple),
)


@given(records)
def test_a_record_comes_back_as_it_was_stored(record):
    text = dump(record)
    assert load(text) == record
    assert load(text.encode()) == record  # whatever is in it can be sent to the store
    assert load(text).history == record.history


@given(decisions)
def test_a_decision_comes_back_as_it_was_stored(decision):
    assert load_decision(dump_decision(decision)) == decision


def test_an_empty_cell_holds_no_decision():
    assert load_decision(None) is None
    assert load_decision("") is None


def test_a_small_record_stays_small():
    """What has its default is left out; there may be millions of them."""
    assert set(json.loads(dump(fresh()))) == {
        *("schema", "key", "service", "incarnation", "state", "created"),
        *("request", "due", "history"),
    }


def test_a_record_says_its_schema_first():
    """F78: the store's scripts look for it there."""
    assert dump(fresh()).startswith(f'{{"schema":{SCHEMA},')


def test_a_record_of_a_newer_schema_is_not_read():
    """F78."""
    raw = json.loads(dump(fresh()))
    newer = json.dumps({**raw, "schema": SCHEMA + 1, "unheard_of": True})
    with pytest.raises(NewerSchemaError, match="newer"):
        load(newer)


def test_a_record_in_no_known_state_is_not_read():
    with pytest.raises(ValueError, match="lost"):
        load(dump(fresh()).replace('"queued"', '"lost"', 1))


def test_a_record_does_not_print_its_history():
    assert "history" not in repr(at(State.ACCEPTED))


# --- Fingerprint ------------------------------------------------------------------------------


@given(st.data())
def test_the_same_contents_in_another_order_are_a_replay(data):
    """F3."""
    request = data.draw(requests)
    shuffled = data.draw(st.permutations(request.provisions))
    other = replace(request, provisions=tuple(shuffled), name="another name")
    assert fingerprint("s", request) == fingerprint("s", other)


VM = Provision("user:u", "project:p", "vm", 1)


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, provisions=(VM._replace(quantity=2),)),
        replace(REQUEST, provisions=(VM._replace(resource="ram"),)),
        replace(REQUEST, provisions=(VM._replace(source=None),)),
        replace(REQUEST, provisions=(VM._replace(source="project:q"),)),
        replace(REQUEST, provisions=(VM._replace(holder="user:v"),)),
        replace(REQUEST, provisions=(VM, VM)),
        replace(REQUEST, provisions=(VM, VM._replace(resource="ram"))),
        replace(REQUEST, provisions=()),
        replace(REQUEST, provisions=(VM,), force=True),
    ],
)
def test_other_contents_are_another_commission(other):
    """F3."""
    same = replace(REQUEST, provisions=(VM,))
    assert fingerprint("s", other) != fingerprint("s", same)


def test_the_same_contents_for_another_service_are_another_commission():
    assert fingerprint("s", REQUEST) != fingerprint("t", REQUEST)


def test_a_quantity_given_in_parts_is_the_same_commission():
    """F3: Astakos adds up what names the same holding."""
    parts = Request((VM, VM._replace(quantity=2)))
    assert fingerprint("s", parts) == fingerprint("s", Request((VM._replace(quantity=3),)))
    assert merge(parts.provisions) == (VM._replace(quantity=3),)


def test_decision_deadline_and_call_back_are_not_in_the_fingerprint():
    """F3: on a replay the first ones stand."""
    plain = fresh()
    other = fresh(decision=ACCEPT, deadline=5.0, callback="shop.settled")
    assert plain.fingerprint == other.fingerprint == fingerprint("cyclades", REQUEST)


def test_a_record_without_a_request_has_a_fingerprint_of_zeros():
    assert at(State.AWAITED).fingerprint == "0" * 16


# --- Bare serials -----------------------------------------------------------------------------


def test_a_bare_serial_has_a_key_that_no_caller_can_choose():
    key = bare_key(57)
    assert is_bare(key) and not key.isprintable()
    assert not is_bare("57")
    assert (shown(key), shown("server 57")) == ("serial 57", "server 57")


def test_a_commission_of_one_provision_is_in_the_form_of_the_api():
    assert VM.wire() == {
        "holder": "user:u",
        "source": "project:p",
        "resource": "vm",
        "quantity": 1,
    }


def test_a_commission_is_open_while_a_twin_or_a_call_back_is_left():
    closed = at(State.REFUSED)
    assert not closed.is_open
    assert replace(closed, twins=(Twin(8),)).is_open
    assert not replace(closed, twins=(Twin(8, done=True),)).is_open
    assert replace(closed, callback="shop.settled", error=FAULT).is_open
