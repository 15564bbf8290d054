"""Look-ups end to end: asked with no token, answered by a worker that has one.

Most of these services look at no names that were kept: what they ask, they ask the workers.
"""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from celery import Celery
from redis import Redis

from astakos_worker import Lookups, Settings, Unavailable
from astakos_worker.configuration import names
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import project_uuid, user_uuid
from astakosclient import AstakosClient, BadValue, NotFound, NoUserName, NoUUID
from tests.integration.cluster.until import until

VM = "cyclades.vm"
USERS = {user_uuid(name): name for name in (f"user{n:02}@example.org" for n in range(1, 17))}
USER, NAME = next(iter(USERS.items()))
SHARED = project_uuid("shared.example.org")
STRANGER = "00000000-0000-4000-8000-000000000000"
#: Seconds beyond a time-out that a busy machine may take to say so.
SLACK = 3.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lookups")
    alone = {"workers": 0, "lookups": 1, "sweeps": 0, "beat": False, "flower": False}
    with LocalStack(directory, **alone) as stack:
        yield stack


@pytest.fixture(scope="module")
def settings(stack):
    urls = {"broker_url": stack.broker_url, "ledger_url": stack.ledger_url}
    return Settings(times="demo", names_kept=0, **urls)


@pytest.fixture(scope="module")
def lookups(settings):
    return Lookups(settings=settings, timeout=30)


@pytest.fixture(scope="module")
def client(stack):
    """What a worker has, and a service has not: the token."""
    client = AstakosClient(stack.token_file.read_text().strip(), stack.auth_url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def keeping(settings):
    """A service that looks for names where the workers keep them."""
    return Lookups(settings=settings.model_copy(update={"names_kept": 300}), timeout=30)


@pytest.fixture(scope="module")
def control(stack):
    return ControlClient(stack.sandbox_url)


@pytest.fixture
def broker(stack):
    with Redis.from_url(stack.broker_url, decode_responses=True) as broker:
        yield broker


@pytest.fixture
def paused(stack, broker):
    """The only worker, stopped where it stands, with no request to the broker under way."""
    worker = stack.processes["lookups-1"]
    worker.pause()
    try:
        until(lambda: not any("b" in one["flags"] for one in broker.client_list()))
        yield worker
    finally:
        worker.resume()
        until(lambda: worker.ready)


def timed(call, *arguments):
    """Return what a call raised, or returned, and the seconds that it took."""
    began = time.monotonic()
    try:
        result = call(*arguments)
    except Unavailable as error:
        result = error
    return result, time.monotonic() - began


def requests(control):
    """How many requests for names have reached Astakos."""
    return sum(control.audit()["requests"].get("service.catalogs", {}).values())


def sent(broker):
    """How many messages have been sent, to any queue."""
    return broker.info("commandstats")["cmdstat_lpush"]["calls"]


# --- What is asked ----------------------------------------------------------------------------


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


# --- What is lost -----------------------------------------------------------------------------


def test_one_that_the_broker_lost_is_asked_again(settings, broker, paused):
    """Within its caller's time-out, and unasked."""
    lookups = Lookups(settings=settings, timeout=15)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(timed, lookups.usernames, [USER])
        until(lambda: broker.llen(names.LOOKUPS) == 1, every=0.01)
        assert names.LOOKUP in broker.lpop(names.LOOKUPS)
        paused.resume()
        answer, took = asked.result(timeout=30)
    assert answer == {USER: NAME}
    assert took >= 15 / 3


def test_without_workers_it_is_unavailable_in_time_and_asked_of_nobody_later(
    settings, control, broker, paused
):
    """What nobody waits for any more is not done."""
    error, took = timed(Lookups(settings=settings, timeout=1.5).usernames, [USER])
    assert isinstance(error, Unavailable) and "'usernames'" in str(error)
    assert 1.5 <= took < 1.5 + SLACK
    assert broker.llen(names.LOOKUPS) == 3
    before = requests(control)
    until(lambda: all(_expired(message) for message in broker.lrange(names.LOOKUPS, 0, -1)))
    paused.resume()
    until(lambda: broker.llen(names.LOOKUPS) == broker.hlen(names.unacked_key("default")) == 0)
    assert requests(control) == before


def _expired(message):
    expires = datetime.fromisoformat(json.loads(message)["headers"]["expires"])
    return expires < datetime.now(UTC)


def test_a_broker_that_does_not_answer_makes_it_unavailable_in_time(settings, stack, lookups):
    """F56: the question cannot be sent, so its caller waits no longer than the patience."""
    patient = Lookups(settings=settings, timeout=20)
    assert patient.usernames([USER]) == {USER: NAME}
    server = stack.processes["broker"]
    server.pause()
    try:
        error, took = timed(patient.usernames, [USER])
    finally:
        server.resume()
    assert isinstance(error, Unavailable)
    assert took < settings.patience + SLACK
    assert lookups.usernames([USER]) == {USER: NAME}


@pytest.mark.parametrize("harm", ["pause", "kill"])
def test_a_broker_that_goes_away_in_the_middle_keeps_nobody(settings, stack, paused, broker, harm):
    """F56: it is asked again if the broker comes back in time."""
    seconds = 3 if harm == "pause" else 30
    patient = Lookups(settings=settings, timeout=seconds)
    server = stack.processes["broker"]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(timed, patient.usernames, [USER])
        until(lambda: broker.llen(names.LOOKUPS) == 1, every=0.01)
        getattr(server, harm)()
        try:
            if harm == "kill":
                paused.resume()
            answer, took = asked.result(timeout=60)
        finally:
            server.resume()
    if harm == "kill":
        assert answer == {USER: NAME}
    else:
        assert isinstance(answer, Unavailable) and took < seconds + SLACK


# --- Many at once -----------------------------------------------------------------------------


def test_each_of_sixteen_threads_gets_its_own_answer(lookups):
    """F64: with strangers, refusals and other questions in between."""
    start = threading.Barrier(16)

    def ask(uuid):
        start.wait()
        answers = []
        for number in range(5):
            answers.append(lookups.usernames([uuid, f"stranger-{number}"]) == {uuid: USERS[uuid]})
            answers.append(lookups.uuid(USERS[uuid]) == uuid)
            with pytest.raises(NotFound):
                lookups.commission_info(10**6 + number)
        return all(answers)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, USERS))


