"""Several ledgers and several named services on one token, and one with a token each."""

import pytest

from tests.integration.sweep.conftest import Cloud


@pytest.fixture
def staging(cloud):
    staging = cloud.beside("staging")
    yield staging
    staging.close()


def test_each_ledger_takes_the_others_commissions_for_foreign(cloud, staging):
    """F70: undecided, late, lost: whatever they are there."""
    mine, lost = cloud.held("a"), cloud.orphan("lost")
    theirs, late = staging.held("a"), staging.held("b", deadline=staging.ledger.clock.now())
    assert cloud.swept().counts == {"foreign": 2, "reject": 1}
    assert cloud.pending() == {mine, theirs, late}
    assert staging.swept().counts == {"foreign": 1, "expired": 1}
    assert cloud.pending() == {mine, theirs}
    assert cloud.events("rejected") == [lost, late]


def test_two_services_of_one_ledger_on_one_token_are_foreign_to_each_other(cloud):
    """F70: the tag's namespace has the lane in it."""
    orphans = {lane: cloud.orphan("lost", lane=lane) for lane in ("one", "two")}
    held = {lane: cloud.held("a", lane=lane) for lane in ("one", "two")}
    assert cloud.swept(lane="one").counts == {"foreign": 2, "reject": 1}
    assert cloud.pending() == {orphans["two"], *held.values()}
    assert cloud.swept(lane="two").counts == {"foreign": 1, "reject": 1}
    assert cloud.pending() == set(held.values())
    assert (cloud.last("one").listed, cloud.last("two").listed) == (4, 3)


def test_two_services_with_a_token_each_see_their_own(cloud):
    """One lane each: neither's list has the other's, and neither's stop is the other's."""
    other = Cloud(cloud.sandbox, cloud.url)
    other.client.close()
    from astakosclient import AstakosClient

    other.client = AstakosClient(
        "sandbox-token-of-pithos", cloud.sandbox.auth_url, use_pool=True, total_timeout=20
    )
    for number in range(5):
        serial = cloud.held(f"held-{number}", lane="one")
        cloud.client.reject_commission(serial)
    mine = other.orphan("lost", lane="two")
    assert cloud.sweep(lane="one", brake_floor=3).stopped
    assert other.swept(lane="two", brake_floor=3).rejected == {"orphan": 1}
    assert other.pending() == set() and mine in other.events("rejected")
    assert cloud.alarms("two") == {} and "sweep" in cloud.alarms("one")
    other.close()
