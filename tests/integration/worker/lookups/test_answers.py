"""Look-ups end to end: asked with no token, answered by a worker that has one."""

import pytest
from celery import Celery

from astakos_worker import Lookups, Unavailable
from astakos_worker.configuration import names
from astakosclient import BadValue, NotFound, NoUserName, NoUUID
from tests.integration.worker.lookups.asking import NAME, SHARED, STRANGER, USER, USERS, VM, timed


@pytest.mark.parametrize(
    ("ask", "same"),
    [
        (
            lambda ours: ours.usernames(USERS),
            lambda client: client.service_get_usernames(list(USERS)),
        ),
        (
            lambda ours: ours.uuids(USERS.values()),
            lambda client: client.service_get_uuids(list(USERS.values())),
        ),
        (lambda ours: ours.username(USER), lambda client: client.service_get_username(USER)),
        (lambda ours: ours.uuid(NAME), lambda client: client.service_get_uuid(NAME)),
        (lambda ours: ours.quotas(), lambda client: client.service_get_quotas()),
        (lambda ours: ours.quotas(user=USER), lambda client: client.service_get_quotas(USER)),
        (
            lambda ours: ours.quotas([USER], project=SHARED),
            lambda client: client.service_get_quotas([USER], project_id=[SHARED]),
        ),
        (lambda ours: ours.project_quotas(), lambda client: client.service_get_project_quotas()),
        (
            lambda ours: ours.project_quotas(SHARED),
            lambda client: client.service_get_project_quotas(SHARED),
        ),
        (lambda ours: ours.resources(), lambda client: client.get_resources()),
        (lambda ours: ours.services(), lambda client: client.get_services()),
        (lambda ours: ours.endpoints(), lambda client: client.get_endpoints()),
    ],
)
def test_a_look_up_answers_what_the_client_would(lookups, client, ask, same):
    answer = ask(lookups)
    assert answer == same(client)
    assert len(answer) > 0


def test_pending_commissions_are_listed_and_shown(lookups, client):
    serials = [client.issue_one_commission(USER, USER, {VM: 1}, name="mine") for _ in range(3)]
    assert sorted(lookups.pending_commissions()) == serials
    info = lookups.commission_info(serials[0])
    assert info == client.get_commission_info(serials[0])
    assert (info["serial"], info["name"]) == (serials[0], "mine")
    client.resolve_commissions([], serials)
    assert lookups.pending_commissions() == []
    with pytest.raises(NotFound):
        lookups.commission_info(serials[0])


def test_unknown_ones_are_absent_and_the_others_unharmed(lookups):
    """F64."""
    assert lookups.usernames([USER, STRANGER]) == {USER: NAME}
    assert lookups.uuids(["nobody@example.org", NAME]) == {NAME: USER}
    assert lookups.usernames([STRANGER]) == lookups.uuids([]) == {}


def test_a_single_unknown_one_is_an_error_of_its_own(lookups):
    """F64."""
    with pytest.raises(NoUserName, match=STRANGER):
        lookups.username(STRANGER)
    with pytest.raises(NoUUID, match=r"nobody@example\.org"):
        lookups.uuid("nobody@example.org")


def test_what_astakos_refuses_is_raised_as_the_client_would(lookups):
    with pytest.raises(NotFound):
        lookups.quotas(user=STRANGER)


@pytest.mark.parametrize(
    "ask",
    [
        lambda ours: ours.usernames(USER),
        lambda ours: ours.uuids([NAME, 7]),
        lambda ours: ours.quotas(user=[None]),
        lambda ours: ours.commission_info(True),
        lambda ours: ours.commission_info("7"),
        lambda ours: Lookups("Not a lane", settings=ours._settings),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_sent(lookups, broker, paused, ask):
    with pytest.raises(BadValue):
        ask(lookups)
    assert broker.llen(names.LOOKUPS) == 0


def test_other_programs_ask_by_name(stack):
    """Errors are in the result; arguments that nobody knows fail the task, and the next is fine."""
    url = stack.broker_url
    with Celery("somebody", broker=url, backend=url, set_as_current=False) as app:

        def ask(what, **arguments):
            return app.send_task(names.LOOKUP + what, queue=names.LOOKUPS, kwargs=arguments)

        assert ask("usernames", uuids=[USER]).get(timeout=30) == {"value": {USER: NAME}}
        unknown = ask("commission_info", serial=10**6).get(timeout=30)
        assert unknown["error"]["class"] == "NotFound"
        odd = ask("usernames", uids=[USER])
        with pytest.raises(TypeError, match="uids"):
            odd.get(timeout=30)
        assert ask("uuids", display_names=[NAME]).get(timeout=30) == {"value": {NAME: USER}}


def test_a_service_that_no_worker_serves_is_told_at_once(settings):
    strange = Lookups("pithos", settings=settings, timeout=30)
    error, took = timed(strange.usernames, [USER])
    assert isinstance(error, Unavailable) and "no service 'pithos'" in str(error)
    assert took < 30 / 3
