"""`astakos-worker serve`: everything that serves a real Astakos, on one host, until Ctrl-C."""

import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Iterator

import click
from kombu.utils.url import sanitize_url

from astakos_worker.cli.interrupts import interrupt_once
from astakos_worker.cli.terminal import Terminal, cell, say
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import UnavailableError
from astakos_worker.local.serving import OUTBOX_DATABASE, Serving
from astakos_worker.service.connect import ledger_of
from astakos_worker.worker.clients import faults

#: Seconds between two looks at the processes that start.
_LOOK = 0.2
#: Seconds after which the processes that have not started yet are named.
_LONG = 30.0
#: Seconds that a worker may take to end, besides its longest task.
_SLACK = 5.0
#: With one of these variables Flower asks for a login.
_LOGINS = ("FLOWER_BASIC_AUTH", "FLOWER_AUTH")


@click.command("serve")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Worker processes for commissions, each with 16 threads; one a core is plenty.",
)
@click.option(
    "--relay/--no-relay",
    default=None,
    help=f"A relay for the outbox of a service; by default if {OUTBOX_DATABASE} is set.",
)
@click.option(
    "--flower",
    "flower_port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Flower on this port of loopback; FLOWER_BASIC_AUTH=user:password is its login.",
)
def command(workers: int, relay: bool | None, flower_port: int | None) -> None:
    """Run workers, beat and a relay on this host, until Ctrl-C or SIGTERM.

    Broker, ledger and Astakos are those of the environment: ASTAKOS_BROKER_URL,
    ASTAKOS_LEDGER_URL, ASTAKOS_SERVICES__NAME__AUTH_URL and ..__TOKEN_FILE. The output of all
    processes goes to standard error, with the name of its process before each line. A process that
    dies is started again.

    Run beat on one host only: on the others run workers alone, as docs/deployment.md shows.

    Exit status 0 after Ctrl-C, SIGTERM or SIGHUP; 1 if a process cannot start, or had to be killed
    at the end.
    """
    settings = Settings()
    with_relay = bool(os.environ.get(OUTBOX_DATABASE)) if relay is None else relay
    _check(settings, with_relay=with_relay, flower=flower_port is not None)
    serving = Serving(settings, _write, workers=workers, relay=with_relay, flower_port=flower_port)
    grace = settings.longest_task + _SLACK
    with interrupt_once():
        try:
            with contextlib.suppress(KeyboardInterrupt):
                serving.start()
                _wait(serving)
                serving.keep()
                for line in _what_runs(serving):
                    say(line)
                while True:
                    time.sleep(3600)
        finally:
            say(f"Ending: running tasks end first, within {grace:g} s at most.")
            late = serving.stop(grace)
    for name in late:
        _write("serve", f"{name} had to be killed")
    sys.exit(1 if late else 0)


def _check(settings: Settings, *, with_relay: bool, flower: bool) -> None:
    """Raise for what no process could start with; say what may heal by itself."""
    if not settings.services:
        raise click.ClickException(
            "no service is configured; set ASTAKOS_SERVICES__DEFAULT__AUTH_URL and "
            "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE"
        )
    if wrong := faults(settings):
        raise click.ClickException("\n".join(wrong))
    if with_relay and not os.environ.get(OUTBOX_DATABASE):
        raise click.ClickException(f"--relay needs {OUTBOX_DATABASE}=postgresql://user@host/name")
    if flower and not any(os.environ.get(name) for name in _LOGINS):
        raise click.ClickException("--flower needs FLOWER_BASIC_AUTH=user:password: its login")
    if flower and importlib.util.find_spec("flower") is None:
        raise click.ClickException("--flower needs: pip install flower")
    try:
        ledger_of(settings).check()
    except UnavailableError as error:
        _write("serve", f"{error}; the workers wait for it")


def _wait(serving: Serving) -> None:
    """Wait until all processes work. Raises for one that ends before it works."""
    waiting = dict(serving.processes)
    long = time.monotonic() + _LONG
    while waiting:
        for name, process in list(waiting.items()):
            if process.exit_code is not None:
                raise click.ClickException(f"{name} ended with exit code {process.exit_code}")
            if process.ready:
                del waiting[name]
        if waiting and time.monotonic() >= long:
            long += _LONG
            _write("serve", f"not ready yet: {', '.join(waiting)}; is the broker away?")
        time.sleep(_LOOK)


def _what_runs(serving: Serving) -> Iterator[str]:
    settings = serving.settings
    yield f"Broker     {sanitize_url(settings.broker_url)}"
    yield f"Ledger     {sanitize_url(settings.ledger_url)}"
    for name, one in settings.services.items():
        yield f"Service    {name}, namespace {settings.namespace}: {sanitize_url(one.auth_url)}"
    runs = (f"{name} ({process.pid})" for name, process in serving.processes.items())
    yield f"Processes  {', '.join(runs)}"
    if serving.flower_port:
        yield f"Flower     http://127.0.0.1:{serving.flower_port}"
    yield "All work. Ctrl-C ends them."


def _write(name: str, line: str) -> None:
    """Write a line of a process to standard error."""
    Terminal(stderr=True, soft_wrap=True).print(cell(f"{name:<13} | {line}"))
