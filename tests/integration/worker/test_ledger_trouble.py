"""Workers on a ledger's server of its own, which fills up, is set back, or outlives its workers."""

import base64
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from redis import Redis

from astakos_worker import Commissions, LedgerFull, Settings, Unavailable, UnknownKey
from astakos_worker.cli import main
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.service.inside import history
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until

VM = "cyclades.vm"
USER = user_uuid("user01@example.org")
ONE = {"user": USER, "project": USER, "provisions": {VM: 1}}


@pytest.fixture(scope="module")
def ledger_server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ledger")
    server = Server("valkey", directory)
    server.start()
    yield SimpleNamespace(server=server, directory=directory, data=directory / "valkey-data")
    server.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory, ledger_server):
    alone = {"workers": 1, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}
    env = {"ASTAKOS_LEDGER_URL": ledger_server.server.url()}
    with LocalStack(tmp_path_factory.mktemp("stack"), **alone, env=env) as stack:
        yield stack


@pytest.fixture(scope="module")
def control(stack):
    return ControlClient(stack.sandbox_url)


@pytest.fixture
def commissions(stack, ledger_server):
    """A service that is patient: what it waits for is not the point here."""
    url = ledger_server.server.url()
    settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=url, patience=5)
    return Commissions(settings=settings)


@pytest.fixture
def run(stack):
    def run(*words, answer=None, **env):
        runner = CliRunner(env={**stack.env, "NO_COLOR": "1", **env})
        return runner.invoke(main, [*words], input=answer)

    return run


def alarms(commissions):
    return set(commissions._connections.ledger.lane("default").alarms)


def callbacks(stack, queue):
    """What the call-backs are about that the broker holds for a program, in order."""
    with Redis.from_url(stack.broker_url) as broker:
        messages = [json.loads(each) for each in broker.lrange(queue, 0, -1)[::-1]]
    bodies = [json.loads(base64.b64decode(message["body"])) for message in messages]
    return [kwargs["commission"]["about"] for _, kwargs, _ in bodies]


def test_a_call_back_is_told_although_its_worker_dies_with_it_in_hand(stack, commissions, control):
    """F55: kill -9 between the end of a commission and the broker's word that it has the message.

    The broker hangs in that moment, so the worker cannot get any further.
    """
    moments = ["pending", "closed"]
    commissions.issue(**ONE, key="told", callback="shop.done@told", callback_on=moments)
    until(lambda: callbacks(stack, "told") == ["pending"])
    until(lambda: not history(commissions, "told")[0].callbacks_due)
    slow = {"kind": "delay-after", "route": "commissions.*", "seconds": 1.5, "count": 1}
    control.set_faults(slow)
    commissions.accept("told")
    until(lambda: [row for row in control.journal() if row["event"] == "accepted"], every=0.01)
    stack.processes["broker"].pause()
    try:
        until(lambda: commissions.get("told").state == "accepted", every=0.01)
        stack.processes["commissions-1"].kill()
    finally:
        stack.processes["broker"].resume()
    assert history(commissions, "told")[0].callbacks_due  # not before the broker has said so
    until(lambda: callbacks(stack, "told")[1:], within=60)
    assert set(callbacks(stack, "told")[1:]) == {"accepted"}
    until(lambda: not history(commissions, "told")[0].is_open, within=60)


