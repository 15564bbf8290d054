"""The store's time, estimated by this process."""

import time

import pytest

from astakos_worker.ledger.contract import UnavailableError
from astakos_worker.ledger.redis.clock import StoreClock, step_of


class Monotonic:
    """This process' clock, set by hand."""

    def __init__(self):
        self.at = 50.0

    def __call__(self):
        return self.at


@pytest.fixture
def monotonic():
    return Monotonic()


def never():
    pytest.fail("it was told the time already")


def test_the_clock_goes_by_the_stores_last_answer(monotonic):
    clock = StoreClock(never, monotonic)
    clock.saw(1_000_000)
    assert clock.now() == 1000.0
    monotonic.at += 2.5
    assert clock.now() == 1002.5


def test_the_clock_asks_before_there_was_an_answer(monotonic):
    """A host whose clock is minutes off must not make its first commission due in minutes."""
    asked = []
    clock = StoreClock(lambda: asked.append(1) or 2_000_000, monotonic)
    assert clock.now() == 2000.0
    monotonic.at += 1
    assert clock.now() == 2001.0
    assert len(asked) == 1


def test_an_answer_that_comes_late_does_not_set_the_clock_back(monotonic):
    """F73: another thread would send after its `send_until`."""
    clock = StoreClock(never, monotonic)
    clock.saw(1_000_000)
    monotonic.at += 3
    clock.saw(1_000_500)  # was under way for two and a half seconds
    assert clock.now() == 1003.0


def test_an_answer_that_was_quick_sets_the_clock_forward(monotonic):
    clock = StoreClock(never, monotonic)
    clock.saw(1_000_000)
    monotonic.at += 1
    clock.saw(1_001_200)
    assert clock.now() == 1001.2


def test_a_store_whose_clock_was_set_back_is_believed_after_a_while(monotonic):
    """A fail-over may bring a server whose clock is behind."""
    clock = StoreClock(never, monotonic)
    clock.saw(1_000_000)
    for second in range(1, 13):
        monotonic.at += 1
        clock.saw(900_000 + 1000 * second)
    assert clock.now() == 912.0


def test_an_old_answer_counts_until_there_is_a_new_one(monotonic):
    clock = StoreClock(never, monotonic)
    clock.saw(1_000_000)
    monotonic.at += 3600
    assert clock.now() == 4600.0
    clock.saw(4_590_000)  # our clock had drifted: what is so old is no better than this
    assert clock.now() == 4590.0


def test_while_the_store_is_away_the_hosts_time_is_the_best_guess(monotonic):
    """F56: what needs the store says so itself; its wait is not doubled each time."""
    asked = []

    def away():
        asked.append(1)
        raise UnavailableError("away")

    clock = StoreClock(away, monotonic)
    assert clock.now() == pytest.approx(time.time(), abs=60)
    clock.now()
    assert len(asked) == 1
    monotonic.at += 5
    clock.now()
    assert len(asked) == 2


# --- A server's clock that is set ---------------------------------------------------------------


def test_before_any_answer_there_are_no_bounds(monotonic):
    clock = StoreClock(lambda: 1_000_000, monotonic)
    assert clock.bounds() is None
    clock.now()
    assert clock.bounds() == (1_000_000, 1_000_000)


def test_the_server_gave_its_time_after_we_asked(monotonic):
    """F89: how long an answer was under way is how little we know."""
    clock = StoreClock(never, monotonic)
    asked = monotonic.at
    monotonic.at += 2
    clock.saw(1_000_000, asked)
    assert clock.bounds() == (1_000_000, 1_002_000)
    assert clock.bounds(asked) == (998_000, 1_000_000)
    clock.saw(1_001_900)
    assert clock.bounds() == (1_001_900, 1_002_000)
    clock.saw(1_002_500)  # a clock that is being adjusted
    assert clock.bounds() == (1_002_500, 1_002_500)


def test_a_late_answer_after_a_pause_leaves_the_bounds_wide(monotonic):
    """F89: older answers no longer count, and the only new one was under way for 1.5 s."""
    clock = StoreClock(never, monotonic)
    clock.saw(1_000_000, monotonic.at)
    monotonic.at += 20
    asked = monotonic.at
    monotonic.at += 1.5
    clock.saw(1_020_000, asked)
    assert clock.bounds() == (1_020_000, 1_021_500)


def test_bounds_widen_while_nothing_is_asked(monotonic):
    """F89: in an idle hour two clocks may drift apart by 1.8 s; that is no step."""
    clock = StoreClock(never, monotonic)
    clock.saw(1_000_000, monotonic.at)
    monotonic.at += 3600
    assert clock.bounds() == (4_598_200, 4_601_800)
    assert clock.now() == 4600.0


def test_another_epoch_of_the_offset_is_taken_as_it_is(monotonic):
    """F89: the time of a process that knew another one may go back."""
    clock = StoreClock(never, monotonic)
    clock.saw(1_000_000)
    clock.reset(400_000, "3", monotonic.at)
    assert (clock.now(), clock.bounds(), clock.epoch) == (400.0, (400_000, 400_000), "3")
    monotonic.at += 1
    assert clock.now() == 401.0


@pytest.mark.parametrize(
    ("server", "step"),
    [
        (10_000, 0),  # at once
        (12_000, 0),  # the answer was under way for two seconds
        (13_000, 0),  # two clocks do not run alike
        (9_950, 0),  # two clocks do not run alike
        (9_800, -200),
        (-50_000, -60_000),
        (13_001, 1_001),
        (3_612_000, 3_600_000),
    ],
)
def test_a_step_is_what_no_answer_under_way_explains(server, step):
    """F89: we asked at 10 s at the earliest, and the answer came at 12 s at the latest."""
    assert step_of(server, 10_000, 12_000) == step
