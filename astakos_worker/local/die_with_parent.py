"""Runs a program that must not outlive the process that started it.

`python -I die_with_parent.py PARENT -- PROGRAM ARGUMENT...` becomes the program. When the parent
(a process id) ends, the kernel kills the program, after `kill -9` of the parent too. This file is
run by its path and imports nothing of the package, so it costs a few milliseconds.

On Linux the kernel does it (`PR_SET_PDEATHSIG`). The kernel watches the *thread* that started the
program, so the caller starts its programs from a thread that lives as long as they are needed.
Elsewhere a second process stays in the program's process group and looks every quarter of a second
whether the parent is alive.
"""

import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
#: Seconds between two looks at the parent, where the kernel tells nobody.
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
    # It may have gone before we asked, and then no signal comes.
    if os.getppid() != int(parent):
        raise SystemExit(f"process {parent} has gone; {program[0]} is not started")
    os.execvp(program[0], program)  # noqa: S606  # becoming the program is the purpose


def watch(parent: int) -> None:
    """Leave a process behind that kills this one's group when the parent has gone."""
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
