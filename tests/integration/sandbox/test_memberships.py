"""Memberships: conformance checks 59 to 62 of the protocol."""

from __future__ import annotations

import pytest

from astakos_worker.sandbox.seed import user_uuid

VM = "cyclades.vm"


def state(projects, number):
    return projects.membership(number, projects.admin)["state"]


def test_s59_who_joins_is_accepted_at_once_or_has_to_wait(projects):
    auto = projects.active(join_policy="auto", max_members=1)
    assert state(projects, projects.member(auto)) == "accepted"
    moderated = projects.active(name="moderated.example.org")
    assert state(projects, projects.member(moderated)) == "requested"
    # A full project takes requests only.
    assert state(projects, projects.member(auto, "sandbox-token-of-user12")) == "requested"


def test_s59_joining_is_refused_where_it_cannot_be(projects):
    closed = projects.active(join_policy="closed")
    assert projects.join(closed).status_code == 409
    project = projects.active(name="open.example.org")
    projects.member(project)
    assert projects.join(project).status_code == 409
    assert projects.join("unknown").status_code == 404
    assert projects.join(5).status_code == 404
    uninitialized, _ = projects.applied(name="waiting.example.org")
    assert projects.join(uninitialized).status_code == 409
    assert projects.act(project, "terminate") == 200
    assert projects.join(project, "sandbox-token-of-user12").status_code == 409


def test_s59_a_private_project_can_be_joined_by_who_knows_it(projects):
    assert projects.join(projects.active(private=True)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"join": "uuid"},
        {"join": {}},
        {"join": {"project": None}},
        {"join": {"project": ["x"]}},
        {"join": {"project": "x"}, "enroll": {"project": "x", "user": "y"}},
        {"enroll": {"user": "user11@example.org"}},
        {"enroll": {"project": "x", "user": 5}},
        {"leave": {"project": "x"}},
    ],
    ids=str,
)
def test_s59_a_body_that_makes_no_sense_is_a_bad_request(projects, body):
    reply = projects.ask("POST", "projects/memberships", projects.other, body)
    assert reply.status_code == 400


def test_s60_enrolling_is_refused_where_it_cannot_be(projects):
    project = projects.active(max_members=2)
    assert projects.enroll(project, "nobody@example.org").status_code == 409
    assert projects.enroll(project, "USER11@example.org").status_code == 409
    assert projects.enroll(project, "unverified@example.org").status_code == 409
    assert projects.enroll(project, "inactive@example.org").status_code == 409
    assert projects.enroll("unknown").status_code == 409
    assert projects.enroll(project, token=projects.other).status_code == 403
    assert projects.enroll(project).status_code == 200
    assert projects.enroll(project).status_code == 409
    assert projects.enroll(project, "user12@example.org").status_code == 200
    assert projects.enroll(project, "user13@example.org").status_code == 409
    closed = projects.active(name="closed.example.org", join_policy="closed")
    for token in (projects.owner, projects.admin):
        assert projects.enroll(closed, token=token).status_code == 409
    assert projects.act(project, "terminate") == 200
    assert projects.enroll(project, "user14@example.org").status_code == 409


def test_s60_who_asked_and_is_enrolled_keeps_the_same_membership(projects):
    project = projects.active()
    number = projects.member(project)
    assert projects.enroll(project).json() == {"id": number}
    assert state(projects, number) == "accepted"


def test_s61_an_owner_lets_members_in_and_out_and_their_limits_follow(projects):
    project = projects.active(leave_policy="moderated")
    number = projects.member(project)
    assert projects.move(number, "accept", projects.other) == 403
    assert projects.move(number, "accept", projects.owner) == 200
    assert projects.limit(project, projects.other_uuid) == 5
    assert projects.move(number, "leave", projects.other) == 200
    assert state(projects, number) == "leave_requested"
    assert projects.limit(project, projects.other_uuid) == 5
    assert projects.move(number, "remove", projects.owner) == 200
    assert state(projects, number) == "removed"
    assert projects.limit(project, projects.other_uuid) == 0


def test_s61_leaving_is_at_once_or_not_at_all_if_the_policy_says_so(projects):
    number = projects.member(projects.active(join_policy="auto"))
    assert projects.move(number, "leave", projects.owner) == 403
    assert projects.move(number, "leave", projects.other) == 200
    assert state(projects, number) == "removed"
    closed = projects.active(name="c.example.org", join_policy="auto", leave_policy="closed")
    number = projects.member(closed)
    assert projects.move(number, "leave", projects.other) == 409
    assert projects.move(number, "remove", projects.owner) == 409


def test_s61_the_usage_of_who_left_stays_and_shows_to_services_alone(projects):
    """Check 25 of the protocol, by the API's own calls."""
    call, user = projects.call, projects.other_uuid
    project = projects.active(join_policy="auto")
    number = projects.member(project)
    holding = {"holder": f"user:{user}", "source": f"project:{project}", "resource": VM}
    call.serial({**holding, "quantity": 3}, auto_accept=True)
    assert projects.act(project, "suspend") == 200
    figures = call.account("GET", "quotas", projects.other).json()[project][VM]
    assert (figures["limit"], figures["project_limit"], figures["usage"]) == (0, 0, 3)
    assert projects.act(project, "unsuspend") == 200
    assert projects.move(number, "leave", projects.other) == 200
    assert project not in call.account("GET", "quotas", projects.other).json()
    shown = call.account("GET", f"service_quotas?user={user}").json()[user][project][VM]
    assert (shown["limit"], shown["usage"]) == (0, 3)


