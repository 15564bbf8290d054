"""Messages that nobody can read: thrown away and noted, and no worker ends."""

import base64
import json
import pickle
import secrets

import pytest
from redis import Redis

from astakos_worker.configuration import names
from tests.integration.cluster.until import until
from tests.integration.worker.by_name.program import ACCEPT, ISSUE, ONE, USER, received


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
