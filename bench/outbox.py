"""Measures the cost of the outbox: for a handler beside its own insert, and for a relay per row.

    python -m bench.outbox [--handlers N] [--rows N] [--json FILE]

It starts a PostgreSQL that does not sync its commits, so the figures show the work and not the
disk. The ledger's server does sync.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import psycopg

from astakos_worker import Commissions
from astakos_worker.configuration.settings import Settings
from astakos_worker.service.connect import connected
from astakos_worker.service.outbox.batch import send_batch
from astakos_worker.service.outbox.of_drivers import outbox_of_url
from astakos_worker.service.outbox.sender import Sender, end_all
from astakos_worker.service.outbox.statements import ddl
from tests.integration.cluster.postgres import Postgres
from tests.integration.cluster.servers import Server

PROJECTS = 200


def handler(connection, number, calls=None):
    """Return the seconds that a handler's transaction takes: its own row, and perhaps a call."""
    began = time.perf_counter()
    connection.execute("INSERT INTO servers VALUES (%s)", (f"server-{number}",))
    if calls is not None:
        one = {"user": "ada", "project": f"p{number % PROJECTS}", "provisions": {"cyclades.vm": 1}}
        calls(connection).issue(**one, key=f"server-{number}", accept=True)
    connection.commit()
    return time.perf_counter() - began


def handlers(connection, commissions, number):
    """Return the milliseconds of handlers without and with a call, taken in turns."""
    alone, with_call = [], []
    for n in range(number):
        alone.append(handler(connection, 2 * n))
        with_call.append(handler(connection, 2 * n + 1, commissions.in_transaction))
    return [[1000 * each for each in times] for times in (alone, with_call)]


def relayed(url, settings, commissions, connection, rows):
    """Return the rows a second of one relay, in bulk."""
    for start in range(0, rows, 2000):
        commissions.in_transaction(connection).issue_many(
            [
                {
                    "user": f"u{n % PROJECTS}",
                    "project": f"p{n % PROJECTS}",
                    "provisions": {"cyclades.vm": 1},
                    "key": f"bulk-{n}",
                }
                for n in range(start, min(rows, start + 2000))
            ]
        )
    connection.commit()
    outbox = outbox_of_url(url)
    began = time.perf_counter()
    sent = 0
    while done := send_batch(outbox, settings, lambda _: connected(settings)).done:
        sent += len(done)
    seconds = time.perf_counter() - began
    outbox.close()
    assert sent >= rows
    return sent / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--handlers", type=int, default=1500, help="transactions of each kind")
    parser.add_argument("--rows", type=int, default=10_000, help="rows that the relay sends")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        server, postgres = Server("valkey", Path(directory)), Postgres()
        server.start()
        url = postgres.url.replace("+psycopg", "")
        settings = Settings(ledger_url=server.url(1), broker_url=server.url(0))
        commissions = Commissions("compute", settings=settings)
        try:
            with psycopg.connect(url) as connection:
                connection.execute(ddl("postgresql"))
                connection.execute("CREATE TABLE servers (name text PRIMARY KEY)")
                connection.commit()
                alone, with_call = handlers(connection, commissions, options.handlers)
                end_all(patience=30)
                Sender.wake = lambda *_: None  # the relay alone
                rate = relayed(url, settings, commissions, connection, options.rows)
        finally:
            server.close()
            postgres.close()
    figures = {"rows a second of one relay": round(rate)}
    for label, times in (("own insert alone", alone), ("with a call", with_call)):
        cuts = statistics.quantiles(times, n=100)
        figures[f"{label}, ms"] = {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
