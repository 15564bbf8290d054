"""Kills a service, a relay and the ledger's server with SIGKILL, and proves what is left (F96).

    python -m tests.integration.outbox.kills --kills 1000 --seed 7

Service and relay are children of this process. Each dies by its own hand at a named moment of a
row's way, or by ours after some milliseconds. The service keeps a row of its own beside each call:
that row says what was committed. In the end the ledger has exactly one commission for each such
row, made by its own call, decided as its transaction says, and no other one.
"""

import os
import random
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path

import click
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert, select, text
from sqlalchemy.pool import NullPool

from astakos_worker import Commissions
from astakos_worker.configuration.settings import Settings
from astakos_worker.service.connect import connected
from astakos_worker.service.outbox import moments
from astakos_worker.service.outbox.batch import send_batch
from astakos_worker.service.outbox.databases import run
from astakos_worker.service.outbox.of_drivers import outbox_of_url
from astakos_worker.service.outbox.sender import end_all
from astakos_worker.service.outbox.statements import ddl

SERVICE = "compute"
ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}
#: Where a service may die; "after the commit" is the service's own.
OF_THE_SERVICE = (*moments.MOMENTS, "before the commit", "after the commit")
OF_THE_RELAY = tuple(one for one in moments.MOMENTS if one.startswith("rows"))

metadata = MetaData()
#: What the service has committed: the call of each key, and how it was decided.
calls = Table(
    "calls",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("incarnation", String(8)),
    Column("verb", String(6)),
)


def prepare(url):
    """Make the tables, empty."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS astakos_outbox")
        for one in filter(str.strip, ddl(engine.dialect.name).split(";")):
            connection.exec_driver_sql(one)
    metadata.drop_all(engine)
    metadata.create_all(engine)
    engine.dispose()


def dying(moment, times):
    """Return what dies when the moment has come for so many times."""
    left = [times]

    def reached(now):
        if now == moment:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def serve(url, settings, seed, reached):
    """Write calls in transactions, some of which roll back."""
    moments.reached = reached
    draw = random.Random(seed)
    engine = create_engine(url, poolclass=NullPool)
    commissions = Commissions(SERVICE, settings=settings)
    for number in range(12):
        key = f"{seed}/{number}"
        verb = draw.choice(["accept", "reject", ""])
        with engine.connect() as connection:
            outbox = commissions.in_transaction(connection)
            # A repeated issue of a key that may be reused must not make a second commission.
            outbox.issue(**ONE, key=key, reuse=True)
            if verb == "accept":
                outbox.accept(key)
            elif verb:
                outbox.resolve(reject=[key])
            its = text("SELECT incarnation FROM astakos_outbox WHERE key = :key AND kind = 'issue'")
            incarnation = connection.execute(its, {"key": key}).scalar_one()
            row = {"key": key, "incarnation": incarnation, "verb": verb}
            connection.execute(insert(calls).values(row))
            reached("before the commit")
            if draw.random() < 0.3:
                connection.rollback()
            else:
                connection.commit()
                reached("after the commit")
        time.sleep(draw.random() * 0.004)
    end_all(patience=20)  # its thread sends what is left, and may die of it


def relay(url, settings, reached):
    """Send as a relay does, for a moment."""
    moments.reached = reached
    outbox = outbox_of_url(url)
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        with suppress(Exception):  # the ledger may be away
            send_batch(outbox, settings, lambda _: connected(settings))
        time.sleep(0.005)


def child(work, *given):
    """Run work in a child process; return its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        work(*given)
        status = 0
    except BaseException:  # noqa: BLE001  # it goes nowhere: the process ends
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def ended(pid, within=60):
    """Wait for a child; return how it ended. One that hangs is killed, and is a failure."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError(f"a process hangs for {within} s")


def drain(url, settings, within=60):
    """Send all that is left."""
    outbox = outbox_of_url(url)
    end = time.monotonic() + within
    try:
        while run(outbox, "waiting")[0][0]:
            assert time.monotonic() < end, "rows do not leave the outbox"
            with suppress(Exception):  # the ledger's server may have just been started
                send_batch(outbox, settings, lambda _: connected(settings))
    finally:
        outbox.close()


def faults(url, settings):
    """Return what is wrong: nothing, if each committed call is one commission and no other is."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        committed = {row.key: row for row in connection.execute(select(calls))}
        failed = "SELECT key, error FROM astakos_outbox WHERE error IS NOT NULL"
        found = [f"{key}: {error}" for key, error in connection.execute(text(failed))]
    ledger = connected(settings).ledger
    known = ledger.get(SERVICE, committed)
    for key, row in committed.items():
        if key not in known:
            found.append(f"{key} was committed, and is no commission")
            continue
        entry = known[key]
        record, cell = entry.record, entry.cell or entry.record.decision
        if record.incarnation != row.incarnation:
            found.append(f"{key} was issued again: {record.incarnation}, not {row.incarnation}")
        if (cell.verb if cell else "") != row.verb:
            found.append(f"{key} is decided {cell}, not {row.verb!r}")
    extra = set(ledger.unissued(SERVICE)) - committed.keys()
    found += [f"{key} is a commission, and was rolled back" for key in extra]
    return found


