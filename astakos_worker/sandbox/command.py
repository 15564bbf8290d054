"""`astakos-worker sandbox`: a stand-in Astakos in the foreground."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from astakos_worker.sandbox.quirks import Quirk

if TYPE_CHECKING:
    from astakos_worker.sandbox.server import SandboxServer

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5000,
    show_default=True,
    help="Port; 0 chooses a free one.",
)
@click.option("--seed", type=_FILE, help="TOML file to start from; the shipped one if left out.")
@click.option("--state", type=_FILE, help="File in which commissions outlive the sandbox.")
@click.option(
    "--cost",
    type=click.Choice(["none", "real"]),
    default="none",
    show_default=True,
    help="Time that work takes: none, or as much as in a running Astakos.",
)
@click.option(
    "--delay", type=click.FloatRange(min=0), default=0.0, help="Seconds that each request waits."
)
@click.option("--faults", type=_FILE, help="TOML file of fault rules.")
@click.option(
    "--quirk",
    "quirks",
    type=click.Choice([quirk.value for quirk in Quirk]),
    multiple=True,
    help="A quirk of the real server to switch on; may be given several times.",
)
@click.option("--base-path", default="", help="A path before /identity and the others.")
@click.option(
    "--keep-alive", default=75, show_default=True, help="Seconds that an idle connection is kept."
)
@click.option("--access-log/--no-access-log", default=True, help="A line for each request.")
@click.option("--show-tokens", is_flag=True, help="Print the seed's (fake) tokens.")
def command(  # noqa: PLR0917 # click calls it by name
    host: str,
    port: int,
    seed: Path | None,
    state: Path | None,
    cost: str,
    delay: float,
    faults: Path | None,
    quirks: tuple[str, ...],
    base_path: str,
    keep_alive: int,
    access_log: bool,
    show_tokens: bool,
) -> None:
    """Run a stand-in Astakos, to try things with and to test against."""
    try:
        from astakos_worker.sandbox.cost import PRESETS  # noqa: PLC0415 # see below
        from astakos_worker.sandbox.errors import SandboxError  # noqa: PLC0415 # see below
        from astakos_worker.sandbox.faults import Rule, load_faults  # noqa: PLC0415 # see below
        from astakos_worker.sandbox.server import SandboxServer  # noqa: PLC0415 # see below
    except ModuleNotFoundError as missing:
        # The server is an extra. `--help` and the other commands do not need it.
        raise click.ClickException(
            f"{missing.name} is not installed; install astakos-worker[sandbox]"
        ) from missing
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    if access_log:
        logging.getLogger("astakos_worker.sandbox.access").setLevel(logging.INFO)
    try:
        rules, fault_seed = load_faults(faults) if faults is not None else ((), 0)
        if delay:
            rules = (*rules, Rule.of({"kind": "delay", "seconds": delay}))
        server = SandboxServer(
            seed,
            host=host,
            port=port,
            state=state,
            cost=PRESETS[cost],
            faults=rules,
            fault_seed=fault_seed,
            quirks=map(Quirk, quirks),
            base_path=base_path,
            keep_alive=keep_alive,
            access_log=access_log,
        )
        server.serve(lambda: _announce(server, show_tokens=show_tokens))
    except SandboxError as error:
        raise click.ClickException(str(error)) from error


def _announce(server: SandboxServer, *, show_tokens: bool) -> None:
    database = server.sandbox.astakos.database
    click.echo(f"auth URL:  {server.auth_url}")
    click.echo(f"control:   {server.url}/_control/")
    names = ", ".join(database.components)
    click.echo(f"tokens of: {names}, and {len(database.users)} users")
    if show_tokens:
        width = max(map(len, database.components), default=0)
        for component in database.components.values():
            click.echo(f"  {component.name:{width}}  {component.token}")
        for user in database.users.values():
            click.echo(f"  {user.username}  {user.uuid}  {user.token}")
    else:
        shown = f"so does GET {server.url}/_control/world"
        click.echo(f"           (--show-tokens prints them; {shown})")
    click.echo("Ctrl-C ends it.")
