"""`docs/sandbox.md` names everything that can be asked of the sandbox."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from astakos_worker.sandbox.command import command
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.cost import CostModel
from astakos_worker.sandbox.faults import Kind, Rule, parse_faults
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.routes import ROUTE_NAMES
from astakos_worker.sandbox.seed import load_seed

PAGE = Path(__file__).parents[3].joinpath("docs", "sandbox.md").read_text()
SAMPLES = [part.split("```")[0] for part in PAGE.split("```toml\n")[1:]]


@pytest.mark.parametrize(
    "name",
    [
        *[f"`{kind}`" for kind in Kind],
        *[f"`{quirk}`" for quirk in Quirk],
        *[f"`{route}`" for route in ROUTE_NAMES],
        *[f"`{field.name}`" for field in (*fields(Rule), *fields(CostModel))],
    ],
)
def test_every_fault_route_and_figure_is_named(name):
    assert name in PAGE


@pytest.mark.parametrize("method", [name for name in vars(ControlClient) if name[0] != "_"])
def test_every_control_is_named(method):
    assert f"{method}(" in PAGE or f"`{method}`" in PAGE


@pytest.mark.parametrize("option", [name for each in command.params for name in each.opts])
def test_every_option_is_named(option):
    assert option in PAGE


def test_the_sample_seed_is_one():
    assert len(load_seed(SAMPLES[0]).users) == 20


def test_the_sample_of_faults_is_one():
    rules, seed = parse_faults(SAMPLES[1])
    assert (len(rules), seed) == (1, 7)
    assert tomllib.loads(SAMPLES[1])["fault"][0]["kind"] == rules[0].kind
