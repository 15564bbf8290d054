"""The first name, deadline and call-back of a commission stand; a call is told what was ignored."""

import logging

import pytest

from tests.unit.service.conftest import VM

FIRST = {**VM, "key": "k", "name": "a server", "deadline": 60.0, "callback": "app.done@app"}


@pytest.fixture(autouse=True)
def _issued(commissions):
    assert commissions.issue(**FIRST).ignored == ()


def test_the_same_call_again_ignores_nothing(commissions, clock, caplog):
    clock.passes(10)
    assert commissions.issue(**FIRST).ignored == ()
    assert caplog.records == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("name", "another server"),
        ("deadline", 61.0),
        ("deadline", None),
        ("callback", "app.other@app"),
        ("callback", None),
    ],
)
def test_an_option_that_differs_is_named_in_the_handle_and_in_the_log(
    commissions, caplog, option, value
):
    caplog.set_level(logging.WARNING)
    assert commissions.issue(**FIRST | {option: value}).ignored == (option,)
    [line] = [one.getMessage() for one in caplog.records]
    assert "event='options_ignored'" in line and f"key='k' options='{option}'" in line


def test_other_moments_of_the_call_back_are_a_call_back_that_differs(commissions):
    assert commissions.issue(**FIRST, callback_on=["pending"]).ignored == ("callback",)


def test_a_deadline_does_not_count_once_somebody_has_decided(commissions):
    commissions.accept("k")
    assert commissions.issue(**FIRST | {"deadline": None}).ignored == ()


def test_many_at_once_are_told_one_by_one(commissions):
    results = commissions.issue_many([FIRST | {"name": "b"}, FIRST, {**VM, "key": "new"}])
    assert [one.ignored for one in results] == [("name",), (), ()]
