"""Whole requests by name, from a Celery program that has no part of this package.

One stack serves all that only asks; whatever changes the circumstances has a cluster of its own.
"""

import base64
import json
import pickle
import secrets
import socket

import pytest
from celery import Celery
from kombu import Connection
from redis import Redis

from astakos_worker import Commissions, Settings, UnknownKey
from astakos_worker.configuration import names
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import project_uuid, user_uuid
from astakos_worker.service.inside import history
from astakos_worker.worker.dead_messages import dead_messages_of
from astakosclient import AstakosClient
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until

VM = "cyclades.vm"
USER, TINY = user_uuid("user01@example.org"), user_uuid("tiny1@example.org")
SHARED = project_uuid("shared.example.org")
ONE = {"user": USER, "project": USER, "provisions": {VM: 1}}
ISSUE, ACCEPT = names.ISSUE_COMMISSION, names.ACCEPT_COMMISSION
ISSUE_MANY = names.ISSUE_COMMISSIONS
REJECT, RESOLVE = names.REJECT_COMMISSION, names.RESOLVE_COMMISSIONS


class Program:
    """Somebody's Celery program: it knows the broker's address, the names and the queue."""

    def __init__(self, broker_url):
        self.broker_url = broker_url
        self.app = Celery("somebody", broker=broker_url, backend=broker_url, set_as_current=False)

    def send(self, task, /, **message):
        return self.app.send_task(task, queue=names.COMMISSIONS, kwargs=message)

    def ask(self, task, /, **message):
        return self.send(task, **message).get(timeout=30)

    def publish(self, body, **properties):
        """Put a message on the queue as it is, whatever it is."""
        with Connection(self.broker_url) as connection, connection.Producer() as producer:
            exchange = names.COMMISSIONS
            producer.publish(body, exchange=exchange, routing_key=exchange, **properties)

    def left(self):
        """How many messages wait, and how many a worker has not acknowledged."""
        with Redis.from_url(self.broker_url) as broker:
            return broker.llen(names.COMMISSIONS) + broker.hlen(names.unacked_key("default"))

    def close(self):
        self.app.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("by-name")
    alone = {"workers": 1, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}
    with LocalStack(directory, **alone) as stack:
        yield stack


@pytest.fixture(scope="module")
def program(stack):
    program = Program(stack.broker_url)
    yield program
    program.close()


@pytest.fixture(scope="module")
def commissions(stack):
    settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=stack.ledger_url)
    return Commissions(settings=settings)


@pytest.fixture(scope="module")
def dead_messages(stack):
    return dead_messages_of(Settings(ledger_url=stack.ledger_url))


@pytest.fixture
def control(stack, program):
    """Steers the sandbox; afterwards no message of the test is left."""
    control = ControlClient(stack.sandbox_url)
    yield control
    until(lambda: program.left() == 0)


def events(control, key):
    """What became of a key in Astakos, in order."""
    return [row["event"] for row in control.journal() if f" {key} " in row["name"]]


# --- Issuing ----------------------------------------------------------------------------------


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


def test_one_message_does_the_work_and_none_is_sent_besides(program, control, stack):
    """The task is awake already: nobody needs to be rung for."""
    before = received(stack)
    program.ask(ISSUE, key="lone", **ONE)
    program.ask(ACCEPT, key="lone")
    until(lambda: events(control, "lone") == ["issued", "accepted"])
    until(lambda: program.left() == 0)
    assert received(stack) - before == 2


def received(stack):
    """How many tasks the worker has taken on so far."""
    node = f"commissions-1@{socket.gethostname()}"
    with Celery(broker=stack.broker_url, set_as_current=False) as app:
        app.conf.control_exchange = names.control_exchange("default")
        [stats] = app.control.inspect([node], timeout=10).stats().values()
    return sum(stats["total"].values())


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


# --- Deciding ---------------------------------------------------------------------------------


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


# --- What does not fit ------------------------------------------------------------------------

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
    assert commissions._connections.ledger.lanes() == ["default"]


def unreadable(dead_messages):
    """Those that nobody could read, and not those that a task has read and refused."""
    return [one for one in dead_messages.list() if "do not fit" not in one.reason]


class Boom:
    """What pickle would run while it reads."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def headers(name=ISSUE, **more):
    """The headers of a task's message, as Celery makes them."""
    identity = f"strange-{secrets.token_hex(4)}"
    return {"lang": "py", "task": name, "id": identity, "argsrepr": "", "kwargsrepr": "", **more}


def body(*args, **kwargs):
    return json.dumps([args, kwargs, {}]).encode()


GOOD = body(**ONE)


