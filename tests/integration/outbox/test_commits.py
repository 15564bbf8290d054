"""F96: a commission is as its transaction: committed and then sent, or rolled back and never."""

import os
import threading

import psycopg
import pytest
from sqlalchemy import insert, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from astakos_worker import Commissions, UnknownKey
from astakos_worker.service.outbox.sender import Sender
from astakosclient.errors import BadValue
from tests.integration.cluster.until import until
from tests.integration.outbox.conftest import ON_POSTGRES, servers

ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}
POSTGRES = pytest.mark.parametrize("kind", [ON_POSTGRES], indirect=True)


@pytest.fixture
def wakes(monkeypatch):
    """The ids for which a sender was woken; it is woken all the same."""
    seen = []
    wake = Sender.wake

    def noted(self, committing=()):
        seen.append(list(committing))
        wake(self, committing)

    monkeypatch.setattr(Sender, "wake", noted)
    return seen


# --- SQLAlchemy -------------------------------------------------------------------------------


def test_a_sessions_commission_is_sent_after_its_commit(engine, commissions, known, database):
    with Session(engine) as session:
        session.execute(insert(servers).values(name="one"))
        key = commissions.in_transaction(session).issue(**ONE, key="one")
        assert key == "one"
        assert known("one") is None
        session.commit()
    assert until(lambda: known("one")) == "queued"
    until(lambda: not database.waiting())


def test_a_connections_commission_is_sent_after_its_commit(engine, commissions, known):
    with engine.begin() as connection:
        commissions.in_transaction(connection).issue(**ONE, key="one")
    assert until(lambda: known("one")) == "queued"


def test_a_scoped_session_is_taken(engine, commissions, known):
    session = scoped_session(sessionmaker(engine))
    commissions.in_transaction(session).issue(**ONE, key="one")
    session.commit()
    session.remove()
    until(lambda: known("one"))


def test_what_is_rolled_back_leaves_no_row_and_wakes_nobody(engine, commissions, database, wakes):
    with Session(engine) as session:
        commissions.in_transaction(session).issue(**ONE, key="one")
        session.rollback()
        session.execute(insert(servers).values(name="two"))
        session.commit()
    assert wakes == []
    assert database.waiting() == 0


def test_a_savepoint_that_is_rolled_back_takes_its_rows_with_it(
    engine, commissions, known, wakes, database
):
    """F96: for a savepoint as for the whole transaction."""
    with Session(engine) as session:
        calls = commissions.in_transaction(session)
        calls.issue(**ONE, key="before")
        inner = session.begin_nested()
        calls.issue(**ONE, key="inside")
        inner.rollback()
        with session.begin_nested():
            calls.issue(**ONE, key="kept")
        session.commit()
    until(lambda: known("kept"))
    until(lambda: known("before"))
    assert known("inside") is None
    assert len(wakes) == 2
    assert database.waiting() == 0


def test_rows_of_a_savepoint_alone_that_is_rolled_back_wake_nobody(engine, commissions, wakes):
    """The savepoint began before the first row, so nobody listened to its beginning."""
    with Session(engine) as session:
        inner = session.begin_nested()
        commissions.in_transaction(session).issue(**ONE, key="inside")
        inner.rollback()
        session.execute(insert(servers).values(name="one"))
        session.commit()
    assert wakes == []


@POSTGRES
def test_a_transaction_in_two_phases_is_sent_after_the_second(engine, commissions, known, database):
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        commissions.in_transaction(connection).issue(**ONE, key="one")
        transaction.prepare()
        database.send()
        assert known("one") is None
        transaction.commit()
    until(lambda: known("one"))


@POSTGRES
def test_a_row_waits_for_its_own_commit_while_others_are_sent(engine, commissions, known):
    with engine.connect() as slow:
        commissions.in_transaction(slow).issue(**ONE, key="slow")
        with engine.begin() as quick:
            commissions.in_transaction(quick).issue(**ONE, key="quick")
        until(lambda: known("quick"))
        assert known("slow") is None
        slow.commit()
    until(lambda: known("slow"))


def test_a_ledger_that_is_away_is_no_error_and_the_row_waits(engine, away, known, database, names):
    """F96: the service commits and goes on."""
    with engine.begin() as connection:
        connection.execute(insert(servers).values(name="one"))
        away.in_transaction(connection).issue(**ONE, key="one")
    assert names() == {"one"}
    assert database.waiting() == 1
    until(lambda: database.send().done)  # the thread has the lock while it tries
    assert known("one") == "queued"
    assert database.waiting() == 0


