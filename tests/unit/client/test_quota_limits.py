"""A `QuotaLimit` says which limit it was, and uses only figures that can be its own."""

import pytest

from astakosclient import Outcome, QuotaLimit

U, P = "user-uuid", "project-uuid"
PROVISIONS = {"cyclades.vm": 3}


def member(quantity=3):
    return {
        "holder": f"user:{U}",
        "source": f"project:{P}",
        "resource": "cyclades.vm",
        "quantity": quantity,
    }


def project(quantity=3):
    return {
        "holder": f"project:{P}",
        "source": None,
        "resource": "cyclades.vm",
        "quantity": quantity,
    }


def data(provision, limit, usage, name="NoCapacityError"):
    return {"name": name, "limit": limit, "usage": usage, "provision": provision}


@pytest.fixture
def refusal(peer, answer, client):
    def issue(said, quantity=3):
        peer.answers(answer.fault(413, "overLimit", data=said))
        with pytest.raises(QuotaLimit) as caught:
            client.issue_one_commission(U, P, {"cyclades.vm": quantity})
        return caught.value

    return issue


def test_c45_the_members_limit(refusal):
    error = refusal(data(member(), 10, 9))
    assert (error.case, error.status, error.outcome) == ("member", 413, Outcome.REFUSED)
    assert error.message == "The user's limit for a resource in the project is exceeded"
    assert error.details == "Virtual Machine: available 1, requested 3"
    assert (error.holder, error.source) == (f"user:{U}", f"project:{P}")
    assert (error.resource, error.limit, error.usage) == ("cyclades.vm", 10, 9)
    assert error.quantity == 3
    assert '"overLimit"' in error.response


def test_bug_16_a_projects_limit_is_not_said_to_be_the_users(refusal):
    error = refusal(data(project(), 10, 9))
    assert (error.case, error.source) == ("project", None)
    assert error.message == "The project's limit for a resource is exceeded"


def test_bug_16_a_release_says_what_is_in_use_and_nothing_negative(refusal):
    error = refusal(data(member(-3), 0, 1, "NoQuantityError"), quantity=-3)
    assert error.case == "release"
    assert error.message == "More of a resource would be released than is in use"
    assert error.details == "Virtual Machine: available 1, requested 3"
    assert (error.quantity, error.usage) == (-3, 1)


def test_bug_16_an_unknown_resource_keeps_its_name_and_is_no_error(peer, answer, client, caplog):
    provision = {**member(), "resource": "new.thing"}
    peer.answers(answer.fault(413, "overLimit", data=data(provision, 0, 0)))
    with pytest.raises(QuotaLimit, match=r"new\.thing: available 0, requested 3"):
        client.issue_one_commission(U, P, {"new.thing": 3})
    assert not [one for one in caplog.records if one.levelname in ("WARNING", "ERROR")]


def test_usage_above_a_lowered_limit_leaves_nothing_available(refusal):
    assert "available 0" in refusal(data(member(), 2, 9)).details


def test_the_provision_may_be_a_sum_of_those_that_were_sent(peer, answer, client):
    peer.answers(answer.fault(413, "overLimit", data=data(member(5), 4, 0)))
    with pytest.raises(QuotaLimit) as caught:
        client.issue_provisions([member(2), member(3)])
    assert caught.value.quantity == 5


@pytest.mark.parametrize(
    "said",
    [
        data({**member(), "holder": "user:somebody-else"}, 10, 9),
        data(member(4), 10, 9),
        data(member(), 10, 2),
        data(member(), 10, 9, "NoQuantityError"),
        data(member(), "10", 9),
        data(member(), True, 9),
        data(None, 10, 9),
        {},
        [],
        None,
    ],
)
def test_figures_of_another_request_are_not_reported(refusal, said):
    """The protocol, section 10.1: the message was right every time, the data was not."""
    error = refusal(said)
    assert (error.status, error.outcome) == (413, Outcome.REFUSED)
    assert error.details == "so says Astakos"
    fields = (error.case, error.holder, error.source, error.resource)
    assert (*fields, error.limit, error.usage, error.quantity) == (None,) * 7
