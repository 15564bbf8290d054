"""Measures the CPU that a call of the client costs, beside `requests` and `http.client`.

    .venv/bin/python bench/client.py [--rounds N] [--calls N] [--json FILE]

The sandbox runs in a process of its own. Each client does the same work in turn, round after round,
so a busy machine is busy for all of them. It issues a commission (JSON out, JSON in), then reads
one (no body out, JSON in). Only the CPU time of the calling thread counts, system calls included.
The figures are medians of the rounds, and ratios to a kept `requests.Session`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import requests

from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import project_uuid, user_uuid
from astakosclient import AstakosClient, mk_provisions

TOKEN = "sandbox-token-of-cyclades"
PROVISIONS = mk_provisions(
    user_uuid("user01@example.org"), project_uuid("shared.example.org"), "cyclades.vm", 1
)
BODY = {"name": "bench", "force": False, "auto_accept": False, "provisions": PROVISIONS}
BASELINE = "requests.Session, kept"
PATIENCE = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=50, help="calls of each kind in a round")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    options = parser.parse_args()
    command = [sys.executable, "-m", "astakos_worker.sandbox", "--port", "0", "--no-access-log"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        auth_url = server.stdout.readline().split()[-1]
        figures = measure(auth_url, options.rounds, options.calls)
    finally:
        server.terminate()
        server.wait(PATIENCE)
        server.stdout.close()
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(auth_url: str, rounds: int, calls: int) -> dict[str, dict[str, float]]:
    """Microseconds of CPU a call, by way and kind."""
    control = ControlClient(auth_url.removesuffix("/identity/v2.0"))
    ways = {
        "the client, pooled": Client(auth_url, use_pool=True),
        "the client, fresh issues": Client(auth_url, use_pool=True, fresh=True),
        BASELINE: Session(auth_url),
        "http.client, kept": Bare(auth_url, keep=True),
        "the client, not pooled": Client(auth_url, use_pool=False),
        "requests, no session": Module(auth_url),
        "http.client, not kept": Bare(auth_url, keep=False),
    }
    spent: dict[str, dict[str, list[float]]] = {
        name: {"issue": [], "look": [], "wall": []} for name in ways
    }
    serial = ways[BASELINE].issue()
    for name, way in ways.items():  # what is made once is made now
        if not (way.issue() > serial and way.look(serial)["serial"] == serial):
            sys.exit(f"{name} has got a wrong answer")
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            spent[name]["issue"].append(cpu_of(way.issue, calls))
            spent[name]["look"].append(cpu_of(partial(way.look, serial), calls))
            spent[name]["wall"].append((time.perf_counter() - began) / calls / 2)
    issued = len(control.commissions())
    expected = 1 + len(ways) * (1 + rounds * calls)
    if issued != expected:
        sys.exit(f"{expected} commissions should be pending, and {issued} are")
    for way in ways.values():
        way.close()
    return {
        name: {kind: round(statistics.median(one) * 1e6, 1) for kind, one in kinds.items()}
        for name, kinds in spent.items()
    }


def cpu_of(call, times: int) -> float:
    began = time.thread_time()
    for _ in range(times):
        call()
    return (time.thread_time() - began) / times


def show(figures) -> None:
    base = figures[BASELINE]
    print(f"{'CPU of a call, us':28}{'issue':>10}{'ratio':>8}{'look':>10}{'ratio':>8}{'wall':>10}")
    for name, row in figures.items():
        ratios = [f"{row[kind] / base[kind]:8.2f}" for kind in ("issue", "look")]
        print(
            f"{name:28}{row['issue']:10.0f}{ratios[0]}{row['look']:10.0f}{ratios[1]}"
            f"{row['wall']:10.0f}"
        )


class Client:
    """This package's client: checks, deadline, outcome and all."""

    def __init__(self, auth_url: str, *, use_pool: bool, fresh: bool = False) -> None:
        self.client = AstakosClient(TOKEN, auth_url, use_pool=use_pool)
        self.fresh = fresh

    def issue(self) -> int:
        return self.client.issue_provisions(PROVISIONS, "bench", fresh=self.fresh)

    def look(self, serial: int):
        return self.client.get_commission_info(serial)

    def close(self) -> None:
        self.client.close()


class Module:
    """What one writes first: a request and a check, a connection each."""

    send = staticmethod(requests.request)

    def __init__(self, auth_url: str) -> None:
        self.url = auth_url.replace("/identity/v2.0", "/account/v1.0/commissions")

    def ask(self, method: str, path: str = "", body=None):
        headers = {"X-Auth-Token": TOKEN}
        reply = self.send(method, self.url + path, json=body, headers=headers, timeout=PATIENCE)
        reply.raise_for_status()
        return reply.json()

    def issue(self) -> int:
        return self.ask("POST", body=BODY)["serial"]

    def look(self, serial: int):
        return self.ask("GET", f"/{serial}")

    def close(self) -> None:
        pass


class Session(Module):
    """What one writes next: the same over a session, which keeps its connection."""

    def __init__(self, auth_url: str) -> None:
        super().__init__(auth_url)
        self.session = requests.Session()
        self.send = self.session.request

    def close(self) -> None:
        self.session.close()


class Bare:
    """The floor: the standard library, and no more than a status that is looked at."""

    def __init__(self, auth_url: str, *, keep: bool) -> None:
        self.address = urlsplit(auth_url).netloc
        self.keep = keep
        self.connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)

    def ask(self, method: str, path: str = "", body=None):
        headers = {"X-Auth-Token": TOKEN}
        if body is not None:
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if not self.keep:
            headers["Connection"] = "close"
        self.connection.request(method, f"/account/v1.0/commissions{path}", body, headers)
        reply = self.connection.getresponse()
        content = reply.read()
        if reply.status >= 300:
            raise http.client.HTTPException(reply.status)
        if not self.keep:
            self.connection.close()
        return json.loads(content)

    def issue(self) -> int:
        return self.ask("POST", body=BODY)["serial"]

    def look(self, serial: int):
        return self.ask("GET", f"/{serial}")

    def close(self) -> None:
        self.connection.close()


if __name__ == "__main__":
    main()
