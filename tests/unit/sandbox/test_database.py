"""The database sets limits when projects and memberships change, and never touches usage."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from astakos_worker.sandbox.database_rows import (
    Component,
    MembershipState,
    ProjectState,
    Resource,
    Service,
)
from astakos_worker.sandbox.errors import NameTakenError, UnknownNameError
from astakos_worker.sandbox.quota import Holding, Provision, member_holding, project_holding
from astakos_worker.sandbox.seed import load_seed, project_uuid, user_uuid

USER = user_uuid("user05@example.org")
PROJECT = project_uuid("crowded.example.org")
MEMBER = member_holding(USER, PROJECT, "cyclades.vm")
WHOLE = project_holding(PROJECT, "cyclades.vm")


@pytest.fixture
def database():
    """Rows in which user05 has taken 3 of the 8 VMs that a member may take."""
    database = load_seed()
    provisions = [Provision(*MEMBER, 3), Provision(*WHOLE, 3)]
    database.book.issue("cyclades", provisions, at=datetime.now(UTC), auto_accept=True)
    return database


@pytest.mark.parametrize(
    ("state", "limit"),
    [
        (MembershipState.ACCEPTED, 8),
        (MembershipState.LEAVE_REQUESTED, 8),
        (MembershipState.SUSPENDED, 0),
        (MembershipState.REMOVED, 0),
    ],
)
def test_a_member_s_limit_follows_the_membership_and_usage_stays(database, state, limit):
    database.set_membership(USER, PROJECT, state)
    assert database.book.holdings[MEMBER] == Holding(limit, 3, 3)
    assert database.book.holdings[WHOLE] == Holding(10, 3, 3)


def test_a_membership_keeps_its_number_for_ever(database):
    left = database.set_membership(USER, PROJECT, MembershipState.REMOVED).id
    assert database.set_membership(USER, PROJECT, MembershipState.ACCEPTED).id == left
    assert database.book.holdings[MEMBER].limit == 8


@pytest.mark.parametrize("state", [ProjectState.SUSPENDED, ProjectState.TERMINATED])
def test_a_project_that_is_not_active_has_no_limits_left_until_it_is_again(database, state):
    project = database.projects[PROJECT]
    project.state = state
    database.recompute(project)
    assert database.book.holdings[MEMBER] == Holding(0, 3, 3)
    assert database.book.holdings[WHOLE] == Holding(0, 3, 3)
    project.state = ProjectState.ACTIVE
    database.recompute(project)
    assert database.book.holdings[MEMBER] == Holding(8, 3, 3)


def test_who_only_asked_to_join_has_no_holding(database):
    stranger = user_uuid("user15@example.org")
    database.set_membership(stranger, PROJECT, MembershipState.REQUESTED)
    assert member_holding(stranger, PROJECT, "cyclades.vm") not in database.book.holdings


def test_a_new_resource_is_in_every_project_at_once(database):
    database.add_resource(Resource("cyclades.gpu", "cyclades_compute", system_default=4))
    assert database.book.holdings[member_holding(USER, USER, "cyclades.gpu")].limit == 4
    assert database.book.holdings[member_holding(USER, PROJECT, "cyclades.gpu")].limit == 0


def test_nothing_is_added_to_somebody_who_is_not_there(database):
    with pytest.raises(UnknownNameError, match="no component 'nova'"):
        database.add_service(Service("compute", "compute", "nova"))
    with pytest.raises(UnknownNameError, match="no service 'compute'"):
        database.add_resource(Resource("nova.vm", "compute"))


def test_a_revoked_token_is_still_somebody_s(database):
    """Nobody else can be given it, so that restoring it needs no second thought."""
    database.component("pithos").is_revoked = True
    with pytest.raises(NameTakenError, match="has that token"):
        database.add_component(Component("other", "sandbox-token-of-pithos"))


def test_no_token_is_in_a_repr(database):
    client = database.oauth.clients["sandbox-client"]
    now = datetime.now(UTC)
    code = database.oauth.add_code(client.id, USER, "https://client.example.org/back", "s", now)
    token = database.oauth.add_token(client.id, USER, "s", now)
    shown = repr([database.users[USER], database.component("pithos"), client, code, token])
    for secret in ("sandbox-token", "sandbox-secret", code.code, token.token):
        assert secret not in shown
