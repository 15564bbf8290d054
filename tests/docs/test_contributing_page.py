"""CONTRIBUTING.md: each command that it shows is one that there is, and does what it says."""

import re
import shlex
from pathlib import Path

import pytest

from tests.simulation.running import case_of, run, silence
from tests.simulation.schedule import parse

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True) for line in re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_one_of_each_kind_is_shown():
    shown = {" ".join(words[:3]) for words in COMMANDS}
    assert ".venv/bin/python -m pytest" in shown and ".venv/bin/python -m tests.simulation" in shown
    assert {words[1] for words in COMMANDS if words[0] == "make"} >= {"quick", "check", "chaos"}


def test_each_target_is_in_the_makefile_and_listed_by_it():
    named = set(re.findall(r"make ([a-z]+)\b", PAGE))
    assert named <= TARGETS
    listed = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named <= listed


@pytest.mark.parametrize("path", sorted(set(re.findall(r"[\w/.]*/[\w.]+\.(?:py|md)\b", PAGE))))
def test_each_file_that_the_page_names_is_there(path):
    assert (ROOT / path).exists() or path == "path/of/test_file.py"


def test_the_simulated_case_keeps_every_promise_with_the_fault_that_is_shown():
    [words] = [words for words in COMMANDS if "--replay" in words]
    case, schedule = words[-2:]
    with silence():
        result = run(case_of(case), parse(schedule), keep_trace=True)
    assert result.violation is None
    assert result.faults == parse(schedule).faults, "this step sends no request any more"
    assert "probe" in str(result) or "list" in str(result)
