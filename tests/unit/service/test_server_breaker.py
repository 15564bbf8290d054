"""After a server did not answer, calls fail at once for a moment; then one of them tries it."""

import logging
import threading

import pytest

from astakos_worker.ledger.contract import FullError, UnavailableError
from astakos_worker.service.guarded_ledger import guarded
from astakos_worker.service.server_breaker import PAUSE, CircuitOpenError, ServerBreaker


class Clock:
    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return ServerBreaker("server", (TimeoutError,), clock=clock)


def fails(breaker, error=TimeoutError):
    with pytest.raises(error), breaker.call():
        raise error


def answers(breaker):
    with breaker.call():
        return True


def is_open(breaker):
    try:
        return not answers(breaker)
    except CircuitOpenError:
        return True


def test_the_first_outage_opens_it_for_a_moment(breaker, clock):
    assert not is_open(breaker)
    fails(breaker)
    assert is_open(breaker)
    clock.at += PAUSE - 0.001
    assert is_open(breaker)


def test_after_the_pause_one_call_tries_and_its_answer_closes_it(breaker, clock):
    fails(breaker)
    clock.at += PAUSE
    with breaker.call():
        assert is_open(breaker)  # for all others, until this one has its answer
    assert not is_open(breaker)


def test_a_try_without_an_answer_begins_the_next_pause(breaker, clock):
    fails(breaker)
    clock.at += PAUSE
    fails(breaker)
    assert is_open(breaker)
    clock.at += PAUSE
    assert not is_open(breaker)


@pytest.mark.parametrize("given_up", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_try_that_is_given_up_leaves_the_next_one_to_another_call(breaker, clock, given_up):
    fails(breaker)
    clock.at += PAUSE
    fails(breaker, given_up)
    assert not is_open(breaker)


def test_another_error_is_an_answer(breaker, clock):
    fails(breaker)
    clock.at += PAUSE
    fails(breaker, ValueError)
    assert not is_open(breaker)


def test_of_many_threads_one_tries(breaker, clock):
    fails(breaker)
    clock.at += PAUSE
    tried, gate, done = [], threading.Barrier(8), threading.Event()

    def call():
        gate.wait(10)
        try:
            with breaker.call():
                tried.append(True)
                done.wait(10)
        except CircuitOpenError:
            tried.append(False)
        if len(tried) == 8:
            done.set()

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(tried) == [False] * 7 + [True]


def test_an_outage_is_one_line_in_the_log_however_many_calls_meet_it(breaker, clock, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(5):
        fails(breaker)
        assert is_open(breaker)
        clock.at += PAUSE
    answers(breaker)
    words = [line.getMessage().split()[0] for line in caplog.records]
    assert words == ["event='no_answer'", "event='answers_again'"]


# --- Around the ledger ------------------------------------------------------------------------


class Ledger:
    clock = "the clock"

    def __init__(self):
        self.asked, self.error = 0, None

    def get(self, lane, keys):
        self.asked += 1
        if self.error:
            raise self.error
        return dict.fromkeys(keys, lane)


def test_a_ledger_is_asked_no_more_once_it_did_not_answer():
    ledger = Ledger()
    calls = guarded(ledger)
    assert calls.get("lane", ["k"]) == {"k": "lane"}
    assert calls.clock == "the clock"
    ledger.error = UnavailableError("gone")
    for _ in range(5):
        with pytest.raises(UnavailableError):
            calls.get("lane", ["k"])
    assert ledger.asked == 2


def test_a_full_ledger_goes_on_being_asked():
    ledger = Ledger()
    ledger.error = FullError("full")
    calls = guarded(ledger)
    for _ in range(5):
        with pytest.raises(FullError):
            calls.get("lane", ["k"])
    assert ledger.asked == 5
