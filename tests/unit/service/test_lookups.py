"""Look-ups as their callers see them; the test plays the workers."""

import pytest

from astakos_worker.service.errors import Unavailable
from astakos_worker.service.lookups import Lookups
from astakosclient.errors import BadValue, NotFound, NoUserName, NoUUID


class Astakos:
    """Answers look-ups from a table, and remembers what it was asked."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def ask(self, what, kwargs, timeout):
        self.asked.append((what, kwargs, timeout))
        answer = self.answers[what]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def lookups(settings):
    def lookups(**answers):
        astakos = Astakos(**answers)
        return Lookups("cyclades", settings=settings, timeout=3, asks=astakos), astakos

    return lookups


def test_unknown_uuids_and_names_are_absent(lookups):
    """F64."""
    look, astakos = lookups(usernames={"value": {"u1": "ada"}}, uuids={"value": {"ada": "u1"}})
    assert look.usernames(["u1", "u2"]) == {"u1": "ada"}
    assert look.uuids(iter(["ada", "bob"])) == {"ada": "u1"}
    assert astakos.asked == [
        ("usernames", {"service": "cyclades", "uuids": ["u1", "u2"]}, pytest.approx(3, abs=1)),
        (
            "uuids",
            {"service": "cyclades", "display_names": ["ada", "bob"]},
            pytest.approx(3, abs=1),
        ),
    ]


def test_the_single_forms_raise_for_what_is_unknown(lookups):
    """F64."""
    look, _ = lookups(usernames={"value": {"u1": "ada"}}, uuids={"value": {"ada": "u1"}})
    assert (look.username("u1"), look.uuid("ada")) == ("ada", "u1")
    with pytest.raises(NoUserName) as no_name:
        look.username("u2")
    with pytest.raises(NoUUID) as no_uuid:
        look.uuid("bob")
    assert (no_name.value.uuid, no_uuid.value.display_name) == ("u2", "bob")


def test_what_astakos_refused_is_raised_as_the_client_would(lookups):
    look, _ = lookups(commission_info={"error": NotFound("no commission 57").to_dict()})
    with pytest.raises(NotFound, match="no commission 57"):
        look.commission_info(57)


def test_no_answer_in_time_is_unavailable_and_named(lookups):
    look, _ = lookups(services=TimeoutError("the workers are away"))
    with pytest.raises(Unavailable, match="no answer to 'services' within 3 s: the workers"):
        look.services()


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        (lambda look: look.quotas(), {"user": None, "project_id": None}),
        (lambda look: look.quotas("u", "p"), {"user": ["u"], "project_id": ["p"]}),
        (lambda look: look.quotas(("u", "v")), {"user": ["u", "v"], "project_id": None}),
        (lambda look: look.project_quotas(), {"project_id": None}),
        (lambda look: look.project_quotas(["p", "q"]), {"project_id": ["p", "q"]}),
        (lambda look: look.resources(), {}),
        (lambda look: look.endpoints(), {}),
    ],
)
def test_every_call_sends_its_arguments_as_json_can_hold_them(lookups, call, sent):
    answer = {"value": {}}
    look, astakos = lookups(
        quotas=answer, project_quotas=answer, resources=answer, endpoints=answer
    )
    assert call(look) == {}
    assert astakos.asked[0][1] == {"service": "cyclades", **sent}


@pytest.mark.parametrize(
    "call",
    [
        lambda look: look.usernames("u1"),
        lambda look: look.uuids("ada"),
        lambda look: look.usernames(["u1", 2]),
        lambda look: look.username(7),
        lambda look: look.quotas([None]),
        lambda look: look.project_quotas([7]),
        lambda look: look.commission_info("57"),
        lambda look: look.commission_info(True),
        lambda look: look.commission_info(0),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(lookups, call):
    look, astakos = lookups()
    with pytest.raises(BadValue):
        call(look)
    assert astakos.asked == []


@pytest.mark.parametrize("timeout", [0, -1, True, "3"])
def test_a_timeout_is_more_than_nothing(settings, timeout):
    with pytest.raises(BadValue, match="timeout"):
        Lookups(settings=settings, timeout=timeout, asks=Astakos())


def test_a_service_that_could_not_be_a_lane_is_refused(settings):
    with pytest.raises(BadValue, match="service"):
        Lookups("a:b", settings=settings, asks=Astakos())
