"""Commissions decided by name."""

import json
import secrets

import pytest

from astakos_worker.configuration import names
from astakosclient import AstakosClient
from tests.integration.cluster.until import until
from tests.integration.worker.by_name.program import (
    ACCEPT,
    ISSUE,
    ISSUE_MANY,
    ONE,
    REJECT,
    RESOLVE,
    USER,
    VM,
    events,
)


def test_a_decision_by_name_for_an_earlier_use_of_the_key_decides_nothing(
    program, commissions, control
):
    """F82: the message names the commission by what its issue returned, and comes a second time."""
    first = program.ask(ISSUE, key="again", **ONE)
    accept = {"key": "again", "incarnation": first["incarnation"]}
    assert program.ask(ACCEPT, **accept)["state"] in {"settling", "accepted"}
    until(lambda: commissions.get("again").state == "accepted")
    second = commissions.issue(key="again", reuse=True, **ONE)
    for task in (ACCEPT, REJECT):
        late = program.ask(task, **accept)
        assert (late["state"], late["error"]["class"]) == ("refused", "KeyReused")
    assert second.outcome(timeout=20).decision is None
    assert program.ask(ACCEPT, key="again", incarnation="other")["error"]["class"] == "BadValue"
    second.accept()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (ACCEPT, {"key": "KEY"}),
        (REJECT, {"key": "KEY", "reason": "late"}),
        (RESOLVE, {"accept": ["KEY"]}),
        (RESOLVE, {"reject": ["KEY"]}),
    ],
)
@pytest.mark.parametrize("awaited", [False, True])
def test_a_message_that_is_delivered_again_decides_nothing_of_the_keys_next_use(
    program, commissions, task, message, awaited
):
    """F82: the key was used again between the two deliveries of one message."""
    key, message_id = secrets.token_hex(4), secrets.token_hex(16)
    message = json.loads(json.dumps(message).replace("KEY", key))

    def deliver():
        queue = names.COMMISSIONS
        program.app.send_task(task, queue=queue, kwargs=message, task_id=message_id)
        until(lambda: program.left() == 0)

    if awaited:
        deliver()
        program.ask(ISSUE, key=key, **ONE)
    else:
        program.ask(ISSUE, key=key, **ONE)
        deliver()
    until(lambda: commissions.get(key).state in {"accepted", "rejected", "cancelled"})
    second = commissions.issue(key=key, reuse=True, **ONE)
    until(lambda: second.get().state == "pending")
    deliver()
    assert second.get().decision is None
    second.reject()


@pytest.mark.parametrize(("verb", "end"), [(ACCEPT, "accepted"), (REJECT, "cancelled")])
def test_a_decision_that_comes_first_waits_for_its_request(program, control, verb, end):
    """F20, F18: with the request it is applied; a rejected one is never sent."""
    key = f"first-{end}"
    assert program.ask(verb, key=key)["state"] == "awaited"
    program.ask(ISSUE, key=key, **ONE)
    until(lambda: program.ask(verb, key=key)["state"] == end)
    assert events(control, key) == (["issued", "accepted"] if end == "accepted" else [])


@pytest.mark.parametrize("verb", [ACCEPT, REJECT])
@pytest.mark.parametrize("by", ["key", "serial"])
def test_a_commission_is_decided_by_key_and_by_serial(program, control, verb, by):
    key = f"{verb.rpartition('.')[2]}-by-{by}"
    issued = program.ask(ISSUE, key=key, **ONE)
    end = "accepted" if verb == ACCEPT else "rejected"
    until(lambda: program.ask(verb, **{by: issued[by]})["state"] == end)
    assert events(control, key) == ["issued", end]


def test_a_request_may_bring_its_decision_along(program, control, commissions):
    program.ask(ISSUE, key="at-once", accept=True, **ONE)
    assert commissions.outcome("at-once", 20).state == "accepted"


def test_the_other_decision_is_refused(program, control, commissions):
    """F23."""
    program.ask(ISSUE, key="decided", **ONE)
    program.ask(REJECT, key="decided", reason="no host had room")
    assert commissions.outcome("decided", 20).state == "rejected"
    result = program.ask(ACCEPT, key="decided")
    assert (result["state"], result["error"]["class"]) == ("rejected", "DecisionConflict")
    assert "no host had room" in result["error"]["message"]


def test_a_call_that_contradicts_a_commission_tells_that_ones_state(program, commissions):
    """A commission that is accepted must not look refused to the caller."""
    program.ask(ISSUE, key="contradicted", accept=True, **ONE)
    serial = commissions.outcome("contradicted", 20).serial
    other = {**ONE, "provisions": {VM: 2}}
    for result in (
        program.ask(REJECT, key="contradicted"),
        program.ask(REJECT, serial=serial),
        program.ask(ISSUE, key="contradicted", **other),
        program.ask(RESOLVE, reject=["contradicted"])["commissions"][0],
        program.ask(ISSUE_MANY, commissions=[{"key": "contradicted", **other}])["commissions"][0],
    ):
        assert (result["state"], result["serial"]) == ("accepted", serial)
        assert result["error"]["class"] in {"DecisionConflict", "KeyConflict"}


def test_a_serial_and_a_key_that_look_alike_are_two_commissions(program, commissions, stack):
    """In a JSON object one answer would take the other's place."""
    client = AstakosClient(stack.token_file.read_text().strip(), stack.auth_url)
    bare = client.issue_one_commission(USER, USER, {VM: 1}, name="issued elsewhere")
    program.ask(ISSUE, key=str(bare), **ONE)
    result = program.ask(RESOLVE, accept=[str(bare)], reject=[bare])["commissions"]
    assert {next(k for k in ("serial", "key") if k in one) for one in result} == {"serial", "key"}
    assert {one.get("key", one.get("serial")) for one in result} == {bare, str(bare)}
    assert commissions.outcome(str(bare), 20).state == "accepted"
    assert commissions.outcome(bare, 20).state == "rejected"


def test_many_are_resolved_each_for_itself(program, control, commissions, stack):
    issued = {key: program.ask(ISSUE, key=key, **ONE)["serial"] for key in ("m1", "m2", "m3")}
    client = AstakosClient(stack.token_file.read_text().strip(), stack.auth_url)
    bare = client.issue_one_commission(USER, USER, {VM: 1}, name="issued elsewhere")
    result = program.ask(RESOLVE, accept=["m1", bare, "m3", "m4"], reject=[issued["m2"], "m3"])
    result = {one.get("key", one.get("serial")): one for one in result["commissions"]}
    assert result["m3"]["error"]["class"] == "DecisionConflict"
    # The request of this one is still on its way (F77).
    assert result["m4"] == {"key": "m4", "state": "awaited"}
    assert program.ask(ISSUE, key="m4", **ONE)["key"] == "m4"
    assert commissions.outcome("m4", 20).state == "accepted"
    assert "error" not in result["m1"] and "error" not in result[bare]
    assert commissions.outcome("m1", 20).state == "accepted"
    assert commissions.outcome("m2", 20).state == "rejected"
    assert commissions.outcome(bare, 20).state == "accepted"
    assert commissions.get("m3").state == "pending"
    assert events(control, "m3") == ["issued"]
