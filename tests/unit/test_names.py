"""One name, one thing: no class has the name of another class."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = ("astakos_worker", "client/astakosclient")


def files():
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def is_alias(node):
    """Whether a module's assignment names a type: `RequestKind = Literal[...]`."""
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)


def names(module):
    """The public classes and type aliases that a module makes."""
    for node in module.body:
        targets = [node] if isinstance(node, ast.ClassDef) else []
        found = [each.name for each in targets]
        if is_alias(node):
            found = [each.id for each in node.targets if isinstance(each, ast.Name)]
        yield from (each for each in found if re.match(r"[A-Z]\w*[a-z]", each))


def doubled():
    places = defaultdict(list)
    for file in files():
        for name in names(ast.parse(file.read_text(encoding="utf-8"))):
            places[name].append(str(file.relative_to(ROOT)))
    return {name: where for name, where in places.items() if len(where) > 1}


def test_a_class_has_a_name_of_its_own_unless_the_page_says_why_not():
    section = PAGE.split("\n## Names with two meanings\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*`)", section, re.MULTILINE)
    allowed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert doubled().keys() == allowed, doubled()


def imports(module):
    """The names that a module imports, each with the package that it is of."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.name, node.module.split(".")[0]) for alias in node.names)


def test_no_module_uses_both_kinds_of_outcome():
    for file in files():
        used = set(imports(ast.parse(file.read_text(encoding="utf-8"))))
        both = {("Outcome", "astakos_worker"), ("Outcome", "astakosclient")}
        assert not both <= used, file
