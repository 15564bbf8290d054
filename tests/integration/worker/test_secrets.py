"""Nobody who can read what workers and services leave behind finds a token (F62).

One busy run with all that can go wrong is looked at from every side; and a word that is no
secret, planted beside the tokens, shows that each side is really looked at.
"""

import base64
import pickle
import secrets
import traceback
from contextlib import suppress
from urllib.parse import quote

import psutil
import pytest
import requests
from celery import Celery
from kombu import Connection
from pydantic import ValidationError
from redis import Redis

from astakos_worker import Commissions, Lookups, Settings
from astakos_worker.configuration import names
from astakos_worker.local import LocalStack
from astakos_worker.local.files import write_secret
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.errors import CommissionError
from astakos_worker.worker.clients import Clients
from astakosclient import AstakosClientException
from tests.integration.cluster.running import RunningSandbox
from tests.integration.cluster.until import until

VM = "cyclades.vm"
USER, TINY = user_uuid("user01@example.org"), user_uuid("tiny1@example.org")
ONE = {"user": USER, "project": USER, "provisions": {VM: 1}}
#: Written in the key of a commission, a directory's name and a variable: found in every place.
PLANTED = f"planted-{secrets.token_hex(8)}"


def disguises(secret):
    """A secret as it is, and as it looks inside base64, wherever it starts."""
    plain = secret.encode()
    return [plain, *(base64.b64encode(b"." * n + plain)[4:-4] for n in range(3))]


def places_with(seen, secret):
    """Which of the places hold a secret; `seen` is `{place: all bytes there}`."""
    forms = disguises(secret)
    return {place for place, content in seen.items() if any(form in content for form in forms)}


# --- Where one can look -----------------------------------------------------------------------


def in_databases(url):
    """Every key and value of a server, whatever its type."""
    read = {
        b"none": lambda *_: None,  # it has gone meanwhile
        b"string": lambda server, key: server.get(key),
        b"hash": lambda server, key: server.hgetall(key),
        b"list": lambda server, key: server.lrange(key, 0, -1),
        b"set": lambda server, key: server.smembers(key),
        b"zset": lambda server, key: server.zrange(key, 0, -1),
    }
    seen = {}
    for number in range(16):
        with Redis.from_url(url.rpartition("/")[0] + f"/{number}") as server:
            for key in server.scan_iter(count=1000):
                value = read[server.type(key)](server, key)
                parts = (key, repr(value).encode())
                seen[f"database {number}"] = b"\n".join(
                    (seen.get(f"database {number}", b""), *parts)
                )
    return seen


