"""A look for lost answers among many commissions that nobody has looked at before."""

import pytest

from astakos_worker import Commissions

FOREIGN = 300
SLOW = 0.5  # seconds of a request


@pytest.fixture
def commissions():
    return Commissions.in_memory()


@pytest.fixture
def looks(commissions):
    """How many commissions each look has asked a slow Astakos about."""
    astakos, clock, looks = commissions.astakos, commissions.workers._clock, []
    listing, asking = astakos.get_pending_commissions, astakos.get_commission_info

    def list_them():
        looks.append(0)
        return listing()

    def ask(serial):
        looks[-1] += 1
        clock.move(clock.now() + SLOW)
        return asking(serial)

    astakos.get_pending_commissions, astakos.get_commission_info = list_them, ask
    return looks


def test_a_look_that_takes_a_carriers_time_ends_and_the_next_goes_on_where_it_was(
    commissions, looks
):
    """F66: others wait for it no longer; nothing is asked twice, nor issued again unseen."""
    one = {"holder": "user:eve", "source": "project:lab", "resource": "disk", "quantity": 1}
    for _ in range(FOREIGN):
        commissions.astakos.issue_provisions([one], "somebody else's")
    commissions.astakos.lose_answers()
    commissions.issue(user="ada", project="lab", provisions={"vm": 1}, key="lost", accept=True)
    assert commissions.outcome("lost", 600).state == "accepted"
    assert max(looks) <= 50 and sum(looks) == FOREIGN + 1
    assert len(commissions.astakos.pending) == FOREIGN
