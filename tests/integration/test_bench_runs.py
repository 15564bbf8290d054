"""Every benchmark runs to its end, at its smallest size, with real servers and workers."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from bench.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.long


def run(*words):
    """Run a benchmark; its figures are in the file that it was given."""
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr


def numbers(value):
    """All numbers in a value that came from JSON."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from numbers(each)
    elif not isinstance(value, str | bool):
        yield value


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The figures of one run of all scenarios."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    run("-m", "bench", "--smallest", "--json", str(file))
    return json.loads(file.read_text())["results"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_gives_figures_for_each_contender(results, name):
    contenders = results[name]
    assert contenders
    for contender, figures in contenders.items():
        assert figures, contender
        for figure, samples in figures.items():
            assert samples, (contender, figure)
            assert all(math.isfinite(each) and each >= 0 for each in samples), (contender, figure)
        assert any(each > 0 for samples in figures.values() for each in samples), contender


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("client", ["--rounds", "2", "--calls", "2"]),
        ("ledger", ["--rounds", "2"]),
        ("sandbox_issue", ["--rounds", "1", "--requests", "50", "--connections", "2"]),
        ("sweep", ["--sizes", "20"]),
    ],
)
def test_a_benchmark_of_one_part_gives_figures(tmp_path, program, options):
    file = tmp_path / "figures.json"
    run(f"bench/{program}.py", *options, "--json", str(file))
    check(file)


@pytest.mark.postgres_server
def test_the_benchmark_of_the_outbox_gives_figures(tmp_path):
    file = tmp_path / "figures.json"
    run("-m", "bench.outbox", "--handlers", "3", "--rows", "20", "--json", str(file))
    check(file)


def check(file):
    """Check that there are figures in a file, and that each is a possible one."""
    figures = list(numbers(json.loads(file.read_text())))
    assert figures
    assert all(math.isfinite(each) and each >= 0 for each in figures)
