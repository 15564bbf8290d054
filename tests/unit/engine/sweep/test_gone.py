"""What a sweep takes for gone: in neither of two lists, and not known when asked for (F69)."""

import pytest

from astakos_worker import Commissions

ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}


@pytest.fixture
def commissions():
    commissions = Commissions.in_memory()
    for key in ("k", "listed"):
        commissions.issue(**ONE, key=key)
    return commissions


def lists(commissions, *answers):
    """Let Astakos answer its list so, one after the other."""
    real, rest = commissions.astakos.get_pending_commissions, iter(answers)
    commissions.astakos.get_pending_commissions = lambda: next(rest, None) or real()


def test_what_the_second_list_holds_is_not_gone(commissions):
    """F69: the first one may have been read while the commission was on its way."""
    serial, listed = (commissions.get(key).serial for key in ("k", "listed"))
    commissions.astakos._book.resolve("in-memory", serial, accept=False)
    lists(commissions, [listed], [listed, serial])
    assert "vanished" not in commissions.workers.sweep()
    assert commissions.get("k").state == "pending"


def test_what_is_in_neither_and_is_known_is_not_gone(commissions):
    """F69: it is asked for by its serial before anything is done."""
    listed = commissions.get("listed").serial
    lists(commissions, [listed], [listed])
    assert "vanished" not in commissions.workers.sweep()
    assert commissions.get("k").state == "pending"


def test_what_is_in_neither_and_is_not_known_has_vanished(commissions):
    """F69."""
    serial = commissions.get("k").serial
    commissions.astakos._book.resolve("in-memory", serial, accept=False)
    assert commissions.workers.sweep()["vanished"] == 1
    assert commissions.get("k").state == "vanished"
