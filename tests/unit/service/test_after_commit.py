"""`on_commit`: a transaction that rolls back leaves no commission behind."""

import sqlite3
import sys
from contextlib import contextmanager, suppress

import django
import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from astakos_worker import Commissions, KeyConflict, Unavailable, UnknownKey
from astakos_worker.service.inside import history
from astakosclient.errors import BadValue

# At once: where Django is imported without settings, whoever looks at all objects of the process
# trips over it, as pytest-celery does when it ends a back end.
_MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
django_settings.configure(DATABASES={"default": _MEMORY}, USE_TZ=True)

VM = "cyclades.vm"
ONE = {"user": "ada", "project": "lab", "provisions": {VM: 1}}


class RolledBackError(Exception):
    """An error of the request handler itself."""


@pytest.fixture(scope="module", autouse=True)
def database():
    """Django with a database in memory."""
    django.setup()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE servers (name TEXT)")
    yield
    connection.close()


@pytest.fixture
def commissions():
    return Commissions.in_memory(limits={VM: 2})


def known(commissions, key):
    try:
        return commissions.get(key).state
    except UnknownKey:
        return None


@contextmanager
def rolled_back():
    """A transaction whose handler fails at the end."""
    with suppress(RolledBackError), transaction.atomic():
        yield
        raise RolledBackError


def save(name):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO servers VALUES (%s)", [name])


# --- Django -----------------------------------------------------------------------------------


def test_what_is_committed_is_enqueued_and_not_before(commissions):
    with transaction.atomic():
        save("one")
        key = commissions.on_commit().issue(**ONE, key="one", name="create one", accept=True)
        assert key == "one"
        assert known(commissions, "one") is None
    assert known(commissions, "one") == "accepted"
    assert history(commissions, "one")[0].request.name == "create one"


def test_what_is_rolled_back_is_never_enqueued(commissions):
    with rolled_back():
        save("two")
        commissions.on_commit().issue(**ONE, key="two")
    with transaction.atomic():
        save("three")
    assert known(commissions, "two") is None


def test_a_savepoint_that_is_rolled_back_takes_its_own_along(commissions):
    later = commissions.on_commit()
    with transaction.atomic():
        later.issue(**ONE, key="outer")
        with rolled_back():
            later.issue(**ONE, key="inner")
    assert (known(commissions, "outer"), known(commissions, "inner")) == ("pending", None)


def test_without_a_transaction_it_is_enqueued_at_once(commissions):
    commissions.on_commit().issue(**ONE, key="k")
    assert known(commissions, "k") == "pending"


def test_decisions_wait_for_the_commit_too(commissions):
    for key in ("a", "b", "c"):
        commissions.issue(**{**ONE, "provisions": {VM: 0}}, key=key)
    with rolled_back():
        commissions.on_commit().accept("c")
    with transaction.atomic():
        later = commissions.on_commit()
        later.accept("a")
        later.reject(commissions.get("b").serial, reason="no host had room")
        assert commissions.get("a").decision is None
    assert [commissions.get(key).state for key in "abc"] == ["accepted", "rejected", "pending"]
    assert commissions.get("b").reason == "no host had room"


def test_what_cannot_be_right_is_said_inside_the_transaction(commissions):
    """So that the handler can still roll back."""
    later = commissions.on_commit()
    with transaction.atomic():
        for wrong in (
            {**ONE, "provisions": {}},
            {**ONE, "key": ""},
            {**ONE, "deadline": -1},
            {**ONE, "callback_on": ["never"]},
            {**ONE, "key": "k", "name": "x" * 5000},
            {**ONE, "accept": "yes"},
            {**ONE, "reuse": 1},
        ):
            with pytest.raises(BadValue):
                later.issue(**wrong)
        for which in ("", 0, True):
            with pytest.raises(BadValue):
                later.accept(which)
    assert commissions.ledger.lanes() == []


def test_a_key_is_made_for_who_has_none_and_has_a_deadline(commissions):
    with transaction.atomic():
        key = commissions.on_commit().issue(**ONE)
    assert known(commissions, key) == "pending"
    assert history(commissions, key)[0].deadline is not None


def test_what_goes_wrong_after_the_commit_comes_out_of_the_block(commissions):
    """The row is there, its commission is not: the same call again is safe."""
    later = commissions.on_commit()
    commissions.ledger.away = True
    with pytest.raises(Unavailable), transaction.atomic():
        later.issue(**ONE, key="k")
    commissions.ledger.away = False
    assert known(commissions, "k") is None
    commissions.issue(**ONE, key="k")
    assert known(commissions, "k") == "pending"
    with pytest.raises(KeyConflict), transaction.atomic():
        commissions.on_commit().issue(**{**ONE, "user": "bob"}, key="k")


def test_the_other_forms_of_a_request_wait_as_well(commissions):
    with transaction.atomic():
        later = commissions.on_commit(using="default")
        later.issue_generic(user_provisions={("ada", "lab", VM): 1}, key="generic")
        later.reassign(user="ada", provisions={("lab", "den", VM): 0}, key="move")
        assert commissions.ledger.lanes() == []
    assert {known(commissions, key) for key in ("generic", "move")} == {"pending"}


# --- Others -----------------------------------------------------------------------------------


def test_any_object_with_such_a_hook_will_do(commissions):
    class Transaction:
        def __init__(self):
            self.after = []

        def on_commit(self, func):
            self.after.append(func)

    current = Transaction()
    commissions.on_commit(current).issue(**ONE, key="k")
    assert known(commissions, "k") is None
    for each in current.after:
        each()
    assert known(commissions, "k") == "pending"


@pytest.mark.parametrize("fails", [False, True])
def test_a_list_is_hook_enough_for_who_has_none(commissions, fails):
    """As the documentation has it for SQLAlchemy."""
    engine = create_engine("sqlite://")
    create = text("CREATE TABLE servers (name TEXT)")

    def handle():
        waiting = []
        later = commissions.on_commit(waiting.append)
        with Session(engine) as session, session.begin():
            later.issue(**ONE, key="k")
            assert known(commissions, "k") is None
            session.execute(create)  # fails where the table is there
        for enqueue in waiting:
            enqueue()

    if fails:
        with Session(engine) as session, session.begin():
            session.execute(create)
        with pytest.raises(OperationalError):
            handle()
    else:
        handle()
    engine.dispose()
    assert known(commissions, "k") == (None if fails else "pending")


def test_without_django_the_hook_has_to_be_given(commissions, monkeypatch):
    monkeypatch.setitem(sys.modules, "django.db", None)
    with pytest.raises(BadValue, match="Django is not installed"):
        commissions.on_commit()


@pytest.mark.parametrize("hook", [7, "transaction", sqlite3])
def test_what_is_no_hook_is_refused(commissions, hook):
    with pytest.raises(BadValue, match="takes a function or an object with on_commit"):
        commissions.on_commit(hook)
