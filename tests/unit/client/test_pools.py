"""Connections are kept, shared, renewed and given up without a caller noticing."""

import dataclasses
import itertools
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from astakosclient import (
    ConnectionError,  # noqa: A004 - the protocol's name
    Outcome,
)

HOLDING = {"holder": "user:u", "source": "project:p", "resource": "cyclades.vm", "quantity": 1}


def echo(answer):
    """Answer a question about a commission with the serial that was asked for."""

    def move(request):
        serial = int(re.findall(r"\d+$", request.target)[0])
        return answer.json({"serial": serial, "name": "n"})

    move.wants_request = True
    return move


def test_without_a_pool_each_request_has_a_connection_of_its_own(peer, client):
    for _ in range(3):
        client.get_resources()
    assert [one.connection for one in peer.got] == [1, 2, 3, 4]
    assert {one.headers["connection"] for one in peer.got} == {"close"}


def test_with_a_pool_one_connection_serves_one_thread(peer, client_of):
    client = client_of(peer, use_pool=True)
    for _ in range(3):
        client.get_resources()
    assert {one.connection for one in peer.got} == {1}


@pytest.mark.parametrize("use_pool", [True, False])
def test_64_threads_each_get_their_own_answer(peer, answer, client_of, use_pool):
    client = client_of(peer, use_pool=use_pool, pool_size=8)
    peer.answers(echo(answer))
    serials = itertools.count(1)
    barrier = threading.Barrier(64)
    mistakes = []

    def ask():
        barrier.wait(30)
        for _ in range(4):
            serial = next(serials)
            info = client.get_commission_info(serial)
            if info["serial"] != serial:
                mistakes.append((serial, info))

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert mistakes == []
    assert len(peer.asked) == 256
    if use_pool:
        assert peer.connections <= 8


def test_a_kept_connection_that_the_server_closed_is_replaced(peer, answer, client_of):
    client = client_of(peer, use_pool=True)
    peer.answers(answer.cut_off(answer.json({})), answer.json({"serial": 57}, 201))
    client.get_resources()
    # The end of the connection has arrived when the kept socket becomes readable.
    kept = client._transport._pool.pool.queue[-1].sock
    kept.settimeout(10)
    assert kept.recv(1, socket.MSG_PEEK) == b""
    assert client.issue_provisions([HOLDING]) == 57
    assert [one.connection for one in peer.asked] == [1, 2]


@pytest.mark.parametrize("call", ["get_resources", "get_quotas"])
def test_a_read_that_meets_a_stale_connection_is_sent_again_silently(peer, answer, client_of, call):
    client = client_of(peer, use_pool=True, retry=0)
    client.get_resources()
    peer.answers(answer.cut, answer.json({}))
    getattr(client, call)()
    assert [one.connection for one in peer.asked] == [1, 1, 2]


def test_a_read_is_sent_again_silently_only_once(peer, answer, client_of):
    client = client_of(peer, use_pool=True, retry=0)
    client.get_resources()
    peer.got.clear()
    peer.answers(answer.cut)
    with pytest.raises(ConnectionError):
        client.get_resources()
    assert len(peer.asked) == 2


def test_an_issue_that_meets_a_stale_connection_is_ambiguous(peer, answer, client_of):
    client = client_of(peer, use_pool=True, retry=3)
    client.get_resources()
    peer.got.clear()
    peer.answers(answer.cut)
    with pytest.raises(ConnectionError) as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.AMBIGUOUS
    assert len(peer.asked) == 1


