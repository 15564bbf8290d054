"""The user's own document of the client, parsed: what it names, with which parameters, and says."""

import ast
import inspect
import re
import textwrap
from pathlib import Path
from typing import NamedTuple

DOCUMENT = Path(__file__).with_name("astakosclient.rst").read_text()


class Entry(NamedTuple):
    """A class, method or function of the document."""

    name: str
    parameters: dict[str, object]
    """In order, with their defaults."""
    is_method: bool
    text: str


NONE = inspect.Parameter.empty
HEAD = re.compile(
    r"^( *)(?:\*class\* astakosclient\.\\ )?\*\*(\w+)\((?:\*\*\\ (.*?)\\ \*\*)?\)\*\*$",
    re.MULTILINE | re.DOTALL,
)
EXCEPTION = re.compile(r"^\*exception\* \*\*(\w+)\*\*\n((?: +.*\n)+)", re.MULTILINE)
SNIPPET = re.compile(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", re.MULTILINE)


def parameters_of(text):
    given = ast.parse(f"def f({text}): pass").body[0].args
    names = [one.arg for one in given.args]
    defaults = [ast.literal_eval(one) for one in given.defaults]
    return dict(
        zip(names, [NONE] * (len(names) - len(defaults)) + defaults, strict=True),
    )


def entries():
    heads = list(HEAD.finditer(DOCUMENT))
    ends = [head.start() for head in heads[1:]] + [DOCUMENT.index("Exceptions and Errors")]
    for head, end in zip(heads, ends, strict=True):
        indent, name, parameters = head.groups()
        text = " ".join(DOCUMENT[head.end() : end].split())
        yield Entry(name, parameters_of(parameters or ""), bool(indent), text)


ENTRIES = {entry.name: entry for entry in entries()}
METHODS = [name for name, entry in ENTRIES.items() if entry.is_method]
EXCEPTIONS = {name: " ".join(text.split()) for name, text in EXCEPTION.findall(DOCUMENT)}
SNIPPETS = [textwrap.dedent(snippet) for snippet in SNIPPET.findall(DOCUMENT)]