def one_kill(url, settings, draw, seed, server):
    """Kill something, once; say what."""
    victim = draw.choices(["service", "relay", "server"], [12, 6, 1])[0]
    nothing = dying("never", 1)
    if victim == "server":
        pid = child(serve, url, settings, seed, nothing)
        time.sleep(draw.random() * 0.06)
        server.kill()
        server.start()
        ended(pid)
        return "ledger server"
    if draw.random() < 0.3:  # not at a moment that we have thought of
        words = (url, settings, seed, nothing) if victim == "service" else (url, settings, nothing)
        pid = child(serve if victim == "service" else relay, *words)
        time.sleep(draw.random() * 0.1)
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) in (-signal.SIGKILL, 0)
        return f"{victim}, at any moment"
    if victim == "service":
        moment, times = draw.choice(OF_THE_SERVICE), draw.randint(1, 4)
        status = ended(child(serve, url, settings, seed, dying(moment, times)))
    else:
        moment, times = draw.choice(OF_THE_RELAY), 1
        status = ended(child(relay, url, settings, dying(moment, times)))
    assert status in (-signal.SIGKILL, 0), f"the {victim} ended with status {status}"
    return f"{victim}, {moment}" if status else f"{victim}, not reached"


@click.command(help=__doc__)
@click.option("--kills", default=1000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--sqlite", is_flag=True, help="On SQLite instead of PostgreSQL.")
def main(kills, seed, sqlite):
    from tests.integration.cluster.postgres import Postgres
    from tests.integration.cluster.servers import Server

    draw, counts = random.Random(seed), {}
    with tempfile.TemporaryDirectory() as directory:
        server = Server("valkey", Path(directory))
        server.start()
        postgres = None if sqlite else Postgres()
        url = postgres.url if postgres else f"sqlite:///{directory}/db"
        ledger = {"ledger_url": server.url(1), "broker_url": server.url(0)}
        settings = Settings(**ledger, patience=0.5)
        try:
            prepare(url)
            began = time.monotonic()
            for number in range(kills):
                what = one_kill(url, settings, draw, f"{seed}-{number}", server)
                counts[what] = counts.get(what, 0) + 1
            drain(url, settings)
            found = faults(url, settings)
            engine = create_engine(url, poolclass=NullPool)
            with engine.connect() as connection:
                committed = connection.execute(text("SELECT count(*) FROM calls")).scalar_one()
        finally:
            server.close()
            if postgres:
                postgres.close()
    for what, times in sorted(counts.items()):
        click.echo(f"{times:6}  {what}")
    click.echo(f"{committed} calls committed, {time.monotonic() - began:.0f} s, seed {seed}")
    for fault in found:
        click.echo(f"WRONG: {fault}")
    click.echo("not proven" if found else "proven: one commission for each, and no other")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
