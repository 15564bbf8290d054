"""docs/deployment.md: what it tells an operator to run is what exists."""

import re
import subprocess
from pathlib import Path

import click
from celery.bin.celery import celery

from astakos_worker.cli.health import command as health
from astakos_worker.configuration import names
from astakos_worker.local import commands

PAGE = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text()


def starts():
    """Each ExecStart as systemd would read it for the instance `commissions-1`."""
    lines = re.findall(r"ExecStart=((?:.*\\\n)*.*)", PAGE)
    specifiers = {"%%": "%", "%i": "commissions-1", "%H": "node"}
    for line in lines:
        joined = line.replace("\\\n", " ").replace("$$", "$").rstrip("`,")
        yield re.sub("%[%iH]", lambda found: specifiers[found[0]], joined)


def test_the_template_starts_the_worker_that_its_instance_names():
    [worker] = [line for line in starts() if line.startswith("/bin/sh")]
    shown = subprocess.run(
        ["sh", "-c", worker.replace("/opt/astakos/bin/celery", "echo celery")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    expected = commands.worker(names.COMMISSIONS, "commissions-1")
    # Pool and number of threads are left to celeryconfig.py there.
    start = expected.index("--pool")
    assert shown == expected[:start] + expected[start + 4 :]


def test_the_check_and_beat_take_their_options():
    [check] = [line for line in starts() if "health" in line]
    options, _, _ = health.make_parser(click.Context(health)).parse_args(check.split()[2:])
    assert options == {"workers": ["commissions-1@node"]}
    [beat] = [line for line in starts() if " beat" in line]
    parser = celery.commands["beat"].make_parser(click.Context(celery.commands["beat"]))
    parser.parse_args(beat.split()[4:])


def test_the_servers_settings_are_those_that_the_stack_starts_it_with():
    words = iter(commands.DURABLE)
    for option, value in zip(words, words, strict=True):
        assert f"| `{option[2:]}` | {f'`{value}`' if value else 'empty'} |" in PAGE
