"""A call, its row, and the call again: nothing is lost on the way."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.request import fingerprint
from astakos_worker.service import arguments, drafts
from astakos_worker.service.outbox import rows
from astakos_worker.service.outbox.rows import SEVERAL, OutboxDecision, Row, read
from astakosclient.errors import BadValue

SETTINGS = Settings.model_construct()
NOW, AGE = 1000.0, 100.0
ONE = arguments.one("ada", "lab", {"cyclades.vm": 1, "cyclades.ram": 5}, name="create", force=True)


def again(request, key="k", **options):
    """A new commission, written as a row and read when it is `AGE` seconds old."""
    checked = drafts.check("compute", SETTINGS, request, key, **options)
    row = Row(1, *rows.issue("compute", request, checked), AGE)
    return row, checked, read(row, SETTINGS, NOW)


def test_a_commission_is_the_same_after_its_way_through_a_row():
    options = {"accept": True, "callback": "their.task@queue", "callback_on": ["pending"]}
    row, checked, draft = again(ONE, deadline=300.0, **options)
    record = draft.record
    assert record.incarnation == row.incarnation == checked.token.incarnation
    assert fingerprint("compute", record.request) == fingerprint("compute", ONE)
    assert (record.request.name, record.request.force) == ("create", True)
    assert (record.callback, record.moments) == ("their.task@queue", ("pending",))
    assert record.decision.verb == "accept"
    assert record.created == NOW - AGE
    assert record.deadline == NOW - AGE + 300


@pytest.mark.parametrize("reuse", [False, True, "0123abcd"])
def test_whether_a_key_may_be_used_again_is_kept(reuse):
    _, checked, draft = again(ONE, reuse=reuse)
    assert draft.reuse == bool(reuse)
    assert draft.replaces == checked.token.replaces


def test_a_key_that_was_made_and_its_deadline_are_in_the_row():
    row, _, draft = again(ONE, key=None)
    assert row.key == draft.record.key
    assert draft.record.deadline == NOW - AGE + SETTINGS.hold_deadline


def test_a_row_says_whose_order_it_is_a_part_of():
    assert again(ONE)[0].holder == "project:lab"
    moved = arguments.reassignment("ada", {("lab", "other", "cyclades.vm"): 1})
    assert again(moved)[0].holder == SEVERAL
    of_project = arguments.generic(None, {("lab", "cyclades.vm"): 1})
    assert again(of_project)[0].holder == "project:lab"


@pytest.mark.parametrize(
    "said",
    [
        OutboxDecision("accept", "k"),
        OutboxDecision("reject", "k", "too late \0 \ud800"),
        OutboxDecision("accept", 57),
        OutboxDecision("extend", "k", deadline=60.0),
        OutboxDecision("accept", "k", incarnation="0123abcd"),
    ],
)
def test_a_decision_is_the_same_after_its_way_through_a_row(said):
    row = Row(1, *rows.decision("compute", said), AGE)
    assert read(row, SETTINGS, NOW) == said
    assert row.arguments.isascii()


def test_what_a_row_leaves_out_is_the_default():
    """So a row is short, and an option that comes later has its default in older rows."""
    row, _, _ = again(arguments.one("ada", "lab", {"cyclades.vm": 1}))
    assert json.loads(row.arguments) == {
        "user_provisions": [
            {"user": "ada", "project": "lab", "resource": "cyclades.vm", "quantity": 1}
        ],
        "project_provisions": [{"project": "lab", "resource": "cyclades.vm", "quantity": 1}],
    }


def test_a_row_of_an_unknown_kind_is_refused():
    row = Row(1, *rows.decision("compute", OutboxDecision("accept", "k")), AGE)
    with pytest.raises(BadValue, match="not 'steal'"):
        read(row._replace(kind="steal"), SETTINGS, NOW)


CHARACTERS = st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="@")
NAMES = st.text(CHARACTERS, min_size=1, max_size=9)
QUANTITIES = st.integers(1 - 2**63, 2**63 - 1)


@given(
    st.dictionaries(st.tuples(NAMES, NAMES, NAMES), QUANTITIES, max_size=3),
    st.dictionaries(st.tuples(NAMES, NAMES), QUANTITIES, min_size=1, max_size=3),
)
def test_any_provisions_are_the_same_after_their_way_through_a_row(of_users, of_projects):
    request = arguments.generic(of_users, of_projects)
    _, _, draft = again(request)
    assert fingerprint("compute", draft.record.request) == fingerprint("compute", request)
