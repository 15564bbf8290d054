"""Applications for projects: conformance checks 51 to 56 of the protocol."""

from __future__ import annotations

import pytest

from astakos_worker.sandbox.seed import project_uuid, user_uuid

VM = "cyclades.vm"


def capacity(project, member, resource=VM):
    return {resource: {"project_capacity": project, "member_capacity": member}}


def pending_apps(call, user):
    """What the user has taken of `astakos.pending_app`, member's and project's counter."""
    rows = (
        call.control.holding(f"user:{user}", f"project:{user}", "astakos.pending_app"),
        call.control.holding(f"project:{user}", None, "astakos.pending_app"),
    )
    return [row["usage_max"] for row in rows]


def test_s51_a_project_begins_as_an_application_that_an_admin_approves(projects):
    project, application = projects.applied(description="for all of us")
    shown = projects.show(project)
    assert (shown["state"], shown["owner"]) == ("uninitialized", projects.owner_uuid)
    assert shown["last_application"]["state"] == "pending"
    assert shown["last_application"]["id"] == application
    assert shown["last_application"]["description"] == "for all of us"
    seen_by_other = projects.ask("GET", f"projects/{project}", projects.other)
    assert seen_by_other.status_code == 403
    assert projects.decide(project, application, "approve", projects.owner) == 403
    assert projects.decide(project, application, "approve") == 200
    shown = projects.show(project)
    assert (shown["state"], shown["last_application"]["state"]) == ("active", "approved")
    assert projects.limit(project) == 20
    assert "last_application" not in projects.show(project, projects.other)


def test_s51_what_is_not_asked_for_has_its_default(projects):
    project, _ = projects.applied()
    shown = projects.show(project)
    assert shown["end_date"] == "2090-01-31T08:00:00+00:00"
    defaults = {
        "homepage": "",
        "description": "",
        "join_policy": "moderated",
        "leave_policy": "auto",
        "max_members": 2**63 - 1,
        "private": False,
    }
    assert defaults.items() <= shown.items()
    assert defaults.items() <= shown["last_application"].items()
    assert shown["last_application"]["start_date"] is None
    assert shown["last_application"]["comments"] == ""
    assert shown["resources"] == capacity(20, 5)
    assert "deactivation_date" not in shown


def test_s51_resources_that_were_not_mentioned_get_their_default_at_the_first_approval(projects):
    assert projects.show(projects.active())["resources"]["cyclades.ram"] == {
        "project_capacity": 0,
        "member_capacity": 0,
    }


@pytest.mark.parametrize(
    "specs",
    [
        {"name": "nodots"},
        {"name": "lab.example.o"},
        {"name": "lab.example.org1"},
        {"name": "-lab.example.org"},
        {"name": f"{'a.' * 40}example.org"},
        {"name": None},
        {"name": 5},
        {"end_date": None},
        {"end_date": "2090-01-31T10:00:00"},
        {"end_date": "2001-01-31T10:00:00Z"},
        {"end_date": "soon"},
        {"end_date": 5},
        {"end_date": "0001-01-01T00:00:00+14:00"},
        {"end_date": "9999-12-31T23:00:00-14:00"},
        {"start_date": "2090-01-31T10:00:00"},
        {"resources": capacity(5, 6)},
        {"resources": capacity(-1, -1)},
        {"resources": capacity(2**63, 1)},
        {"resources": capacity(5.0, 1)},
        {"resources": capacity(True, 1)},
        {"resources": {VM: {"project_capacity": 5}}},
        {"resources": {VM: 5}},
        {"resources": [VM]},
        {"resources": capacity(1, 1, "cyclades.hidden")},
        {"resources": capacity(1, 1, "cyclades.unknown")},
        {"owner": "nobody"},
        {"owner": user_uuid("unverified@example.org")},
        {"join_policy": "open"},
        {"leave_policy": 1},
        {"max_members": -1},
        {"max_members": 2**63},
        {"max_members": "many"},
        {"max_members": 1.5},
        {"max_members": True},
        {"private": "yes"},
        {"homepage": "h" * 256},
        {"description": "d" * 4097},
        {"comments": "c" * 4097},
        {"description": ["d"]},
    ],
    ids=lambda specs: str(specs)[:60],
)
def test_s52_what_cannot_be_is_a_bad_request(projects, specs):
    reply = projects.create(**specs)
    assert reply.status_code == 400
    assert reply.json()["badRequest"]["code"] == 400
    assert pending_apps(projects.call, projects.owner_uuid) == [0, 0]


@pytest.mark.parametrize(
    ("written", "meant"), [(7, 7), ("inf", 2**63 - 1), ("2 KiB", 2048), ("12", 12)]
)
def test_s52_members_may_be_counted_in_words(projects, written, meant):
    assert projects.show(projects.applied(max_members=written)[0])["max_members"] == meant


@pytest.mark.parametrize("body", [[], "lab", None, 5])
def test_s52_a_body_that_is_no_object_is_a_bad_request(projects, body):
    assert projects.ask("POST", "projects", projects.owner, body).status_code == 400


