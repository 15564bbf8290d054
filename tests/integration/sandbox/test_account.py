"""Feedback and the default project: conformance checks 22 and 23 of the protocol."""

from __future__ import annotations

import pytest

from astakos_worker.sandbox.seed import project_uuid, user_uuid

USER = "sandbox-token-of-user03"


def feedback(call, data, content_type="application/x-www-form-urlencoded", **options):
    headers = {"Content-Type": content_type} if content_type else {}
    return call.account("POST", "feedback", USER, data=data, headers=headers, **options)


def set_default(call, body, token=USER):
    return call.account("POST", "myaccount/default_project", token, json=body)


def test_s22_feedback_is_a_form_and_reaches_the_operators(call):
    for data in (b"feedback_msg=Well+d%C3%B6ne&feedback_data=v1", b"feedback_msg=Fine"):
        reply = feedback(call, data)
        assert (reply.status_code, reply.content) == (200, b"")
    user = user_uuid("user03@example.org")
    assert call.control.feedback() == [
        {"user": user, "message": "Well döne", "data": "v1"},
        {"user": user, "message": "Fine", "data": ""},
    ]


def test_s22_feedback_may_be_multipart(call):
    files = {"feedback_msg": (None, "Fine"), "feedback_data": (None, "v1")}
    assert call.account("POST", "feedback", USER, files=files).status_code == 200
    assert call.control.feedback()[0]["data"] == "v1"


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"feedback_msg=Fine", "application/octet-stream"),
        (b"feedback_msg=Fine", None),
        (b'{"feedback_msg": "Fine"}', "application/json"),
        (b"feedback_msg=", "application/x-www-form-urlencoded"),
        (b"feedback_data=v1", "application/x-www-form-urlencoded"),
        (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        (b"feedback_msg=Fine", "multipart/form-data"),
    ],
)
def test_s22_what_is_no_filled_form_is_a_bad_request(call, data, content_type):
    assert feedback(call, data, content_type).status_code == 400
    assert call.control.feedback() == []


def test_s22_when_mail_fails_the_answer_is_an_empty_502(call):
    call.control.set_faults({"kind": "mail-failure"})
    reply = feedback(call, b"feedback_msg=Fine")
    assert (reply.status_code, reply.content) == (502, b"")
    assert feedback(call, b"").status_code == 400
    assert call.control.feedback() == []


def test_s23_a_user_draws_on_a_project_of_theirs(call):
    for project in (call.shared, user_uuid("user03@example.org")):
        reply = set_default(call, {"project_id": project})
        assert (reply.status_code, reply.content) == (200, b"")
        access = call.log_in(USER).json()["access"]
        assert access["token"]["tenant"]["id"] == project


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 403),
        ({"project_id": None}, 403),
        ({"project_id": "unknown"}, 404),
        ({"project_id": ["x"]}, 404),
        ({"project_id": user_uuid("user04@example.org")}, 404),
        ({"project_id": project_uuid("suspended.example.org")}, 403),
        ([], 400),
    ],
    ids=str,
)
def test_s23_other_projects_are_refused_each_for_its_reason(call, body, status):
    before = call.log_in(USER).json()["access"]["token"]["tenant"]
    assert set_default(call, body).status_code == status
    assert call.log_in(USER).json()["access"]["token"]["tenant"] == before


def test_s23_a_member_who_only_asked_cannot_draw_on_the_project(projects):
    project = projects.active()
    projects.member(project)
    reply = projects.ask(
        "POST", "myaccount/default_project", projects.other, {"project_id": project}
    )
    assert reply.status_code == 403


def test_s23_an_account_that_is_not_ready_is_told_so_in_an_odd_way(call):
    own = user_uuid("unverified@example.org")
    reply = set_default(call, {"project_id": own}, "sandbox-token-of-unverified")
    assert reply.status_code == 405
    assert reply.headers["Allow"] == ""
    reply = set_default(call, {}, "sandbox-token-of-unverified")
    assert reply.status_code == 403


def test_s23_a_project_that_is_not_alive_is_a_conflict_or_with_the_quirk_a_failure(projects):
    project = projects.active(join_policy="auto")
    projects.member(project)
    assert projects.act(project, "terminate") == 200

    def status():
        path, body = "myaccount/default_project", {"project_id": project}
        return projects.ask("POST", path, projects.other, body).status_code

    assert status() == 409
    projects.call.control.set_quirks(["uncaught-500"])
    assert status() == 500
