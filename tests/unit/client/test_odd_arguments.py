"""An argument that cannot be right raises `BadValue`; every error is of the tree of the client."""

import contextlib
import inspect

import pytest

from astakosclient import AstakosClient, AstakosClientException, BadValue, LocalError

ODD = [
    *(
        None,
        True,
        0,
        -5,
        5,
        1.5,
        float("nan"),
        10**30,
        "",
        "text",
        "\ud800",
        "two\nlines",
        b"bytes",
    ),
    *([], [5], ["\ud800"], [None], (), {}, {"a": 1}, {("a", "b"): 1}, {"\ud800": object()}),
    *(object(), Exception, {"set"}, iter([1])),
]
#: What each parameter gets when another one is tried.
GOOD = {
    **{name: {} for name in ("user_provisions", "project_provisions", "body_params", "specs")},
    **{name: [] for name in ("accept_serials", "reject_serials", "uuids", "display_names")},
    **dict.fromkeys(["serial", "memb_id", "app_id", "quantity"], 57),
    "action": "accept",
    "provisions": [],
}
CALLS = sorted(
    name
    for name, call in inspect.getmembers(AstakosClient, inspect.isfunction)
    if not name.startswith("_") and name != "close"
)


def parameters(call):
    return [one for one in inspect.signature(call).parameters.values() if one.name != "self"]


@pytest.mark.parametrize("name", CALLS)
def test_a_call_with_an_odd_argument_fails_with_an_error_of_the_tree_or_succeeds(
    peer, answer, client, name
):
    client.get_endpoints()
    peer.answers(answer.fault(400, "badRequest"))
    known = parameters(getattr(AstakosClient, name))
    for odd_one in known:
        for odd in ODD:
            given = {
                one.name: GOOD.get(one.name, "text")
                for one in known
                if one.default is one.empty and one.kind is not one.VAR_KEYWORD
            }
            if odd_one.kind is odd_one.VAR_KEYWORD:
                given["code"] = odd
            else:
                given[odd_one.name] = odd
            with contextlib.suppress(AstakosClientException):
                getattr(client, name)(**given)


@pytest.mark.parametrize(
    "name", [one.name for one in parameters(AstakosClient.__init__) if one.name != "logger"]
)
def test_a_client_made_with_an_odd_argument_is_refused_or_works(peer, name):
    for odd in [*ODD, float("inf"), float("-inf"), 2**80]:
        given = {"token": "token", "auth_url": peer.url, name: odd}
        with contextlib.suppress(BadValue, LocalError):
            client = AstakosClient(**given)
            assert client.get_resources() == {}
            client.close()


@pytest.mark.parametrize("verify", ["", 0, None, []])
def test_what_only_looks_like_no_does_not_switch_verification_off(verify):
    with pytest.raises(BadValue, match="verify must be"):
        AstakosClient("token", "https://127.0.0.1", verify=verify)
