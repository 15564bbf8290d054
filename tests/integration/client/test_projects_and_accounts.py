"""Projects, memberships, accounts and OAuth 2: the client and the sandbox together."""

from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from astakos_worker.sandbox.seed import project_uuid, user_uuid
from astakosclient import (
    AstakosClientException,
    BadRequest,
    BadValue,
    Forbidden,
    NotFound,
    Outcome,
    Unauthorized,
    get_token_from_cookie,
)

VM = "cyclades.vm"
OWNER, MEMBER = user_uuid("user10@example.org"), user_uuid("user11@example.org")
SPECS = {
    "name": "lab.example.org",
    "end_date": "2090-01-31T10:00:00+02:00",
    "resources": {VM: {"project_capacity": 20, "member_capacity": 5}},
}


def refusal(kind, call, *args, status=None):
    """Return the error of a call that Astakos itself refused."""
    with pytest.raises(kind) as caught:
        call(*args)
    assert type(caught.value) is kind
    assert caught.value.outcome is Outcome.REFUSED
    assert status is None or caught.value.status == status
    return caught.value


def conflict(call, *args):
    return refusal(AstakosClientException, call, *args, status=409)


@pytest.fixture
def owner(cloud):
    return cloud.client("user10", use_pool=True)


@pytest.fixture
def member(cloud):
    return cloud.client("user11", use_pool=True)


@pytest.fixture
def admin(cloud):
    return cloud.client("admin", use_pool=True)


@pytest.fixture
def new_project(owner, admin):
    """Make approved projects of the owner from their specs."""

    def new_project(**specs):
        applied = owner.create_project({**SPECS, **specs})
        admin.application_action(applied["id"], applied["application"], "approve")
        return applied["id"]

    return new_project


# --- Projects ------------------------------------------------------------------------------------


def test_c51_a_project_is_applied_for_approved_and_seen(owner, member, admin):
    applied = owner.create_project(SPECS)
    project, application = applied["id"], applied["application"]
    shown = owner.get_project(project)
    assert (shown["state"], shown["last_application"]["state"]) == ("uninitialized", "pending")
    refusal(Forbidden, member.get_project, project)
    refusal(Forbidden, owner.application_action, project, application, "approve")
    admin.application_action(project, application, "approve", reason="good")
    assert member.get_project(project)["state"] == "active"
    assert member.get_project(project)["resources"][VM]["member_capacity"] == 5
    refusal(NotFound, owner.get_project, "no such project?")


def test_c52_specs_that_make_no_sense_are_refused(owner):
    for wrong in ({"name": "nodots"}, {"end_date": None}, {"end_date": "2090-01-31"}):
        refusal(BadRequest, owner.create_project, {**SPECS, **wrong})
    with pytest.raises(BadValue):
        owner.create_project({**SPECS, "max_members": float("inf")})


def test_c54_c57_an_action_that_does_not_fit_is_a_conflict(owner, admin, new_project):
    first = new_project()
    again = owner.create_project(SPECS)
    conflict(admin.application_action, again["id"], again["application"], "approve")
    conflict(admin.project_action, first, "unsuspend")
    refusal(BadRequest, admin.project_action, first, "explode")
    refusal(NotFound, admin.application_action, first, 10**6, "deny")


def test_c55_an_application_is_denied_dismissed_and_cancelled(owner, admin):
    denied = owner.create_project(SPECS)
    admin.application_action(denied["id"], denied["application"], "deny", reason="not now")
    owner.application_action(denied["id"], denied["application"], "dismiss")
    cancelled = owner.create_project(SPECS)
    owner.application_action(cancelled["id"], cancelled["application"], "cancel")
    for applied in (denied, cancelled):
        assert admin.get_project(applied["id"])["state"] == "deleted"


def test_c56_a_change_is_applied_for_and_holds_when_approved(owner, member, admin, new_project):
    project = new_project()
    refusal(Forbidden, member.modify_project, project, {"description": "mine"})
    applied = owner.modify_project(project, {"description": "αστακός"})
    assert owner.get_project(project)["description"] == ""
    admin.application_action(applied["id"], applied["application"], "approve")
    assert member.get_project(project)["description"] == "αστακός"


