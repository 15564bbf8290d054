"""docker-compose.yml and the Dockerfile, as far as a machine without Docker can hold them.

`compose-spec.json` is the Compose Specification's schema (Apache-2.0), as the docker-compose
1.29.2 distribution carried it. What each service runs is compared with the words that the local
stack runs every day; `tests/integration/test_compose_commands.py` runs what is left.
"""

import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest
import yaml
import yamllint.config
import yamllint.linter
from jsonschema import Draft7Validator

from astakos_worker.cli.health import command as health
from astakos_worker.configuration import names
from astakos_worker.configuration.settings import Settings
from astakos_worker.local import commands
from astakos_worker.sandbox.command import command as sandbox

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
QUEUES = {"commissions": names.COMMISSIONS, "lookups": names.LOOKUPS, "sweep": names.SWEEP}
OF_TOKEN = {*QUEUES, "beat"}


def seconds(duration):
    [(number, unit)] = re.findall(r"^(\d+)(s|m)$", duration)
    return int(number) * {"s": 1, "m": 60}[unit]


def check_of(service):
    kind, *words = SERVICES[service]["healthcheck"]["test"]
    assert kind == "CMD"
    return words


# --- The file as a whole ----------------------------------------------------------------------


def test_it_is_a_compose_file():
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    errors = [f"{e.json_path}: {e.message}" for e in Draft7Validator(schema).iter_errors(COMPOSE)]
    assert errors == []


def test_the_schema_would_notice():
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    wrong = {"services": {"broker": {"image": "valkey", "restrat": "always"}}}
    assert not Draft7Validator(schema).is_valid(wrong)


def test_its_style_is_clean():
    rules = "{extends: default, rules: {line-length: {max: 100}}}"
    config = yamllint.config.YamlLintConfig(rules)
    problems = [str(problem) for problem in yamllint.linter.run(TEXT, config)]
    assert problems == []


def test_every_variable_is_explained_where_it_is_set():
    head = TEXT.partition("\nx-service")[0]
    page = (ROOT / "docs" / "deployment.md").read_text()
    variables = set(re.findall(r"\$\{(\w+)", TEXT))
    assert variables == {
        "ASTAKOS_AUTH_URL",
        "ASTAKOS_TOKEN_FILE",
        "FLOWER_BASIC_AUTH",
        "BROKER_MEMORY",
    }
    for variable in variables:
        assert f"#   {variable} " in head
        assert f"`{variable}`" in page


@pytest.mark.parametrize("service", SERVICES)
def test_whatever_ends_is_started_again(service):
    assert SERVICES[service]["restart"] == "always"


@pytest.mark.parametrize("service", sorted(set(SERVICES) - {"beat"}))
def test_every_service_that_can_be_asked_is(service):
    check = SERVICES[service]["healthcheck"]
    assert seconds(check["timeout"]) <= seconds(check["interval"])
    assert check["retries"] >= 2


# --- Secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_is_in_the_file(service):
    """A value that could be one comes from the environment or from a file outside."""
    for name, value in SERVICES[service].get("environment", {}).items():
        if re.search(r"TOKEN|AUTH|PASS|SECRET|KEY", name):
            assert re.match(r"\$\{\w+:\?|/run/secrets/", value), name
        assert not re.search(r"//[^/@]*:[^/@]*@", value), f"{name} has a password in its URL"
    words = " ".join(SERVICES[service]["command"])
    assert not re.search(r"pass|token=|auth=", words, re.IGNORECASE)


def test_only_workers_and_beat_can_read_the_token():
    """F62: Flower shows what it knows."""
    assert {name for name, each in SERVICES.items() if each.get("secrets")} == OF_TOKEN
    for name, service in SERVICES.items():
        told = "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE" in service.get("environment", {})
        assert told == (name in OF_TOKEN)


def test_flower_alone_is_published_with_a_password_and_on_this_host():
    published = {name: each["ports"] for name, each in SERVICES.items() if each.get("ports")}
    assert published == {"flower": ["127.0.0.1:5555:5555"]}
    assert SERVICES["flower"]["environment"]["FLOWER_BASIC_AUTH"].startswith(
        "${FLOWER_BASIC_AUTH:?"
    )


# --- Commands ---------------------------------------------------------------------------------


