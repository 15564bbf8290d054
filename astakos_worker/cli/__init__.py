"""The operator's command: `astakos-worker`.

Runs in an operator's shell. Each subcommand is a module beside this file, with a `command`. It is
imported when it is called, so a worker's host needs no package that only the sandbox needs. An
error is one red line; `--debug` shows the traceback. Nothing imports this folder.
"""

import importlib
import importlib.util
import logging
import sys
import traceback
from typing import Any, NoReturn

import click
from kombu.exceptions import OperationalError
from pydantic import ValidationError

from astakos_worker.cli.terminal import (
    Terminal,
    cell,
    leave_closed_pipe,
    paragraph,
    survive_odd_output,
    visible_usage_errors,
)
from astakos_worker.configuration.setting_errors import in_words
from astakos_worker.ledger.contract import UnavailableError
from astakos_worker.service.errors import Unavailable

#: What each command does, in the order in which a newcomer meets them.
COMMANDS = {
    "demo": "Run the main job from end to end on this machine, and prove its sums.",
    "up": "Run the whole stack on this machine until Ctrl-C.",
    "serve": "Run workers, beat and a relay on this host, for a real Astakos.",
    "sandbox": "Run a stand-in Astakos alone.",
    "list": "Find commissions by a part of their key, or by what is in them.",
    "show": "Show commissions, from their request to their end.",
    "status": "Say whether all is well: lanes, workers, what is wrong and what to do.",
    "relay": "Send the rows of a service's outbox to the ledger.",
    "outbox": "Print the outbox's table; list, retry or drop rows that can never be sent.",
    "dead": "List dead letters; send them again, or discard them.",
    "ledger": "Say whether the ledger can be relied on; go on after it lost writes.",
    "reconcile": "Bring Astakos' pending commissions and the ledger together.",
    "health": "Say whether this host's workers consume; for compose and systemd.",
}
#: Packages that the base installation does not have, and the extra that installs them.
EXTRAS = {"uvicorn": "sandbox", "uvloop": "sandbox", "httptools": "sandbox"}
_OURS = {"astakos_worker", "astakosclient"}
#: The extra that installs every package that a command may need.
_ALL = "local"


class Commands(click.Group):
    """A group whose commands are modules, imported when they are called."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Parse the command line."""
        with visible_usage_errors():
            return super().make_context(*args, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands whose modules are installed."""
        del ctx
        return [name for name in COMMANDS if importlib.util.find_spec(_module(name))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is no such command."""
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
        """Run the command, and turn any error into one line for a person."""
        try:
            with visible_usage_errors():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            leave_closed_pipe()
        # The outermost place: no other code could report the error.
        except Exception as error:  # noqa: BLE001
            if ctx.params["debug"]:
                _console().print(paragraph(traceback.format_exc()))
                sys.exit(1)
            _explain(error)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="astakos-worker", prog_name="astakos-worker")
def main(debug: bool) -> None:
    """Quota commissions of Synnefo services, carried out exactly once over Celery."""
    del debug  # `invoke` reads it from the context
    survive_odd_output()
    # The command prints its errors itself. Without a handler, logging would print them again.
    logging.getLogger("astakos_worker").addHandler(logging.NullHandler())


def _module(name: str) -> str:
    return "astakos_worker.sandbox.command" if name == "sandbox" else f"{__name__}.{name}"


def _console() -> Terminal:
    return Terminal(stderr=True, soft_wrap=True)


def _explain(error: Exception) -> NoReturn:
    """Print what went wrong and what to do about it, and end the process."""
    console = _console()
    missing = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if missing and missing not in _OURS:
        extra = EXTRAS.get(missing, _ALL)
        console.print(cell(f"this command needs: pip install 'astakos-worker[{extra}]'", "red"))
        console.print(cell(f"({missing} is not installed)"))
        sys.exit(2)
    headline, _, rest = paragraph(_text(error)).partition("\n")
    console.print(headline or type(error).__name__, style="red")
    if rest := rest or _advice(error):
        console.print(rest)
    sys.exit(1)


def _text(error: Exception) -> str:
    """Return what an error says to an operator."""
    if isinstance(error, ValidationError):  # settings: in the words of the workers
        return in_words(error)
    if isinstance(error, Unavailable) and error.__cause__ is not None:
        # A service's call adds a sentence about its commission. No operator asked for that one.
        return str(error.__cause__)
    if isinstance(error, OperationalError):
        return f"the broker does not answer: {error}"
    if isinstance(error, KeyError):  # its text is the repr of its key
        return str(error.args[0]) if error.args else ""
    return str(error)


def _advice(error: Exception) -> str:
    """Return what to do about a server that does not answer; nothing for other errors."""
    if isinstance(error, (Unavailable, UnavailableError)):
        return "ASTAKOS_LEDGER_URL says where the ledger is; the same command again is safe"
    if isinstance(error, OperationalError):
        return "ASTAKOS_BROKER_URL says where the broker is"
    return ""