def test_what_is_wrong_is_raised_at_once_and_nothing_is_written(engine, commissions, database):
    with engine.begin() as connection:
        calls = commissions.in_transaction(connection)
        for wrong in (
            lambda: calls.issue(**{**ONE, "provisions": {"r": True}}),
            lambda: calls.issue(**ONE, key=""),
            lambda: calls.issue(**ONE, deadline=-1),
            lambda: calls.issue_many([ONE, {**ONE, "user": 7}]),
            lambda: calls.accept(0),
            lambda: calls.reject("a", reason="\0"),
            lambda: calls.resolve(accept=["a"], reject=["a"]),
            lambda: calls.resolve(accept="a"),
            lambda: calls.extend("a", 0),
        ):
            with pytest.raises(BadValue):
                wrong()
    assert database.waiting() == 0


def test_a_connection_without_a_transaction_is_refused(engine, commissions):
    by_itself = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with by_itself, pytest.raises(BadValue, match="commits each statement"):
        commissions.in_transaction(by_itself)
    with pytest.raises(BadValue, match="not object"):
        commissions.in_transaction(object())
    with engine.begin() as connection, pytest.raises(BadValue, match="Django"):
        commissions.in_transaction(connection, using="default")


def test_many_are_one_statement_and_every_call_has_its_row(engine, commissions, known, database):
    statements = []
    with engine.begin() as connection:
        calls = commissions.in_transaction(connection)
        execute = connection.exec_driver_sql

        def counted(*given):
            statements.append(given)
            return execute(*given)

        connection.exec_driver_sql = counted
        keys = calls.issue_many([{**ONE, "key": f"k{n}"} for n in range(100)])
        calls.resolve(accept=keys[:50], reject=keys[50:])
    assert keys == [f"k{n}" for n in range(100)]
    assert len(statements) == 2
    until(lambda: not database.waiting())
    assert {known(key) for key in keys[:50]} == {"queued"}
    assert {known(key) for key in keys[50:]} == {"cancelled"}


def test_a_child_process_sends_its_own_rows(engine, commissions, known):
    """A thread of the parent does not live in a child, which starts one of its own."""
    with engine.begin() as connection:
        commissions.in_transaction(connection).issue(**ONE, key="parent")
    until(lambda: known("parent"))
    engine.dispose()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with engine.begin() as connection:
                commissions.in_transaction(connection).issue(**ONE, key="child")
            until(lambda: known("child"))
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert known("child")


def test_threads_that_commit_at_once_lose_nothing(engine, commissions, known, database):
    def work(number):
        for n in range(5):
            with engine.begin() as connection:
                connection.execute(text("SELECT 1"))
                commissions.in_transaction(connection).issue(**ONE, key=f"{number}-{n}")

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: not database.waiting())
    assert all(known(f"{number}-{n}") for number in range(4) for n in range(5))


def test_in_memory_calls_are_sent_to_the_ledger_in_memory(engine):
    """So a service's unit test needs no server for its outbox but its database."""
    memory = Commissions.in_memory(limits={"cyclades.vm": 1})
    with engine.begin() as connection:
        calls = memory.in_transaction(connection)
        calls.issue(**ONE, key="one", accept=True)
    until(lambda: _in(memory, "one"))
    assert memory.outcome("one").state == "accepted"


def _in(memory, key):
    try:
        return memory.get(key)
    except UnknownKey:
        return None


# --- psycopg ----------------------------------------------------------------------------------


@pytest.fixture
def connection(postgres, url):
    with psycopg.connect(postgres.url.replace("+psycopg", "")) as made:
        yield made


@POSTGRES
def test_a_commission_of_psycopg_is_sent_soon_after_its_commit(connection, commissions, known):
    connection.execute("INSERT INTO servers VALUES ('one')")
    commissions.in_transaction(connection).issue(**ONE, key="one")
    connection.commit()
    until(lambda: known("one"))


@POSTGRES
def test_a_block_of_psycopg_that_rolls_back_leaves_nothing(connection, commissions, database):
    with connection.transaction():
        with connection.transaction(force_rollback=True):
            commissions.in_transaction(connection).issue(**ONE, key="one")
        connection.execute("INSERT INTO servers VALUES ('two')")
    assert database.waiting() == 0


@POSTGRES
def test_psycopg_without_a_transaction_is_refused(connection, commissions, known):
    connection.rollback()
    connection.autocommit = True
    with pytest.raises(BadValue, match="commits each statement"):
        commissions.in_transaction(connection)
    with connection.transaction():
        commissions.in_transaction(connection).issue(**ONE, key="one")
    until(lambda: known("one"))


@POSTGRES
def test_rows_and_cursors_of_any_kind_are_psycopgs_own_matter(postgres, url, commissions, known):
    given = {"row_factory": psycopg.rows.dict_row, "cursor_factory": psycopg.RawCursor}
    with psycopg.connect(postgres.url.replace("+psycopg", ""), **given) as connection:
        commissions.in_transaction(connection).issue(**ONE, key="one")
    until(lambda: known("one"))
