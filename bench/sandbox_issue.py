"""Measures how many issue requests a second the sandbox serves on one core, with no cost model.

    .venv/bin/python bench/sandbox_issue.py [--requests N] [--connections N] [--state]

The sandbox runs in a process of its own, held to one core. This process runs on another core and
sends ready-made bytes over kept-alive connections, so the sender is not the limit. The CPU time of
the sandbox for each request is printed too; on a busy machine it varies less.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import project_uuid, user_uuid

END_OF_BODY = b"}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--state", action="store_true", help="with a state file")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "astakos_worker.sandbox", "--port", "0"]
        command += ["--no-access-log"]
        if options.state:
            command += ["--state", str(Path(folder, "state"))]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            url = server.stdout.readline().split()[-1]
            hold_to_cores(server.pid)
            rounds = [
                measure(url, server.pid, options.requests, options.connections)
                for _ in range(options.rounds)
            ]
            pending = len(ControlClient(url.removesuffix("/identity/v2.0")).commissions())
        finally:
            server.terminate()
            server.wait(10)
            server.stdout.close()
    expected = options.requests * options.rounds
    if pending != expected:
        sys.exit(f"{expected} requests were answered, but {pending} commissions are pending")
    report = {
        "requests_per_second": round(statistics.median(rate for rate, _ in rounds)),
        "cpu_ms_per_request": round(statistics.median(cpu for _, cpu in rounds), 3),
        "requests": options.requests,
        "connections": options.connections,
        "state_file": options.state,
    }
    print(f"{'issue requests a second, one core':40} {report['requests_per_second']:>10,}")
    print(f"{'CPU of the sandbox, ms a request':40} {report['cpu_ms_per_request']:>10}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def hold_to_cores(server: int) -> None:
    """The sandbox on one core, this process on the others."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(server, cores[:1])
    os.sched_setaffinity(0, cores[1:] or cores)


def measure(auth_url: str, server: int, requests: int, connections: int) -> tuple[float, float]:
    """Requests a second, and milliseconds of the sandbox's CPU for each."""
    address = urlsplit(auth_url)
    message = issue_request(address.netloc)
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        peer = socket.create_connection((address.hostname, address.port))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(peer, selectors.EVENT_READ)
    process = psutil.Process(server)
    cpu = sum(process.cpu_times()[:2])
    began = time.perf_counter()
    sent = done = 0
    received: dict[int, bytes] = {}
    for key in list(selector.get_map().values()):
        key.fileobj.sendall(message)
        sent += 1
    while done < requests:
        for key, _ in selector.select(10):
            # Head and body may come in two pieces; nothing else can follow.
            answer = received.pop(key.fd, b"") + key.fileobj.recv(65536)
            if not answer.startswith(b"HTTP/1.1 201 "):
                sys.exit(f"unexpected answer: {answer!r}")
            if not answer.endswith(END_OF_BODY):
                received[key.fd] = answer
                continue
            done += 1
            if sent < requests:
                key.fileobj.sendall(message)
                sent += 1
    took = time.perf_counter() - began
    cpu = sum(process.cpu_times()[:2]) - cpu
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    selector.close()
    return requests / took, cpu * 1000 / requests


def issue_request(host: str) -> bytes:
    """One VM for a member of the shared project: a member's provision and the project's."""
    user, project = user_uuid("user01@example.org"), project_uuid("shared.example.org")
    shared = {"resource": "cyclades.vm", "quantity": 1}
    body = json.dumps(
        {
            "name": "bench: one of many",
            "provisions": [
                {"holder": f"user:{user}", "source": f"project:{project}", **shared},
                {"holder": f"project:{project}", "source": None, **shared},
            ],
        }
    ).encode()
    head = (
        f"POST /account/v1.0/commissions HTTP/1.1\r\nHost: {host}\r\n"
        f"X-Auth-Token: sandbox-token-of-cyclades\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    main()
