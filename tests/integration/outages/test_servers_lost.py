"""The broker, the ledger and the result backend, each on a server of its own, are lost in turn.

One stack serves all tests; each begins and ends with everything at work.
"""

import shutil
import threading

import pytest
from celery import Celery
from redis import Redis

from astakos_worker import Settings, Unavailable, UnknownKey
from astakos_worker.configuration import names
from astakos_worker.ledger.contract import LedgerError
from astakos_worker.local import LocalStack
from tests.integration.cluster.running import RunningSandbox
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until
from tests.integration.outages.places import USER, VM, Service

PARTS = ("broker", "ledger", "results")


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    started = {}
    for part in PARTS:
        started[part] = Server("valkey", tmp_path_factory.mktemp(part))
        started[part].start()
    yield started
    for each in started.values():
        each.close()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    sandbox = RunningSandbox(tmp_path_factory.mktemp("astakos"))
    sandbox.start()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory, servers, sandbox):
    variables = {
        "ASTAKOS_BROKER_URL": servers["broker"].url(),
        "ASTAKOS_LEDGER_URL": servers["ledger"].url(),
        "ASTAKOS_RESULT_BACKEND": servers["results"].url(),
        "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": sandbox.auth_url,
        "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": str(sandbox.token_file),
        "ASTAKOS_QUARANTINE": "4",
    }
    directory = tmp_path_factory.mktemp("servers-lost")
    alone = {"workers": 1, "lookups": 0, "flower": False}
    with LocalStack(directory, **alone, env=variables) as stack:
        yield stack


@pytest.fixture
def service(stack, sandbox, servers):
    urls = {"broker_url": stack.broker_url, "ledger_url": stack.ledger_url}
    yield Service("default", Settings(times="demo", **urls), sandbox)
    for server in servers.values():
        if not server.process.alive:
            server.start()
    sandbox.control.clear_faults()
    stack.wait_ready()


def lose(server):
    """Kill a server, and start it again with nothing of what it had."""
    server.kill()
    for path in server.data.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    server.start()


def again(call):
    """Return what a call returns, made again while the ledger is away."""
    return until(lambda: _or_none(call), within=60)


def _or_none(call):
    try:
        return call()
    except (Unavailable, LedgerError):
        return None


def test_what_was_enqueued_ends_though_the_broker_loses_everything_and_again(
    service, servers, stack
):
    """F47, F53: emptied while it runs, and killed and started with an empty disk, three times.

    The worker outlives it, and consumes again by itself.
    """
    keys = [f"lost-{number}" for number in range(400)]
    service.control.set_cost("real")

    def fire():
        for key in keys:
            service.issue(key, accept=True)

    firing = threading.Thread(target=fire)
    firing.start()
    until(lambda: len(service.events("lost-")["issued"]) >= 20)
    with Redis.from_url(servers["broker"].url()) as broker:
        broker.flushall()
    for reached in (60, 120, 180):
        until(lambda reached=reached: len(service.events("lost-")["issued"]) >= reached)
        lose(servers["broker"])
    firing.join()
    service.until_accepted(*keys)
    assert stack.processes["commissions-1"].restarts == 0
    service.control.set_cost("none")
    events = service.events("lost-")
    assert events["issued"] == events["accepted"] == dict.fromkeys(keys, 1)


def test_no_commission_is_harmed_by_a_result_backend_that_is_away(service, servers, stack):
    """F50: whose results cannot be kept hold up neither themselves nor what comes after them.

    And the results of a server that merely restarts are not lost.
    """
    app = Celery("somebody", broker=stack.broker_url, set_as_current=False)
    url = servers["results"].url()
    reader = Celery("reader", backend=url, set_as_current=False).backend

    def result(task):
        return until(lambda: reader.get_task_meta(task.id)["result"])

    def send(key):
        one = {"user": USER, "project": USER, "provisions": {VM: 1}, "accept": True, "key": key}
        return app.send_task(names.ISSUE_COMMISSION, queue=names.COMMISSIONS, kwargs=one)

    servers["results"].kill()
    late = send("late")
    service.until(lambda: service.events("late")["accepted"])
    servers["results"].start()
    assert result(late)["state"] == "accepted"

    servers["results"].kill()
    keys = [f"unheard-{number}" for number in range(40)]
    for key in keys:
        send(key)
    service.until(lambda: set(service.events("unheard-")["accepted"]) == set(keys))
    service.issue("after-them", accept=True)
    service.until_accepted("after-them")
    assert service.events("unheard-")["issued"] == dict.fromkeys(keys, 1)

    servers["results"].start()
    assert result(send("heard-again"))["state"] == "accepted"
    app.close()


def test_nothing_is_sent_without_a_ledger_and_what_was_sent_is_found_again(service, servers, stack):
    """F48, F49: killed before one commission's POST, and after another's; no message is blamed."""
    slow = {"kind": "delay-after", "route": "commissions.issue", "seconds": 1.0, "count": 1}
    service.control.set_faults(slow)
    service.issue("sent", accept=True)
    until(lambda: service.events("sent")["issued"])
    worker = stack.processes["commissions-1"]
    blamed = worker.output().count("dead_message")
    worker.pause()
    service.issue("unsent", accept=True)
    servers["ledger"].kill()
    until(lambda: service.control.audit()["in_flight"] == {})
    posts = service.requests()["commissions.issue"]
    missed = worker.output().count("heartbeat_missed")
    worker.resume()
    until(lambda: worker.output().count("heartbeat_missed") >= missed + 2)
    assert service.requests()["commissions.issue"] == posts
    assert service.events("unsent")["issued"] == {}
    servers["ledger"].start()
    for key in ("sent", "unsent"):
        again(lambda key=key: service.state(key) == "accepted")
        events = service.events(key)
        assert events["issued"] == events["accepted"] == {key: 1}
    assert worker.output().count("dead_message") == blamed


def test_what_a_lost_ledger_held_is_found_by_its_tags_and_given_back(service, servers):
    """F35: quarantined by our own first sight, then rejected; what was accepted stays."""
    settled = [f"settled-{number}" for number in range(5)]
    held = [f"held-{number}" for number in range(15)]
    before, _ = service.used()
    for key in settled:
        service.issue(key, accept=True)
    for key in held:
        service.issue(key)
    service.until_accepted(*settled)
    for key in held:
        service.commissions.outcome(key, 30)
    assert service.used() == (before + 5, 15)
    lose(servers["ledger"])
    with pytest.raises(UnknownKey):
        again(lambda: service.commissions.accept("held-0"))
    until(lambda: "lost-writes" in service.alarms())
    assert service.events("held-")["rejected"] == {}  # not before an operator has looked (F101)
    assert service.ledger.trust("default")
    until(lambda: service.used() == (before + 5, 0), within=60)
    assert service.events("held-")["rejected"] == dict.fromkeys(held, 1)
    assert service.events("settled-")["rejected"] == {}
