"""Threads at once on one server: one of them wins, and no two are given the same."""

import threading
from collections import Counter

import pytest

from astakos_worker.ledger import events
from astakos_worker.ledger.contract import Asked, Write
from astakos_worker.ledger.record import Decision
from tests.integration.ledger.places import LANE, LONG, carriers, keys_of

THREADS = 8


@pytest.fixture
def at_once():
    """Runs a function in each of several threads, started together; returns their answers."""

    def run(work):
        barrier, answers = threading.Barrier(THREADS), [None] * THREADS

        def thread(n):
            barrier.wait(30)
            answers[n] = work(n)

        threads = [threading.Thread(target=thread, args=(n,)) for n in range(THREADS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)
        return answers

    return run


def test_of_many_that_make_one_key_one_does(on_server, at_once):
    """F2, F3: and the others are told its record."""
    records = [on_server.new("a", late=n) for n in range(THREADS)]
    verdicts = at_once(lambda n: on_server.ledger.cas([Write(records[n], 0)])[0])
    assert Counter(verdict.done for verdict in verdicts) == {True: 1, False: THREADS - 1}
    assert len({verdict.entry.record for verdict in verdicts}) == 1


def test_of_many_that_decide_one_commission_one_does(on_server, at_once):
    """F23."""
    on_server.put("a", serial=7)
    decisions = [Decision("accept" if n % 2 else "reject", str(n), 1.0) for n in range(THREADS)]
    verdicts = at_once(lambda n: on_server.decide("a", decisions[n]))
    cells = [verdict.entry.cell for verdict in verdicts]
    assert len(set(cells)) == 1 and cells[0] in decisions


def test_no_two_carriers_are_given_the_same(on_server, at_once):
    """F2, F31: and none is left over."""
    on_server.open(wakeups=carriers(THREADS))
    for n in range(100):
        on_server.put(f"issue-{n}", late=9)
    for n in range(50):
        on_server.put(f"settle-{n}", serial=n + 1)
        on_server.decide(f"settle-{n}")

    def work(n):
        given = []
        asked = Asked(LANE, f"carrier-{n}", LONG, issues=3, settles=5, settle_wait=0)
        while (claim := on_server.ledger.claim(asked)[0]).entries:
            given += keys_of(claim)
        return given

    given = Counter(key for keys in at_once(work) for key in keys)
    given.update(work(0))  # what the settler still had in hand when the last one found nothing
    assert len(given) == 150 and set(given.values()) == {1}


def test_every_event_of_many_writers_is_written_once(on_server, at_once):
    """Rule 8 of the design: whose version is stale reloads, applies its event and tries again."""
    entry = on_server.put("a", serial=100)

    def work(n):
        current = entry
        while True:
            verdict = on_server.write(current, events.Issued(n + 1))
            if verdict.done:
                return verdict.entry.version
            current = verdict.entry

    assert sorted(at_once(work)) == list(range(2, THREADS + 2))
    record = on_server.entry("a").record
    assert {twin.serial for twin in record.twins} == set(range(1, THREADS + 1))
    assert set(on_server.ledger.find(LANE, range(1, THREADS + 1)).values()) == {"a"}
