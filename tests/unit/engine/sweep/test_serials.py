"""Serials in little room behave as sets of numbers do."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from astakos_worker.engine.sweep.serials import Serials

many = st.lists(st.integers(1, 60), max_size=40)


@given(many, many)
def test_serials_are_sorted_and_subtracted_as_sets_are(some, others):
    left = Serials(some).without(Serials(others))
    assert list(Serials(set(some))) == sorted(set(some))
    assert set(left) == set(some) - set(others)
    assert len(left) == sum(n not in set(others) for n in some)


@given(many, st.integers(0, 61))
def test_a_serial_is_found_if_it_is_there(some, one):
    assert (one in Serials(some)) == (one in some)
    assert "1" not in Serials(some)


def test_a_hundred_thousand_take_eight_bytes_each():
    """F46."""
    serials = Serials(range(100_000)).without(Serials(range(10)))
    assert len(serials) == 99_990
    assert sys.getsizeof(serials._sorted) < 1_000_000