def test_a_thousand_leave_nothing_behind(settings, stack, broker):
    """No subscription, no connection for each, no answer that nobody will read again."""
    lookups = Lookups(settings=settings, timeout=30)
    start = threading.Barrier(8)

    def ask(times):
        start.wait()
        return [lookups.usernames([USER]) for _ in range(times)]

    def left():
        results = list(broker.scan_iter("celery-task-meta-*", count=1000))
        return broker.pubsub_channels("celery-task-meta-*"), results

    def connections():
        return sum("brpop" not in one["cmd"] for one in broker.client_list())

    def all_at_once(times):
        with ThreadPoolExecutor(8) as pool:
            return sum(map(len, pool.map(ask, [times] * 8)))

    _, before = left()
    assert all_at_once(10) == 80
    open_then = connections()
    assert all_at_once(125) == 1000
    # A pool holds at most one a thread for sending, and one for reading.
    assert connections() <= open_then + 2 * 8
    until(lambda: left() == ([], before))


def test_what_is_asked_at_the_same_time_goes_in_few_requests(stack, control, paused, broker):
    """F64: sixteen messages, and each its own answer; strangers and refusals in between."""
    url = stack.broker_url
    before = requests(control)
    control.set_cost(read_ms=1000)
    try:
        with Celery("somebody", broker=url, backend=url, set_as_current=False) as app:
            task, queue = names.LOOKUP + "usernames", names.LOOKUPS
            asked = [
                app.send_task(task, queue=queue, kwargs={"uuids": [uuid, f"stranger-{uuid}"]})
                for uuid in list(USERS)[:14]
            ]
            odd = app.send_task(task, queue=queue, kwargs={"uuids": [USER, 7]})
            strange = app.send_task(task, queue=queue, kwargs={"uuids": [USER], "service": "none"})
            paused.resume()
            for uuid, one in zip(USERS, asked, strict=False):
                assert one.get(timeout=60) == {"value": {uuid: USERS[uuid]}}
            assert odd.get(timeout=60)["error"]["class"] == "BadValue"
            with pytest.raises(KeyError, match="no service 'none'"):
                strange.get(timeout=60)
    finally:
        control.set_cost()
    assert 1 <= requests(control) - before <= 7


def test_what_a_service_asks_at_the_same_time_goes_in_few_messages(lookups, broker, paused):
    """F64: no thread waits for a message of its own; four are under way, and the rest gathers."""
    before = sent(broker)
    with ThreadPoolExecutor(16) as pool:
        asked = {uuid: pool.submit(lookups.username, uuid) for uuid in USERS}
        until(lambda: broker.llen(names.LOOKUPS) == 4, every=0.01)
        gather = lookups._here.gathers["usernames"]
        until(lambda: len(gather._waiting) == 12, every=0.01)
        paused.resume()
        assert {uuid: one.result(timeout=60) for uuid, one in asked.items()} == USERS
    assert sent(broker) - before <= 4 + 4


# --- What is kept -----------------------------------------------------------------------------


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
