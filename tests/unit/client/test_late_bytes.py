"""What a client gave up on, the kernel does not send later (F104). Real sockets on both sides.

The peer takes the connection and reads nothing, so most of a large request stays in the sender's
kernel. A connection that is closed would deliver those bytes as soon as the peer reads. One that
is reset delivers nothing more: the peer reads what its own kernel had already, and then a reset.
"""

import contextlib
import dataclasses
import fcntl
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest

from astakosclient import AstakosClientException, Outcome
from astakosclient.endpoints import Endpoints

HERE = Path(__file__).parent
LARGE = {"holder": "user:u", "source": "project:p", "resource": "r" * 8_000_000, "quantity": 1}
#: Seconds for something to happen on a busy machine; none of these tests needs a tenth of it.
PATIENCE = 60


def waited_for(condition):
    """Wait until the condition is true, and return its value."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


class DeafPeer:
    """A server that takes one connection, does its TLS handshake, and reads nothing."""

    def __init__(self, scheme):
        self._context = None
        if scheme == "https":
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(HERE / "localhost.pem")
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1)
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._taken = threading.Event()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self):
        sock, self.sender = self._listener.accept()
        if self._context is not None:
            sock = socket.socket(fileno=self._context.wrap_socket(sock, server_side=True).detach())
        self.sock = sock
        self._taken.set()

    def waiting(self):
        """Return how many bytes have arrived and were not read."""
        assert self._taken.wait(PATIENCE)
        return struct.unpack("i", fcntl.ioctl(self.sock, termios.FIONREAD, b"\0" * 4))[0]

    def unsent(self):
        """Return how many bytes the sender's kernel holds; None once it has given up."""
        # Other connections may have the same port at one end, so both ends are compared.
        ends = self.sender[1], self._listener.getsockname()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, queues, *_ = line.split()
            if tuple(int(end.partition(":")[2], 16) for end in (local, remote)) == ends:
                return int(queues.partition(":")[0], 16)
        return None

    def wait_until_full(self):
        """Wait until no more bytes arrive, though the sender's kernel holds some."""
        counts = []

        def stands():
            counts.append(self.waiting() if self._taken.wait(PATIENCE) and self.unsent() else -1)
            return counts[-1] > 0 and counts[-10:] == [counts[-1]] * 10

        waited_for(stands)

    def hear_the_rest(self):
        """Read to the end; return how many bytes came, and whether a reset was the end."""
        self.sock.settimeout(PATIENCE)
        count = 0
        try:
            while content := self.sock.recv(65536):
                count += len(content)
        except ConnectionResetError:
            return count, True
        return count, False

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)
        if self._taken.is_set():
            self.sock.close()


@pytest.fixture(params=["http", "https"])
def deaf(request):
    peer = DeafPeer(request.param)
    yield peer
    peer.close()


@pytest.fixture
def client(deaf, client_of, authorities):
    """A client that needs no discovery."""
    client = client_of(deaf.url, verify=authorities, use_pool=True, total_timeout=4)
    client._catalog = Endpoints("/some/account/v1.0", None, None)
    return client


def test_a_request_whose_deadline_passed_is_reset(deaf, client):
    """F104."""
    with pytest.raises(AstakosClientException) as caught:
        client.issue_provisions([LARGE])
    assert caught.value.outcome is Outcome.AMBIGUOUS
    arrived = deaf.waiting()
    assert arrived > 0
    assert deaf.hear_the_rest() == (arrived, True)


class TimeLimitError(Exception):
    """What Celery raises in the middle of a task: an exception from a signal handler."""


def test_a_request_that_an_exception_broke_off_is_reset(deaf, client):
    """F104."""
    client._limits = dataclasses.replace(client._limits, total_timeout=PATIENCE)

    def strike(*_):
        raise TimeLimitError

    before = signal.signal(signal.SIGUSR1, strike)
    striker = threading.Thread(
        target=lambda: (deaf.wait_until_full(), os.kill(os.getpid(), signal.SIGUSR1)), daemon=True
    )
    striker.start()
    try:
        with pytest.raises(TimeLimitError):
            client.issue_provisions([LARGE])
    finally:
        striker.join(PATIENCE)
        signal.signal(signal.SIGUSR1, before)
    arrived = deaf.waiting()
    assert deaf.hear_the_rest() == (arrived, True)


SENDER = """
import sys
from astakosclient import AstakosClient
from astakosclient.endpoints import Endpoints
url, authorities, seconds = sys.argv[1:]
client = AstakosClient("token", url, verify=authorities, total_timeout=float(seconds))
client._catalog = Endpoints("/some/account/v1.0", None, None)
provision = {"holder": "user:u", "source": None, "resource": "r" * 8_000_000, "quantity": 1}
client.issue_provisions([provision])
"""


@pytest.fixture
def sender(deaf, authorities):
    """Start a process that sends a large issue, with so many seconds for it."""
    started = []

    def start(seconds):
        command = [sys.executable, "-c", SENDER, deaf.url, authorities, str(seconds)]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(PATIENCE)


def test_a_request_whose_sender_was_killed_is_reset(deaf, sender):
    """F104."""
    process = sender(PATIENCE)
    deaf.wait_until_full()
    process.kill()
    process.wait(PATIENCE)
    arrived = deaf.waiting()
    assert deaf.hear_the_rest() == (arrived, True)


@pytest.mark.long
def test_a_request_whose_sender_was_stopped_ends_with_its_deadline(deaf, sender):
    """F104. The process is stopped and cannot reset anything: its kernel gives up by itself."""
    process = sender(6)
    deaf.wait_until_full()
    process.send_signal(signal.SIGSTOP)
    state = Path(f"/proc/{process.pid}/stat")
    waited_for(lambda: state.read_text().rpartition(")")[2].split()[0] == "T")
    waited_for(lambda: deaf.unsent() is None)
    arrived = deaf.waiting()
    assert deaf.hear_the_rest() == (arrived, True)


def test_a_connection_that_served_its_purpose_is_closed_and_not_reset(peer, answer, client_of):
    ends = []

    def answer_and_listen(sock):
        sock.sendall(answer.json({"serial": 57}, 201))
        try:
            ends.append(sock.recv(1))
        except OSError as error:
            ends.append(error)
        return False

    peer.answers(answer_and_listen)
    assert client_of(peer).issue_provisions([]) == 57
    waited_for(lambda: ends)
    assert ends == [b""]
