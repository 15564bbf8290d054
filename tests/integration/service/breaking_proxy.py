"""A way to a server that loses one answer: the connection ends while the answer is under way.

The server has carried out the request by then. A client that repeats requests over a new connection
sends it again, as redis-py does.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from astakos_worker.local.free_ports import LOOPBACK


class BreakingProxy:
    """Forwards to a port; `lose_answer` names the request whose answer is lost, once."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._lose: bytes | None = None
        self._meanwhile: Callable[[], None] = lambda: None
        self.lost = 0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._door = socket.create_server((LOOPBACK, 0), backlog=50)
        self._start(self._accept)

    def url(self, database: int = 0) -> str:
        return f"redis://{LOOPBACK}:{self._door.getsockname()[1]}/{database}"

    def lose_answer(self, request: bytes, meanwhile: Callable[[], None]) -> None:
        """Lose the answer to the next request with these bytes; before that, call `meanwhile`."""
        self._lose, self._meanwhile = request, meanwhile

    def close(self) -> None:
        for each in (self._door, *self._sockets):
            _end(each)
        for thread in self._threads:
            thread.join(10)
        for each in (self._door, *self._sockets):
            each.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                caller, _ = self._door.accept()
                server = socket.create_connection((LOOPBACK, self._target))
                self._sockets += [caller, server]
                loses = threading.Event()
                self._start(self._requests, caller, server, loses)
                self._start(self._answers, caller, server, loses)

    def _requests(
        self, caller: socket.socket, server: socket.socket, loses: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := caller.recv(1 << 20):
                with self._lock:
                    if self._lose is not None and self._lose in data:
                        self._lose = None
                        loses.set()
                server.sendall(data)
        _end(server)

    def _answers(
        self, caller: socket.socket, server: socket.socket, loses: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 20):
                if loses.is_set():
                    self._meanwhile()
                    self.lost += 1
                    break
                caller.sendall(data)
        _end(caller)
        _end(server)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
