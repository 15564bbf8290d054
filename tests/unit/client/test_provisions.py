"""What an issue sends for each form of the call, and what is refused before it is sent."""

import itertools
import json

import pytest

from astakosclient import BadValue, Outcome, mk_provisions

U, P, Q = "user-uuid", "project-uuid", "other-uuid"


def provision(holder, source, resource, quantity):
    return {"holder": holder, "source": source, "resource": resource, "quantity": quantity}


def pair(project, resource, quantity):
    return [
        provision(f"user:{U}", f"project:{project}", resource, quantity),
        provision(f"project:{project}", None, resource, quantity),
    ]


@pytest.fixture
def sent(peer, answer, client):
    """Make a call and return the one body that it sent."""
    client.get_resources()
    peer.answers(answer.json({"serial": 57}, 201))

    def call(method, /, *args, **kwargs):
        peer.got.clear()
        assert getattr(client, method)(*args, **kwargs) == 57
        (request,) = peer.asked
        assert (request.method, request.target) == ("POST", "/some/account/v1.0/commissions")
        assert request.headers["content-type"] == "application/json"
        return json.loads(request.body)

    return call


def test_c43_two_keys_of_one_commission_are_four_provisions(sent):
    body = sent("issue_one_commission", U, P, {"cyclades.vm": 1, "cyclades.ram": 2})
    assert body["provisions"] == [*pair(P, "cyclades.vm", 1), *pair(P, "cyclades.ram", 2)]
    assert (body["name"], body["force"], body["auto_accept"]) == ("", False, False)


def test_c43_one_key_of_a_reassignment_is_four_provisions(sent):
    body = sent("issue_resource_reassignment", U, {(P, Q, "cyclades.vm"): 3}, "move")
    assert body["provisions"] == [*pair(P, "cyclades.vm", -3), *pair(Q, "cyclades.vm", 3)]
    assert body["name"] == "move"


def test_c43_a_generic_issue_is_sent_exactly_as_given(sent):
    body = sent(
        "issue_commission_generic",
        {(U, P, "cyclades.vm"): 1},
        {(Q, "cyclades.ram"): -2},
        force=True,
    )
    assert body["provisions"] == [
        provision(f"user:{U}", f"project:{P}", "cyclades.vm", 1),
        provision(f"project:{Q}", None, "cyclades.ram", -2),
    ]
    assert body["force"] is True


def test_c43_provisions_are_sent_exactly_as_given(sent):
    given = [provision("any", "thing", "goes", 5), provision("any", "thing", "goes", -5)]
    assert sent("issue_provisions", given, "n")["provisions"] == given


def test_mk_provisions_is_the_pair_of_a_user_and_a_project(client):
    assert mk_provisions(U, P, "cyclades.vm", 4) == pair(P, "cyclades.vm", 4)
    assert client.mk_provisions(U, P, "cyclades.vm", 4) == pair(P, "cyclades.vm", 4)


OPTIONS = ("a name", True, True)


@pytest.mark.parametrize("by_position", range(4))
@pytest.mark.parametrize("by_keyword", list(itertools.product([False, True], repeat=3)))
def test_c44_both_forms_send_the_same_however_their_options_are_given(
    sent, by_position, by_keyword
):
    """Some options by position, some of the rest by keyword, the others left out."""
    positional = OPTIONS[:by_position]
    keywords = {
        name: value
        for place, (name, value, given) in enumerate(
            zip(("name", "force", "auto_accept"), OPTIONS, by_keyword, strict=True)
        )
        if given and place >= by_position
    }
    wanted = dict(zip(("name", "force", "auto_accept"), positional, strict=False)) | keywords
    documented = sent("issue_one_commission", U, P, {"cyclades.vm": 1}, *positional, **keywords)
    later = sent("issue_one_commission", U, {(P, "cyclades.vm"): 1}, *positional, **keywords)
    assert documented == later
    given = {name: later[name] for name in ("name", "force", "auto_accept")}
    assert given == {"name": "", "force": False, "auto_accept": False} | wanted


def test_c44_both_forms_send_the_same_by_keyword(sent):
    documented = sent(
        "issue_one_commission", holder=U, source=P, provisions={"cyclades.vm": 1}, name="n"
    )
    later = sent("issue_one_commission", holder=U, provisions={(P, "cyclades.vm"): 1}, name="n")
    assert documented == later


