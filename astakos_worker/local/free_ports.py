"""Finds free ports on loopback and reserves them while no server listens on them.

A server that is killed and started again needs its port again. In between, two things could take
the port: another program that asks for a free port, or an outgoing connection. The system gives
outgoing connections ports of a range, on Linux from 32768. A client that tries again and again to
reach a dead server on a port of this range will at last connect to itself. So ports are chosen
below this range, and a socket that does not listen is bound to each.
"""

import contextlib
import random
import socket
import sys
from pathlib import Path

LOOPBACK = "127.0.0.1"
#: Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections.
LOWEST, HIGHEST = 15000, 32767
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Port:
    """One port of loopback, reserved until `close`.

    `number` asks for this port; None: a free one is chosen. `OSError` if the port is in use.
    """

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
        """Give the port up."""
        self._holder.close()

    def answers(self) -> bool:
        """Return whether a program accepts connections on the port."""
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
    """Bind a socket without listening. On Linux a server with SO_REUSEADDR can still bind there.

    `strictly` refuses a port that another program has reserved in the same way.
    """
    if strictly:
        # With SO_REUSEADDR, a bind succeeds although another socket is bound there. Without it, a
        # port that was closed a minute ago counts as taken, so a port that the caller asked for
        # is not checked in this way.
        with socket.socket() as probe:
            probe.bind((LOOPBACK, number))
    holder = socket.socket()
    if sys.platform == "linux":  # on other systems the server could then not bind
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((LOOPBACK, number))
        except OSError:
            holder.close()
            raise
    return holder
