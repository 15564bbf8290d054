"""A database with an outbox, a ledger, and calls whose thread sends or does not."""

from contextlib import closing

import pytest
from sqlalchemy import Column, MetaData, String, Table, create_engine, select

from astakos_worker import Commissions, UnknownKey
from astakos_worker.configuration.settings import Settings
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.service.connect import connected
from astakos_worker.service.outbox.batch import send_batch
from astakos_worker.service.outbox.databases import run
from astakos_worker.service.outbox.of_drivers import outbox_of_url
from astakos_worker.service.outbox.sender import end_all
from astakos_worker.service.outbox.statements import ddl
from tests.integration.cluster.postgres import Postgres

metadata = MetaData()
#: The service's own rows: one beside each commission.
servers = Table("servers", metadata, Column("name", String(200), primary_key=True))

ON_POSTGRES = pytest.param("postgresql", marks=pytest.mark.postgres_server)


@pytest.fixture(scope="session")
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", ON_POSTGRES])
def kind(request):
    """What the database is; a test that needs one says so by its parameters."""
    return request.param


@pytest.fixture
def url(kind, request, tmp_path):
    """An empty database with the outbox's table."""
    where = (
        f"sqlite:///{tmp_path}/db" if kind == "sqlite" else request.getfixturevalue("postgres").url
    )
    engine = create_engine(where)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS astakos_outbox")
        for text in filter(str.strip, ddl(kind).split(";")):
            connection.exec_driver_sql(text)
    metadata.drop_all(engine)
    metadata.create_all(engine)
    engine.dispose()
    return where


@pytest.fixture
def engine(url):
    made = create_engine(url)
    yield made
    end_all(patience=20)  # its threads use the pool
    made.dispose()


@pytest.fixture(autouse=True)
def _threads_end(url):
    """No thread of a test outlives its database."""
    yield
    end_all(patience=20)


@pytest.fixture
def settings(redis_url, monkeypatch):
    monkeypatch.setenv("ASTAKOS_LEDGER_URL", redis_url)
    monkeypatch.setenv("ASTAKOS_BROKER_URL", redis_url)
    return Settings(patience=0.5)


@pytest.fixture
def commissions(settings):
    """Calls whose rows are sent after the commit."""
    return Commissions("compute", settings=settings)


@pytest.fixture
def away():
    """Calls of a process that reaches no ledger: their rows wait."""
    with closing(Port()) as port:
        nowhere = f"redis://{LOOPBACK}:{port.number}/0"
        settings = Settings(ledger_url=nowhere, broker_url=nowhere, patience=0.1)
        yield Commissions("compute", settings=settings)


class Database:
    """The outbox of a test, as a relay and an operator see it."""

    def __init__(self, url, settings):
        self.outbox = outbox_of_url(url)
        self.settings = settings

    def send(self, connections=None):
        """Send one batch as a relay does."""
        made = connections or connected(self.settings)
        return send_batch(self.outbox, self.settings, lambda _: made)

    def waiting(self):
        [(number, _)] = run(self.outbox, "waiting")
        return number

    def failed(self):
        return [(row[3], row[6]) for row in run(self.outbox, "list", (False, 100))]


@pytest.fixture
def database(url, settings):
    made = Database(url, settings)
    yield made
    made.outbox.close()


@pytest.fixture
def known(commissions):
    """Tells the state of a key; None for one that the ledger does not know."""

    def state(key):
        try:
            return commissions.get(key).state
        except UnknownKey:
            return None

    return state


@pytest.fixture
def names(engine):
    """Returns the service's own rows."""

    def read():
        with engine.connect() as connection:
            return set(connection.execute(select(servers.c.name)).scalars())

    return read
