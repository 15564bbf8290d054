"""docs/architecture.md against the code: its files are there, its table of states is the code's."""

import re
from pathlib import Path

import pytest

from astakos_worker.ledger.record import OPEN, State
from astakos_worker.ledger.states import ALLOWED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
#: Where a file may be that the page names by the end of its path.
PLACES = [ROOT, ROOT / "astakos_worker", ROOT / "client" / "astakosclient"]
#: The questions of a newcomer that have an answer.
QUESTIONS = 13


def section(heading):
    """The text under a heading, up to the next one of the same kind."""
    begin = PAGE.index(f"\n## {heading}\n")
    return PAGE[begin : PAGE.index("\n## ", begin + 1)]


def rows(text):
    """The cells of the first table in a text, without its head."""
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)[0]
    _, _, *lines = table.splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def files(text):
    return re.findall(r"`([\w/.]+\.(?:py|lua|toml|md))`", text)


def there_is(name):
    inside = (ROOT / "astakos_worker").rglob(name) if "/" not in name else []
    return any((place / name).exists() for place in PLACES) or any(inside)


@pytest.mark.parametrize("name", sorted(set(files(PAGE))))
def test_each_file_that_the_page_names_is_there(name):
    assert there_is(name)


def test_each_question_is_answered_by_one_to_three_files():
    answers = rows(section("Where is ...?"))
    assert len(answers) >= QUESTIONS
    for _, answer in answers:
        named = files(answer)
        assert 1 <= len(named) <= 3, answer
        assert all((ROOT / name).is_file() for name in named), answer


def test_each_folder_of_the_package_is_in_the_table_of_the_parts():
    named = {
        cell.strip("`").rstrip("/") for cell in re.findall(r"^\| (`[^|]*`)", PAGE, re.MULTILINE)
    }
    package = ROOT / "astakos_worker"
    there = {f"astakos_worker/{path.parent.name}" for path in package.glob("*/__init__.py")}
    assert there <= named


def states_of(text):
    """The states that a cell of the table stands for."""
    states = {State(word) for word in re.findall(r"`(\w+)`", text)}
    if text == "every open state":
        return OPEN
    if text.startswith("every state"):
        return frozenset(State) - states
    return frozenset(states)


def test_the_table_of_events_is_the_codes():
    told = {
        event.strip("`"): states_of(states)
        for event, states, _ in rows(section("A record and its states"))
    }
    assert told == {event.__name__: frozenset(states) for event, states in ALLOWED.items()}


def test_the_open_states_are_the_codes():
    sentence = re.search(r"The open states are (.*?)\.", PAGE)[1]
    assert {State(word) for word in re.findall(r"`(\w+)`", sentence)} == OPEN
