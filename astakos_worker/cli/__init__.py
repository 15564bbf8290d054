"""The operator's command: `astakos-worker`.

Subcommands are modules beside this file, each with a `command`, and are imported when they are
called: a worker's host need not have what only the sandbox needs. An error is one red line;
`--debug` shows where it came from.
"""

import importlib
import importlib.util
import sys
from typing import Any, NoReturn

import click
from kombu.exceptions import OperationalError
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from astakos_worker.configuration.setting_errors import in_words
from astakos_worker.ledger.contract import UnavailableError
from astakos_worker.service.errors import Unavailable

#: What each does, in the order in which a newcomer meets them.
COMMANDS = {
    "demo": "Run the main job from end to end on this machine, and prove its sums.",
    "up": "Run the whole stack on this machine until Ctrl-C.",
    "sandbox": "Run a stand-in Astakos alone.",
    "show": "Show commissions, from their request to their end.",
    "status": "Show how the lanes stand, and their alarms.",
    "dead": "List dead letters; send them again, or discard them.",
    "ledger": "Say whether the ledger can be relied on; go on after it lost writes.",
    "reconcile": "Bring Astakos' pending commissions and the ledger together.",
    "health": "Say whether this host's workers consume; for compose and systemd.",
}
#: Packages that are not of the base installation, and the extra that brings them.
EXTRAS = {"uvicorn": "sandbox", "uvloop": "sandbox", "httptools": "sandbox"}
_OURS = {"astakos_worker", "astakosclient"}
#: An extra that covers whatever a command may miss.
_ALL = "local"


class Commands(click.Group):
    """A group whose commands are modules, imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands whose modules are there."""
        del ctx
        return [name for name in COMMANDS if importlib.util.find_spec(_module(name))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is no such."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(_module(cmd_name))
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(f"{module.__name__}.command is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn whatever it raises into one line for a person."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        # The outermost place: there is nobody else to tell what went wrong.
        except Exception as error:
            if ctx.params["debug"]:
                raise
            _explain(error)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="astakos-worker", prog_name="astakos-worker")
def main(debug: bool) -> None:
    """Quota commissions of Synnefo services, carried out exactly once over Celery."""
    del debug  # read from the context where errors are told


def _module(name: str) -> str:
    return "astakos_worker.sandbox.command" if name == "sandbox" else f"{__name__}.{name}"


def _explain(error: Exception) -> NoReturn:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    missing = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if missing and missing not in _OURS:
        extra = EXTRAS.get(missing, _ALL)
        console.print(
            Text(f"this command needs: pip install 'astakos-worker[{extra}]'", style="red")
        )
        console.print(Text(f"({missing} is not installed)"))
        sys.exit(2)
    # Settings that do not fit are told as the workers tell them.
    text = in_words(error) if isinstance(error, ValidationError) else str(error)
    if isinstance(error, Unavailable) and error.__cause__ is not None:
        text = str(
            error.__cause__
        )  # what a service's call says of its commission is not asked here
    elif isinstance(error, OperationalError):
        text = f"the broker does not answer: {error}"
    headline, _, rest = text.partition("\n")
    rest = rest or _away(error)
    if isinstance(error, KeyError):  # its text is the repr of its key
        headline = str(error.args[0]) if error.args else ""
    console.print(Text(headline or type(error).__name__, style="red"))
    if rest:
        console.print(Text(rest))
    sys.exit(1)


def _away(error: Exception) -> str:
    """Return what to do about a server that does not answer; nothing for other errors."""
    if isinstance(error, (Unavailable, UnavailableError)):
        return "ASTAKOS_LEDGER_URL says where the ledger is; the same command again is safe"
    if isinstance(error, OperationalError):
        return "ASTAKOS_BROKER_URL says where the broker is"
    return ""
