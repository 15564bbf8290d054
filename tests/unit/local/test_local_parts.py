"""The parts of the local stack that need no process: ports, files, back-off, command lines."""

import itertools
import socket
import stat
from pathlib import Path

import click
import pytest
from celery.bin.celery import celery
from flower.options import default_options as flower_options

from astakos_worker.configuration import names
from astakos_worker.local import commands
from astakos_worker.local.files import Lock, sandbox_token, write_secret
from astakos_worker.local.free_ports import HIGHEST, LOOPBACK, LOWEST, Port
from astakos_worker.local.process import StackError, program
from astakos_worker.local.supervisor import CAP, FIRST, backoff


@pytest.fixture
def port():
    port = Port()
    yield port
    port.close()


def test_a_held_port_can_be_served_and_served_again(port):
    """A server that was killed comes back on the port that its clients know."""
    for _ in range(2):
        with socket.create_server((LOOPBACK, port.number)):
            assert port.answers()
        assert not port.answers()


def test_a_port_that_is_held_or_served_is_not_given_to_another(port):
    with pytest.raises(OSError, match="in use"), socket.socket() as another:
        another.bind((LOOPBACK, port.number))
    with socket.create_server((LOOPBACK, port.number)), pytest.raises(OSError, match="in use"):
        Port(port.number)


def test_a_port_is_never_one_that_an_outgoing_connection_may_take(port):
    """Or a client that dials a dead server could find itself."""
    assert LOWEST <= port.number <= HIGHEST
    outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if outgoing.exists():
        assert port.number < int(outgoing.read_text().split()[0])


def test_back_off_grows_and_is_bounded():
    delays = [backoff(deaths) for deaths in range(1, 100)]
    assert delays[0] == FIRST
    assert delays[-1] == CAP
    assert all(earlier <= later for earlier, later in itertools.pairwise(delays))


def test_a_secret_is_readable_by_its_owner_alone_even_if_the_old_file_was_open(tmp_path):
    file = tmp_path / "token"
    file.write_text("old")
    file.chmod(0o644)
    write_secret(file, "new")
    assert file.read_text() == "new\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_one_stack_a_directory(tmp_path):
    first = Lock(tmp_path / "lock")
    with pytest.raises(StackError, match=r"runs in .* already \(process \d+\)"):
        Lock(tmp_path / "lock")
    first.close()
    Lock(tmp_path / "lock").close()


def test_the_default_token_is_one_that_the_shipped_seed_knows():
    assert sandbox_token("cyclades") != sandbox_token("pithos")


@pytest.mark.parametrize(
    "words",
    [*(commands.worker(queue, "w") for queue in commands.THREADS), commands.beat()],
    ids=lambda words: "-".join(words[3:6]),
)
def test_celery_understands_every_word_of_our_command_lines(words):
    """Parsed by celery's own parser, which raises for an option that it does not know."""
    assert words[:3] == ["celery", "-A", commands.APPLICATION]
    command = celery.commands[words[3]]
    _, left_over, _ = command.make_parser(click.Context(command)).parse_args(words[4:])
    assert left_over == []


def test_flower_knows_every_option_that_it_is_given():
    """It ignores those that it does not know, and would then listen where it likes."""
    for word in commands.flower(5555, LOOPBACK, "db")[4:]:
        name = word.removeprefix("--").partition("=")[0]
        assert name in flower_options


def test_every_queue_has_a_number_of_threads():
    assert set(commands.THREADS) == {names.COMMISSIONS, names.LOOKUPS, names.SWEEP}


def test_a_command_runs_in_the_interpreter_that_is_running_whatever_the_path_says():
    assert program(["celery", "beat"])[1:] == ["-m", "celery", "beat"]
    assert program(["python", "-m", "x"])[0] == program(["celery"])[0]
    assert program(["valkey-server"]) == ["valkey-server"]
