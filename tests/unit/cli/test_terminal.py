"""The one way out to a terminal: each unprintable character is shown, and styles are our own."""

import ast
import io
from pathlib import Path

import click
import pytest
from rich.table import Table

from astakos_worker import cli
from astakos_worker.cli.terminal import (
    Terminal,
    cell,
    paragraph,
    print_json,
    visible,
    visible_usage_errors,
)

CLI = Path(cli.__file__).parent


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("server-1/create, Ωμέγα", "server-1/create, Ωμέγα"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\nc\td\x7f\x00", r"a\rb\nc\td\x7f\x00"),
        ("\u202eEVIL\u2066\u200b\u2028", r"\u202eEVIL\u2066\u200b\u2028"),
        ("\ud800\U000e0041", r"\ud800\U000e0041"),
        (7, "7"),
    ],
)
def test_a_value_is_shown_with_escapes_for_what_could_act(text, shown):
    assert visible(text) == shown


def drawn(renderable, **options):
    console = Terminal(file=io.StringIO(), width=60, **options)
    console.print(renderable)
    return console.file.getvalue()


def test_on_a_terminal_a_style_is_ours_and_a_values_escape_is_not():
    printed = drawn(cell("\x1b[2J", "red"), force_terminal=True, color_system="standard")
    assert printed == "\x1b[31m" + r"\x1b[2J" + "\x1b[0m\n"


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "\u202e", "a\x1b]0;t\x1b\\"])
def test_a_text_that_was_not_made_visible_does_not_act_either(text):
    """Whatever a command hands over: a string, a cell of a table."""
    table = Table()
    table.add_column(text)
    table.add_row(text)
    for printed in (drawn(text), drawn(table)):
        assert all(c.isprintable() or c == "\n" for c in printed)


def test_brackets_in_a_text_are_no_markup():
    assert drawn("[red]a[/red] [link=http://x]b[/link] :bug:") == (
        "[red]a[/red] [link=http://x]b[/link] :bug:\n"
    )


def test_a_later_line_is_indented_so_that_it_cannot_pass_for_ours():
    assert paragraph("a\nALARM\r\x1b\n") == "a\n  ALARM\n  \\x1b"


def test_json_is_ascii_without_control_characters(capsys):
    print_json({"name": "\x1b\x7f\x9b\u202e\nx"})
    printed = capsys.readouterr().out
    assert printed == '{"name": "\\u001b\\u007f\\u009b\\u202e\\nx"}\n'


def test_a_usage_error_is_visible():
    with pytest.raises(click.UsageError) as caught, visible_usage_errors():
        raise click.UsageError("no such thing: \x1b[2J")
    assert caught.value.format_message() == r"no such thing: \x1b[2J"


def calls(path):
    """The functions that a module calls, by the last part of their names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, "id", "")
            )


@pytest.mark.parametrize(
    "path", sorted(set(CLI.rglob("*.py")) - {CLI / "terminal.py"}), ids=lambda path: path.stem
)
def test_no_command_prints_in_another_way(path):
    """`print`, `click.echo`, `Console` and its kin would let an escape sequence through."""
    assert {"echo", "secho", "Console", "confirm", "prompt", "write"} & set(calls(path)) <= (
        {"confirm"} if "terminal import" in path.read_text() else set()
    )
    assert "print" not in {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
