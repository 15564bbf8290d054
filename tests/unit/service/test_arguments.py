"""Arguments of calls: a wrong one is refused before anything is stored."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from astakos_worker.ledger.record import KEY_LIMIT
from astakos_worker.ledger.record_json import dump, load
from astakos_worker.ledger.request import (
    NAME_LIMIT,
    Provision,
    Request,
    Tag,
    fingerprint,
    read_tag,
    wire_name,
)
from astakos_worker.ledger.states import queued
from astakos_worker.service import arguments
from astakosclient.errors import BadValue

LEAST, MOST = -(2**63) + 1, 2**63 - 1
TAG = Tag("default.default", "server-42/create", "0123abcd", "0" * 16)


# --- The three forms --------------------------------------------------------------------------


def test_a_plain_request_charges_the_member_and_the_project():
    request = arguments.one("u", "p", {"vm": 1, "ram": 2}, name="n", force=True)
    assert request == Request(
        (
            Provision("user:u", "project:p", "vm", 1),
            Provision("project:p", None, "vm", 1),
            Provision("user:u", "project:p", "ram", 2),
            Provision("project:p", None, "ram", 2),
        ),
        "n",
        True,
    )


def test_a_generic_request_is_taken_as_given_and_not_paired():
    request = arguments.generic({("u", "p", "vm"): -1}, {("q", "ip"): 3})
    assert request.provisions == (
        Provision("user:u", "project:p", "vm", -1),
        Provision("project:q", None, "ip", 3),
    )


def test_a_reassignment_takes_from_one_project_and_gives_to_the_other():
    request = arguments.reassignment("u", {("p", "q", "vm"): 2})
    assert request.provisions == (
        Provision("user:u", "project:p", "vm", -2),
        Provision("project:p", None, "vm", -2),
        Provision("user:u", "project:q", "vm", 2),
        Provision("project:q", None, "vm", 2),
    )


def test_what_names_one_holding_twice_is_summed():
    """A move there and a move back name the same holdings, as Astakos merges them."""
    request = arguments.reassignment("u", {("p", "q", "vm"): 2, ("q", "p", "vm"): 2})
    assert {provision.quantity for provision in request.provisions} == {0}
    assert len(request.provisions) == 4


# --- Provisions (F61) -------------------------------------------------------------------------

BAD_QUANTITIES = [1.0, "1", None, True, False, [1], MOST + 1, LEAST - 1, float("nan")]
BAD_IDS = ["", "a\n", "\0", "a\x7f", "\ud800", "x" * 256, None, 7, b"u", "\u200b"]


@pytest.mark.parametrize("quantity", BAD_QUANTITIES)
def test_a_quantity_that_is_no_integer_below_2_to_the_63_is_refused(quantity):
    """F61: Astakos reads `true` as 1, and rounds or fails on the others."""
    with pytest.raises(BadValue, match="quantity of 'vm' must"):
        arguments.one("u", "p", {"vm": quantity})
    with pytest.raises(BadValue, match="quantity of 'vm' must"):
        arguments.generic({("u", "p", "vm"): quantity}, {})
    with pytest.raises(BadValue, match="quantity of 'vm' must"):
        arguments.generic({}, {("p", "vm"): quantity})
    with pytest.raises(BadValue, match="quantity of 'vm' must"):
        arguments.reassignment("u", {("p", "q", "vm"): quantity})


@pytest.mark.parametrize("quantity", [0, 1, -1, MOST, LEAST])
def test_every_other_integer_is_a_quantity(quantity):
    assert arguments.one("u", "p", {"vm": quantity}).provisions[0].quantity == quantity


def test_a_sum_that_leaves_64_bits_is_refused():
    with pytest.raises(BadValue, match="fit into 64 bits"):
        arguments.reassignment("u", {("p", "q", "vm"): LEAST, ("r", "q", "vm"): -1})
    with pytest.raises(BadValue, match="fit into 64 bits"):
        arguments.reassignment("u", {("p", "q", "vm"): MOST, ("r", "q", "vm"): 1})


@pytest.mark.parametrize("bad", BAD_IDS)
def test_an_id_that_is_no_printable_text_is_refused(bad):
    """F61."""
    for ask in (
        lambda: arguments.one(bad, "p", {"vm": 1}),
        lambda: arguments.one("u", bad, {"vm": 1}),
        lambda: arguments.one("u", "p", {bad: 1}),
        lambda: arguments.generic({(bad, "p", "vm"): 1}, {}),
        lambda: arguments.generic({}, {("p", bad): 1}),
        lambda: arguments.reassignment(bad, {("p", "q", "vm"): 1}),
        lambda: arguments.reassignment("u", {("p", bad, "vm"): 1}),
    ):
        with pytest.raises(BadValue, match="must be"):
            ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: arguments.one("u", "p", {}),
        lambda: arguments.generic({}, {}),
        lambda: arguments.generic(None, None),
        lambda: arguments.reassignment("u", {}),
    ],
)
def test_provisions_that_are_empty_are_refused(ask):
    """F61."""
    with pytest.raises(BadValue, match="empty"):
        ask()


NAME = "user01@example.org"


@pytest.mark.parametrize(
    "make",
    [
        lambda: arguments.one(NAME, "p", {"vm": 1}),
        lambda: arguments.one("u", NAME, {"vm": 1}),
        lambda: arguments.generic({(NAME, "p", "vm"): 1}, None),
        lambda: arguments.generic(None, {(NAME, "vm"): 1}),
        lambda: arguments.reassignment(NAME, {("p", "q", "vm"): 1}),
        lambda: arguments.reassignment("u", {("p", NAME, "vm"): 1}),
    ],
)
def test_a_users_name_in_place_of_a_uuid_is_refused_with_the_call_that_finds_the_uuid(make):
    """Astakos would answer 404, for minutes."""
    with pytest.raises(BadValue, match=r"Lookups\(\)\.uuid\('user01@example.org'\)"):
        make()


@pytest.mark.parametrize("provisions", [None, [("vm", 1)], "vm", 1, {"vm"}])
def test_provisions_that_are_no_mapping_are_refused(provisions):
    with pytest.raises(BadValue, match="provisions must be a mapping"):
        arguments.one("u", "p", provisions)


@pytest.mark.parametrize("key", ["vm", ("u", "vm"), ("u", "p", "q", "vm"), ("u", "p", 1), 1])
def test_a_generic_provision_needs_its_whole_key(key):
    with pytest.raises(BadValue, match="user_provisions"):
        arguments.generic({key: 1}, {})


@pytest.mark.parametrize("force", [1, 0, "no", None])
def test_force_is_true_or_false(force):
    with pytest.raises(BadValue, match="force must be True or False"):
        arguments.one("u", "p", {"vm": 1}, force=force)


def test_nothing_is_forced_that_is_not_said_to_be():
    assert not arguments.one("u", "p", {"vm": 1}).force
    assert not arguments.generic({("u", "p", "vm"): 1}, None).force
    assert not arguments.reassignment("u", {("p", "q", "vm"): 1}).force


# --- Names (F22) ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "ok\udfff", None, 7, b"name"])
def test_a_name_that_astakos_would_choke_on_is_refused(name):
    """F22: it answers 500 to a NUL and to a lone surrogate (the protocol, section 10.6)."""
    with pytest.raises(BadValue, match="name must"):
        arguments.one("u", "p", {"vm": 1}, name=name)


def test_a_name_may_be_as_long_as_fits_with_its_tag():
    """F22: one character more, and Astakos would answer 500."""
    room = NAME_LIMIT - len(str(TAG)) - 1
    fitting = arguments.one("u", "p", {"vm": 1}, name="x" * room)
    arguments.check_name(fitting, TAG)
    assert len(wire_name(fitting.name, TAG)) == NAME_LIMIT
    with pytest.raises(BadValue, match=f"name has {room + 1} characters; .* {room} fit"):
        arguments.check_name(replace(fitting, name="x" * (room + 1)), TAG)


def test_the_longest_key_of_the_widest_characters_leaves_room_for_a_name():
    key = arguments.checked_key("\U0001f600" * KEY_LIMIT)
    text = "n" * 1000
    tag = TAG._replace(key=key, namespace="n" * 32 + "." + "s" * 32)
    arguments.check_name(Request((), text), tag)
    assert read_tag(wire_name(text, tag)) == tag


def test_a_fake_tag_in_the_text_is_harmless():
    """F22: only the last one, at the very end, is read."""
    fake = TAG._replace(key="somebody-else's")
    assert read_tag(wire_name(f"text {fake}", TAG)) == TAG


# --- Keys, serials, seconds -------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "\x1f57", "\0", "\ud800", 7, None, b"k"])
def test_a_key_that_is_not_1_to_200_printable_characters_is_refused(key):
    """F22; the reserved keys of bare serials are not printable."""
    with pytest.raises(BadValue, match="key must"):
        arguments.checked_key(key)


@pytest.mark.parametrize(
    "key", ["k", " ", "x" * 200, "sérveur/42 créer", "[astakos1 a b c d]", "%"]
)
def test_every_printable_text_of_1_to_200_characters_is_a_key(key):
    assert arguments.checked_key(key) == key


@pytest.mark.parametrize("serial", [True, False, "57", 5.0, 0, -1, 2**53, 2**63, None])
def test_what_is_no_serial_is_refused(serial):
    """F28: Astakos reads `true` as 1."""
    with pytest.raises(BadValue, match="serial must be"):
        arguments.checked_serial(serial)


@pytest.mark.parametrize("seconds", [0, -1, True, "5", None, float("nan"), float("inf"), 1e12])
def test_what_is_no_time_is_refused(seconds):
    with pytest.raises(BadValue, match="deadline must be"):
        arguments.checked_seconds("deadline", seconds)


def test_a_time_is_any_number_of_seconds_up_to_ten_years():
    ten_years = 315_360_000
    assert arguments.checked_seconds("deadline", ten_years - 1) == ten_years - 1
    assert arguments.checked_seconds("deadline", 0.5) == 0.5
    with pytest.raises(BadValue, match="less than ten years"):
        arguments.checked_seconds("deadline", ten_years)


def test_a_timeout_may_be_nothing():
    assert arguments.checked_timeout("timeout", 0) == 0
    assert arguments.checked_timeout("timeout", 2) == 2
    with pytest.raises(BadValue, match="timeout must be"):
        arguments.checked_timeout("timeout", False)


def test_a_count_is_an_integer_from_one_on():
    assert arguments.checked_count("limit", 1) == 1
    with pytest.raises(BadValue, match="limit must be a positive integer"):
        arguments.checked_count("limit", 0)


def test_a_callback_may_be_as_long_as_is_said():
    assert arguments.checked_callback("t" * 400) == "t" * 400
    with pytest.raises(BadValue, match="at most 400"):
        arguments.checked_callback("t" * 401)


# --- Whatever is accepted is good all the way --------------------------------------------------

ANY_TEXT = st.text(st.characters(), max_size=8)
PRINTABLE = st.text(st.characters().filter(str.isprintable), min_size=1, max_size=8)
AMOUNTS = st.integers(LEAST, MOST) | st.integers(-5, 5)


def accepted(ask):
    try:
        return ask()
    except BadValue:
        return None


@st.composite
def asked_for(draw):
    """A request in one of the three forms with a key; None where it is refused.

    Half of them are made of what ought to be accepted, and half of whatever there is.
    """
    wild = draw(st.booleans())
    ids, least = (ANY_TEXT, 0) if wild else (PRINTABLE, 1)
    amounts = AMOUNTS | st.just(MOST + 1) if wild else AMOUNTS
    name, force = draw(ANY_TEXT if wild else PRINTABLE), draw(st.booleans())

    def provisions(*key):
        resources = st.tuples(*key) if len(key) > 1 else key[0]
        return draw(st.dictionaries(resources, amounts, min_size=least, max_size=3))

    match draw(st.sampled_from(["one", "generic", "reassignment"])):
        case "one":
            user, project, table = draw(ids), draw(ids), provisions(ids)
            request = accepted(lambda: arguments.one(user, project, table, name=name, force=force))
        case "generic":
            users, projects = provisions(ids, ids, ids), provisions(ids, ids)
            request = accepted(lambda: arguments.generic(users, projects, name=name, force=force))
        case _:
            user, moves = draw(ids), provisions(ids, ids, ids)
            request = accepted(lambda: arguments.reassignment(user, moves, name=name, force=force))
    key = draw(ids)
    if request is None or accepted(lambda: arguments.checked_key(key)) is None:
        return None
    return request, key


SIMPLE = arguments.one("u", "p", {"vm": 1})


@given(asked=asked_for())
@example(asked=(replace(SIMPLE, name='"\\\n\t\u2028\U0010ffff'), '"\\%\U0001f600'))
def test_what_is_accepted_can_be_stored_sent_and_read_back(asked):
    """F22, F61: a request that passes can be stored and sent."""
    if asked is None:
        return
    request, key = asked
    record = queued(key, "default", "0123abcd", request, now=1.5)
    assert load(dump(record).encode()) == record

    tag = record.tag("default.default")
    arguments.check_name(request, tag)
    name = wire_name(request.name, tag)
    assert len(name) <= NAME_LIMIT
    sent = {"provisions": [each.wire() for each in request.provisions], "name": name}
    received = json.loads(json.dumps(sent, allow_nan=False).encode())
    assert received == sent
    assert read_tag(received["name"]) == tag
    assert all(LEAST <= each["quantity"] <= MOST for each in received["provisions"])
    holdings = [(p["holder"], p["source"], p["resource"]) for p in received["provisions"]]
    assert len(holdings) == len(set(holdings)) > 0


@given(asked=asked_for(), order=st.randoms(use_true_random=False))
def test_the_same_contents_in_another_order_are_the_same_request(asked, order):
    """F3: another quantity is another request."""
    if asked is None:
        return
    request, _ = asked
    shuffled = list(request.provisions)
    order.shuffle(shuffled)
    print_ = fingerprint("default", request)
    assert fingerprint("default", replace(request, provisions=tuple(shuffled))) == print_
    assert fingerprint("default", replace(request, name="another")) == print_
    first = request.provisions[0]
    more = (first._replace(quantity=first.quantity + 1), *request.provisions[1:])
    assert fingerprint("default", replace(request, provisions=more)) != print_
    assert fingerprint("default", replace(request, force=not request.force)) != print_
    assert fingerprint("another", request) != print_