NOT_TO_BE_SENT = [
    ("issue_one_commission", (None, P, {"cyclades.vm": 1})),
    ("issue_one_commission", (U, None)),
    ("issue_one_commission", (U, P)),
    ("issue_one_commission", (U, P, {(P, "cyclades.vm"): 1})),
    ("issue_one_commission", (U, None, {"cyclades.vm": 1})),
    ("issue_one_commission", (U, {"cyclades.vm": 1})),
    ("issue_one_commission", (U, {(P, "cyclades.vm"): 1}, {"cyclades.vm": 1})),
    ("issue_one_commission", (U, {(P, "cyclades.vm"): 1}, "one name", "another")),
    ("issue_one_commission", (U, {(P, "cyclades.vm", "x"): 1})),
    ("issue_one_commission", (U, {(7, "cyclades.vm"): 1})),
    ("issue_one_commission", (U, 7, {"cyclades.vm": 1})),
    ("issue_one_commission", (U, P, {"cyclades.vm": 1.0})),
    ("issue_one_commission", (U, P, {"cyclades.vm": True})),
    ("issue_one_commission", (U, P, {"cyclades.vm": "1"})),
    ("issue_one_commission", (U, P, {"cyclades.vm": 2**63})),
    ("issue_one_commission", (U, P, {"cyclades.vm": 1}, None)),
    ("issue_one_commission", (U, P, {"cyclades.vm": 1}, "n", 1)),
    ("issue_one_commission", (U, P, {"cyclades.vm": 1}, "n", False, None)),
    ("issue_one_commission", (U, P, {"cyclades.vm": 1}, "n" * 4097)),
    ("issue_one_commission", (U, P, {"cyclades.vm": 1}, "a\0b")),
    ("issue_one_commission", (U, P, {"cyclades.vm": 1}, "\ud800")),
    ("issue_commission_generic", (None, {})),
    ("issue_commission_generic", ({(U, P): 1}, {})),
    ("issue_commission_generic", ({}, {(P,): 1})),
    ("issue_commission_generic", ({}, {P: 1})),
    ("issue_resource_reassignment", (U, {(P, Q): 1})),
    ("issue_resource_reassignment", (U, {(P, Q, "r"): None})),
    ("issue_resource_reassignment", (None, {(P, Q, "r"): 1})),
    ("issue_provisions", (None,)),
    ("issue_provisions", ({},)),
    ("issue_provisions", (["provision"],)),
    ("issue_provisions", ([{"holder": "h", "source": None, "resource": "r"}],)),
    ("issue_provisions", ([provision("h", 7, "r", 1)],)),
    ("issue_provisions", ([provision(None, None, "r", 1)],)),
    ("mk_provisions", (U, None, "r", 1)),
    ("get_commission_info", (None,)),
    ("get_commission_info", (True,)),
    ("get_commission_info", ("57/../58",)),
    ("get_commission_info", (-1,)),
    ("commission_action", (57, None)),
    ("commission_action", (57, "delete")),
    ("accept_commission", (None,)),
    ("reject_commission", (5.0,)),
    ("resolve_commissions", (None, [])),
    ("resolve_commissions", ([], None)),
    ("resolve_commissions", ([True], [])),
    ("resolve_commissions", ("57", [])),
    ("resolve_commissions", (["57"], [])),
    ("resolve_commissions", ([], [57, "58"])),
    ("resolve_commissions", ([2**53], [])),
    ("get_commission_info", (2**53,)),
    ("get_commission_info", ("9" * 30,)),
    ("resolve_commissions", ([57], 58)),
    ("recover_commission", ("",)),
]


@pytest.mark.parametrize(("call", "args"), NOT_TO_BE_SENT)
def test_what_cannot_be_right_is_refused_before_any_traffic(peer, client, call, args):
    """F22, F28, F61."""
    with pytest.raises(BadValue) as caught:
        getattr(client, call)(*args)
    assert caught.value.outcome is Outcome.REFUSED
    assert peer.connections == 0


def test_the_longest_name_and_strange_characters_are_sent_verbatim(sent):
    name = "n" * 4090 + "\n\x01λü\U0001f600"
    assert sent("issue_provisions", [], name)["name"] == name


def test_an_empty_list_of_provisions_is_a_commission(sent):
    assert sent("issue_provisions", [])["provisions"] == []


def test_serials_given_twice_are_sent_once(peer, answer, client):
    """F28."""
    peer.answers(answer.json({"accepted": [1], "rejected": [3], "failed": []}))
    assert client.resolve_commissions((1, 1), iter([3, 2, 3]))["accepted"] == [1]
    assert json.loads(peer.asked[0].body) == {"accept": [1], "reject": [3, 2]}
    assert peer.asked[0].target == "/some/account/v1.0/commissions/action"


@pytest.mark.parametrize("action", ["accept", "reject"])
def test_an_action_names_itself_and_returns_nothing(peer, answer, client, action):
    peer.answers(answer.plain(200))
    assert client.commission_action(57, action) is None
    assert getattr(client, f"{action}_commission")("58") is None
    assert [(one.target, json.loads(one.body)) for one in peer.asked] == [
        ("/some/account/v1.0/commissions/57/action", {action: ""}),
        ("/some/account/v1.0/commissions/58/action", {action: ""}),
    ]


def test_recovery_looks_at_each_pending_commission_for_the_tag(peer, answer, client):
    named = {57: "mine: tag-1", 58: "tag-2", 60: "tag-1 again"}

    def info(request):
        serial = int(request.target.rsplit("/", 1)[1])
        if serial == 59:
            return answer.plain(404)
        return answer.json({"serial": serial, "name": named[serial]})

    info.wants_request = True
    peer.answers(answer.json([57, 60, 58, 59]), info)
    assert [one["serial"] for one in client.recover_commission("tag-1")] == [60, 57]
    peer.answers(answer.json([57, 60, 58, 59]), info)
    found = client.recover_commission(lambda name: name.endswith("2"))
    assert [one["serial"] for one in found] == [58]
