"""The code in the pages: its program can read each block, and the blocks that can run do."""

import ast
import configparser
import importlib
import re
import shlex
import subprocess
import textwrap
import tomllib
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml

from astakos_worker import Commissions
from astakos_worker.cli import main as command
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.sandbox.server import SandboxServer

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("tests/*.md")])


class Block(NamedTuple):
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __repr__(self):
        return f"{self.page}:{self.line}"


def read_blocks(path):
    fenced = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    text = path.read_text(encoding="utf-8")
    for found in fenced.finditer(text):
        line = text[: found.start()].count("\n") + 2
        page = path.relative_to(ROOT).as_posix()
        yield Block(page, line, found[2], textwrap.dedent(found[3]))


BLOCKS = [block for path in PAGES for block in read_blocks(path)]


def of(*languages):
    return pytest.mark.parametrize(
        "block", [b for b in BLOCKS if b.language in languages], ids=repr
    )


def commands(block):
    """Return the command lines of a console, without what they print."""
    if block.language == "sh" or not re.search(r"^\$ ", block.text, re.MULTILINE):
        return block.text
    kept, goes_on = [], False
    for line in block.text.splitlines():
        if line.startswith("$ ") or goes_on:
            kept.append(line.removeprefix("$ "))
            goes_on = line.endswith("\\")
    return "\n".join(kept)


def test_the_languages_of_all_blocks_are_known():
    known = {"", "console", "ini", "python", "sh", "toml", "yaml"}
    assert {block.language for block in BLOCKS} <= known
    assert sum(block.language == "python" for block in BLOCKS) > 30


@of("python")
def test_python_is_python(block):
    compile(block.text, repr(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@of("python")
def test_what_is_imported_from_the_packages_is_there(block):
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and re.match(r"astakos", node.module or ""):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


@of("toml", "yaml", "ini")
def test_files_of_settings_can_be_read(block):
    if block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "yaml":
        yaml.safe_load(block.text)
    else:
        configparser.ConfigParser(strict=False, interpolation=None).read_string(block.text)


@of("console", "sh")
def test_command_lines_are_of_the_shell(block):
    text = commands(block)
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@of("console", "sh")
def test_our_own_command_has_the_subcommands_and_options_that_are_shown(block):
    for line in commands(block).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        starts = [n for n, word in enumerate(words) if Path(word).name == "astakos-worker"]
        for start in starts[:1]:
            _check(command, words[start + 1 :])


@pytest.mark.parametrize("line", ["shwo x", "show --jsno x", "ledger chekc", "status --one=2"])
def test_a_misspelt_word_of_our_command_would_be_found(line):
    with pytest.raises(AssertionError):
        _check(command, line.split())


def _check(found, words):
    for word in words:
        if word in {"|", "||", "&&", ">", "&", ";"}:
            return
        if isinstance(found, click.Group) and not word.startswith("-"):
            subcommand = found.get_command(click.Context(found), word)
            assert subcommand is not None, word
            found = subcommand
        elif word.startswith("-") and not re.match(r"-\d", word):
            names = {name for one in found.params for name in (*one.opts, *one.secondary_opts)}
            assert word.partition("=")[0] in {*names, "--help", "-h"}, word


# --- Blocks that run ----------------------------------------------------------------------------


def run_blocks(page, names, *, where=lambda _: True, change=lambda text: text):
    """Run a page's Python in its order, in one namespace; return how many blocks there were."""
    chosen = [b for b in BLOCKS if b.page == page and b.language == "python" and where(b)]
    for block in chosen:
        lines = "\n" * (block.line - 1)
        exec(compile(lines + change(block.text), page, "exec"), names)
    return len(chosen)


def test_the_tutorial_runs_without_any_server(capsys):
    names = {}
    assert run_blocks("docs/tutorial.md", names, where=lambda b: "# first.py" not in b.text) == 4
    assert names["commission"].get().state == "accepted"
    assert "limit" in capsys.readouterr().out


def test_what_the_page_on_services_begins_with_runs_without_any_server():
    begins = ("c = commissions.issue(", "results = ", "with commissions.hold(")
    commissions = Commissions.in_memory()
    built = []
    names = {"commissions": commissions, "uuid": "u", "build_server": lambda: built.append(1)}
    ran = run_blocks("docs/services.md", names, where=lambda b: b.text.startswith(begins))
    assert ran == len(begins)
    assert built == [1]
    assert commissions.get("server-999").state == "accepted"


def test_the_page_of_the_client_runs_against_the_sandbox(capsys):
    with SandboxServer() as sandbox:
        user = user_uuid("user01@example.org")
        names = {
            "token": "sandbox-token-of-user01",
            "component_token": "sandbox-token-of-cyclades",
            "user": user,
            "project": user,
        }
        ran = run_blocks(
            "docs/client.md",
            names,
            change=lambda text: text.replace("https://accounts.example.org", sandbox.auth_url),
        )
    assert ran >= 5
    assert user in capsys.readouterr().out