def test_s53_pending_applications_are_limited_and_a_verdict_makes_room(projects):
    call, owner = projects.call, projects.owner_uuid
    holding = (f"user:{owner}", f"project:{owner}", "astakos.pending_app")
    call.control.set_limit(*holding, 2)
    first = projects.applied()
    projects.applied()
    reply = projects.create()
    assert (reply.status_code, *reply.json()) == (409, "conflict")
    assert pending_apps(call, owner) == [2, 2]
    assert projects.decide(*first, "deny") == 200
    assert pending_apps(call, owner) == [1, 1]
    assert projects.create().status_code == 201


@pytest.mark.parametrize("verdict", ["approve", "deny", "cancel"])
def test_s53_each_verdict_returns_the_applicant_s_charge(projects, verdict):
    project, application = projects.applied()
    assert pending_apps(projects.call, projects.owner_uuid) == [1, 1]
    assert projects.decide(project, application, verdict) == 200
    assert pending_apps(projects.call, projects.owner_uuid) == [0, 0]


def test_s53_an_admin_is_charged_beyond_the_limit(projects):
    admin = user_uuid("admin@example.org")
    for _ in range(4):
        projects.applied(projects.admin)
    assert pending_apps(projects.call, admin) == [4, 4]


def test_s53_at_the_limit_a_pending_application_can_still_be_replaced(projects):
    project = projects.active()
    assert projects.modify(project, description="first").status_code == 201
    projects.applied()
    projects.applied()
    assert projects.create().status_code == 409
    assert projects.modify(project, description="second").status_code == 201
    assert pending_apps(projects.call, projects.owner_uuid) == [3, 3]


def test_s54_a_name_belongs_to_one_living_project(projects):
    first = projects.applied()
    second = projects.applied(projects.other)
    assert projects.decide(*first, "approve") == 200
    assert projects.decide(*second, "approve") == 409
    assert projects.act(first[0], "suspend") == 200
    assert projects.decide(*second, "approve") == 409
    assert projects.act(first[0], "terminate") == 200
    assert projects.decide(*second, "approve") == 200
    assert projects.act(first[0], "reinstate") == 409
    assert projects.act(second[0], "terminate") == 200
    assert projects.act(first[0], "reinstate") == 200


def test_s54_a_nameless_change_of_a_project_whose_name_was_taken_is_a_conflict(projects):
    """The real server fails with a 500; the sandbox does so with the quirk only."""
    project = projects.active()
    change = projects.modify(project, description="new").json()["application"]
    assert projects.act(project, "terminate") == 200
    projects.active()
    assert projects.decide(project, change, "approve") == 409
    projects.call.control.set_quirks(["uncaught-500"])
    assert projects.decide(project, change, "approve") == 500
    assert projects.show(project)["state"] == "terminated"


def test_s55_an_uninitialized_project_whose_application_is_cancelled_is_deleted(projects):
    project, application = projects.applied()
    assert projects.decide(project, application, "cancel", projects.other) == 403
    assert projects.decide(project, application, "cancel", projects.owner) == 200
    assert projects.show(project)["state"] == "deleted"
    assert projects.modify(project, description="x").status_code == 409
    assert projects.decide(project, application, "approve") == 409


def test_s55_a_denied_application_can_be_dismissed(projects):
    project, application = projects.applied()
    assert projects.decide(project, application, "dismiss", projects.owner) == 409
    assert projects.decide(project, application, "deny", projects.owner) == 403
    assert projects.decide(project, application, "deny") == 200
    assert projects.show(project)["state"] == "uninitialized"
    assert projects.modify(project, description="x").status_code == 409
    assert projects.decide(project, application, "dismiss", projects.owner) == 200
    assert projects.show(project)["state"] == "deleted"


def test_s56_a_change_is_applied_for_and_takes_effect_when_it_is_approved(projects):
    project = projects.active(description="old")
    assert projects.modify(project, projects.other, description="x").status_code == 403
    reply = projects.modify(project, description="new", resources=capacity(30, 7), private=True)
    assert reply.status_code == 201
    assert reply.json()["id"] == project
    assert projects.show(project)["description"] == "old"
    assert projects.limit(project) == 20
    assert projects.decide(project, reply.json()["application"], "approve") == 200
    shown = projects.show(project)
    assert (shown["description"], shown["private"]) == ("new", True)
    assert (shown["name"], shown["resources"][VM]["member_capacity"]) == ("lab.example.org", 7)
    assert projects.limit(project) == 30


def test_s56_what_a_change_does_not_ask_for_is_null(projects):
    project = projects.active()
    assert projects.modify(project, homepage="https://x.example.org").status_code == 201
    application = projects.show(project)["last_application"]
    asked = {name for name, value in application.items() if value not in (None, {})}
    assert asked == {"id", "applicant", "state", "homepage"}
    assert application["resources"] == {}


