"""What an operator finds in Flower: every commission, by its key, and what became of it."""

import ast
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import requests
from celery import Celery
from redis import Redis

from astakos_worker import Commissions, Settings
from astakos_worker.configuration import names
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.service.connect import ledger_of
from astakosclient import QuotaLimit
from tests.integration.cluster.until import until

VM = "cyclades.vm"
USER, TINY = user_uuid("user01@example.org"), user_uuid("tiny1@example.org")
WORKERS = ("commissions-1", "commissions-2")
#: Seconds that a wake-up may take on a busy machine before another worker is rung for.
PROMISE = 10


class Desk:
    """A service's calls on one side, an operator's look on the other."""

    def __init__(self, stack):
        self.stack = stack
        urls = {"broker_url": stack.broker_url, "ledger_url": stack.ledger_url}
        settings = Settings(times="demo", promise=PROMISE, **urls)
        self.commissions = Commissions(settings=settings)
        self.ledger = ledger_of(settings)
        self.control = ControlClient(stack.sandbox_url)
        url = stack.broker_url
        self.app = Celery("operator", broker=url, backend=url, set_as_current=False)
        self.app.conf.control_exchange = names.control_exchange("default")

    def issue(self, key, *, user=USER, quantity=1, **more):
        return self.commissions.issue(
            user=user, project=user, provisions={VM: quantity}, key=key, **more
        )

    def tasks(self, search):
        """The tasks that Flower's search finds, the result of each as it was returned."""
        url = f"{self.stack.flower_url}/api/tasks"
        answer = requests.get(url, params={"search": search}, timeout=30)
        answer.raise_for_status()
        found = list(answer.json().values())
        for task in found:
            task["result"] = task["result"] and ast.literal_eval(task["result"])
        return found

    def task(self, search, state="SUCCESS"):
        """The one task that is found, once Flower has heard how it ended."""
        [task] = until(lambda: [one for one in self.tasks(search) if one["state"] == state])
        return task

    def received(self):
        """How many messages the workers have taken on so far."""
        nodes = [f"{name}@{socket.gethostname()}" for name in WORKERS]
        stats = self.app.control.inspect(nodes, timeout=10).stats()
        return sum(sum(stats[node]["total"].values()) for node in nodes)

    def quiet(self):
        """Nobody is awake or rung for, and nothing is due."""
        lane = self.ledger.lane("default")
        with Redis.from_url(self.stack.broker_url) as broker:
            waiting = broker.llen(names.COMMISSIONS) + broker.hlen(names.unacked_key("default"))
        return lane.awake == lane.due == waiting == 0


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("flower")
    two = {"workers": 2, "lookups": 0, "sweeps": 0, "beat": False}
    with LocalStack(directory, **two, env={"ASTAKOS_PROMISE": str(PROMISE)}) as stack:
        yield stack


@pytest.fixture(scope="module")
def listened(stack):
    """A desk at which Flower hears what the workers say: it answers a little earlier."""
    desk = Desk(stack)
    numbers = count()

    def heard():
        desk.issue(f"probe-{next(numbers)}").outcome(30)
        return desk.tasks("result:probe-")  # of this one or, since events take a moment, another

    until(heard, every=0.2)
    yield desk
    desk.app.close()


@pytest.fixture
def desk(listened):
    until(listened.quiet)
    return listened


def test_a_lone_call_is_one_message_done_at_once_and_found_by_its_key(desk):
    """One task a commission, named after it; its result tells the state and the serial."""
    key = "server-42/create"
    began = time.monotonic()
    outcome = desk.issue(key, name="create server 42").outcome(30)
    assert time.monotonic() - began < PROMISE
    task = desk.task(f"kwargs:key={key}")
    assert (task["name"], task["uuid"]) == (names.WAKE_ISSUE, f"default:{key}:issue:1")
    result = {"key": key, "state": "pending", "serial": outcome.serial, "ended": "idle"}
    assert task["result"] == {**result, "incarnation": task["result"]["incarnation"]}
    assert desk.tasks(f"result:{key}") == [task]


def test_every_call_on_a_quiet_lane_has_its_task(desk):
    commission = desk.issue("server-43/create")
    commission.outcome(30)
    until(desk.quiet)
    commission.accept()
    commission.outcome(30)
    until(lambda: len(desk.tasks("kwargs:key=server-43/create")) == 2)
    accept = desk.task(f"kwargs:key=server-43/create name:{names.WAKE_ACCEPT}")
    assert accept["result"]["state"] == "accepted"
    assert accept["result"]["serial"] == commission.last.serial


def test_a_key_with_blanks_and_signs_is_found_in_quotes(desk):
    key = 'server 44: create (again), 100% "new"'
    desk.issue(key).outcome(30)
    quoted = key.replace('"', '\\"')
    assert desk.task(f'kwargs:"key={quoted}"')["result"]["key"] == key
    assert desk.task(f'result:"{quoted}"')["result"]["key"] == key


def test_a_refusal_is_a_result_that_tells_why(desk):
    """A search finds no exception's text."""
    with pytest.raises(QuotaLimit):
        desk.issue("too-much", user=TINY, quantity=1000).outcome(30)
    result = desk.task("kwargs:key=too-much")["result"]
    assert (result["state"], result["error"]["class"]) == ("refused", "QuotaLimit")
    assert [task["result"]["key"] for task in desk.tasks("result:QuotaLimit")] == ["too-much"]


def test_a_request_by_name_is_found_the_same_way(desk):
    message = {"key": "by-name", "user": USER, "project": USER, "provisions": {VM: 1}}
    sent = desk.app.send_task(names.ISSUE_COMMISSION, queue=names.COMMISSIONS, kwargs=message)
    answered = sent.get(timeout=30)
    assert answered["state"] == "pending"
    task = desk.task("kwargs:key=by-name")
    assert (task["uuid"], task["result"]) == (sent.id, answered)


def test_a_burst_sends_few_messages_and_each_key_is_found(desk):
    """F67: most calls send none; whoever carried a commission tells of it."""
    keys = [f"burst-{number:04}-end" for number in range(1000)]
    before, accepted = desk.received(), desk.control.audit()["events"].get("accepted", 0)
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda key: desk.issue(key, accept=True), keys):
            pass
    until(lambda: desk.control.audit()["events"].get("accepted", 0) == accepted + 1000, within=60)
    until(desk.quiet)
    assert 0 < desk.received() - before < 250
    own = {task["kwargs"] for task in desk.tasks('kwargs:"burst-"')}
    carried = [key for key in keys if not any(key in kwargs for kwargs in own)]
    assert len(carried) > 750
    for key in random.Random(7).sample(carried, 20):
        until(lambda key=key: _tells(desk, key))


def _tells(desk, key):
    """Whether a carrier's result says in words that this key was accepted, under its serial."""
    serial = desk.commissions.get(key).serial
    lines = [task["result"].get("carried", {}).get(key) for task in desk.tasks(f"result:{key}")]
    return f"accepted {serial}" in lines
