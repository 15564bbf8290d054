"""No function is longer than 80 lines or more complex than 20, whatever a comment allows it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("astakos_worker", "client", "tests", "bench", "examples")
LONGEST = 80
MOST_COMPLEX = 20


def functions_longer_than(lines, source):
    """The functions of a source that have more lines, with their number."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            body = node.end_lineno - max(first, node.body[0].lineno) + 1
            if body > lines:
                found[node.name] = body
    return found


def test_a_long_function_is_found():
    source = "def long():\n" + "    pass\n" * 81 + "def short():\n" + "    pass\n" * 80
    assert functions_longer_than(LONGEST, source) == {"long": 81}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_function_is_longer_than_a_screen_or_two(folder):
    long = {
        f"{path.relative_to(ROOT)}::{name}": lines
        for path in (ROOT / folder).rglob("*.py")
        for name, lines in functions_longer_than(LONGEST, path.read_text()).items()
    }
    assert long == {}


def complex_functions(path):
    """What ruff finds too complex, with the comments that would allow it ignored."""
    rules = ["--select", "C901", "--config", f"lint.mccabe.max-complexity={MOST_COMPLEX}"]
    words = [
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--ignore-noqa",
        "--output-format",
        "json",
        *rules,
    ]
    done = subprocess.run(
        [sys.executable, *words, path], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode in {0, 1}, done.stderr
    return [f"{one['filename']}: {one['message']}" for one in json.loads(done.stdout)]


def test_no_function_is_more_complex_than_twenty():
    assert complex_functions(".") == []


def test_a_complex_function_is_found_although_a_comment_allows_it(tmp_path):
    branches = "".join(f"    if x == {n}:\n        pass\n" for n in range(20))
    (tmp_path / "a.py").write_text(f"def f(x):  # noqa: C901\n{branches}")
    [found] = complex_functions(tmp_path)
    assert "(21 > 20)" in found
