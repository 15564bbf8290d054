"""What the pages about the client say is true: every name and signature, and each example runs."""

import inspect
import re
from pathlib import Path

import pytest

import astakosclient
from astakosclient import AstakosClient, AstakosClientException

DOCS = Path(__file__).parents[3] / "docs"
REFERENCE = DOCS.joinpath("client.md").read_text()
MOVING = DOCS.joinpath("coming-from-astakosclient.md").read_text()

PUBLIC = [name for name in dir(AstakosClient) if not name.startswith("_")]
METHODS = [name for name in PUBLIC if callable(getattr(AstakosClient, name))]
PROPERTIES = [name for name in PUBLIC if name not in METHODS]
FUNCTIONS = [
    name for name in astakosclient.__all__ if inspect.isfunction(vars(astakosclient)[name])
]
ERRORS = [
    kind
    for kind in map(vars(astakosclient).get, astakosclient.__all__)
    if inspect.isclass(kind) and issubclass(kind, AstakosClientException)
]


def signature(home, name):
    """Return a call as the page writes it: `name(first, second=None, *, third="")`."""
    found = inspect.signature(getattr(home, name))
    bare = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in found.parameters.values()
        if one.name != "self"
    ]
    text = str(found.replace(parameters=bare, return_annotation=found.empty))
    return f"{name}{text}".replace("'", '"')


def row_of(start):
    """Return the cells of the one row of a table that begins so."""
    (row,) = [line for line in REFERENCE.splitlines() if line.startswith(f"| `{start}` |")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[2:-1]]


@pytest.mark.parametrize("name", [name for name in METHODS if name not in FUNCTIONS])
def test_every_method_has_its_row_with_token_request_and_answer(name):
    token, request, returns, _errors = row_of(signature(AstakosClient, name))
    assert token in {"U", "S", "any", "none"}
    assert re.match(r"`(GET|POST|PUT) |the same|none|many of the above", request)
    assert returns


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_described(name):
    assert f"| `{signature(astakosclient, name)}` |" in REFERENCE


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_has_its_row_with_its_status(kind):
    status, when = row_of(kind.__name__)
    assert status == ("any" if kind is AstakosClientException else str(status_of(kind)))
    assert when


def status_of(kind):
    return getattr(kind, "status", 500)


def test_every_argument_of_the_client_is_described_with_its_default():
    for name, parameter in inspect.signature(AstakosClient).parameters.items():
        default = row_of(name)[0]
        if parameter.default not in (inspect.Parameter.empty, None):
            assert default.split()[0] == str(parameter.default)


@pytest.mark.parametrize("name", sorted({*PROPERTIES, *astakosclient.__all__}))
def test_every_public_name_is_on_the_page(name):
    assert re.search(rf"`{name}[`(]", REFERENCE)


def test_the_page_names_no_method_that_is_not_there():
    named = set(re.findall(r"^\| `(\w+)\(", REFERENCE, re.MULTILINE))
    assert named == {*METHODS, *FUNCTIONS}


@pytest.mark.parametrize("page", [REFERENCE, MOVING], ids=["client", "coming-from-astakosclient"])
def test_the_links_of_a_page_lead_somewhere(page):
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
    for link in re.findall(r"\]\(([^)]+)\)", page):
        if link.startswith("#"):
            assert link[1:] in anchors
        else:
            assert DOCS.joinpath(link).is_file()


@pytest.mark.parametrize("page", [REFERENCE, MOVING], ids=["client", "coming-from-astakosclient"])
def test_the_examples_of_a_page_run_one_after_the_other(cloud, capsys, page):
    """With another host, and with tokens and uuids that are there."""
    examples = re.findall(r"^```python\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)
    program = "\n".join(examples).replace("https://accounts.example.org", cloud.server.url)
    given = {
        "token": cloud.server.token("user01@example.org"),
        "component_token": cloud.server.token("cyclades"),
        "user": cloud.user,
        "project": cloud.shared,
    }
    exec(compile(program, "the examples", "exec"), given)
    for name in ("client", "service"):
        if name in given:
            given[name].close()
    assert cloud.control.commissions()
    if page is REFERENCE:
        printed = capsys.readouterr().out.splitlines()
        assert printed == [cloud.user, "https://cyclades.example.org/compute/v2.0"]
