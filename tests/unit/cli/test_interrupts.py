"""Ctrl-C ends what runs, whenever it comes."""

import contextlib
import signal
import time

import pytest

from astakos_worker.cli.interrupts import interrupt_once


class Interrupted:
    """Is finalised in the very moment in which somebody presses Ctrl-C."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_ends_the_block():
    with pytest.raises(KeyboardInterrupt), interrupt_once():
        signal.raise_signal(signal.SIGINT)


def test_a_second_interrupt_leaves_the_ending_alone():
    done = []

    def end():
        signal.raise_signal(signal.SIGINT)
        done.append("ended")

    stack = contextlib.ExitStack()
    stack.callback(end)
    with pytest.raises(KeyboardInterrupt), interrupt_once(), stack:
        signal.raise_signal(signal.SIGTERM)
    assert done == ["ended"]


def test_an_interrupt_that_python_throws_away_comes_again():
    """A library may be closing a connection as it is collected: nothing may be raised there."""

    def run():
        Interrupted()
        time.sleep(30)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interrupt_once():
        run()
    assert time.monotonic() - began < 25


def test_afterwards_all_is_as_before():
    before = signal.getsignal(signal.SIGINT)
    with interrupt_once():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
