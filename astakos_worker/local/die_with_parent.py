"""Runs a program that ends when its parent process ends.

`python -I die_with_parent.py PARENT -- PROGRAM ARGUMENT...` becomes the program. PARENT is a
process id. When the parent ends, even by `kill -9`, the program is killed. This file is run by its
path and imports nothing of the package, so it costs a few milliseconds.

On Linux the kernel kills the program (`PR_SET_PDEATHSIG`). The kernel watches the *thread* that
started the program. So the caller must start programs from a thread that lives as long as they
do. On other systems a second process stays in the program's process group, checks every quarter of
a second whether the parent is alive, and kills the group when it is not.
"""

import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
#: Seconds between two checks of the parent, on systems whose kernel sends no signal.
LOOK = 0.25


def main(argv: list[str]) -> None:
    """Tie this process to its parent, then become the program."""
    parent, separator, *program = argv
    if separator != "--" or not program:
        raise SystemExit("usage: die_with_parent.py PARENT -- PROGRAM ARGUMENT...")
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        watch(int(parent))
    # If the parent ended before the request to the kernel, no signal comes.
    if os.getppid() != int(parent):
        raise SystemExit(f"process {parent} has gone; {program[0]} is not started")
    os.execvp(program[0], program)  # noqa: S606  # becoming the program is the purpose


def watch(parent: int) -> None:
    """Start a process that kills this process's group when the parent has ended."""
    leader = os.getpid()
    if os.fork():
        return
    while os.getppid() == leader:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os.killpg(leader, signal.SIGKILL)
        time.sleep(LOOK)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
