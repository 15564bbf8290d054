"""The table by `outbox ddl`, by SQLAlchemy's `Table`, and by Django's migration is one table."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, inspect

from astakos_worker import Commissions
from astakos_worker.service.outbox.of_sqlalchemy import table
from astakos_worker.service.outbox.sender import end_all
from tests.integration.cluster.until import until
from tests.integration.outbox.conftest import ON_POSTGRES

ROOT = Path(__file__).parents[3]
ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}


def shape(engine):
    """Columns (name, length, whether it may be NULL) and indexes of the table."""
    inspector = inspect(engine)
    columns = {
        one["name"]: (getattr(one["type"], "length", None), one["nullable"])
        for one in inspector.get_columns("astakos_outbox")
    }
    indexes = {
        one["name"]: tuple(one["column_names"]) for one in inspector.get_indexes("astakos_outbox")
    }
    inspector.clear_cache()
    return columns, indexes


@pytest.fixture
def printed(engine):
    """The shape by `outbox ddl`; the table is gone afterwards."""
    found = shape(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE astakos_outbox")
    return found


def test_the_table_of_sqlalchemy_is_the_same_and_works(engine, printed, settings, database):
    metadata = MetaData()
    table(metadata)
    metadata.create_all(engine)
    assert shape(engine) == printed
    commissions = Commissions("compute", settings=settings)
    with engine.begin() as connection:
        commissions.in_transaction(connection).issue(**ONE, key="one")
    until(lambda: not database.waiting())
    assert commissions.get("one").state == "queued"


def test_the_table_of_django_is_the_same(engine, printed, url):
    where = url.replace("+psycopg", "")
    with engine.begin() as connection:  # another test's Django may have been here
        connection.exec_driver_sql("DROP TABLE IF EXISTS django_migrations")
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "django", "migrate"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE": where,
            "DJANGO_SETTINGS_MODULE": "examples.django_service.settings",
        },
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert shape(engine) == printed
    with engine.begin() as connection:  # the next test's database is this one
        connection.exec_driver_sql("DROP TABLE IF EXISTS django_migrations")


@pytest.mark.parametrize("kind", [ON_POSTGRES], indirect=True)
def test_a_pool_of_one_connection_does_not_stop_the_service(url, settings, database):
    """The thread takes a connection of the pool only while it sends."""
    engine = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=20)
    commissions = Commissions("compute", settings=settings)
    for number in range(10):
        with engine.begin() as connection:
            commissions.in_transaction(connection).issue(**ONE, key=f"k{number}")
    until(lambda: not database.waiting())
    end_all(patience=20)
    engine.dispose()
