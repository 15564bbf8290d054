"""Transactions of an event loop: what commits reaches the ledger, what rolls back never does."""

import asyncio
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import insert, make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from astakos_worker import AsyncCommissions
from astakos_worker.service.outbox.sender import end_all
from astakosclient.errors import BadValue
from tests.integration.cluster.until import until
from tests.integration.outbox.conftest import ON_POSTGRES, servers


class RolledBackError(Exception):
    """Rolls a test's transaction back."""


VM = {"user": "u", "project": "p", "provisions": {"cyclades.vm": 1}}
#: The drivers of each database.
DRIVERS = {"sqlite": ["aiosqlite"], "postgresql": ["psycopg", "asyncpg"]}


@pytest.fixture
def calls(settings):
    return AsyncCommissions("compute", settings=settings)


@pytest.fixture
def run(url, kind):
    """Runs a test's coroutine with an engine of each driver of the database."""

    def run(main):
        for driver in DRIVERS[kind]:
            asyncio.run(with_engine(main, make_url(url).set(drivername=f"{kind}+{driver}"), driver))
            end_all(patience=20)

    return run


async def with_engine(main, url, driver):
    engine = create_async_engine(url)
    try:
        await main(engine, driver)
    finally:
        await asyncio.to_thread(end_all, 20)
        await engine.dispose()


def test_what_commits_is_issued_and_what_rolls_back_is_not(run, calls, known, names):
    """The thread of the process sends it: no relay runs."""

    async def main(engine, driver):
        async with AsyncSession(engine) as session, session.begin():
            await session.execute(insert(servers).values(name=driver))
            key = await calls.in_transaction(session).issue(**VM, key=f"{driver}/a", accept=True)
            assert key == f"{driver}/a"
        with suppress(RolledBackError):
            async with engine.begin() as connection:
                await calls.in_transaction(connection).issue(**VM, key=f"{driver}/b")
                raise RolledBackError
        async with engine.begin() as connection:
            await calls.in_transaction(connection).issue_many(
                [{**VM, "key": f"{driver}/{n}"} for n in range(3)]
            )
            await calls.in_transaction(connection).resolve(accept=[f"{driver}/1"])
            await calls.in_transaction(connection).extend(f"{driver}/0", 60)
        await asyncio.to_thread(until, lambda: known(f"{driver}/2") == "queued")
        assert (await calls.get(f"{driver}/a")).decision == "accept"
        await asyncio.to_thread(until, lambda: decision(known, calls, f"{driver}/1") == "accept")
        assert known(f"{driver}/b") is None

    run(main)


def decision(known, calls, key):
    return known(key) and asyncio.run(calls.get(key)).decision


def test_a_savepoint_that_rolls_back_takes_its_calls_with_it(run, calls, known, database):
    async def main(engine, driver):
        async with AsyncSession(engine) as session, session.begin():
            await calls.in_transaction(session).issue(**VM, key=f"{driver}/outer")
            with suppress(RolledBackError):
                async with session.begin_nested():
                    await calls.in_transaction(session).issue(**VM, key=f"{driver}/inner")
                    raise RolledBackError
        await asyncio.to_thread(until, lambda: known(f"{driver}/outer") == "queued")
        assert known(f"{driver}/inner") is None

    run(main)
    until(lambda: database.waiting() == 0)


def test_a_wrong_argument_writes_nothing(run, calls, database):
    async def main(engine, driver):
        async with AsyncSession(engine) as session, session.begin():
            with pytest.raises(BadValue):
                await calls.in_transaction(session).issue(**{**VM, "provisions": {}}, key="k")

    run(main)
    assert database.waiting() == 0


@pytest.mark.parametrize("kind", [ON_POSTGRES])
def test_a_connection_of_psycopg(url, calls, known):
    plain = url.replace("postgresql+psycopg", "postgresql")

    async def main():
        async with await psycopg.AsyncConnection.connect(plain) as connection:
            await connection.execute("INSERT INTO servers VALUES ('web-1')")
            await calls.in_transaction(connection).issue(**VM, key="web-1/create")
        async with await psycopg.AsyncConnection.connect(plain, autocommit=True) as connection:
            with pytest.raises(BadValue, match="async with connection"):
                calls.in_transaction(connection)
            async with connection.transaction():
                await calls.in_transaction(connection).accept("web-1/create")
            with suppress(RolledBackError):
                async with connection.transaction():
                    await calls.in_transaction(connection).issue(**VM, key="web-2/create")
                    raise RolledBackError

    asyncio.run(main())
    until(lambda: decision(known, calls, "web-1/create") == "accept")
    assert known("web-2/create") is None


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_connection_of_a_thread_is_none_of_an_event_loop(calls, commissions, engine):
    async def main():
        with engine.begin() as connection, pytest.raises(BadValue, match="AsyncSession"):
            calls.in_transaction(connection)
        with pytest.raises(BadValue, match="AsyncSession"):
            calls.in_transaction(None)
        with pytest.raises(BadValue, match="AsyncCommissions"):
            commissions.in_transaction(AsyncSession())

    asyncio.run(main())
