"""The table of promises: every row is there, and no row is without a test that holds it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "promises.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (F\d+) \|" + r" (.+?) \|" * 4 + "$", re.MULTILINE)
ROWS = {cells[0]: cells for cells in ROW.findall(PAGE)}
#: The first eighty are all there; of the later ones those that are kept already.
NUMBERS = [*(f"F{n}" for n in range(1, 81)), *(row for row in ROWS if int(row[1:]) > 80)]


@cache
def functions(path):
    """Each test of a file, with its source: that is where it cites its row."""
    source = (TESTS / path).read_text(encoding="utf-8")
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.get_source_segment(source, node) for node in found}


def test_every_row_is_there_once():
    assert list(ROWS) == NUMBERS == sorted(NUMBERS, key=lambda row: int(row[1:]))
    assert len(re.findall(r"^\| F\d+ ", PAGE, re.MULTILINE)) == len(NUMBERS)


@pytest.mark.parametrize("row", NUMBERS)
def test_each_row_is_held_by_tests_that_cite_it(row):
    held_by = re.findall(r"`([\w/]+\.py)::(\w+)`", ROWS[row][4])
    assert held_by, f"{row} has no test"
    for path, name in held_by:
        assert name.startswith("test_") and name in functions(path), f"{path} has no {name}"
        assert re.search(rf"\b{row}\b", functions(path)[name]), f"{path}::{name} is not about {row}"


def test_no_test_cites_a_row_that_is_not_there():
    cited = set()
    for path in TESTS.rglob("test_*.py"):
        for source in functions(path.relative_to(TESTS)).values():
            cited |= set(re.findall(r"\bF\d{1,3}\b", source))
    assert cited <= set(NUMBERS)
