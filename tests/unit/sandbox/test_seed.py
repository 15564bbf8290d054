"""Seeds: what the shipped one holds, what the compact forms mean, how mistakes are reported."""

from __future__ import annotations

from uuid import UUID

import pytest

from astakos_worker.sandbox.errors import SeedError
from astakos_worker.sandbox.quota import INT64_MAX, member_holding, project_holding
from astakos_worker.sandbox.seed import load_seed, project_uuid, user_uuid

BASE = """
[[component]]
name = "cyclades"
token = "fake"

[[service]]
name = "compute"
type = "compute"
component = "cyclades"

[[resource]]
name = "cyclades.vm"
service = "compute"
"""


def test_the_shipped_seed_has_twenty_users_with_room_in_their_own_and_a_shared_project():
    database = load_seed()
    shared = project_uuid("shared.example.org")
    for number in range(1, 21):
        user = user_uuid(f"user{number:02d}@example.org")
        assert database.users[user].token == f"sandbox-token-of-user{number:02d}"
        for project in (user, shared):
            assert (
                database.book.holdings[member_holding(user, project, "cyclades.vm")].limit >= 1000
            )


def test_the_shipped_seed_has_users_with_little_quota():
    database = load_seed()
    tiny = user_uuid("tiny1@example.org")
    assert database.book.holdings[member_holding(tiny, tiny, "cyclades.vm")].limit == 2


def test_the_shipped_seed_has_the_components_and_the_resources_of_synnefo():
    database = load_seed()
    assert set(database.components) == {"astakos", "cyclades", "pithos"}
    assert set(database.resources) == {
        "cyclades.vm",
        "cyclades.cpu",
        "cyclades.ram",
        "cyclades.disk",
        "cyclades.floating_ip",
        "cyclades.network.private",
        "pithos.diskspace",
        "astakos.pending_app",
    }


def test_a_seed_gives_the_same_rows_each_time():
    assert set(load_seed().users) == set(load_seed().users)
    assert UUID(user_uuid("User01@Example.org")) == UUID(user_uuid("user01@example.org"))


def test_a_system_project_has_the_uuid_of_its_user_and_the_defaults_of_the_resources():
    database = load_seed(BASE + '[[users]]\nname = "A@x.org"\ntoken = "t"\n')
    user = user_uuid("a@x.org")
    assert database.projects[user].is_system
    assert database.book.holdings[member_holding(user, user, "cyclades.vm")].limit == INT64_MAX
    assert database.book.holdings[project_holding(user, "cyclades.vm")].limit == INT64_MAX


def test_a_suspended_project_has_holdings_of_limit_zero():
    database = load_seed(
        BASE
        + '[[users]]\nname = "a@x.org"\ntoken = "t"\n'
        + '[[project]]\nname = "p.org"\nstate = "suspended"\nmembers = ["*"]\n'
        + '[project.resources]\n"cyclades.vm" = { project = 9, member = 3 }\n'
    )
    project, user = project_uuid("p.org"), user_uuid("a@x.org")
    assert database.book.holdings[member_holding(user, project, "cyclades.vm")].limit == 0
    assert database.book.holdings[project_holding(project, "cyclades.vm")].limit == 0


@pytest.mark.parametrize(
    ("written", "meant"),
    [("7", 7), ('"7"', 7), ('"2 KiB"', 2048), ('"20GiB"', 20 << 30), ('"unlimited"', INT64_MAX)],
)
def test_quantities_may_be_written_with_binary_units(written, meant):
    users = f'[[users]]\nname = "a@x.org"\ntoken = "t"\nlimits = {{ "cyclades.vm" = {written} }}\n'
    user = user_uuid("a@x.org")
    holding = member_holding(user, user, "cyclades.vm")
    assert load_seed(BASE + users).book.holdings[holding].limit == meant


def users(text):
    return BASE + f'[[users]]\nname = "a@x.org"\ntoken = "t"\n{text}\n'