def test_c58_a_suspended_project_has_no_quota_until_it_is_not(owner, admin, new_project):
    project = new_project(join_policy="auto")
    owner.join_project(project)
    states = []
    for action in ("suspend", "unsuspend", "terminate", "reinstate"):
        admin.project_action(project, action, reason="because")
        figures = owner.get_quotas()[project][VM]
        states.append((owner.get_project(project)["state"], figures["limit"]))
    assert states == [("suspended", 0), ("active", 5), ("terminated", 0), ("active", 5)]
    refusal(Forbidden, owner.project_action, project, "suspend")


def test_c63_projects_are_listed_by_mode_state_name_and_owner(owner, member, new_project):
    def ids(client, **filters):
        return {one["id"] for one in client.get_projects(**filters)}

    project = new_project()
    waiting = owner.create_project({**SPECS, "name": "waiting.example.org"})["id"]
    assert {project, waiting} <= ids(owner)
    assert project in ids(member, mode="active")
    assert project not in ids(member, mode="member")
    assert ids(owner, owner=OWNER, state="uninitialized") == {waiting}
    assert ids(owner, name="waiting.example.org") == {waiting}
    refusal(BadRequest, lambda: owner.get_projects(mode="x"))
    refusal(BadRequest, lambda: owner.get_projects(state="x"))


def test_an_application_whose_answer_was_lost_is_not_sent_again(cloud):
    client = cloud.client("user10", retry=3, use_pool=True)
    cloud.control.set_faults({"kind": "cut-after", "route": "projects.create"})
    with pytest.raises(AstakosClientException) as caught:
        client.create_project(SPECS)
    assert caught.value.outcome is Outcome.AMBIGUOUS
    assert cloud.requests_for("projects.create") == 1


# --- Memberships ---------------------------------------------------------------------------------


def test_c59_c61_a_user_asks_to_join_is_let_in_and_leaves(owner, member, new_project):
    project = new_project(leave_policy="moderated")
    number = member.join_project(project)["id"]
    shown = member.get_membership(number)
    assert (shown["user"], shown["project"], shown["state"]) == (MEMBER, project, "requested")
    refusal(Forbidden, member.membership_action, number, "accept")
    owner.membership_action(number, "accept", reason="welcome")
    assert member.get_quotas()[project][VM]["limit"] == 5
    member.membership_action(number, "leave")
    assert member.get_membership(number)["state"] == "leave_requested"
    owner.membership_action(number, "remove")
    assert project not in member.get_quotas()
    assert member.join_project(project) == {"id": number}


def test_c59_joining_is_refused_where_it_cannot_be(member, new_project):
    conflict(member.join_project, new_project(join_policy="closed"))
    refusal(NotFound, member.join_project, "no such project")
    refusal(NotFound, member.get_membership, 10**6)
    refusal(BadRequest, member.get_membership, "no number")


def test_c60_an_owner_enrolls_a_user_by_name(owner, member, new_project):
    project = new_project()
    refusal(Forbidden, member.enroll_member, project, "user11@example.org")
    number = owner.enroll_member(project, "user11@example.org")["id"]
    assert member.get_membership(number)["state"] == "accepted"
    conflict(owner.enroll_member, project, "nobody@example.org")


def test_c62_memberships_are_listed_with_what_may_be_done(owner, member, new_project):
    project = new_project()
    number = member.join_project(project)["id"]
    for client, actions in ((member, ["cancel"]), (owner, ["accept", "reject"])):
        (row,) = client.get_memberships(project)
        assert (row["id"], row["allowed_actions"]) == (number, actions)
        assert client.get_memberships(project=project) == [row]
        assert number in {one["id"] for one in client.get_memberships()}
    assert owner.get_memberships("no such project") == []


# --- The account ---------------------------------------------------------------------------------


def test_c22_feedback_reaches_the_operators_word_for_word(cloud, user):
    assert user.send_feedback("Well döne & thanks =)", "") is None
    assert user.send_feedback("Again", "v1\n2 & 3") is None
    assert [(one["user"], one["message"], one["data"]) for one in cloud.control.feedback()] == [
        (cloud.user, "Well döne & thanks =)", ""),
        (cloud.user, "Again", "v1\n2 & 3"),
    ]
    refusal(BadRequest, user.send_feedback, "", "data")


def test_c22_when_their_mail_fails_nobody_knows_what_they_got(cloud, user):
    cloud.control.set_faults({"kind": "mail-failure"})
    with pytest.raises(AstakosClientException) as caught:
        user.send_feedback("Fine", "v1")
    assert (caught.value.status, caught.value.response) == (502, "")
    assert caught.value.outcome is Outcome.AMBIGUOUS