PRODUCER = """
import sys
from astakos_worker import Commissions

commissions, (what, key, user) = Commissions(), sys.argv[1:]
one = {"user": user, "project": user, "provisions": {"cyclades.vm": 1}, "key": key}
if what == "issue":
    commissions.issue(**one, accept=True)
    print("issued", flush=True)
else:
    with commissions.hold(**one, deadline=1):
        print("inside", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def producer(stack):
    """A request handler in a process of its own, which a test may kill at any moment."""
    started = []

    def start(what, key):
        words = [sys.executable, "-c", PRODUCER, what, key, USER]
        env = {**os.environ, **stack.env, "ASTAKOS_PATIENCE": "20"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(words, env=env, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_producer_that_dies_between_ledger_and_message_has_enqueued(
    stack, commissions, producer, control
):
    """F56, F80: kill -9 while the broker hangs; the drive rings for what the ledger has."""
    control.clear_faults()
    stack.processes["broker"].pause()
    try:
        handler = producer("issue", "unsaid")
        until(lambda: known(commissions, "unsaid"), every=0.01)
        handler.kill()
    finally:
        stack.processes["broker"].resume()
    assert commissions.outcome("unsaid", 60).state == "accepted"


def test_a_producer_that_dies_inside_hold_leaves_nothing_reserved(
    stack, commissions, producer, control, run
):
    """F80: kill -9 in the block; the sweep rejects by the deadline."""
    handler = producer("hold", "held-by-the-dead")
    assert handler.stdout.readline() == "inside\n"
    handler.kill()
    assert commissions.get("held-by-the-dead").state == "pending"
    token = {"ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": str(stack.directory / "token")}
    url = {"ASTAKOS_SERVICES__DEFAULT__AUTH_URL": stack.auth_url}

    def swept():
        assert run("reconcile", "--fix", **token, **url).exit_code == 0
        return commissions.get("held-by-the-dead").decision

    assert until(swept, every=0.5) == "reject"
    assert commissions.outcome("held-by-the-dead", 30).state == "rejected"
    assert commissions.get("held-by-the-dead").reason == "expired"


def known(commissions, key):
    try:
        return commissions.get(key)
    except UnknownKey:
        return None


def test_a_ledger_that_is_nearly_full_takes_nothing_new_and_finishes_what_it_has(
    stack, commissions, ledger_server, control, run
):
    """F79: serials and decisions are still written, the error is clear, and it passes."""
    control.clear_faults()
    for number in range(3):
        commissions.issue(**ONE, key=f"before-{number}")
        commissions.outcome(f"before-{number}", 30)
    with Redis.from_url(ledger_server.server.url()) as server:
        for number in range(300):
            server.set(f"ballast-{number}", "x" * (64 << 10))
        used = server.info("memory")["used_memory"]
        server.config_set("maxmemory", int(used / 0.95))
        until(lambda: "memory" in alarms(commissions))
        numbers = iter(range(10_000))
        until(lambda: refused(lambda: commissions.issue(**ONE, key=f"new-{next(numbers)}")))
        with pytest.raises(LedgerFull, match="maxmemory is raised"):
            commissions.issue(**ONE, key="new")
        checked = run("ledger", "check", "--json")
        assert checked.exit_code == 1
        assert "new commissions are refused" in json.loads(checked.stdout)["wrong"][0]
        assert commissions.issue(**ONE, key="before-0").key == "before-0"  # it is there already
        became = commissions.resolve(accept=["before-0", "before-1"], reject=["before-2"])
        assert [commissions.outcome(key, 30).state for key in became] == [
            *["accepted"] * 2,
            "rejected",
        ]
        server.config_set("maxmemory", 0)
        for number in range(300):
            server.delete(f"ballast-{number}")
    until(lambda: "memory" not in alarms(commissions))
    until(lambda: not refused(lambda: commissions.issue(**ONE, key="after", accept=True)))
    assert commissions.outcome("after", 30).state == "accepted"
    assert run("ledger", "check").exit_code == 0


def refused(call):
    try:
        call()
    except LedgerFull:
        return True
    return False


def test_a_ledger_that_is_set_back_issues_nothing_until_an_operator_says_so(
    stack, commissions, ledger_server, control, run
):
    """F68: noticed by the worker that lived through it; decisions go on; then all does."""
    commissions.issue(**ONE, key="held")
    serial = commissions.outcome("held", 30).serial
    server, data, kept = ledger_server.server, ledger_server.data, ledger_server.directory / "kept"
    server.kill()
    shutil.copytree(data, kept)
    server.start()
    until(lambda: again(lambda: commissions.issue(**ONE, key="lost", accept=True)))
    assert commissions.outcome("lost", 30).state == "accepted"
    server.kill()
    shutil.rmtree(data)
    shutil.copytree(kept, data)
    server.start()

    until(lambda: again(lambda: commissions.issue(**ONE, key="since")))
    until(lambda: "lost-writes" in alarms(commissions))
    assert commissions.accept("held").outcome(30).serial == serial
    checked = run("ledger", "check")
    assert checked.exit_code == 1 and "forgotten writes" in checked.stdout
    assert commissions.get("since").state == "queued"
    assert [row for row in control.journal() if " since " in row["name"]] == []

    assert run("ledger", "trust", "default", answer="n\n").exit_code == 1
    assert commissions.get("since").state == "queued"
    assert run("ledger", "trust", "default", "--yes").stdout == "default issues again\n"
    assert commissions.outcome("since", 30).state == "pending"
    assert alarms(commissions) == set()
    nothing = run("ledger", "trust", "default", "--yes")
    assert (nothing.exit_code, nothing.stderr) == (1, "default: no writes were lost\n")


def again(call):
    try:
        return call()
    except Unavailable:
        return None