@pytest.mark.parametrize(
    ("action", "who", "end"),
    [("reject", "owner", "rejected"), ("cancel", "other", "cancelled"), ("cancel", "admin", None)],
)
def test_s61_a_request_can_be_rejected_or_taken_back(projects, action, who, end):
    project = projects.active()
    number = projects.member(project)
    assert projects.move(number, action, getattr(projects, who)) == 200
    assert state(projects, number) == (end or "cancelled")
    assert projects.move(number, action, getattr(projects, who)) == 409
    # Who asks again has the same number.
    assert projects.member(project) == number


def test_s61_what_refuses_an_action_is_asked_in_the_order_of_the_protocol(projects):
    project = projects.active(max_members=1)
    number = projects.member(project)
    assert projects.move(number, "leave", "sandbox-token-of-user12") == 409
    assert projects.move(number, "accept", "sandbox-token-of-user12") == 403
    assert projects.enroll(project, "user13@example.org").status_code == 200
    assert projects.move(number, "accept", projects.owner) == 409
    assert projects.act(project, "terminate") == 200
    assert projects.move(number, "reject", projects.other) == 403
    assert projects.move(number, "reject", projects.owner) == 409
    assert projects.move(10**6, "reject", projects.owner) == 404
    assert projects.move(10**40, "reject", projects.owner) == 404


def test_s61_an_inactive_user_is_not_accepted_whoever_asks(projects):
    number = projects.member(projects.active())
    users = projects.call.server.sandbox.astakos.database.users
    users[projects.other_uuid].is_active = False
    for token in (projects.owner, "sandbox-token-of-user12"):
        assert projects.move(number, "accept", token) == 409


@pytest.mark.parametrize("body", [{}, [], {"wait": ""}, {"accept": "", "reject": ""}], ids=str)
def test_s61_an_action_is_one_known_key(projects, body):
    number = projects.member(projects.active())
    path = f"projects/memberships/{number}/action"
    assert projects.ask("POST", path, projects.owner, body).status_code == 400


def test_s62_members_and_owners_are_offered_different_actions(projects):
    number = projects.member(projects.active())
    assert projects.membership(number)["allowed_actions"] == ["cancel"]
    owner = projects.membership(number, projects.owner)
    assert owner["allowed_actions"] == ["accept", "reject"]
    admin = projects.membership(number, projects.admin)
    assert admin["allowed_actions"] == ["cancel", "accept", "reject"]
    assert projects.move(number, "accept", projects.owner) == 200
    assert projects.membership(number)["allowed_actions"] == ["leave"]
    assert projects.membership(number, projects.owner)["allowed_actions"] == ["remove"]


def test_s62_a_membership_tells_when_each_state_was_entered(projects):
    project = projects.active()
    number = projects.member(project)
    projects.move(number, "accept", projects.owner)
    shown = projects.membership(number)
    assert shown["requested"] < shown["accepted"]
    assert (shown["user"], shown["project"]) == (projects.other_uuid, project)
    assert "removed" not in shown


def test_memberships_are_shown_to_the_member_the_owner_and_admins(projects):
    project = projects.active()
    number = projects.member(project)

    def numbers(token, query=""):
        rows = projects.ask("GET", f"projects/memberships{query}", token).json()
        return {row["id"] for row in rows}

    for token in (projects.owner, projects.other, projects.admin):
        assert number in numbers(token)
        assert numbers(token, f"?project={project}") == {number}
    stranger = "sandbox-token-of-user12"
    assert number not in numbers(stranger)
    assert numbers(stranger, f"?project={project}") == set()
    path = f"projects/memberships/{number}"
    assert projects.ask("GET", path, stranger).status_code == 403
    assert projects.ask("GET", "projects/memberships/999999", stranger).status_code == 404
    assert projects.ask("GET", "projects/memberships/x", stranger).status_code == 400


def test_a_membership_that_ends_resets_the_default_project(projects):
    call = projects.call
    user = user_uuid("user11@example.org")

    def default_project():
        access = call.log_in(projects.other).json()["access"]
        return access["token"]["tenant"]["id"]

    def draw_on(project):
        path = "myaccount/default_project"
        return projects.ask("POST", path, projects.other, {"project_id": project}).status_code

    project = projects.active(join_policy="auto")
    number = projects.member(project)
    assert draw_on(project) == 200
    assert default_project() == project
    assert projects.move(number, "remove", projects.owner) == 200
    assert default_project() == user
    projects.member(project)
    assert draw_on(project) == 200
    assert projects.act(project, "terminate") == 200
    assert default_project() == user


def test_s59_an_automatic_join_is_a_request_that_is_accepted_at_once(projects):
    number = projects.member(projects.active(join_policy="auto"))
    membership = projects.membership(number)
    assert membership["requested"] <= membership["accepted"]


def test_s60_who_is_enrolled_has_requested_nothing(projects):
    number = projects.enroll(projects.active()).json()["id"]
    membership = projects.membership(number)
    assert "accepted" in membership
    assert "requested" not in membership


@pytest.mark.parametrize(
    ("email", "status"),
    [("Mixed.Case@Example.org", 200), ("mixed.case@example.org", 409), ("MIXED@x.org", 409)],
)
def test_s60_somebody_is_enrolled_by_the_stored_spelling_of_the_address(projects, email, status):
    assert projects.enroll(projects.active(), email).status_code == status


@pytest.mark.parametrize("name", ["unverified", "unmoderated", "rejected"])
def test_s60_an_account_that_is_not_accepted_cannot_be_enrolled(projects, name):
    assert projects.enroll(projects.active(), f"{name}@example.org").status_code == 409
