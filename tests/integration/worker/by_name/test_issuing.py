"""Commissions issued by name."""

import pytest

from astakos_worker.service.inside import history
from tests.integration.cluster.until import until
from tests.integration.worker.by_name.program import (
    ACCEPT,
    ISSUE,
    ISSUE_MANY,
    ONE,
    SHARED,
    TINY,
    USER,
    VM,
    events,
    received,
)


@pytest.mark.parametrize(
    ("key", "form", "charged"),
    [
        (
            "form-one",
            {"user": USER, "project": SHARED, "provisions": {VM: 2}},
            {(f"user:{USER}", 2), (f"project:{SHARED}", 2)},
        ),
        (
            "form-generic",
            {
                "user_provisions": [
                    {"user": USER, "project": USER, "resource": VM, "quantity": 3},
                    {"user": USER, "project": USER, "resource": VM, "quantity": 1},
                ],
                "project_provisions": [{"project": USER, "resource": VM, "quantity": 5}],
            },
            {(f"user:{USER}", 4), (f"project:{USER}", 5)},
        ),
        (
            "form-reassign",
            {
                "user": USER,
                "reassign": [{"from": USER, "to": SHARED, "resource": VM, "quantity": 0}],
            },
            {(f"user:{USER}", 0), (f"project:{USER}", 0), (f"project:{SHARED}", 0)},
        ),
    ],
)
def test_each_form_is_issued_and_its_result_has_the_serial(program, control, key, form, charged):
    result = program.ask(ISSUE, key=key, name="by name", **form)
    assert (result["key"], result["state"]) == (key, "pending")
    [pending] = [row for row in control.commissions() if row["serial"] == result["serial"]]
    assert pending["name"].startswith("by name [")
    assert {(row["holder"], row["quantity"]) for row in pending["provisions"]} == charged


def test_a_request_without_a_key_has_its_task_id_for_one_and_a_deadline(program, commissions):
    sent = program.send(ISSUE, **ONE)
    assert sent.get(timeout=30)["key"] == sent.id
    assert commissions.get(sent.id).state == "pending"
    record, _ = history(commissions, sent.id)
    assert record.deadline is not None
    program.ask(ISSUE, key="chosen", **ONE)
    record, _ = history(commissions, "chosen")
    assert record.deadline is None


def test_a_request_that_is_sent_twice_is_issued_once(program, control):
    """F1, F3: and its contents may come in another order."""
    table = [
        {"user": USER, "project": USER, "resource": name, "quantity": 1}
        for name in (VM, "cyclades.cpu")
    ]
    first = program.ask(ISSUE, key="twice", user_provisions=table)
    second = program.ask(ISSUE, key="twice", user_provisions=table[::-1])
    assert first["serial"] == second["serial"]
    assert events(control, "twice") == ["issued"]


def test_one_message_does_the_work_and_none_is_sent_besides(program, control, stack):
    """The task is awake already: nobody needs to be rung for."""
    before = received(stack)
    program.ask(ISSUE, key="lone", **ONE)
    program.ask(ACCEPT, key="lone")
    until(lambda: events(control, "lone") == ["issued", "accepted"])
    until(lambda: program.left() == 0)
    assert received(stack) - before == 2


def test_what_is_beyond_the_quota_is_refused_in_the_result(program):
    """F12: no exception of the task; the words and figures are Astakos' own."""
    form = {"user": TINY, "project": TINY, "provisions": {VM: 1000}}
    result = program.ask(ISSUE, key="too-much", **form)
    assert (result["state"], result["error"]["class"]) == ("refused", "QuotaLimit")
    assert "serial" not in result


def test_many_are_issued_each_for_itself(program, control, commissions):
    """F1, F3, F12, F61: one message, and one that is wrong fails alone; sent twice, issued once."""
    program.ask(ISSUE, key="many-0", **ONE)
    many = [
        {"key": "many-0", **ONE, "provisions": {VM: 2}},
        {"key": "many-1", **ONE, "accept": True},
        {"key": "many-2", **ONE, "provisions": {VM: 1.5}},
        {"key": "many-3", "user": TINY, "project": TINY, "provisions": {VM: 1000}},
        "many-4",
        ONE,
    ]
    sent = program.send(ISSUE_MANY, commissions=many)
    result = sent.get(timeout=30)["commissions"]
    assert [one.get("error", {}).get("class") for one in result] == [
        *("KeyConflict", None, "BadValue", None, "BadValue", None),
    ]
    assert [one["key"] for one in result] == [
        *("many-0", "many-1", "many-2", "many-3", None, f"{sent.id}-5"),
    ]
    assert commissions.outcome("many-1", 30).state == "accepted"
    until(lambda: commissions.get("many-3").state == "refused")
    made = result[5]["key"]
    assert commissions.outcome(made, 30).state == "pending"
    assert history(commissions, made)[0].deadline is not None
    program.ask(ISSUE_MANY, commissions=[many[1], {"key": made, **ONE}])
    assert events(control, "many-1") == ["issued", "accepted"]
    assert events(control, made) == ["issued"]
