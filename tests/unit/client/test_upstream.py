"""Methods of urllib3 and requests that the client overrides are those that its rules speak of.

`astakosclient.connections.UPSTREAM` lists them, each with the rule that our side keeps to. A new
version of a library may change one. Then a test here fails: read the new source beside the rule,
mend `connections.py` if the rule no longer holds, and add the new number to `READ`.
"""

import ast
import hashlib
import importlib
import importlib.metadata
import inspect
import textwrap

import pytest

from astakosclient import connections
from astakosclient.connections import UPSTREAM

#: The numbers of the sources that were read, of all versions of the libraries together.
READ = {
    "urllib3.connection:HTTPConnection._new_conn": {"08fe016a1c12"},
    "urllib3.connection:HTTPConnection.connect": {"8caafdc2daaf"},
    "urllib3.connection:HTTPSConnection.connect": {"372a79bde84a"},
    "urllib3.connectionpool:HTTPConnectionPool._get_conn": {"c1085b4caf74"},
    "urllib3.connectionpool:HTTPConnectionPool._put_conn": {"7992a48167f6"},
    "urllib3.connectionpool:HTTPConnectionPool.urlopen": {"cc373a2f74ea"},
    "urllib3.connectionpool:HTTPConnectionPool._make_request": {"fcab25ab8ffc"},
    "urllib3.util.ssltransport:SSLTransport._ssl_io_loop": {"f090baa595b0"},
    "requests.adapters:HTTPAdapter.init_poolmanager": {"7d24acbde69d"},
    "requests.adapters:HTTPAdapter.proxy_manager_for": {"d1d64ce6d46e"},
    "requests.adapters:HTTPAdapter.build_connection_pool_key_attributes": {"44a4ea96a9c5"},
    "requests.adapters:HTTPAdapter.get_connection_with_tls_context": {"06e17e1189f4"},
}


def found(name):
    module, _, path = name.partition(":")
    thing = importlib.import_module(module)
    for part in path.split("."):
        thing = getattr(thing, part)
    return thing


def number_of(function):
    """Return a number of what a function does; its name, comments and docstring do not count."""
    made = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if ast.get_docstring(made) is not None:
        del made.body[0]
    text = "\n".join([ast.unparse(made.args), *map(ast.unparse, made.body)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", sorted(UPSTREAM))
def test_what_is_overridden_is_what_was_read(name):
    number = number_of(found(name))
    library = name.partition(".")[0]
    version = importlib.metadata.version(library)
    assert number in READ[name], (
        f"{name} is another in {library} {version}. Read its source. Our side counts on this: "
        f"it {UPSTREAM[name]} If that still holds, add {number!r} to READ; if not, mend "
        "client/astakosclient/connections.py first."
    )


def overridden():
    """Return `library module:class.method` of each method that a class of ours overrides."""
    for ours in vars(connections).values():
        if not (inspect.isclass(ours) and ours.__module__ == connections.__name__):
            continue
        for theirs in ours.__mro__[1:]:
            library = theirs.__module__.partition(".")[0]
            if library not in {"urllib3", "requests"}:
                continue
            for name, method in vars(ours).items():
                own = vars(theirs).get(name)
                if inspect.isfunction(method) and inspect.isfunction(own) and name != "__init__":
                    yield f"{theirs.__module__}:{theirs.__qualname__}.{name}"


def test_each_method_that_is_overridden_has_its_rule():
    assert len(set(overridden())) >= 6
    assert set(overridden()) <= set(UPSTREAM)


def test_a_change_in_a_source_changes_its_number():
    def first(given):
        """Say this."""
        return given + 1

    def alike(given):
        return given + 1  # and that

    def other(given):
        return given + 2

    assert number_of(first) == number_of(alike) != number_of(other)