@pytest.mark.parametrize(
    ("text", "how"),
    [
        pytest.param(b"{not json", {}, id="no json"),
        pytest.param(b"\xff\xfe\xfd", {}, id="no utf-8"),
        pytest.param(GOOD, {"content_type": "application/x-yaml"}, id="yaml"),
        pytest.param(GOOD, {"content_type": "text/plain"}, id="plain text"),
        pytest.param(GOOD, {"headers": {}}, id="no headers"),
        pytest.param(b'{"task": ["x"], "id": 1}', {"headers": {}}, id="an odd task of old"),
        pytest.param(GOOD, {"headers": headers("astakos.steal")}, id="unknown task"),
        pytest.param(GOOD, {"headers": headers(["x"])}, id="a list for a task"),
        pytest.param(GOOD, {"headers": {"task": ISSUE}}, id="no id"),
        pytest.param(GOOD, {"headers": headers(timelimit=7)}, id="an odd time limit"),
        pytest.param(GOOD, {"headers": headers(expires=[])}, id="an odd expiry"),
        pytest.param(GOOD, {"headers": headers(eta="soon")}, id="an odd time"),
        pytest.param(b'"no task at all"', {}, id="a string"),
        pytest.param(b"7", {}, id="a number"),
        pytest.param(b"null", {}, id="nothing"),
        pytest.param(b"[[], {}]", {}, id="too short"),
        pytest.param(b'[[], ["a"], {}]', {}, id="a list for keyword arguments"),
        pytest.param(body("a"), {}, id="a positional argument"),
    ],
)
def test_a_message_that_nobody_can_read_is_thrown_away_and_the_worker_goes_on(
    program, stack, dead_messages, text, how
):
    """F51, F63: noted, acknowledged, and not looped; not one worker is lost to it."""
    worker = stack.processes["commissions-1"]
    before, known = worker.pid, unreadable(dead_messages)
    kind = {"content_type": "application/json", "content_encoding": "utf-8", "headers": headers()}
    program.publish(text, **{**kind, **how})
    assert program.ask(ACCEPT, key=7)["state"] == "refused"
    until(lambda: program.left() == 0)
    assert worker.pid == before and worker.alive
    [one] = until(lambda: [one for one in unreadable(dead_messages) if one not in known])
    assert one.queue in {names.COMMISSIONS, ""}  # where Celery got so far as to know it
    assert one.reason.startswith(("cannot be decoded", "is ", "made its task fail"))
    assert USER not in str(one)


def envelope(**more):
    """What kombu puts on the list for one message, with some of it replaced."""
    properties = {
        "correlation_id": "strange",
        "delivery_mode": 2,
        "delivery_info": {"exchange": names.COMMISSIONS, "routing_key": names.COMMISSIONS},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": secrets.token_hex(4),
    }
    return {
        "body": base64.b64encode(GOOD).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers(),
        "properties": properties | more.pop("properties", {}),
        **more,
    }