def test_the_broker_is_the_local_stacks():
    words = commands.server("valkey-server", 6379, "0.0.0.0", "/data")
    assert SERVICES["broker"]["command"][: len(words)] == words


@pytest.mark.parametrize("service", QUEUES)
def test_workers_are_the_local_stacks(service):
    assert SERVICES[service]["command"] == commands.worker(QUEUES[service], service)


def test_beat_flower_and_sandbox_are_the_local_stacks():
    assert SERVICES["beat"]["command"] == commands.beat()
    assert SERVICES["flower"]["command"] == commands.flower(5555, "0.0.0.0", "/data/flower")
    assert SERVICES["sandbox"]["command"] == commands.sandbox(
        5000, "0.0.0.0", "/data/sandbox.state"
    )


def test_the_sandboxs_options_exist():
    words = SERVICES["sandbox"]["command"][3:]
    sandbox.make_parser(click.Context(sandbox)).parse_args(words)


@pytest.mark.parametrize("service", QUEUES)
def test_a_workers_check_asks_for_its_own_queue(service):
    program, subcommand, *words = check_of(service)
    assert (program, subcommand) == ("astakos-worker", "health")
    options, _, _ = health.make_parser(click.Context(health)).parse_args(words)
    assert options == {"queue": QUEUES[service]}


@pytest.mark.parametrize("service", QUEUES)
def test_a_worker_is_given_the_time_that_a_task_may_take(service):
    """F54: in the check, which a busy worker answers late, and when it is asked to end."""
    longest = Settings().longest_task
    assert seconds(SERVICES[service]["healthcheck"]["timeout"]) > longest + 10
    assert seconds(SERVICES[service]["stop_grace_period"]) > longest


def test_the_ledgers_memory_has_a_bound_or_nobody_could_tell_that_it_is_nearly_full():
    """F79."""
    words = SERVICES["broker"]["command"]
    assert words[words.index("--maxmemory") + 1] == "${BROKER_MEMORY:-1gb}"


def test_the_pages_override_is_one_that_compose_takes_with_settings_that_there_are():
    """What the file does not name is set there."""
    page = (ROOT / "docs" / "deployment.md").read_text()
    [text] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    override = yaml.safe_load(text)
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    assert list(Draft7Validator(schema).iter_errors(override)) == []
    assert set(override["services"]) == OF_TOKEN
    for service in override["services"].values():
        for name in service["environment"]:
            assert name.removeprefix("ASTAKOS_").lower() in Settings.model_fields


# --- Dockerfile -------------------------------------------------------------------------------


def instructions():
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def copied():
    sources = []
    for instruction, rest in instructions():
        if instruction == "COPY" and not rest.startswith("--from"):
            sources += shlex.split(rest)[:-1]
    return sources


def test_the_image_is_made_of_known_instructions_and_pinned_bases():
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "CMD"}
    assert {instruction for instruction, _ in instructions()} <= known
    for instruction, rest in instructions():
        if instruction == "FROM":
            assert re.match(r"python:3\.1[1-9]-slim( AS build)?$", rest)


def test_what_is_copied_is_there_and_is_let_through():
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")
    ]
    for source in copied():
        assert (ROOT / source).exists()
        assert any(fnmatch(source, pattern) for pattern in allowed)


def test_all_that_the_distribution_is_built_from_is_copied():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [
        "pyproject.toml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *wheel["force-include"],
        *(package.split("/")[0] for package in wheel["packages"]),
    ]
    assert set(needed) <= set(copied())


def test_what_is_installed_has_everything_that_a_command_needs():
    [installed] = [rest for kind, rest in instructions() if kind == "RUN" and "pip" in rest]
    words = shlex.split(installed)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [extra] = [word for word in words if word.startswith(".[")]
    assert extra[2:-1] in project["optional-dependencies"]
    assert "flower" in words
    constraints = words[words.index("--constraint") + 1]
    assert "flower==" in (ROOT / constraints).read_text()


def test_nothing_runs_as_root():
    [user] = [rest for instruction, rest in instructions() if instruction == "USER"]
    assert int(user) > 0
    assert SERVICES["broker"]["user"] not in {"root", "0"}
    assert not any("user" in each for name, each in SERVICES.items() if name != "broker")
