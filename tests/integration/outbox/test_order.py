"""Rows of one project reach the ledger in the order in which they were written, whoever sends."""

import random
import threading
from contextlib import contextmanager

import pytest

from astakos_worker import Commissions
from astakos_worker.service.connections import Connections
from astakos_worker.service.outbox import databases
from astakos_worker.service.outbox.batch import _route, send_batch
from astakos_worker.service.outbox.databases import run
from astakos_worker.service.outbox.of_drivers import outbox_of_url
from tests.integration.cluster.until import until

VM = "cyclades.vm"


class Seen:
    """A ledger that notes what reaches it: (verb, key), in order."""

    def __init__(self, ledger):
        self._ledger = ledger
        self._lock = threading.RLock()
        self.calls = []

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def cas(self, writes):
        with self._lock:
            for write in writes:
                self.calls.append(("issue", write.record.key))
                if write.cell is not None:
                    self.calls.append((write.cell.verb, write.record.key))
            return self._ledger.cas(writes)

    def decide(self, lane, decisions, *given):
        with self._lock:
            self.calls += [(one.verb, key) for key, one in decisions.items()]
            return self._ledger.decide(lane, decisions, *given)


@pytest.fixture
def memory():
    return Commissions.in_memory(service="compute")


@pytest.fixture
def seen(memory):
    made = memory._connections
    return Connections(Seen(made.ledger), made.waker, made.watcher)


def program(draw, calls):
    """Write a random program; return (verb, key, projects) of each call, in order."""
    written, open_keys = [], []
    for number in range(calls):
        key = f"k{number}"
        what = draw.choice(["issue", "issue", "accept", "reject", "reassign"])
        if what == "issue":
            projects = [draw.choice(["lab", "club", "guild"])]
            yield lambda tx, k=key, p=projects[0]: tx.issue(
                user="ada", project=p, provisions={VM: 1}, key=k
            )
        elif what == "reassign":
            projects = draw.sample(["lab", "club", "guild"], 2)
            moves = {(*projects, VM): 1}
            yield lambda tx, k=key, m=moves: tx.reassign(user="ada", provisions=m, key=k)
        elif open_keys:
            key, projects = open_keys.pop(draw.randrange(len(open_keys)))
            yield lambda tx, k=key, w=what: getattr(tx, w)(k)
        else:
            continue
        if what in ("issue", "reassign"):
            open_keys.append((key, projects))
            what = "issue"
        written.append((what, key, projects))
    yield written


def out_of_order(written, calls):
    """Return the pairs of calls of one project that reached the ledger in the wrong order.

    An accept may come before it was written, but not before its own issue.
    """
    place = {call: calls.index(call) for call in calls}
    wrong = []
    for n, (verb, key, projects) in enumerate(written):
        for later, its, others in written[n + 1 :]:
            if not set(projects) & set(others) or (later == "accept" and its != key):
                continue
            if place[verb, key] > place[later, its]:
                wrong.append(((verb, key), (later, its)))
    return wrong


@pytest.mark.parametrize("seed", range(6))
def test_each_projects_calls_arrive_in_order_by_two_relays_in_small_batches(  # noqa: PLR0917
    engine, url, away, seen, database, monkeypatch, seed
):
    """Decisions are sent in later transactions too, when their issue has left the outbox."""
    monkeypatch.setattr(databases, "ROWS", 4)
    monkeypatch.setattr(databases, "PROJECTS", 2)
    draw = random.Random(seed)
    *calls, written = program(draw, 40)
    stop = threading.Event()

    def relay():
        outbox = outbox_of_url(url)
        while not stop.is_set():
            send_batch(outbox, database.settings, lambda _: seen)
        outbox.close()

    relays = [threading.Thread(target=relay) for _ in range(2)]
    started = draw.random() < 0.5
    for thread in relays if started else ():
        thread.start()
    for call in calls:
        with engine.begin() as connection:
            call(away.in_transaction(connection))
    for thread in () if started else relays:
        thread.start()
    until(lambda: not database.waiting(), within=30)
    stop.set()
    for thread in relays:
        thread.join()
    assert out_of_order(written, seen.ledger.calls) == []
    assert {(verb, key) for verb, key, _ in written} == set(seen.ledger.calls)


def test_the_check_of_the_order_sees_what_is_out_of_order():
    written = [("issue", "a", ["lab"]), ("issue", "b", ["lab"]), ("reject", "a", ["lab"])]
    assert out_of_order(written, [("issue", "a"), ("issue", "b"), ("reject", "a")]) == []
    assert out_of_order(written, [("issue", "b"), ("issue", "a"), ("reject", "a")]) == [
        (("issue", "a"), ("issue", "b"))
    ]


def test_a_burst_of_one_project_holds_up_no_other(engine, away, seen, database):
    """Each project has the same share of a batch."""
    one = {"user": "ada", "provisions": {VM: 1}}
    with engine.begin() as connection:
        calls = away.in_transaction(connection)
        calls.issue_many([{**one, "project": "lab", "key": f"burst-{n}"} for n in range(2000)])
        calls.issue(**one, project="club", key="lone")
    until(lambda: database.send(seen).done)
    assert ("issue", "lone") in seen.ledger.calls
    assert len(seen.ledger.calls) < 600


def test_a_decision_whose_issue_has_left_the_outbox_is_of_its_project(
    engine, away, memory, seen, database
):
    memory.issue(user="ada", project="lab", provisions={VM: 1}, key="before")
    for call in (
        lambda tx: tx.accept("before"),
        lambda tx: tx.accept("nobody's"),
        lambda tx: tx.accept(57),
    ):
        with engine.begin() as connection:
            call(away.in_transaction(connection))
    _route(database.outbox, lambda _: seen, ())
    taken = {row[3]: row[4] for row in run(database.outbox, "list", (True, 10))}
    assert taken["before"] == "project:lab"
    assert taken["nobody's"] == "key:nobody's"


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_rows_that_are_committed_while_a_batch_is_read_are_not_in_it(engine, away, database):
    """A newer row would pass the row of several projects that came with it."""

    def write(*calls):
        for call in calls:
            with engine.begin() as connection:
                call(away.in_transaction(connection))

    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    ada = {"user": "ada"}
    write(lambda tx: tx.issue(**ada, project="lab", provisions={VM: 1}, key="first"))
    transactions, written = database.outbox.transactions, []

    @contextmanager
    def writing():
        with transactions() as execute:

            def watched(text, parameters):
                if "AND holder = %s" in text and not written:
                    written.append(True)
                    moves = {("lab", "club", VM): 1}
                    write(
                        lambda tx: tx.reassign(**ada, provisions=moves, key="several"),
                        lambda tx: tx.issue(**ada, project="lab", provisions={VM: 1}, key="last"),
                    )
                return execute(text, parameters)

            yield watched

    database.outbox.transactions = writing

    def taken():
        with database.outbox.take() as batch:
            return [row.key for row in batch.rows]

    assert until(taken) == ["first"]
    assert written
