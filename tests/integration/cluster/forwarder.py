"""A name that leads to one server and then to another: a TCP forwarder, as managed Redis has one.

Connections that are open stay with the server that they were made to.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from astakos_worker.local.free_ports import LOOPBACK


class Forwarder:
    """Forwards each new connection to the port `target` of this machine."""

    def __init__(self, target: int, address: str = LOOPBACK) -> None:
        self.target = target
        self.address = address
        #: Seconds by which it holds each answer back, as a slow network does.
        self.late = 0.0
        self._door = socket.create_server((address, 0), backlog=200)
        self.port: int = self._door.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def url(self, database: int = 0) -> str:
        return f"redis://{self.address}:{self.port}/{database}"

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                caller, _ = self._door.accept()
                self._forward(caller)

    def _forward(self, caller: socket.socket) -> None:
        try:
            server = socket.create_connection((LOOPBACK, self.target))
        except OSError:
            caller.close()
            return
        for one, other, late in (
            (caller, server, lambda: 0.0),
            (server, caller, lambda: self.late),
        ):
            threading.Thread(target=_pump, args=(one, other, late), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, late: Callable[[], float]) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            time.sleep(late())
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        source.shutdown(socket.SHUT_RDWR)
    source.close()
