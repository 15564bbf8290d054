"""The world sets limits when projects and memberships change, and never touches usage."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from astakos_worker.sandbox.errors import NameTakenError, UnknownNameError
from astakos_worker.sandbox.quota import Holding, Provision, member_holding, project_holding
from astakos_worker.sandbox.rows import (
    Component,
    MembershipState,
    ProjectState,
    Resource,
    Service,
)
from astakos_worker.sandbox.seed import load_seed, project_uuid, user_uuid

USER = user_uuid("user05@example.org")
PROJECT = project_uuid("crowded.example.org")
MEMBER = member_holding(USER, PROJECT, "cyclades.vm")
WHOLE = project_holding(PROJECT, "cyclades.vm")


@pytest.fixture
def world():
    """A world in which user05 has taken 3 of the 8 VMs that a member may take."""
    world = load_seed()
    provisions = [Provision(*MEMBER, 3), Provision(*WHOLE, 3)]
    world.book.issue("cyclades", provisions, at=datetime.now(UTC), auto_accept=True)
    return world


@pytest.mark.parametrize(
    ("state", "limit"),
    [
        (MembershipState.ACCEPTED, 8),
        (MembershipState.LEAVE_REQUESTED, 8),
        (MembershipState.SUSPENDED, 0),
        (MembershipState.REMOVED, 0),
    ],
)
def test_a_member_s_limit_follows_the_membership_and_usage_stays(world, state, limit):
    world.set_membership(USER, PROJECT, state)
    assert world.book.holdings[MEMBER] == Holding(limit, 3, 3)
    assert world.book.holdings[WHOLE] == Holding(10, 3, 3)


def test_a_membership_keeps_its_number_for_ever(world):
    left = world.set_membership(USER, PROJECT, MembershipState.REMOVED).id
    assert world.set_membership(USER, PROJECT, MembershipState.ACCEPTED).id == left
    assert world.book.holdings[MEMBER].limit == 8


@pytest.mark.parametrize("state", [ProjectState.SUSPENDED, ProjectState.TERMINATED])
def test_a_project_that_is_not_active_has_no_limits_left_until_it_is_again(world, state):
    project = world.projects[PROJECT]
    project.state = state
    world.recompute(project)
    assert world.book.holdings[MEMBER] == Holding(0, 3, 3)
    assert world.book.holdings[WHOLE] == Holding(0, 3, 3)
    project.state = ProjectState.ACTIVE
    world.recompute(project)
    assert world.book.holdings[MEMBER] == Holding(8, 3, 3)


def test_who_only_asked_to_join_has_no_holding(world):
    stranger = user_uuid("user15@example.org")
    world.set_membership(stranger, PROJECT, MembershipState.REQUESTED)
    assert member_holding(stranger, PROJECT, "cyclades.vm") not in world.book.holdings


def test_a_new_resource_is_in_every_project_at_once(world):
    world.add_resource(Resource("cyclades.gpu", "cyclades_compute", system_default=4))
    assert world.book.holdings[member_holding(USER, USER, "cyclades.gpu")].limit == 4
    assert world.book.holdings[member_holding(USER, PROJECT, "cyclades.gpu")].limit == 0


def test_nothing_is_added_to_somebody_who_is_not_there(world):
    with pytest.raises(UnknownNameError, match="no component 'nova'"):
        world.add_service(Service("compute", "compute", "nova"))
    with pytest.raises(UnknownNameError, match="no service 'compute'"):
        world.add_resource(Resource("nova.vm", "compute"))


def test_a_revoked_token_is_still_somebody_s(world):
    """Nobody else can be given it, so that restoring it needs no second thought."""
    world.component("pithos").is_revoked = True
    with pytest.raises(NameTakenError, match="has that token"):
        world.add_component(Component("other", "sandbox-token-of-pithos"))


def test_no_token_is_in_a_repr(world):
    client = world.oauth.clients["sandbox-client"]
    now = datetime.now(UTC)
    code = world.oauth.add_code(client.id, USER, "https://client.example.org/back", "s", now)
    token = world.oauth.add_token(client.id, USER, "s", now)
    shown = repr([world.users[USER], world.component("pithos"), client, code, token])
    for secret in ("sandbox-token", "sandbox-secret", code.code, token.token):
        assert secret not in shown
