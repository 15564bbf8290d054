"""Names that were looked up are cached for a while, and never in anybody's way."""

import pytest
from redis import Redis

from astakos_worker import Lookups, Settings
from astakos_worker.configuration.servers import connect
from astakos_worker.service.known_names import KnownNames, known_names_of
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server("valkey", tmp_path_factory.mktemp("names"))
    server.start()
    yield server
    server.close()


@pytest.fixture
def redis(server):
    with Redis.from_url(server.url(), decode_responses=True) as redis:
        redis.flushall()
        yield redis


@pytest.fixture
def table(server, redis):
    made = []

    def table(namespace="test", **more):
        options = {"seconds": 60, "unknown_seconds": 10} | more
        made.append(connect(server.url(), patience=2))
        return KnownNames(made[-1], namespace, **options)

    yield table
    for one in made:
        one.close()


class Workers:
    """Answer from a table, and count."""

    def __init__(self, **users):
        self.users = users
        self.asked = []

    def ask(self, what, kwargs, timeout):
        del what, timeout
        wanted = kwargs.get("uuids", kwargs.get("display_names"))
        self.asked.append(wanted)
        return {"value": {name: self.users[name] for name in wanted if name in self.users}}


def test_what_was_found_and_what_was_not_is_kept_apart(table):
    """F64."""
    known = table()
    known.write("a", "usernames", ["u1", "u2"], {"u1": "ada"})
    assert known.read("a", "usernames", ["u1", "u2", "u3"]) == ({"u1": "ada"}, {"u2"})


def test_names_are_kept_in_any_case_and_uuids_in_theirs(table):
    """The protocol, section 3.5."""
    known = table()
    known.write("a", "uuids", ["Ada@Example.org"], {"Ada@Example.org": "u1"})
    assert known.read("a", "uuids", ["ada@example.ORG"]) == ({"ada@example.ORG": "u1"}, set())
    known.write("a", "usernames", ["u1"], {"u1": "ada@example.org"})
    assert known.read("a", "usernames", ["U1"]) == ({}, set())


def test_a_user_name_is_kept_as_astakos_spells_it(table):
    """A look-up of its uuid knows but its caller's spelling."""
    known = table()
    known.write("a", "uuids", ["ADA"], {"ADA": "u1"})
    assert known.read("a", "usernames", ["u1"]) == ({}, set())
    known.write("a", "usernames", ["u1"], {"u1": "ada"})
    assert known.read("a", "uuids", ["Ada"]) == ({"Ada": "u1"}, set())


def test_services_and_namespaces_do_not_meet(table):
    """F70: each may have an Astakos of its own."""
    table().write("a", "usernames", ["u1"], {"u1": "ada"})
    assert table().read("b", "usernames", ["u1"]) == ({}, set())
    assert table("staging").read("a", "usernames", ["u1"]) == ({}, set())


def test_ten_thousand_names_are_all_found_and_all_expire(table, redis):
    """The server must not evict: each key has an expiry of its own."""
    known = table()
    for start in range(0, 10_000, 500):
        uuids = [f"u{n}" for n in range(start, start + 500)]
        known.write("a", "usernames", uuids, {uuid: f"user {uuid}" for uuid in uuids})
    found, unknown = known.read("a", "usernames", [f"u{n}" for n in range(10_000)])
    assert found == {f"u{n}": f"user u{n}" for n in range(10_000)}
    assert unknown == set()
    assert all(redis.pttl(key) > 0 for key in redis.scan_iter(count=1000))


def test_any_text_can_be_a_name(table):
    known, odd = table(), ["a:b", "\udc80", "", "\u20ac" * 255, "a b\nc"]
    known.write("a", "usernames", odd, {odd[0]: "ada", odd[1]: "bob"})
    assert known.read("a", "usernames", odd) == ({odd[0]: "ada", odd[1]: "bob"}, set(odd[2:]))


def test_what_is_longer_than_any_name_takes_no_room(table, redis):
    table().write("a", "uuids", ["x" * 10_000], {})
    assert redis.dbsize() == 0


def test_everything_expires_and_the_unknown_soon(table, redis):
    known = table(seconds=50, unknown_seconds=5)
    known.write("a", "usernames", ["u1", "u2"], {"u1": "ada"})
    left = sorted(redis.pttl(key) for key in redis.scan_iter())
    assert len(left) == 3
    assert 0 < left[0] <= 5_000 < left[1] <= left[2] <= 50_000


def test_what_has_expired_is_asked_for_again(table):
    known = table(seconds=0.05, unknown_seconds=0.05)
    known.write("a", "usernames", ["u1", "u2"], {"u1": "ada"})
    until(lambda: known.read("a", "usernames", ["u1", "u2"]) == ({}, set()))


def test_unknown_ones_may_be_asked_for_each_time(table):
    known = table(unknown_seconds=0)
    known.write("a", "usernames", ["u1", "u2"], {"u1": "ada"})
    assert known.read("a", "usernames", ["u1", "u2"]) == ({"u1": "ada"}, set())


def test_a_service_asks_for_what_is_not_kept_and_answers_in_order(table):
    known, workers = table(), Workers(u1="ada", u3="bob")
    look = Lookups("a", asks=workers, known_names=known)
    known.write("a", "usernames", ["u2", "u3"], {"u3": "eve"})
    assert list(look.usernames(["u1", "u2", "u3"]).items()) == [("u1", "ada"), ("u3", "eve")]
    assert look.usernames(["u2", "u3"]) == {"u3": "eve"}
    assert workers.asked == [["u1"]]


def test_a_setting_turns_it_off():
    assert known_names_of(Settings(names_kept=0)) is None
    assert known_names_of(Settings(names_kept=1)) is not None


@pytest.mark.parametrize("harm", ["kill", "full"])
def test_when_it_is_away_the_workers_are_asked(server, table, redis, harm):
    """F50, F56: neither reading nor writing raises."""
    known, workers = table(), Workers(u1="ada")
    known.write("a", "usernames", ["u1"], {"u1": "ada"})
    look = Lookups("a", asks=workers, known_names=known)
    if harm == "kill":
        server.kill()
    else:
        redis.config_set("maxmemory", 1)
    try:
        known.write("a", "usernames", ["u1"], {"u1": "ada"})
        assert look.username("u1") == "ada"
        assert workers.asked == [["u1"]]
    finally:
        if harm == "kill":
            server.start()
        else:
            redis.config_set("maxmemory", 0)

    def is_back():
        known.write("a", "usernames", ["u2"], {"u2": "bob"})
        return known.read("a", "usernames", ["u2"]) == ({"u2": "bob"}, set())

    until(is_back)