def in_files(directory, *but):
    """Every file below a directory: logs, Flower's memory, all that was ever written to Redis."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.name not in but]
    return {f"file {path.name}": path.read_bytes() for path in files}


def in_processes(stack):
    """Command lines of all, and the environment of Flower, which needs no token."""
    running = {name: psutil.Process(process.pid) for name, process in stack.processes.items()}
    seen = {f"command of {name}": "\0".join(one.cmdline()) for name, one in running.items()}
    seen["environment of flower"] = repr(running["flower"].environ())
    return {place: text.encode() for place, text in seen.items()}


def in_flower(stack):
    """What its pages and its API say, of each worker and of each task."""
    table = "tasks/datatable?draw=1&start=0&length=10000&order[0][column]=0&order[0][dir]=asc"
    paths = ["", "workers", "tasks", f"{table}&columns[0][data]=name", "broker", "metrics"]
    paths += ["api/workers?refresh=1", "api/tasks", "api/task/types", "api/queues/length"]
    ask = requests.Session()
    with ask:
        tasks = ask.get(f"{stack.flower_url}/api/tasks", timeout=30).json()
        workers = ask.get(f"{stack.flower_url}/api/workers?refresh=1", timeout=30).json()
        assert len(tasks) > 20 and len(workers) == 3
        asked = {path.partition("?")[0]: [path] for path in paths}
        asked["worker"] = [f"worker/{node}" for node in workers]
        for kind in ("task", "api/task/info", "api/task/result"):
            asked[kind] = [f"{kind}/{quote(task_id, safe='')}" for task_id in tasks]
        seen = {}
        for kind, paths in asked.items():
            answers = [ask.get(f"{stack.flower_url}/{path}", timeout=30) for path in paths]
            assert all(answer.ok for answer in answers), kind
            seen[f"Flower's /{kind}"] = b"\n".join(answer.content for answer in answers)
    return seen


def in_errors(errors):
    """What is printed, logged or pickled of errors."""
    seen = {}
    for error in errors:
        looks = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
        name = f"error {type(error).__name__}"
        seen[name] = b"\n".join([seen.get(name, b""), *(text.encode() for text in looks)])
        seen[name] += pickle.dumps(error)
    return seen


class Ears:
    """Hears all that is published on a server: events of workers, results, changes."""

    def __init__(self, url):
        self.heard = []
        self._server = Redis.from_url(url)
        self._subscription = self._server.pubsub()
        self._subscription.psubscribe(**{"*": lambda message: self.heard.append(message["data"])})
        self._thread = self._subscription.run_in_thread(0.1, daemon=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._thread.stop()
        self._thread.join()
        self._server.close()


# --- One busy run -----------------------------------------------------------------------------


class Run:
    """A stack with two services, one's token in a file and one's in the environment."""

    def __init__(self, directory, stack, sandbox, tokens):
        self.stack, self.sandbox, self.tokens = stack, sandbox, tokens
        self.control = sandbox.control
        urls = {"broker_url": stack.broker_url, "ledger_url": stack.ledger_url}
        self.settings = Settings(times="demo", **urls)
        given = {"auth_url": sandbox.auth_url, "token": tokens["in the environment"]}
        self.workers = Settings(times="demo", **urls, services={"pithos": given})
        self.commissions = Commissions(settings=self.settings)
        self.lookups = Lookups(settings=self.settings, timeout=5)
        url = stack.broker_url
        self.app = Celery("somebody", broker=url, backend=url, set_as_current=False)
        self.errors = []

    def fails(self, call, *arguments, **more):
        with pytest.raises((AstakosClientException, CommissionError, ValidationError)) as caught:
            call(*arguments, **more)
        self.errors.append(caught.value)

    def ask(self, task, queue=names.COMMISSIONS, **message):
        return self.app.send_task(task, queue=queue, kwargs=message).get(timeout=30)

    def some_of_everything(self):
        ours = self.commissions
        for number in range(20):
            ours.issue(**ONE, key=f"k{number}", accept=number % 2 == 0)
        for number in range(20):
            ours.outcome(f"k{number}", 30)
        ours.reject("k1")
        other = Commissions("pithos", settings=self.settings)
        disk = {"user": USER, "project": USER, "provisions": {"pithos.diskspace": 1}}
        assert other.issue(**disk, accept=True).outcome(30).state == "accepted"
        self.ask(names.ACCEPT_COMMISSION, key=PLANTED)
        self.ask(names.ISSUE_COMMISSION, key="by-name", **ONE)
        self.ask(names.ISSUE_COMMISSION, key=PLANTED, user=PLANTED)
        self.lookups.usernames([USER])
        with Connection(self.stack.broker_url) as connection, connection.Producer() as producer:
            where = {"exchange": names.COMMISSIONS, "routing_key": names.COMMISSIONS}
            kind = {"content_type": "application/json", "content_encoding": "utf-8"}
            producer.publish(b"{", **where, **kind, headers={"task": "astakos.issue"})
        assert self.ask(names.RECONCILE, names.SWEEP, service="default")["listed"] > 0

    def all_kinds_of_errors(self):
        ours = self.commissions
        self.fails(ours.issue, **{**ONE, "provisions": {VM: 7}}, key="k1")
        self.fails(ours.issue, **{**ONE, "provisions": {VM: 1.5}})
        self.fails(ours.accept, "k1")
        self.fails(ours.accept, f"{PLANTED} too")
        self.fails(ours.issue(user=TINY, project=TINY, provisions={VM: 1000}).outcome, 30)
        self.fails(self.lookups.commission_info, 10**6)
        self.fails(self.lookups.username, "nobody")
        self.fails(Lookups("nobody", settings=self.settings, timeout=5).services)
        odd = {"auth_url": self.sandbox.auth_url, "tokne": self.tokens["in the environment"]}
        self.fails(Settings, services={"default": odd})
        client = Clients(self.workers).of("pithos")
        for kind in (
            "garble",
            "truncate",
            "proxy-page",
            "error-after",
            "cut-after",
            "token-revoked",
        ):
            self.control.set_faults({"kind": kind, "route": "service.quotas"})
            self.fails(client.service_get_quotas)
            self.fails(self.lookups.quotas)
            self.control.set_faults({"kind": kind, "route": "commissions.*", "count": 1})
            ours.issue(**ONE, key=kind, accept=True)
            until(lambda: self.control.faults()["hits"] == [1])
        self.control.clear_faults()
        client.close()

    def a_wrong_token_and_another_one(self):
        write_secret(self.sandbox.token_file, self.tokens["wrong"])
        ledger = ledger_of(self.settings)
        until(self._is_refused)
        self.commissions.issue(**ONE, key="with the wrong token")
        until(lambda: "token" in ledger.lane("default").alarms)
        self.fails(self.lookups.pending_commissions)
        until(lambda: "error" in self.ask(names.RECONCILE, names.SWEEP, service="default"))
        self.control.rotate_token(self.tokens["rotated"], component="cyclades")
        write_secret(self.sandbox.token_file, self.tokens["rotated"])
        assert self.commissions.outcome("with the wrong token", 30).state == "pending"

    def _is_refused(self):
        with suppress(AstakosClientException):
            self.lookups.pending_commissions()
            return False
        return True

    def in_reprs(self):
        """What a debugger, a log line or an interactive session shows of our objects."""
        clients = Clients(self.workers)
        client = clients.of("pithos")
        things = [self.settings, self.workers, self.workers.services, self.commissions, clients]
        things += [client, self.lookups, Commissions("pithos", settings=self.workers)]
        things += [self.commissions.get(PLANTED), self.workers.model_dump_json(), clients._made]
        texts = [text for thing in things for text in (str(thing), repr(thing))]
        client.close()
        return {"shown in Python": "\n".join(texts).encode()}


@pytest.fixture(scope="module")
def tokens():
    where = ("in a file", "in the environment", "wrong", "rotated")
    return {name: f"token-{secrets.token_hex(16)}" for name in where}


@pytest.fixture(scope="module")
def seen(tmp_path_factory, tokens):
    """All that can be seen of a run: `{place: bytes}`."""
    directory = tmp_path_factory.mktemp(PLANTED)
    sandbox = RunningSandbox(directory)
    try:
        sandbox.start()
        sandbox.control.rotate_token(tokens["in a file"], component="cyclades")
        sandbox.control.rotate_token(tokens["in the environment"], component="pithos")
        write_secret(sandbox.token_file, tokens["in a file"])
        env = {
            "PLANTED": PLANTED,
            "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": sandbox.auth_url,
            "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": str(sandbox.token_file),
            "ASTAKOS_SERVICES__PITHOS__AUTH_URL": sandbox.auth_url,
            "ASTAKOS_SERVICES__PITHOS__TOKEN": tokens["in the environment"],
        }
        with (
            LocalStack(directory / "stack", workers=1, env=env) as stack,
            Ears(stack.broker_url) as ears,
        ):
            run = Run(directory, stack, sandbox, tokens)
            run.some_of_everything()
            run.all_kinds_of_errors()
            run.a_wrong_token_and_another_one()
            seen = {
                **in_databases(stack.broker_url),
                **in_processes(stack),
                **in_flower(stack),
                **in_errors(run.errors),
                **run.in_reprs(),
            }
            run.app.close()
            seen["published"] = b"\n".join(ears.heard)
    finally:
        sandbox.close()
    return {**seen, **in_files(directory, "token", "sandbox.state")}


@pytest.mark.parametrize("which", ["in a file", "in the environment", "wrong", "rotated"])
def test_no_token_is_found_anywhere(seen, tokens, which):
    assert places_with(seen, tokens[which]) == set()


def test_the_search_finds_what_is_there_in_places_of_every_kind(seen):
    """Or it could not find a token either."""
    found = places_with(seen, PLANTED)
    assert {place.split()[0] for place in found} == {place.split()[0] for place in seen}
    assert found >= {
        "database 0",
        "database 1",
        "published",
        "command of flower",
        "file commissions-1.log",
        "environment of flower",
        "Flower's /api/tasks",
        "Flower's /task",
        "Flower's /tasks/datatable",
        "error UnknownKey",
        "shown in Python",
    }
    # What was in a queue, and is gone from there since, was written to the append-only file.
    assert any(place.endswith(".aof") for place in found)


def test_a_secret_is_found_inside_base64_too():
    for before in ("", "a", "ab", "abc"):
        message = base64.b64encode(f"{before}{PLANTED}{before}".encode())
        assert places_with({"message": message}, PLANTED) == {"message"}
        assert places_with({"message": message}, f"another-{PLANTED}") == set()