def test_a_cut_connection_does_not_cost_the_pool_a_place(peer, answer, client_of):
    client = client_of(peer, use_pool=True, pool_size=1)
    client.get_resources()
    for move in (answer.cut, answer.cut_off(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")):
        peer.answers(move)
        with pytest.raises(ConnectionError):
            client.issue_provisions([HOLDING])
    peer.answers(answer.json({}))
    client.get_resources()


def test_a_fresh_issue_does_not_use_a_connection_that_rested(peer, answer, client_of):
    """F74."""
    client = client_of(peer, use_pool=True, fresh_within=0.01)
    client.get_resources()
    peer.answers(answer.json({"serial": 57}, 201))
    time.sleep(0.05)  # longer than fresh_within, which is what is tried
    client.issue_provisions([HOLDING], fresh=True)
    assert [one.connection for one in peer.asked] == [1, 2]


def test_a_fresh_issue_on_a_busy_lane_uses_the_kept_connection(peer, answer, client_of):
    """F74."""
    client = client_of(peer, use_pool=True, fresh_within=60)
    client.get_resources()
    peer.answers(answer.json({"serial": 57}, 201))
    client.issue_provisions([HOLDING], fresh=True)
    assert [one.connection for one in peer.asked] == [1, 1]


def test_an_issue_that_is_not_fresh_uses_whatever_is_kept(peer, answer, client_of):
    client = client_of(peer, use_pool=True, fresh_within=0.01)
    client.get_resources()
    peer.answers(answer.json({"serial": 57}, 201))
    time.sleep(0.05)  # as above
    client.issue_provisions([HOLDING])
    assert [one.connection for one in peer.asked] == [1, 1]


def test_a_closed_client_opens_a_connection_again(peer, client_of):
    client = client_of(peer, use_pool=True)
    client.get_resources()
    client.close()
    client.get_resources()
    assert [one.connection for one in peer.asked] == [1, 2]


FORKING = """
import os, sys
from astakosclient import AstakosClient
client = AstakosClient("a-token-that-nobody-may-see", sys.argv[1], use_pool=True, total_timeout=20)
client.get_commission_info(1)
child = os.fork()
if not child:
    good = client.get_commission_info(2)["serial"] == 2
    os._exit(0 if good else 1)
assert os.waitpid(child, 0)[1] == 0
assert client.get_commission_info(3)["serial"] == 3
"""


def test_a_forked_child_leaves_the_connections_of_its_parent_alone(peer, answer):
    peer.answers(echo(answer))
    subprocess.run([sys.executable, "-c", FORKING, peer.url], check=True, timeout=60)
    used = {one.target[-1]: one.connection for one in peer.asked}
    assert used == {"1": 1, "2": 2, "3": 1}


def test_a_call_that_comes_too_late_for_the_pool_takes_nothing_from_it(peer, answer, client_of):
    """urllib3 frees a place of the pool for every error except its own EmptyPoolError."""
    client = client_of(peer, use_pool=True, pool_size=1)
    client.get_resources()
    asked, go_on = threading.Event(), threading.Event()

    def answer_late(sock):
        asked.set()
        go_on.wait(30)
        sock.sendall(answer.json({"serial": 57}, 201))
        return True

    peer.answers(answer_late)
    issued = []
    thread = threading.Thread(target=lambda: issued.append(client.issue_provisions([HOLDING])))
    thread.start()
    assert asked.wait(30)
    limits = client._limits
    client._limits = dataclasses.replace(limits, total_timeout=1e-9)
    with pytest.raises(ConnectionError) as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.NOT_SENT
    client._limits = limits
    go_on.set()
    thread.join(30)
    assert issued == [57]
    assert peer.connections == 1


ALONE = """
import threading
from pathlib import Path
from astakosclient import AstakosClient
before = threading.active_count(), len(list(Path("/dev/fd").iterdir()))
client = AstakosClient("token", "https://accounts.example.org", use_pool=True)
after = threading.active_count(), len(list(Path("/dev/fd").iterdir()))
assert before == after, (before, after)
assert client._processes == {}
"""


def test_the_client_opens_nothing_and_starts_nothing_by_being_made():
    """In a process of its own: here the threads of other tests open and close files."""
    subprocess.run([sys.executable, "-c", ALONE], check=True, timeout=60)
