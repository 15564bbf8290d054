"""The cache of names: what it spares, and what it never holds."""

import pytest

from astakosclient import NoUUID
from tests.integration.worker.lookups.asking import NAME, USER, USERS, requests, sent


def test_a_name_that_is_known_costs_no_message_and_no_request(keeping, control, broker):
    assert keeping.username(USER) == NAME
    before = sent(broker), requests(control)
    assert [keeping.username(USER) for _ in range(20)] == [NAME] * 20
    assert (sent(broker), requests(control)) == before


def test_only_what_is_not_kept_is_asked_for(keeping, control, broker):
    some = list(USERS)
    assert keeping.usernames(some[:3]) == {uuid: USERS[uuid] for uuid in some[:3]}
    before = sent(broker)
    assert keeping.usernames([some[2], "stranger", some[3]]) == {
        uuid: USERS[uuid] for uuid in some[2:4]
    }
    assert sent(broker) == before + 1


def test_a_name_that_came_for_a_uuid_is_kept_for_both(keeping, broker):
    (*_, uuid), (*_, name) = USERS, USERS.values()
    assert keeping.username(uuid) == name
    before = sent(broker)
    assert keeping.uuid(name) == keeping.uuid(name.upper()) == uuid
    assert sent(broker) == before


def test_who_is_unknown_is_unknown_without_asking_again(keeping, broker):
    """F64: for a short while."""
    with pytest.raises(NoUUID):
        keeping.uuid("nobody@example.org")
    before = sent(broker)
    with pytest.raises(NoUUID):
        keeping.uuid("nobody@example.org")
    assert sent(broker) == before


def test_quotas_are_asked_for_each_time(keeping, control, broker):
    before = sent(broker)
    assert keeping.quotas(user=USER) == keeping.quotas(user=USER) != {}
    assert sent(broker) == before + 2


def test_what_is_kept_tells_no_token(keeping, broker, stack):
    """F62."""
    assert keeping.username(USER) == NAME
    kept = {key: broker.get(key) for key in broker.scan_iter("astakos-names:*")}
    assert any(NAME in row for row in kept.values())
    assert stack.token_file.read_text().strip() not in str(kept)
