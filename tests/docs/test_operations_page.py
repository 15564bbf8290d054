"""The operator's pages against the program: its commands, states, actions and alarms."""

import inspect
import re
import shlex
from pathlib import Path
from typing import get_args

import click
import pytest

from astakos_worker.cli import main
from astakos_worker.engine.replies import Condition
from astakos_worker.engine.sweep.findings import SweepAction
from astakos_worker.engine.sweep.sweep_run import _EVENTS
from astakos_worker.ledger.record import State
from astakos_worker.worker.health import judgement
from astakos_worker.worker.health.remedies import REMEDIES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    name: (DOCS / name).read_text()
    for name in ("operations.md", "drift.md", "owners.md", "sweep.md", "deployment.md")
}
OPERATIONS = PAGES["operations.md"]
COMMANDS = sorted(
    {
        line.partition("#")[0].strip()
        for page in PAGES.values()
        for line in re.findall(r"^\$ astakos-worker (.*)$", page, re.MULTILINE)
    }
)

#: Findings that make no exit status 1.
NOT_RED = {
    ("ledger-settings", "unknown"),
    ("outbox-rows", "unknown"),
    ("unread", "unknown"),
    ("broker-evicts", "warning"),
    ("dead-messages", "warning"),
}


def table_under(heading):
    """The words in the first column of the first table after a heading."""
    section = OPERATIONS[OPERATIONS.index(f"\n{heading}\n") :]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)[0]
    _, _, *rows = table.splitlines()
    return {word for row in rows for word in re.findall(r"`([\w-]+)`", row.split("|")[1])}


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_one_that_there_is_with_these_options(line):
    command, words, context = main, shlex.split(line), click.Context(main)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        command = command.get_command(context, name)
        assert command is not None, f"there is no {name}"
        context = click.Context(command, context, name)
    command.make_parser(context).parse_args(list(words))


def test_the_pages_show_enough_of_them():
    assert len(COMMANDS) > 15


def test_every_state_is_explained():
    assert table_under("## What happened to the commission of server 42?") == set(State)


def test_every_action_of_a_sweep_is_explained():
    assert table_under("## The sweep by hand") == set(get_args(SweepAction))


def test_every_finding_is_explained():
    source = inspect.getsource(judgement)
    named = set(re.findall(r'(?:_red\(|Level\.\w+,)\s*"([a-z-]+)"', source))
    named |= {f"{server}-away" for server in ("ledger", "broker")} | {"sweep-late"}
    assert len(named) > 20
    assert table_under("## Findings") == named
    assert all(f"`{name}` ({level})" in OPERATIONS for name, level in NOT_RED)


def test_every_alarm_has_a_remedy():
    assert table_under("## Alarms") == set(REMEDIES)


def test_every_alarm_is_explained():
    raised = {each.name.lower() for each in Condition if each is not Condition.ANSWERS}
    source = Path(__file__).parents[2] / "astakos_worker"
    for path in source.rglob("*.py"):
        raised |= set(re.findall(r'alarms\["([\w-]+)"\] = ', path.read_text()))
        raised |= set(re.findall(r'\.alarm\((?:[^()"]*, )?"([\w-]+)"', path.read_text()))
    for path in source.rglob("*.lua"):
        raised |= set(re.findall(r"alarms', '([\w-]+)'", path.read_text()))
    assert {"conflict", "vanished", "owner", "clock"} < raised
    assert table_under("## Alarms") == raised | set(_EVENTS)
    for event in _EVENTS.values():
        assert f"`{event}`" in OPERATIONS