def test_s56_a_second_change_replaces_the_first_and_its_charge(projects):
    project = projects.active()
    first = projects.modify(project, description="first").json()["application"]
    second = projects.modify(project, projects.admin, description="second").json()["application"]
    assert pending_apps(projects.call, projects.owner_uuid) == [0, 0]
    assert pending_apps(projects.call, user_uuid("admin@example.org")) == [1, 1]
    assert projects.decide(project, first, "approve") == 409
    applications = projects.call.server.sandbox.astakos.database.applications
    assert (applications[first].state, applications[second].state) == ("replaced", "pending")
    assert projects.decide(project, second, "approve") == 200


def test_s56_a_change_is_checked_in_the_order_of_the_protocol(projects):
    project = projects.active()
    for uuid in ("unknown", project):
        assert projects.modify(uuid, private="yes").status_code == 400
    assert projects.modify("unknown", name="nodots").status_code == 404
    assert projects.modify(project, projects.other, name="nodots").status_code == 403
    uninitialized, _ = projects.applied()
    assert projects.modify(uninitialized, name="nodots").status_code == 409
    assert projects.modify(project, name="nodots").status_code == 400
    assert projects.modify(project).status_code == 201


@pytest.mark.parametrize("field", ["name", "owner", "homepage", "description"])
def test_s56_a_system_project_keeps_its_name_owner_and_texts(projects, field):
    value = {"name": "other.example.org", "owner": projects.other_uuid}.get(field, "text")
    system = projects.owner_uuid
    assert projects.modify(system, projects.owner, **{field: value}).status_code == 403
    assert projects.modify(system, projects.admin, **{field: value}).status_code == 409
    assert pending_apps(projects.call, user_uuid("admin@example.org")) == [0, 0]


def test_s56_the_limits_of_a_system_project_can_be_changed_by_an_admin(projects):
    system = projects.owner_uuid
    reply = projects.modify(system, projects.admin, resources=capacity(9, 9))
    assert projects.decide(system, reply.json()["application"], "approve") == 200
    assert (projects.limit(system), projects.limit(system, system)) == (9, 9)


APPLICATION = {
    *("id", "state", "name", "owner", "applicant", "homepage", "description", "start_date"),
    *("end_date", "comments", "join_policy", "leave_policy", "max_members", "private"),
    "resources",
}


def test_s51_an_application_has_these_fields_and_no_others(projects):
    project, _ = projects.applied()
    assert projects.show(project)["last_application"].keys() == APPLICATION


def test_s51_a_seeded_project_has_an_approved_application(projects):
    """As if it had been applied for: the application repeats what the project is."""
    project = project_uuid("crowded.example.org")
    shown = projects.show(project, "sandbox-token-of-user02")
    application = shown["last_application"]
    assert application.keys() == APPLICATION
    owner = user_uuid("user02@example.org")
    assert (application["state"], application["applicant"]) == ("approved", owner)
    for field in ("name", "owner", "description", "end_date", "join_policy", "max_members"):
        assert application[field] == shown[field]
    assert application["resources"][VM] == {"project_capacity": 10, "member_capacity": 8}
    # The project has all resources, the application those that it asked for.
    assert application["resources"].keys() < shown["resources"].keys()


def test_s51_a_system_project_has_a_description_and_no_application(projects):
    uuid = projects.owner_uuid
    shown = projects.show(uuid, projects.admin)
    assert shown["description"] == "the system project of user10@example.org"
    assert "last_application" not in shown
    assert "deactivation_date" not in shown


def test_s58_a_suspended_project_of_the_seed_tells_since_when(projects):
    suspended = project_uuid("suspended.example.org")
    shown = projects.show(suspended, "sandbox-token-of-user03")
    assert shown["deactivation_date"] == "2020-01-01T00:00:00+00:00"
    paused = projects.show(user_uuid("paused@example.org"), projects.admin)
    assert paused["state"] == "suspended"
    assert paused["deactivation_date"] == "2020-01-01T00:00:00+00:00"
    assert projects.act(user_uuid("paused@example.org"), "unsuspend") == 200


@pytest.mark.parametrize(
    ("specs", "status"),
    [
        ({"join_policy": "open"}, 400),
        ({"end_date": "2090-01-31T10:00:00"}, 400),
        ({"max_members": "many"}, 400),
        ({"owner": "nobody"}, 400),
        ({"owner": user_uuid("unverified@example.org")}, 400),
        ({"name": "nodots"}, 403),
        ({"description": "d" * 4097}, 403),
        ({"max_members": -1}, 403),
        ({"end_date": "2001-01-31T10:00:00Z"}, 403),
        ({"resources": {"cyclades.unknown": {"project_capacity": 1, "member_capacity": 1}}}, 403),
    ],
    ids=str,
)
def test_s56_syntax_and_owner_are_checked_before_permission_and_bounds_after(
    projects, specs, status
):
    project = projects.active()
    assert projects.modify(project, projects.other, **specs).status_code == status
    unknown = 400 if status == 400 else 404
    assert projects.modify("unknown", projects.other, **specs).status_code == unknown
    assert projects.modify(project, **specs).status_code == 400