@pytest.fixture
def user(cloud):
    return cloud.client("user01", use_pool=True)


def test_c23_a_user_draws_on_another_project(cloud, user):
    for project in (cloud.shared, cloud.user):
        assert user.set_default_project(project) is None
        assert user.authenticate()["access"]["token"]["tenant"]["id"] == project
    refusal(NotFound, user.set_default_project, "no such project")
    refusal(NotFound, user.set_default_project, OWNER)
    refusal(Forbidden, user.set_default_project, None)
    suspended = project_uuid("suspended.example.org")
    refusal(Forbidden, cloud.client("user03").set_default_project, suspended)


def test_c02_c03_authenticate_tells_who_the_user_is_and_where(cloud, user):
    access = user.authenticate(tenant_name=cloud.user)["access"]
    assert access["user"]["id"] == cloud.user
    assert cloud.shared in access["user"]["projects"]
    refusal(BadRequest, user.authenticate, OWNER)
    for whose in ("inactive", "expired", "unsigned", "nobody", "cyclades"):
        refusal(Unauthorized, cloud.client(whose).authenticate)


# --- OAuth 2 -------------------------------------------------------------------------------------

APPLICATION = ("sandbox-client", "sandbox-secret-of-the-client")


class Browser:
    """A user who is logged in, as an application's redirections see them."""

    def __init__(self, cloud):
        self.url = f"{cloud.server.url}/oauth2/auth"
        self.COOKIES = {"_pithos2_a": quote(f"{cloud.user}|sandbox-token-of-user01")}

    def code(self, **query):
        given = {"response_type": "code", "client_id": APPLICATION[0], **query}
        reply = requests.get(
            self.url, given, cookies=self.COOKIES, allow_redirects=False, timeout=10
        )
        return parse_qs(urlsplit(reply.headers["Location"]).query)["code"][0]


@pytest.fixture
def browser(cloud):
    return Browser(cloud)


@pytest.mark.parametrize("quirk", [None, "oauth-html", "oauth-octet-stream"])
def test_c12_a_code_becomes_a_token_that_tells_its_user(cloud, user, browser, quirk):
    """Whatever the Content-Type of the reply: the real server says HTML."""
    cloud.control.set_quirks([quirk] if quirk else [])
    code = browser.code(scope="https://a.example.org/x")
    reply = user.get_token("authorization_code", *APPLICATION, code=code)
    assert (reply["token_type"], reply["expires_in"]) == ("Bearer", 20)
    token = reply["access_token"]
    access = user.validate_token(token)["access"]
    assert (access["user"]["id"], access["token"]["id"]) == (cloud.user, token)
    assert "serviceCatalog" not in access
    assert user.validate_token(token, "https://a.example.org/x/file")["access"] == access
    refusal(NotFound, user.validate_token, token, "https://b.example.org/")
    cloud.control.advance_clock(21)
    refusal(NotFound, user.validate_token, token)


def test_c12_a_users_own_token_is_no_access_token(user):
    refusal(NotFound, user.validate_token, "sandbox-token-of-user01")
    refusal(NotFound, user.validate_token, "no such token?")


def test_every_mistake_of_an_application_is_a_bad_request(user, browser):
    code = browser.code()
    refusal(BadRequest, lambda: user.get_token("authorization_code", *APPLICATION, code="none"))
    refusal(BadRequest, lambda: user.get_token("authorization_code", "app", "secret", code=code))
    assert user.get_token("authorization_code", *APPLICATION, code=code)["access_token"]
    refusal(BadRequest, lambda: user.get_token("authorization_code", *APPLICATION, code=code))


def test_a_code_whose_answer_was_lost_is_not_shown_again(cloud, browser):
    client = cloud.client("user01", retry=3, use_pool=True)
    code = browser.code()
    cloud.control.set_faults({"kind": "cut-after", "route": "oauth.token"})
    with pytest.raises(AstakosClientException) as caught:
        client.get_token("authorization_code", *APPLICATION, code=code)
    assert caught.value.outcome is Outcome.AMBIGUOUS
    assert cloud.requests_for("oauth.token") == 1


def test_c13_the_token_in_a_browsers_cookie_is_its_users(cloud, browser):
    token = get_token_from_cookie(browser, "_pithos2_a")
    assert token == "sandbox-token-of-user01"
    assert cloud.client(token.removeprefix("sandbox-token-of-")).get_quotas()
