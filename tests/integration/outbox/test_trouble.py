"""F96: what can never succeed blocks only its own key; all else goes on, in order."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import text

from astakos_worker import Commissions, Settings, Unavailable, UnknownKey
from astakos_worker.ledger.contract import Written
from astakos_worker.service.outbox import listing
from astakos_worker.service.outbox.relay import Relay
from tests.integration.cluster.until import until

ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}
OTHER = {**ONE, "provisions": {"cyclades.vm": 2}}


@pytest.fixture
def write(engine, away):
    """Writes calls, each in a transaction of its own; their thread reaches no ledger."""

    def do(*calls):
        for call in calls:
            with engine.begin() as connection:
                call(away.in_transaction(connection))

    return do


@pytest.fixture
def send(database):
    """Sends all that can be sent."""

    def do():
        def sent():
            out = database.send()
            assert out.away is None
            return not (out.done or out.failed) and not database.waiting()

        until(sent)

    return do


def test_a_key_in_use_fails_and_blocks_its_own_key_alone(write, send, database, commissions, known):
    commissions.issue(**ONE, key="taken")
    write(
        lambda calls: calls.issue(**OTHER, key="taken"),
        lambda calls: calls.accept("taken"),
        lambda calls: calls.issue(**ONE, key="free"),
    )
    send()
    assert known("free") == "queued"
    [(key, error)] = database.failed()
    assert key == "taken"
    assert json.loads(error)["class"] == "KeyConflict"
    # The accept was for the commission of the failed row, and not for the other one.
    assert commissions.get("taken").decision is None


def test_a_row_that_is_dropped_lets_the_newer_ones_of_its_key_go_on(
    write, send, database, commissions
):
    commissions.issue(**ONE, key="taken")
    write(
        lambda calls: calls.issue(**OTHER, key="taken"),
        lambda calls: calls.accept("taken"),
    )
    send()
    [row] = listing.listed(database.outbox)
    assert (row.key, row.project, row.error) == ("taken", "lab", "KeyConflict")
    assert listing.drop(database.outbox, [row.id, 10**9]) == [row.id]
    send()
    assert commissions.get("taken").decision == "accept"


def test_a_row_that_is_retried_succeeds_once_its_cause_is_gone(
    write, send, database, commissions, known
):
    write(lambda calls: calls.extend("later", 60))
    send()
    [row] = listing.listed(database.outbox)
    assert row.error == "UnknownKey"
    commissions.issue(**ONE, key="later")
    assert listing.retry(database.outbox, [row.id]) == [row.id]
    send()
    assert listing.listed(database.outbox) == []
    assert database.waiting() == 0


def test_the_second_of_two_different_decisions_fails(write, send, database, commissions):
    write(
        lambda calls: calls.issue(**ONE, key="k", accept=True),
        lambda calls: calls.reject("k", reason="too late"),
    )
    send()
    [(key, error)] = database.failed()
    assert (key, json.loads(error)["class"]) == ("k", "DecisionConflict")
    assert commissions.get("k").decision == "accept"


def test_an_accept_that_joined_its_issue_fails_alone(write, send, database, commissions):
    """The issue is a replay of a commission that was rejected; the accept is not."""
    commissions.issue(**ONE, key="k")
    commissions.reject("k")
    write(lambda calls: (calls.issue(**ONE, key="k"), calls.accept("k")))
    send()
    [(_, error)] = database.failed()
    assert json.loads(error)["class"] == "DecisionConflict"
    [row] = listing.listed(database.outbox)
    assert row.kind == "accept"


def test_a_row_of_a_newer_schema_is_left_with_its_key(write, send, database, known, engine):
    write(
        lambda calls: calls.issue(**ONE, key="newer"),
        lambda calls: calls.issue(**ONE, key="plain"),
    )
    with engine.begin() as connection:
        connection.execute(text("UPDATE astakos_outbox SET schema = 2 WHERE key = 'newer'"))
    until(lambda: database.send().done)
    assert known("plain") == "queued"
    assert known("newer") is None
    assert database.failed() == []
    assert database.waiting() == 1


def test_a_row_that_nobody_can_read_fails_and_the_others_go_on(
    write, send, database, known, engine
):
    write(
        lambda calls: calls.issue(**ONE, key="broken"),
        lambda calls: calls.issue(**ONE, key="plain"),
    )
    with engine.begin() as connection:
        broken = "UPDATE astakos_outbox SET arguments = '{' WHERE key = 'broken'"
        connection.execute(text(broken))
    send()
    assert known("plain") == "queued"
    assert [key for key, _ in database.failed()] == ["broken"]


def test_a_row_older_than_the_ledgers_memory_is_not_sent_by_itself(
    write, database, commissions, known
):
    """It may have been sent before, and its commission may have ended and been forgotten."""
    write(lambda calls: calls.issue(**ONE, key="old"))
    old = database.settings.model_copy(update={"retention": 1e-6})
    database.settings, settings = old, database.settings
    until(lambda: database.send().failed)
    [(_, error)] = database.failed()
    assert "may have been sent before" in json.loads(error)["message"]
    assert known("old") is None
    database.settings = settings
    [row] = listing.listed(database.outbox)
    listing.retry(database.outbox, [row.id])
    until(lambda: database.send().done)
    assert known("old") == "queued"


def test_a_deadline_counts_from_the_row(write, send, commissions, engine):
    write(
        lambda calls: calls.issue(**ONE, key="hour", deadline=3600),
        lambda calls: calls.issue(**ONE, key="extended"),
        lambda calls: calls.extend("extended", 1800),
    )
    if engine.dialect.name == "sqlite":
        earlier = "UPDATE astakos_outbox SET created = datetime(created, '-600 seconds')"
    else:
        earlier = "UPDATE astakos_outbox SET created = created - interval '600 s'"
    with engine.begin() as connection:
        connection.execute(text(earlier))
    send()
    ledger = commissions._connections.ledger
    entries = ledger.get("compute", ["hour", "extended"])
    now = ledger.clock.now()
    assert entries["hour"].record.deadline - now == pytest.approx(3000, abs=30)
    assert entries["extended"].record.deadline - now == pytest.approx(1200, abs=30)


def test_a_decision_of_a_key_that_comes_another_way_waits_for_it(write, send, commissions):
    write(lambda calls: calls.accept("elsewhere"))
    send()
    assert commissions.get("elsewhere").state == "awaited"
    commissions.issue(**ONE, key="elsewhere")
    assert commissions.get("elsewhere").decision == "accept"


def test_a_serial_is_decided_too(write, send, commissions, database):
    write(lambda calls: calls.resolve(accept=[57], reject=[58]))
    send()
    assert commissions.get(57).decision == "accept"
    assert commissions.get(58).decision == "reject"
    assert database.waiting() == 0


def test_a_decision_of_a_refused_commission_is_no_failure_of_its_row(write, database):
    """Whoever asks for the commission hears of its refusal; nothing is left to decide."""
    memory = Commissions.in_memory(limits={"cyclades.vm": 1}, service="compute")
    memory.issue(**OTHER, key="k")
    write(lambda calls: calls.accept("k"))
    until(lambda: database.send(memory._connections).done)
    assert database.failed() == []
    assert database.waiting() == 0


def test_while_the_ledger_is_full_decisions_go_on(write, database):
    memory = Commissions.in_memory(service="compute")
    memory.issue(**ONE, key="open")
    write(
        lambda calls: calls.issue(**ONE, key="new"),
        lambda calls: calls.accept("open"),
        lambda calls: calls.accept("new"),
    )
    ledger, made = memory._connections.ledger, memory._connections
    until(lambda: database.waiting() == 3)

    class Full:
        """A ledger that takes no new commissions, as a server whose memory is nearly full."""

        def __getattr__(self, name):
            return getattr(ledger, name)

        def cas(self, writes):
            return [Written(False, None, full=True) for _ in writes]

    full = replace(made, ledger=Full())
    out = until(lambda: (out := database.send(full)).done and out)
    assert out.away is not None
    assert memory.get("open").decision == "accept"
    assert database.waiting() == 2
    until(lambda: database.send(made).done)
    assert memory.get("new").decision == "accept"


def test_a_repeated_row_is_the_same_commission_even_where_its_key_may_be_reused(
    write, database, engine
):
    """F96: its sender died before the delete, and the commission has ended since (F81)."""
    memory = Commissions.in_memory(service="compute")
    write(lambda calls: calls.issue(**ONE, key="k", reuse=True, accept=True))
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT * FROM astakos_outbox")).mappings().all()
    until(lambda: database.send(memory._connections).done)
    first = memory.outcome("k")
    assert first.state == "accepted"
    with engine.begin() as connection:
        names = ", ".join(rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        again = f"INSERT INTO astakos_outbox ({names}) VALUES ({values})"
        connection.execute(text(again), dict(rows[0]))
    until(lambda: database.send(memory._connections).done)
    assert memory.get("k") == first
    assert memory.astakos.quota("ada", "lab", "cyclades.vm")["usage"] == 1


def test_a_relay_raises_an_alarm_for_rows_that_failed_and_ends_it(
    write, send, database, commissions
):
    commissions.issue(**ONE, key="taken")
    write(lambda calls: calls.issue(**OTHER, key="taken"))
    send()
    ledger = commissions._connections.ledger
    relay = Relay(database.outbox, database.settings)
    relay._count(within=0)
    assert "1 rows can never be sent" in ledger.lane("compute").alarms["outbox"]
    assert relay.progress.failed == 1
    listing.drop(database.outbox, [row.id for row in listing.listed(database.outbox)])
    relay._count(within=0)
    assert "outbox" not in ledger.lane("compute").alarms


def test_the_ledger_being_away_is_told_by_a_batch_and_nothing_is_lost(write, database, away):
    write(lambda calls: calls.issue(**ONE, key="one"), lambda calls: calls.accept("two"))
    with pytest.raises(Unavailable):
        database.send(away._connections)
    assert database.waiting() == 2
    assert database.failed() == []


def test_a_direct_decision_that_overtakes_its_row_waits_where_there_is_an_outbox(write, database):
    """F96: another process accepts a key whose issue is committed and not sent yet."""
    settings = Settings.model_construct(outbox=True)
    memory = Commissions.in_memory(service="compute", settings=settings)
    write(*(lambda calls, k=key: calls.issue(**ONE, key=k) for key in "abcd"))
    assert memory.accept("a").state == "awaited"
    assert memory.reject("b", reason="no").state == "awaited"
    became = memory.resolve(accept=["c"], reject=["d"])
    assert {which: one.state for which, one in became.items()} == dict.fromkeys("cd", "awaited")
    until(lambda: database.send(memory._connections).done)
    assert [memory.outcome(key).state for key in "abcd"] == [
        *("accepted", "cancelled", "accepted", "cancelled"),
    ]
    assert database.failed() == []


def test_without_the_setting_a_direct_decision_of_an_unsent_row_is_unknown(commissions):
    with pytest.raises(UnknownKey):
        commissions.accept("unsent")


def test_rows_of_several_named_services_are_taken_together(engine, away, database):
    for service in ("compute", "storage", "network"):
        with engine.begin() as connection:
            calls = Commissions(service, settings=away._settings).in_transaction(connection)
            calls.issue(**ONE, key=f"of {service}")

    def taken(*services):
        with database.outbox.take(services) as batch:
            return {row.key for row in batch.rows}

    until(lambda: taken("storage", "network") == {"of storage", "of network"})
    until(lambda: taken() == {"of compute", "of storage", "of network"})