@pytest.mark.parametrize(
    ("seed", "complaint"),
    [
        ("name = \n", "not valid TOML.*line 1"),
        ("[[user]]\n", "line 1: 'user' is unknown; did you mean 'users'"),
        ("\n[users]\n", r"line 2: write \[\[users\]\], with two brackets"),
        (users("tokn = 1"), r"line 14 \(\[\[users\]\] number 1\), key 'tokn'.*mean 'token'"),
        (users("count = true"), "'count': must be a whole number, not True"),
        (users("count = 3"), "'name': needs a number such as %02d"),
        (users("limits = {vm = 1}"), "'vm': is no resource; add a"),
        (users('limits = {"cyclades.vm" = "2 MB"}'), "'2 MB' is no quantity; write"),
        (users('limits = {"cyclades.vm" = -1}'), "must be between 0 and"),
        (users('[[users]]\nname = "A@x.org"\ntoken = "u"'), r"line 17.*there is a user 'a@x.org'"),
        (users('[[users]]\nname = "b@x.org"\ntoken = "t"'), "another user has that token"),
        (users('[[project]]\nname = "p.org"\nstate = "on"'), "'state': must be one of: uninit"),
        (users('[[project]]\nname = "p.org"\nmembers = ["z*"]'), "no user matches 'z\\*'"),
        (users('[[project]]\nname = "p.org"\nowner = "z"'), "there is no user 'z'"),
        (users('system_project = "on"'), "'system_project': must be one of: uninit"),
        (users('system_project = "deleted"'), "'system_project': must be one of: active, susp"),
        (users("groups = [1]"), "'groups': must be a list of strings"),
        (users('[[oauth_token]]\ntoken = "o"\nuser = "z"'), "there is no user 'z'"),
        (users('[[oauth_token]]\ntoken = "o"\nuser = "a@x.org"\nclient = "c"'), "no OAuth client"),
        (
            BASE + BASE.split("[[service]]", maxsplit=1)[0].replace("fake", "u"),
            "is a component 'cyclades'",
        ),
        (BASE + '[[resource]]\nname = "cyclades.vm"\nservice = "compute"', "is a resource"),
        ('[[service]]\nname = "s"\ntype = "t"\ncomponent = "c"', "no component 'c'.*add a"),
        ('[[resource]]\nname = "r"\nservice = "s"', "no service 's'.*add a"),
        ('[[component]]\ntoken = "c"', "'name': is missing; give it a string"),
        (users("count = 0"), "'count': must be 1 or more"),
    ],
)
def test_a_mistake_in_a_seed_is_reported_with_its_place_and_its_remedy(seed, complaint):
    with pytest.raises(SeedError, match=complaint):
        load_seed(seed)


def test_a_seed_that_is_not_there_says_so(tmp_path):
    with pytest.raises(SeedError, match=r"nowhere\.toml cannot be read.*leave it out"):
        load_seed(tmp_path / "nowhere.toml")


ONE_COMPONENT = """
[[component]]
name = "mine"
token = "sandbox-token-of-mine"
"""


def test_astakos_itself_is_there_though_a_seed_does_not_say_so():
    """Without its account service no client would find anything."""
    database = load_seed(ONE_COMPONENT)
    assert database.components.keys() == {"mine", "astakos"}
    assert database.services.keys() == {
        "astakos_account",
        "astakos_identity",
        "astakos_oauth2",
        "astakos_weblogin",
    }


def test_a_seed_may_describe_astakos_otherwise():
    other = """
[[component]]
name = "astakos"
token = "another-token"

[[service]]
name = "astakos_oauth2"
type = "astakos_auth"
component = "astakos"
"""
    database = load_seed(other)
    assert [component.token for component in database.components.values()] == ["another-token"]
    assert database.services["astakos_oauth2"].endpoints == ()
    assert len(database.services) == 4


def test_the_token_of_astakos_is_nobody_elses():
    with pytest.raises(SeedError, match="that of Astakos itself"):
        load_seed(ONE_COMPONENT.replace("of-mine", "of-astakos"))


@pytest.mark.parametrize(
    ("state", "application", "charge"),
    [("uninitialized", "pending", 1), ("deleted", "cancelled", 0), ("terminated", "approved", 0)],
)
def test_a_seeded_project_has_the_application_that_its_state_comes_from(state, application, charge):
    database = load_seed(
        BASE
        + '[[resource]]\nname = "astakos.pending_app"\nservice = "astakos_account"\n'
        + '[[users]]\nname = "a@x.org"\ntoken = "t"\n'
        + f'[[project]]\nname = "p.org"\nowner = "a@x.org"\nstate = "{state}"\n'
    )
    project, user = database.projects[project_uuid("p.org")], user_uuid("a@x.org")
    assert database.applications[project.last_application].state == application
    holding = database.book.holdings[member_holding(user, user, "astakos.pending_app")]
    assert (holding.usage_min, holding.usage_max) == (charge, charge)


def test_a_project_without_an_owner_has_no_application():
    database = load_seed(BASE + '[[project]]\nname = "p.org"\n')
    assert database.projects[project_uuid("p.org")].last_application is None
    assert database.applications == {}
