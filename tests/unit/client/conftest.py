"""A peer on a raw socket, which answers each request as a test tells it to, byte for byte.

The shipped sandbox answers as Astakos does; this one answers as nobody should.
"""

import contextlib
import dataclasses
import itertools
import json
import select
import socket
import ssl
import threading
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from astakosclient import AstakosClient

TOKEN = "a-token-that-nobody-may-see"
HERE = Path(__file__).parent
#: Seconds for threads that have been told to end, on a machine that is busy with something else.
PATIENCE = 30
CATALOG = {
    "access": {
        "serviceCatalog": [
            {
                "name": "astakos_account",
                "type": "account",
                "endpoints_links": [],
                "endpoints": [
                    {
                        "versionId": "v1.0",
                        "region": "default",
                        "publicURL": "https://elsewhere.example.org/some/account/v1.0",
                        "SNF:uiURL": "https://elsewhere.example.org/some/ui",
                    },
                    {
                        "versionId": "v2.0",
                        "region": "default",
                        "publicURL": "https://elsewhere.example.org/later",
                        "SNF:uiURL": None,
                    },
                ],
            },
            {
                "name": "astakos_oauth2",
                "type": "astakos_auth",
                "endpoints_links": [],
                "endpoints": [
                    {
                        "versionId": "",
                        "region": "default",
                        "publicURL": "https://elsewhere.example.org/oauth2",
                        "SNF:uiURL": None,
                    }
                ],
            },
        ]
    }
}


def plain(status, body=b"", reason="OK", headers=()):
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def in_json(said, status=200, reason="OK"):
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return plain(status, body, reason, ["Content-Type: application/json; charset=UTF-8"])


def fault(status, name, **more):
    said = {name: {"code": status, "message": "so says Astakos", "details": "", **more}}
    return in_json(said, status, "Whatever")


def page(status):
    return plain(status, b"<html>a proxy's page</html>", "Page", ["Content-Type: text/html"])


def cut(_sock):
    """Close the connection without an answer."""
    return False


def cut_off(content):
    """Send this, and close the connection."""

    def move(sock):
        sock.sendall(content)
        return False

    return move


def trickle(content, every):
    """Send a byte, wait, send the next."""

    def move(sock):
        try:
            for byte in content:
                sock.sendall(bytes([byte]))
                # Readable means that the other side has gone away.
                if select.select([sock], [], [], every)[0]:
                    return False
        except OSError:
            pass
        return False

    return move


def hang(sock):
    """Never answer; end when the other side goes away."""
    select.select([sock], [], [], 30)
    return False


@pytest.fixture(scope="session")
def answer():
    return SimpleNamespace(
        plain=plain,
        json=in_json,
        fault=fault,
        page=page,
        cut=cut,
        cut_off=cut_off,
        trickle=trickle,
        hang=hang,
    )


class Peer:
    """A server that keeps what it was sent, and answers from a list; the last one stays."""

    def __init__(self, tls=False, listening=True):
        self.got = []
        self.connections = 0
        self.catalog = in_json(CATALOG)
        self._answers = [in_json({})]
        self._lock = threading.Lock()
        self._open = set()
        self._closing = False
        self._context = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(HERE / "localhost.pem")
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._threads = []
        if listening:
            self.listen()

    def listen(self):
        """Begin to accept connections; until then they are refused."""
        self._listener.listen(128)
        self._accepting.start()

    def answers(self, *moves):
        self._answers = list(moves)

    @property
    def asked(self):
        """What it was asked, discovery aside."""
        return [one for one in self.got if not one.target.endswith("/tokens")]

    def close(self):
        if self._listener.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        if self._accepting.ident is not None:
            self._accepting.join(PATIENCE)
        self._closing = True
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                # TLS' own takes the session away from a thread that may be about to read.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _accept(self):
        for number in itertools.count(1):
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections = number
            self._open.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw, number):
        sock = raw
        try:
            if self._context:
                raw.settimeout(10)
                sock = self._context.wrap_socket(
                    raw, server_side=True, do_handshake_on_connect=False
                )
                self._open.discard(raw)
                self._open.add(sock)
                if self._closing:  # who closes may have looked between the two
                    return
                sock.do_handshake()
            while (request := self._read(sock, number)) is not None:
                move = self._move(request)
                if callable(move):
                    if not move(sock):
                        return
                else:
                    sock.sendall(move)
        except (OSError, ValueError):
            pass
        finally:
            self._open.discard(sock)
            sock.close()

    def _move(self, request):
        with self._lock:
            self.got.append(request)
            move = self.catalog
            if not request.target.endswith("/tokens"):
                move = self._answers[0]
                if len(self._answers) > 1:
                    self._answers.pop(0)
        return move(request) if getattr(move, "wants_request", False) else move

    @staticmethod
    def _read(sock, number):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(65536)
            if not piece:
                return None
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = dict(line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in lines)
        length = int(headers.get("content-length", 0))
        while len(body) < length:
            body += sock.recv(65536)
        return SimpleNamespace(
            method=method,
            target=target,
            headers=headers,
            body=body,
            connection=number,
        )


@pytest.fixture
def new_peer():
    peers = []

    def start(**options):
        peers.append(Peer(**options))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


@pytest.fixture
def peer(new_peer):
    return new_peer()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def client_of():
    clients = []

    def make(peer, **options):
        options = {"connect_timeout": 5, "total_timeout": 20, **options}
        url = peer if isinstance(peer, str) else peer.url
        clients.append(AstakosClient(TOKEN, url, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(peer, client_of):
    return client_of(peer)


@pytest.fixture(scope="session")
def hurry():
    """Give a client that has connected little time for each call from now on."""

    def hurry(client):
        hasty = dataclasses.replace(client._limits, total_timeout=0.6)
        client._limits = client._transport.limits = hasty

    return hurry


@pytest.fixture(scope="session")
def token():
    return TOKEN


@pytest.fixture(scope="session")
def authorities():
    return str(HERE / "localhost-ca.pem")


@pytest.fixture
def dead_url():
    """An address where nobody listens, and nobody else can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def mute_url():
    """An address whose queue of connections is full, so that connecting takes for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        while True:
            sock = socket.socket()
            sock.settimeout(0.2)
            waiting.append(sock)
            try:
                sock.connect(address)
            except TimeoutError:
                break
        yield f"http://127.0.0.1:{address[1]}"
        for sock in waiting:
            sock.close()


@pytest.fixture
def new_tunnel(new_peer):
    """Start a proxy that tunnels to whatever it is asked for with CONNECT."""

    def answer_connect(request):
        if request.method != "CONNECT":
            return plain(405)

        def pump(sock):
            host = urlsplit(f"//{request.target}")
            with socket.create_connection((host.hostname, host.port)) as far:
                sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                while True:
                    decoded = isinstance(sock, ssl.SSLSocket) and sock.pending()
                    for ready in [sock] if decoded else select.select([sock, far], [], [], 30)[0]:
                        content = ready.recv(65536)
                        if not content:
                            return False
                        (far if ready is sock else sock).sendall(content)

        return pump

    answer_connect.wants_request = True

    def start(**options):
        proxy = new_peer(**options)
        proxy.answers(answer_connect)
        return proxy

    return start
