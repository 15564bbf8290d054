"""The user's own document of the client, walked from end to end: all that it names is there.

The document itself stands beside this file, as the user handed it over. Where the package
differs from it on purpose (the protocol, section 8), the difference is in a table below with its
reason; one that is in no table fails, and so does one that is there no longer.
"""

import inspect
import itertools
import re
from typing import NamedTuple

import pytest

import astakosclient
from astakos_worker.sandbox.seed import project_uuid, user_uuid
from astakos_worker.sandbox.server import SandboxServer
from astakosclient import AstakosClient, AstakosClientException
from tests.docs.users_document import DOCUMENT, ENTRIES, EXCEPTIONS, METHODS, NONE, SNIPPETS

# --- Differences, each with its reason -----------------------------------------------------------

LATER = "the package has had it since the document was written"
SAFETY = "a call must end in time, over a connection that is verified and alive"

ADDED_PARAMETERS = {
    "AstakosClient": {
        "headers": LATER,
        "connect_timeout": SAFETY,
        "total_timeout": SAFETY,
        "fresh_within": SAFETY,
        "verify": SAFETY,
    },
    "get_endpoints": {"extra": LATER},
    "service_get_quotas": {"project": "the older name of project_id"},
    "service_get_project_quotas": {"project": "the older name of project_id"},
    "get_memberships": {"project": "the older name of project_id"},
    "service_get_uuids": {"display_names": "the name that the later package has for uuids"},
    "service_get_uuid": {"display_name": "the name that the later package has for uuid"},
}

# The document gives these no default; they have one, so that another form of the call works too.
MADE_OPTIONAL = {
    "issue_one_commission": {
        "source": "the later form has it inside the keys of the provisions",
        "provisions": "the later form gives them in the place of the source",
    },
    "service_get_uuids": {"uuids": "they may be given as display_names"},
    "service_get_uuid": {"uuid": "it may be given as display_name"},
}

ADDED_NAMES = {
    "validate_token": LATER,
    "get_token": LATER,
    "set_default_project": LATER,
    "mk_provisions": LATER,
    "log_request": LATER,
    "log_response": LATER,
    "ConnectionError": LATER,
    "LocalError": "the caller's own machine could make no connection",
    "issue_provisions": "sends provisions exactly as given, over a fresh connection if asked",
    "recover_commission": "finds what became of an issue whose answer was lost",
    "close": "gives up idle connections",
    "prepare": "finds what is wrong on this machine before the first call",
    "token": "a token may be replaced while the client is in use",
    "Outcome": "whether a failed call was sent, refused, or nobody knows",
}

# Names from before the document, in its chapter on exceptions.
RENAMED = {
    "getDisplayName": "get_username",
    "getServiceDisplayName": "service_get_username",
    "getUUID": "get_uuid",
    "getServiceUUID": "service_get_uuid",
}

OTHER_STATUS = {"Forbidden": (401, 403, "403 is what Astakos answers, and what HTTP calls so")}

# --- Names and parameters ------------------------------------------------------------------------


def test_the_whole_document_is_parsed():
    """Counted in a cruder way, so that nothing can slip through the parser's patterns."""
    assert len(ENTRIES) == len(re.findall(r"\*\*\w+\(", DOCUMENT)) == 39
    assert len(EXCEPTIONS) == DOCUMENT.count("*exception*") == 11
    assert [name for name in ENTRIES if name not in METHODS] == [
        "AstakosClient",
        "get_token_from_cookie",
        "parse_endpoints",
    ]
    assert ENTRIES["get_projects"].parameters == dict.fromkeys(("name", "state", "owner", "mode"))
    assert ENTRIES["issue_one_commission"].parameters["name"] == ""


def ours(name):
    home = AstakosClient if name in METHODS else astakosclient
    found = inspect.signature(getattr(home, name)).parameters
    return {key: one for key, one in found.items() if key != "self"}


