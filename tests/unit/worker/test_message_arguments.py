"""Requests that came as plain JSON: read into the same values, or refused in plain words."""

import pytest

from astakos_worker.service import arguments
from astakos_worker.worker.message_arguments import generic_request, items
from astakosclient.errors import BadValue

USERS = [{"user": "u", "project": "p", "resource": "vm", "quantity": 1}]
PROJECTS = [{"project": "p", "resource": "vm", "quantity": 1}]
MOVES = [{"from": "p", "to": "q", "resource": "vm", "quantity": 1}]


def test_the_plain_form():
    message = {"user": "u", "project": "p", "provisions": {"vm": 1}, "name": "n", "force": True}
    expected = arguments.one("u", "p", {"vm": 1}, name="n", force=True)
    assert generic_request(message) == expected


def test_the_generic_form_in_lists_since_json_has_no_tuples():
    expected = arguments.generic({("u", "p", "vm"): 1}, {("p", "vm"): 1})
    assert generic_request({"user_provisions": USERS, "project_provisions": PROJECTS}) == expected
    expected = arguments.generic({}, {("p", "vm"): 1})
    assert generic_request({"project_provisions": PROJECTS}) == expected


def test_the_reassignment():
    expected = arguments.reassignment("u", {("p", "q", "vm"): 1})
    assert generic_request({"user": "u", "reassign": MOVES}) == expected


def test_rows_that_name_one_holding_are_summed():
    message = {"user_provisions": USERS * 3}
    assert generic_request(message) == arguments.generic({("u", "p", "vm"): 3}, {})


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({}, "nothing"),
        ({"user": "u"}, "user"),
        ({"user": "u", "project": "p"}, "project"),
        ({"user": "u", "project": "p", "provisions": {"vm": 1}, "nmae": "x"}, "nmae"),
        ({"user": "u", "project": "p", "provisions": {"vm": 1}, "callback": "x"}, "callback"),
        ({"user": "u", "reassign": MOVES, "user_provisions": USERS}, "reassign"),
        ({"user": "u", "project": "p", "provisions": [["vm", 1]]}, "provisions"),
        ({"user": "u", "project": "p", "provisions": {"vm": "1"}}, "vm"),
        ({"user": 7, "project": "p", "provisions": {"vm": 1}}, "user"),
        ({"user_provisions": {"vm": 1}}, "user_provisions must be a list"),
        ({"user_provisions": "vm"}, "user_provisions must be a list"),
        ({"user_provisions": ["vm"]}, "user_provisions"),
        ({"user_provisions": [{**USERS[0], "more": 1}]}, "user, project, resource, quantity"),
        ({"user_provisions": PROJECTS}, "user, project, resource, quantity"),
        ({"project_provisions": USERS}, "project, resource, quantity"),
        ({"user": "u", "reassign": USERS}, "from, to, resource, quantity"),
        ({"user_provisions": [{**USERS[0], "user": ["u"]}]}, "must be strings"),
        ({"user_provisions": [{**USERS[0], "quantity": True}]}, "quantity of 'vm'"),
        ({"user_provisions": [{**USERS[0], "quantity": 1.5}]}, "quantity of 'vm'"),
        ({"user_provisions": []}, "empty"),
        ({"user": "u", "project": "p", "provisions": {"vm": 1}, "force": "no"}, "force"),
        ({"user": "u", "project": "p", "provisions": {"vm": 1}, "name": 7}, "name"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(message, named):
    """F51, F61: the words end up in the task's result, where a person reads them."""
    with pytest.raises(BadValue, match=named):
        generic_request(message)


def test_lists_of_keys_and_serials():
    assert items({"accept": ["k", 57]}, "accept") == ["k", 57]
    assert items({}, "accept") == []
    with pytest.raises(BadValue, match="accept must be a list, not str"):
        items({"accept": "k"}, "accept")
