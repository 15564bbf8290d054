"""The lock and the token in a stack's directory."""

import fcntl
import os
from pathlib import Path

from astakos_worker.local.process import StackError

#: The component whose token the default service uses.
COMPONENT = "cyclades"


class Lock:
    """The lock on a directory: two stacks there would write to the same append-only file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            raise StackError(
                f"a stack runs in {path.parent} already (process {holder}); "
                f"end it, or choose another directory"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def close(self) -> None:
        """Release the directory, so that another stack can use it."""
        self._file.close()


def write_secret(path: Path, secret: str) -> None:
    """Write a file that only its owner can read, at no moment anybody else."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secret + "\n")


def sandbox_token(component: str = COMPONENT) -> str:
    """Return the token of a component of the sandbox's shipped seed."""
    # Imported here: only a stack with a sandbox needs it.
    from astakos_worker.sandbox.seed import load_seed  # noqa: PLC0415

    return load_seed().components[component].token