@pytest.mark.parametrize("name", ENTRIES)
def test_each_name_is_there_with_the_parameters_of_the_document(name):
    """By position and by keyword, with the same defaults."""
    documented, found = ENTRIES[name].parameters, ours(name)
    assert list(found)[: len(documented)] == list(documented)
    optional = MADE_OPTIONAL.get(name, {})
    for parameter, default in documented.items():
        assert found[parameter].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        if parameter in optional:
            assert default is NONE
            assert found[parameter].default is None
        else:
            assert found[parameter].default == default
    assert optional.keys() <= documented.keys()


@pytest.mark.parametrize("name", ENTRIES)
def test_what_a_call_takes_beyond_the_document_may_be_left_out(name):
    documented, found = ENTRIES[name].parameters, ours(name)
    added = {key: one for key, one in found.items() if key not in documented}
    assert added.keys() == ADDED_PARAMETERS.get(name, {}).keys()
    assert all(one.default is not NONE for one in added.values())


def test_what_the_package_has_beyond_the_document_is_known():
    """Types of answers and the addresses of calls aside: they are no calls."""
    shapes = {name for name in astakosclient.__all__ if name in vars(astakosclient.answer_types)}
    addresses = {name for name in dir(AstakosClient) if re.search("^api_|_url$|_prefix$", name)}
    of_client = {name for name in dir(AstakosClient) if not name.startswith("_")}
    public = {*astakosclient.__all__, *of_client} - shapes - addresses
    assert public - ENTRIES.keys() - EXCEPTIONS.keys() == ADDED_NAMES.keys()


def test_the_old_names_in_the_document_have_their_successors():
    prose = DOCUMENT[DOCUMENT.index("Exceptions and Errors") :]
    assert set(re.findall(r"\b[a-z]+[A-Z]\w*", prose)) == RENAMED.keys()
    assert set(RENAMED.values()) <= set(METHODS)


# --- Exceptions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_each_exception_is_there_with_the_status_of_the_document(name):
    kind = getattr(astakosclient, name)
    assert issubclass(kind, AstakosClientException)
    for said in re.findall(r"[Ss]tatus (\d+)", EXCEPTIONS[name]):
        documented, status, _reason = OTHER_STATUS.get(name, (int(said), int(said), ""))
        assert (int(said), kind.status) == (documented, status)


def test_every_exception_that_a_call_is_said_to_raise_is_there():
    text = " ".join(DOCUMENT.split())
    raised = set(re.findall(r"(?:raises?|raise an|raises an) (\w+) exception", text))
    assert raised == {"AstakosClientException", "NoUserName", "NoUUID", "NoEndpoints"}
    assert raised <= EXCEPTIONS.keys()


# --- What is returned, and the examples ----------------------------------------------------------


@pytest.fixture(scope="module")
def sandbox():
    with SandboxServer() as server:
        yield server


USER, SHARED = user_uuid("user01@example.org"), project_uuid("shared.example.org")
NAME = "user01@example.org"


class Said(NamedTuple):
    """What the document says that a call returns, and the shape of what it returns."""

    call: str
    said: str
    shape: str
    reason: str = ""
    """Why the two differ, if they do."""


AS_CODE = "so answers Astakos, and so the package always returned it"
SAID = [
    Said("get_usernames", "dictionary", "dict"),
    Said("get_uuids", "dictionary", "dict"),
    Said("get_username", "(as string)", "str"),
    Said("get_uuid", "(as string)", "str"),
    Said("get_services", "list of dicts", "list of dicts"),
    Said("get_resources", "list of dicts", "dict of dicts", AS_CODE),
    Said("send_feedback", "returns nothing", "NoneType"),
    Said("get_quotas", "(as dict of dicts)", "dict of dicts of dicts of integers", AS_CODE),
    Said(
        "service_get_quotas",
        "(as dict of dicts of dicts)",
        "dict of dicts of dicts of dicts of integers",
        AS_CODE,
    ),
    Said(
        "service_get_project_quotas",
        "(as dict of dicts)",
        "dict of dicts of dicts of integers",
        AS_CODE,
    ),
    Said("issue_commission_generic", "(int)", "int"),
    Said("issue_one_commission", "(int)", "int"),
    Said("get_pending_commissions", "(list of integers)", "list of integers"),
    Said("get_commission_info", "dict of dicts", "dict", "a serial, a time, a name, a list"),
    Said("commission_action", "returns nothing", "NoneType"),
    Said("resolve_commissions", "dict of dicts", "dict of lists", AS_CODE),
]
# The document's words, where they are not those of `shape_of`.
SAME = {
    "dictionary": "dict",
    "(as string)": "str",
    "returns nothing": "NoneType",
    "(int)": "int",
    "(list of integers)": "list of integers",
}
PLURALS = {"dict": "dicts", "list": "lists", "int": "integers"}


