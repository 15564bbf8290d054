"""Finds ports on loopback that stay ours although nothing listens on them for a while.

A server that is killed and started again wants the same port. Two things could take it in
between: another program that asks for a free port, and an outgoing connection. The second is the
nastier one: a client that keeps dialling a dead server on a port of the system's outgoing range
ends up connected to itself. So ports come from below that range, and are held.
"""

import contextlib
import random
import socket
import sys
from pathlib import Path

LOOPBACK = "127.0.0.1"
#: Below what Linux (from 32768) and macOS (from 49152) give to outgoing connections.
LOWEST, HIGHEST = 15000, 32767
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Port:
    """One port of loopback; `held` until it is closed, so that nobody else takes it."""

    def __init__(self, number: int | None = None) -> None:
        candidates = [number] if number else random.sample(_candidates(), 200)
        for candidate in candidates:
            with contextlib.suppress(OSError):
                self._holder = _hold(candidate, strictly=number is None)
                self.number = candidate
                return
        which = f"port {number} is" if number else "200 ports tried at random are all"
        raise OSError(f"{which} in use on {LOOPBACK}; choose another")

    def close(self) -> None:
        """Let others have it."""
        self._holder.close()

    def answers(self) -> bool:
        """Say whether something accepts connections there."""
        try:
            with socket.create_connection((LOOPBACK, self.number), timeout=1):
                return True
        except OSError:
            return False


def _candidates() -> range:
    highest = HIGHEST
    with contextlib.suppress(OSError, ValueError):
        first_outgoing = int(_RANGE.read_text(encoding="ascii").split()[0])
        if first_outgoing > LOWEST + 1000:
            highest = min(highest, first_outgoing - 1)
    return range(LOWEST, highest + 1)


def _hold(number: int, *, strictly: bool) -> socket.socket:
    """Bind without listening: Linux lets a server with SO_REUSEADDR bind there all the same."""
    if strictly:
        # With SO_REUSEADDR another's hold would not be noticed; without it, a port that was
        # closed a minute ago counts as taken, which is no reason to refuse one asked for.
        with socket.socket() as probe:
            probe.bind((LOOPBACK, number))
    holder = socket.socket()
    if sys.platform == "linux":  # elsewhere the server could not bind any more
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((LOOPBACK, number))
        except OSError:
            holder.close()
            raise
    return holder