RAW = {
    "no json": b"{not json",
    "no utf-8": b"\xff\xfe\xfd",
    "empty": b"",
    "null": b"null",
    "a number": b"7",
    "a list": b"[]",
    "an empty object": b"{}",
    "deep": b"[" * 100_000,
    "a long number": b"9" * 10_000,
    "no properties": json.dumps({**envelope(), "properties": None}).encode(),
    "a list of properties": json.dumps({**envelope(), "properties": []}).encode(),
    **{
        f"{name} {value!r}": json.dumps(envelope(properties={name: value})).encode()
        for name in ("delivery_tag", "delivery_info", "body_encoding")
        for value in (None, 7, [], {}, "\x00odd")
        if [name, value] not in [["delivery_tag", "\x00odd"], ["body_encoding", None]]
    },
    **{
        f"{name} {value!r}": json.dumps(envelope(**{name: value})).encode()
        for name in ("body", "headers", "content-type", "content-encoding")
        for value in (7, [], "odd", [[]])
        if name != "content-encoding" or value not in ([], "odd")  # JSON is read all the same
    },
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
def test_rubbish_on_the_brokers_list_ends_no_worker_and_is_noted(
    program, stack, dead_messages, raw
):
    """F51: what kombu cannot make a message of; each ended one worker after the other."""
    worker = stack.processes["commissions-1"]
    before, known = worker.pid, dead_messages.list()
    with Redis.from_url(stack.broker_url) as broker:
        broker.lpush(names.COMMISSIONS, raw)
    assert program.ask(ACCEPT, key=7)["state"] == "refused"
    until(lambda: program.left() == 0)
    assert (worker.pid, worker.alive) == (before, True)
    new = [one for one in dead_messages.list() if one not in known]
    assert len(new) == 2, new  # this one, and the question with its odd key
    assert all(one.queue == names.COMMISSIONS for one in new if "do not fit" in one.reason)


@pytest.mark.parametrize("raw", [b"null", b"[]", b"7", b"{}", b"{not json", RAW["no properties"]])
def test_rubbish_among_control_messages_ends_no_worker(program, stack, raw):
    """F51: the sibling on the channel by which workers are asked for their state."""
    worker = stack.processes["commissions-1"]
    before = worker.pid
    with Redis.from_url(stack.broker_url) as broker:
        channel = f"/{broker.connection_pool.connection_kwargs['db']}.astakos.default.pidbox"
        assert broker.publish(channel, raw) >= 1
    assert received(stack)
    assert program.ask(ACCEPT, key=7)["state"] == "refused"
    assert (worker.pid, worker.alive) == (before, True)


def test_rubbish_among_the_unacknowledged_ends_no_worker_and_is_noted(
    program, stack, dead_messages
):
    """F51: a worker gives such messages back when their time is over."""
    worker, known = stack.processes["commissions-1"], dead_messages.list()
    before, key = worker.pid, names.unacked_key("default")
    with Redis.from_url(stack.broker_url) as broker:
        for number, raw in enumerate([b"null", b"{not json", b"[]", b"[1, 2]", b'{"a": 1}']):
            broker.hset(key, f"odd-{number}", raw)
            broker.zadd(f"{key}-index", {f"odd-{number}": 1})
        until(lambda: not broker.exists(key, f"{key}-index"))
    assert program.ask(ACCEPT, key=7)["state"] == "refused"
    assert (worker.pid, worker.alive) == (before, True)
    new = [one for one in dead_messages.list() if one not in known]
    assert len([one for one in new if "cannot be given back" in one.reason]) == 5


def test_a_task_id_with_a_line_break_forges_no_line_of_the_log(program, stack):
    log = stack.processes["commissions-1"].log
    forged = "[2026-01-01 00:00:00,000: INFO/MainProcess] all is well"
    one = {**ONE, "name": f"server\n{forged}\x1b[2J", "key": f"forged-{secrets.token_hex(4)}"}
    options = {"queue": names.COMMISSIONS, "ignore_result": True}
    program.app.send_task(ISSUE, kwargs=one, task_id=f"id\n{forged}\x1b[2J", **options)
    program.app.send_task(f"odd\n{forged}", kwargs=one, **options)
    until(lambda: "id\\n[2026-01-01" in log.read_text() and program.left() == 0)
    text = log.read_text()
    assert not any(line.startswith(forged) for line in text.splitlines())
    assert "\x1b[2J" not in text


def test_a_pickle_is_not_opened(program, control, stack, tmp_path):
    """F63: reading it would already be running it."""
    proof = tmp_path / "opened"
    poison = pickle.dumps([[], {"key": Boom(proof)}, {}])
    pickle.loads(poison)[1]["key"].close()
    assert proof.exists()
    proof.unlink()
    kind = "application/x-python-serialize"
    program.publish(poison, content_type=kind, content_encoding="binary", headers=headers())
    assert program.ask(ACCEPT, key=7)["state"] == "refused"
    until(lambda: program.left() == 0)
    assert not proof.exists()
    said = stack.processes["commissions-1"].log.read_text()
    assert "Refusing to deserialize untrusted content of type pickle" in said


# --- Time and outages -------------------------------------------------------------------------


@pytest.fixture
def ledger_server(tmp_path, processes):
    """A server for the ledger alone."""
    directory = tmp_path / "ledger"
    directory.mkdir()
    server = Server("valkey", directory)
    processes.append(server.process)
    server.start()
    yield server
    server.close()


@pytest.fixture
def extra_environment(ledger_server):
    return {"ASTAKOS_LEDGER_URL": ledger_server.url(1), "ASTAKOS_AWAITED": "1"}


@pytest.fixture
def alone(cluster):
    """The program of a cluster of its own."""
    program = Program(cluster.server.url(0))
    yield program
    program.close()


def test_a_decision_whose_request_never_comes_is_dead_with_the_reason(alone, cluster):
    """F77: a typo in a key must not wait for ever, nor vanish."""
    assert alone.ask(ACCEPT, key="a typo")["state"] == "awaited"
    ours = Commissions(settings=cluster.settings)
    until(lambda: ours.get("a typo").state == "dead", within=20)
    assert "its request never came" in ours.get("a typo").error["message"]
    with pytest.raises(UnknownKey):
        ours.accept("another typo")


def test_a_message_that_meets_no_ledger_is_tried_again(alone, cluster, ledger_server):
    """Nobody else knows of it: thrown away, it would be lost."""
    ledger_server.kill()
    sent = [alone.send(ISSUE, key="patient", accept=True, **ONE), alone.send(ISSUE, **ONE)]
    until(lambda: all(each.state == "RETRY" for each in sent))
    ledger_server.start()
    keys = [each.get(timeout=60)["key"] for each in sent]
    assert keys == ["patient", sent[1].id]
    ours = Commissions(settings=cluster.settings)
    assert [ours.outcome(key, 20).state for key in keys] == ["accepted", "pending"]
    events = [row["event"] for row in cluster.sandbox.control.journal()]
    assert events.count("issued") == 2
