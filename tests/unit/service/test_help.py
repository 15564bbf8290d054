"""What a service's developer sees in `help()` and in completion: the calls, and their options."""

import inspect
import re

import pytest

import astakos_worker
from astakos_worker import Commission, Commissions, Lookups
from astakos_worker.service.after_commit import OnCommit
from astakos_worker.service.dead_letters import DeadLetters
from astakos_worker.service.options import DEFAULTS, Options

CALLS = {
    Commissions: {
        *("issue", "issue_generic", "reassign", "issue_many", "accept", "reject", "resolve"),
        *("extend", "get", "outcome", "hold", "on_commit", "in_transaction", "dead", "in_memory"),
    },
    Commission: {
        *("accept", "reject", "extend", "get", "outcome"),
        *("last", "state", "serial", "incarnation", "ignored"),
    },
    OnCommit: {"issue", "issue_generic", "reassign", "accept", "reject"},
    DeadLetters: {"list", "choices", "resend", "discard"},
    Lookups: {
        *("usernames", "username", "uuids", "uuid", "quotas", "project_quotas", "resources"),
        *("services", "endpoints", "pending_commissions", "commission_info", "in_memory"),
    },
}


@pytest.mark.parametrize("kind", CALLS)
def test_help_shows_the_calls_of_users_and_no_others(kind):
    shown = {
        name
        for name in dir(kind)
        if not name.startswith("_") and name not in getattr(kind, "__dataclass_fields__", ())
    }
    assert shown == CALLS[kind]


@pytest.mark.parametrize("kind", [Commissions, OnCommit])
@pytest.mark.parametrize("call", ["issue", "issue_generic", "reassign"])
def test_the_options_of_an_issuing_call_are_shown_one_by_one(kind, call):
    parameters = inspect.signature(getattr(kind, call)).parameters
    assert {name: one.default for name, one in parameters.items() if name in DEFAULTS} == DEFAULTS
    assert DEFAULTS.keys() == Options.__annotations__.keys()
    assert all(one.kind is not one.VAR_KEYWORD for one in parameters.values())


def test_help_describes_every_option():
    text = inspect.getdoc(Commissions.issue)
    options = {*DEFAULTS, "user", "project", "provisions", "key"}
    assert {name for name in options if f"\n    {name}: " not in text} == set()


def test_no_docstring_of_a_public_name_has_a_promise_number():
    """They mean something to those who work on this package, not to its users."""
    public = [getattr(astakos_worker, name) for name in astakos_worker.__all__]
    documented = [*public, *CALLS]
    documented += [getattr(kind, name) for kind, names in CALLS.items() for name in names]
    with_numbers = [
        one for one in documented if re.search(r"\bF\d+\b", inspect.getdoc(one) or "no text")
    ]
    assert with_numbers == []


@pytest.mark.parametrize("option", ["colour", "Force", "callback_at"])
def test_an_option_that_is_none_is_an_error(option):
    commissions = Commissions.in_memory()
    wanted = {"user": "u", "project": "p", "provisions": {"cyclades.vm": 1}, option: 1}
    with pytest.raises(TypeError, match=option):
        commissions.issue(**wanted)
    with pytest.raises(TypeError, match=option):
        commissions.on_commit(print).issue(**wanted)
