"""Arguments that do not fit: refused in the result, and noted."""

import pytest

from astakos_worker import UnknownKey
from astakos_worker.configuration import names
from tests.integration.worker.by_name.program import (
    ACCEPT,
    ISSUE,
    ISSUE_MANY,
    ONE,
    REJECT,
    RESOLVE,
    USER,
    VM,
)

ROW = {"user": USER, "project": USER, "resource": VM, "quantity": 1}


@pytest.mark.parametrize(
    ("name", "message", "words"),
    [
        (ISSUE, {"key": "bad", **ONE, "provisions": {VM: 1.5}}, "must be an integer"),
        (ISSUE, {"key": "bad", **ONE, "provisions": {VM: True}}, "must be an integer"),
        (ISSUE, {"key": "bad", **ONE, "provisions": {VM: 2**63}}, "64 bits"),
        (ISSUE, {"key": "bad", **ONE, "provisions": [VM]}, "must be a mapping"),
        (ISSUE, {"key": "bad", **ONE, "provisions": {}}, "nothing to reserve"),
        (ISSUE, {"key": "bad", **ONE, "user": 7}, "user must be a string"),
        (ISSUE, {"key": "bad", **ONE, "user": "a\nb"}, "printable"),
        (ISSUE, {"key": "bad", **ONE, "name": ["x"]}, "name must be a string"),
        (ISSUE, {"key": "bad", **ONE, "force": "no"}, "force must be"),
        (ISSUE, {"key": "bad", **ONE, "accept": 1}, "accept must be"),
        (ISSUE, {"key": "bad", **ONE, "deadline": "soon"}, "number of seconds"),
        (ISSUE, {"key": "bad", **ONE, "deadline": -1}, "more than 0"),
        (ISSUE, {"key": 7, **ONE}, "key must be a string"),
        (ISSUE, {"key": "", **ONE}, "1 to 200 characters"),
        (ISSUE, {"key": "bad", **ONE, "service": "Not a lane"}, "name of a service"),
        (ISSUE, {"key": "bad", **ONE, "service": "nobody"}, "no service 'nobody'"),
        (ISSUE, {"key": "bad", **ONE, "reassign": []}, "not project, provisions, reassign, user"),
        (ISSUE, {"key": "bad", **ONE, "projekt": "x"}, "projekt"),
        (ISSUE, {"key": "bad"}, "not nothing"),
        (ISSUE, {"key": "bad", "user_provisions": "x"}, "must be a list"),
        (ISSUE, {"key": "bad", "user_provisions": [[USER, USER, VM, 1]]}, "each must be an object"),
        (ISSUE, {"key": "bad", "user_provisions": [{**ROW, "more": 1}]}, "each must be an object"),
        (ISSUE, {"key": "bad", "user_provisions": [{**ROW, "user": [1]}]}, "must be strings"),
        (
            ISSUE,
            {"key": "bad", "user_provisions": [{**ROW, "quantity": "1"}]},
            "must be an integer",
        ),
        (ACCEPT, {}, "either key or serial"),
        (ACCEPT, {"key": "bad", "serial": 1}, "either key or serial"),
        (ACCEPT, {"key": 7}, "key must be a string"),
        (ACCEPT, {"serial": "7"}, "serial must be an integer"),
        (REJECT, {"serial": True}, "serial must be an integer"),
        (REJECT, {"serial": -7}, "must be positive"),
        (REJECT, {"key": "bad", "reason": {}}, "reason must be a string"),
        (REJECT, {"key": "bad", "serials": [7]}, "not serials"),
        (ISSUE_MANY, {"commissions": {"key": "bad"}}, "commissions must be a list"),
        (ISSUE_MANY, {"commission": []}, "not commission"),
        (RESOLVE, {"accept": "bad"}, "accept must be a list"),
        (RESOLVE, {"accept": [1.5]}, "serial must be an integer"),
        (RESOLVE, {"accepts": ["bad"]}, "not accepts"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_readable_words(
    *, program, control, commissions, dead_messages, name, message, words
):
    """F51: in the result, and noted; nothing is stored, nothing is tried again."""
    result = program.ask(name, **message)
    [noted, *_] = dead_messages.list()
    assert (noted.task, noted.queue) == (name, names.COMMISSIONS)
    assert noted.reason == "has arguments that do not fit; its result says which"
    assert result["state"] == "refused"
    assert result["error"]["class"] == "BadValue"
    assert words in result["error"]["details"]
    with pytest.raises(UnknownKey):
        commissions.get("bad")
    assert set(commissions._connections.ledger.lanes()) <= {"default"}