def levels(value):
    """Return the types on the way in, as far as all that is held is alike."""
    if not isinstance(value, dict | list):
        return [type(value).__name__]
    held = value.values() if isinstance(value, dict) else value
    columns = zip(*map(levels, held), strict=False)
    alike = itertools.takewhile(lambda column: len(set(column)) == 1, columns)
    return [type(value).__name__, *(column[0] for column in alike)]


def shape_of(value):
    """Return the shape of an answer in the words of the document."""
    outer, *inner = levels(value)
    return " of ".join([outer, *(PLURALS[one] for one in inner if one in PLURALS)])


def answer_of(call, sandbox):
    """Make the call with the token that it is for, with something there to be returned."""
    user = AstakosClient(sandbox.token(NAME), sandbox.auth_url)
    service = AstakosClient(sandbox.token("cyclades"), sandbox.auth_url)

    def issued():
        return service.issue_one_commission(USER, SHARED, {"cyclades.vm": 1})

    arguments = {
        "get_usernames": lambda: ([USER],),
        "get_username": lambda: (USER,),
        "get_uuids": lambda: ([NAME],),
        "get_uuid": lambda: (NAME,),
        "send_feedback": lambda: ("well done", "version 1"),
        "issue_commission_generic": lambda: ({(USER, SHARED, "cyclades.vm"): 1}, {}),
        "issue_one_commission": lambda: (USER, SHARED, {"cyclades.vm": 1}),
        "get_pending_commissions": lambda: (issued(),)[1:],
        "get_commission_info": lambda: (issued(),),
        "commission_action": lambda: (issued(), "accept"),
        "resolve_commissions": lambda: ([issued(), 10**9], [issued()]),
    }.get(call, tuple)()
    of_users = {"get_quotas", "get_usernames", "get_username", "get_uuids", "get_uuid"}
    return getattr(user if call in {*of_users, "send_feedback"} else service, call)(*arguments)


@pytest.mark.parametrize("row", SAID, ids=lambda row: row.call)
def test_each_call_returns_what_the_document_says_or_why_not_is_known(sandbox, row):
    assert row.said in ENTRIES[row.call].text
    assert shape_of(answer_of(row.call, sandbox)) == row.shape
    assert (SAME.get(row.said, row.said) == row.shape) == (not row.reason)


def test_every_shape_in_the_document_is_looked_at():
    words = re.compile(r"dict of|list of (?:dicts|integers)|\(int\)|returns nothing|\(as string\)")
    speak = {name for name, entry in ENTRIES.items() if words.search(entry.text)}
    assert speak - {row.call for row in SAID} == set()


PRINTED = [USER, NAME]


@pytest.mark.parametrize("which", range(2))
def test_an_example_of_the_document_runs_as_it_stands(sandbox, capsys, which):
    """In the spelling of Python 3, with the bare host that it has, another token and uuid."""
    assert len(SNIPPETS) == len(PRINTED)
    snippet = re.sub(r"^print (.+)$", r"print(\1)", SNIPPETS[which], flags=re.MULTILINE)
    for documented, here in {
        "https://accounts.example.com": sandbox.url,
        "UQpYas7ElzWGD5yCcEXtjw": sandbox.token(NAME),
        "b3de8eb0-3958-477e-als9-789af8dd352c": USER,
    }.items():
        snippet = snippet.replace(documented, here)
    exec(compile(snippet, "the user's document", "exec"), {})  # the example is what is tested
    assert capsys.readouterr().out == f"{PRINTED[which]}\n"
