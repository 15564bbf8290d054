"""`astakos-worker up`: the local stack in the foreground, until Ctrl-C."""

import contextlib
import os
import shlex
import threading
from collections.abc import Mapping
from pathlib import Path

import click
from kombu.utils.url import sanitize_url
from rich.table import Table

from astakos_worker.cli.interrupts import interrupt_once
from astakos_worker.cli.terminal import Terminal
from astakos_worker.local import LocalStack

_PORT = click.IntRange(1, 65535)


@click.command("up")
@click.option(
    "--directory",
    "-d",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("run"),
    show_default=True,
    help="For data, logs and the sandbox's token; the next run goes on with them.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Worker processes for commissions.",
)
@click.option("--broker-port", type=_PORT, help="Port of the broker; a free one if left out.")
@click.option("--sandbox-port", type=_PORT, help="Port of the sandbox; a free one if left out.")
@click.option("--flower-port", type=_PORT, help="Port of Flower; a free one if left out.")
@click.option("--flower/--no-flower", default=True, help="With or without Flower.")
def command(  # noqa: PLR0917 # click calls it by name
    directory: Path,
    workers: int,
    broker_port: int | None,
    sandbox_port: int | None,
    flower_port: int | None,
    flower: bool,
) -> None:
    """Run the whole stack on this machine until Ctrl-C.

    Broker and ledger (an embedded Valkey), a stand-in Astakos, workers, beat and Flower. All listen
    on loopback, and each is started again if it dies. If the environment names a broker, a ledger
    or an Astakos, that one is used: ASTAKOS_BROKER_URL, ASTAKOS_LEDGER_URL,
    ASTAKOS_SERVICES__DEFAULT__AUTH_URL and ..__TOKEN_FILE.
    """
    console = Terminal(soft_wrap=True)
    ports = {"broker": broker_port, "sandbox": sandbox_port, "flower": flower_port}
    stack = LocalStack(
        directory,
        flower=flower,
        workers=workers,
        ports={name: port for name, port in ports.items() if port},
    )
    with interrupt_once(), contextlib.suppress(KeyboardInterrupt):
        console.print("Starting ...", style="dim")
        with stack:
            console.print(_addresses(stack))
            console.print("\nFor a service on this machine:", style="bold")
            _export(console, stack.env)
            talks = {k: v for k, v in stack.worker_env.items() if k not in stack.env}
            if stack.sandbox_url:
                console.print("\nAnd for `astakos-worker reconcile` there:", style="bold")
                _export(console, talks)
            console.print("\nCtrl-C ends it all.", style="dim")
            threading.Event().wait()


def _export(console: Terminal, variables: Mapping[str, str]) -> None:
    # The reader has the variables that the environment sets; some hold a password.
    for name in sorted(variables.keys() - os.environ.keys()):
        console.print(f"export {name}={shlex.quote(variables[name])}")


def _addresses(stack: LocalStack) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("Broker", sanitize_url(stack.broker_url))
    table.add_row("Ledger", sanitize_url(stack.ledger_url))
    table.add_row("Astakos", stack.auth_url + (" (sandbox)" if stack.sandbox_url else ""))
    if stack.flower_url:
        table.add_row("Flower", stack.flower_url)
    table.add_row("Logs", f"{stack.directory}/*.log")
    return table
