"""Mutants: small changes of a module or a script, each of which some test should notice. Pure.

A Python module is changed in its syntax tree: a comparison, a boolean, a number, a returned value,
a statement that goes. A Lua script is changed in its text, one operator or one call of the server
at a time. The same source gives the same mutants in the same order.
"""

import ast
import copy
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

Edit = Callable[[ast.AST], None]


class Mutant(NamedTuple):
    """A changed source. `what` is its name: line, and what became what."""

    what: str
    source: str


_COMPARISONS = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd, ast.Mult: ast.Add}


def of_python(source: str) -> Iterator[Mutant]:
    """Yield each mutant of a module."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    types = {id(inner) for node in nodes for part in _annotations(node) for inner in ast.walk(part)}
    for index, node in enumerate(nodes):
        if id(node) in types:
            continue
        for name, edit in _edits(node):
            changed = copy.deepcopy(tree)
            edit(list(ast.walk(changed))[index])
            ast.fix_missing_locations(changed)
            yield Mutant(f"{getattr(node, 'lineno', 0)}: {name}", ast.unparse(changed))


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that are not mutated: types, decorators, the words of errors."""
    for field in ("annotation", "returns"):
        if part := getattr(node, field, None):
            yield part
    yield from getattr(node, "decorator_list", [])
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
        yield node.value  # a name for a type
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        yield from node.exc.args  # the words of an error


def _edits(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    """The changes of one node: each with its name."""
    yield from _operators(node)
    yield from _values(node)
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        for place, statement in enumerate(block if isinstance(block, list) else []):
            if _can_go(node, statement):
                yield f"{_short(statement)} goes", _removal(field, place)


def _operators(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        new = _COMPARISONS[type(node.ops[0])]
        yield f"{ast.unparse(node)} with {new.__name__}", _set_first("ops", new)
    elif isinstance(node, ast.BoolOp):
        new = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{ast.unparse(node)} with {new.__name__}", _set("op", new)
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        new = _ARITHMETIC[type(node.op)]
        yield f"{ast.unparse(node)} with {new.__name__}", _set("op", new)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"{ast.unparse(node)} without not", _without_not
    elif isinstance(node, ast.If | ast.IfExp):
        yield f"if {ast.unparse(node.test)} becomes if not", _negated


def _values(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    if isinstance(node, ast.Constant) and type(node.value) in {bool, int, float}:
        other = not node.value if isinstance(node.value, bool) else node.value + 1
        yield f"{node.value!r} becomes {other!r}", _value(other)
    elif isinstance(node, ast.Return) and node.value is not None:
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield f"{_short(node)} returns None", _value(None, "value")
    elif isinstance(node, ast.Set):
        for place, element in enumerate(node.elts):
            yield f"{_short(node)} loses {ast.unparse(element)}", _loss(place)


def _can_go(parent: ast.AST, statement: ast.AST) -> bool:
    """Whether a module without the statement can still be imported, and does something else."""
    if isinstance(parent, ast.Module | ast.ClassDef):
        return False
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)  # no docstring
    return isinstance(statement, ast.Raise | ast.AugAssign | ast.Continue | ast.Break)


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:90]


def _set(field: str, new: type[ast.AST]) -> Edit:
    return lambda node: setattr(node, field, new())


def _set_first(field: str, new: type[ast.AST]) -> Edit:
    def edit(node: ast.AST) -> None:
        getattr(node, field)[0] = new()

    return edit


def _value(value: object, field: str = "") -> Edit:
    if field:
        return lambda node: setattr(node, field, ast.Constant(value))
    return lambda node: setattr(node, "value", value)


def _negated(node: ast.AST) -> None:
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _without_not(node: ast.AST) -> None:
    node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), node.operand)


def _loss(place: int) -> Edit:
    def edit(node: ast.AST) -> None:
        # A set of one keeps something that nothing equals: an empty display is a dictionary's.
        node.elts[place] = ast.Constant("(gone)")

    return edit


def _removal(field: str, place: int) -> Edit:
    def edit(node: ast.AST) -> None:
        getattr(node, field)[place] = ast.Pass()

    return edit


#: Changes of a line of Lua: what is found, and what it becomes.
_LUA = [
    (r"==", "~="),
    (r"~=", "=="),
    (r"(?<![<>=~])>(?!=)", ">="),
    (r"(?<![<>=~])<(?!=)", "<="),
    (r">=", ">"),
    (r"<=", "<"),
    (r"\band\b", "or"),
    (r"\bor\b", "and"),
    (r"\bnot ", ""),
    (r"\btrue\b", "false"),
    (r"\bfalse\b", "true"),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r"\bNOW\b", "(NOW + 60000)"),
]


def of_lua(source: str) -> Iterator[Mutant]:
    """Yield each mutant of a script."""
    lines = source.splitlines(keepends=True)
    for number, line in enumerate(lines):
        code = re.split(r"--", line, maxsplit=1)[0]
        for found, new in _LUA:
            for match in re.finditer(found, code):
                if _in_text(code, match.start()):
                    continue
                changed = line[: match.start()] + new + line[match.end() :]
                name = f"{match[0].strip()} becomes {new.strip() or 'nothing'}"
                yield _with(lines, number, changed, f"{code.strip()[:90]}: {name}")
        if re.match(r"\s*redis\.call\('(?:Z|H|S|DEL|INCR|EXPIRE|P)[^\n]*\)\s*$", code):
            yield _with(lines, number, "\n", f"{code.strip()[:90]} goes")


def _in_text(code: str, place: int) -> bool:
    return code[:place].count("'") % 2 == 1


def _with(lines: list[str], number: int, changed: str, name: str) -> Mutant:
    source = "".join([*lines[:number], changed, *lines[number + 1 :]])
    return Mutant(f"{number + 1}: {name}", source)
