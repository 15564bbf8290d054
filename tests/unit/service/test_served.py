"""A service that no worker serves learns it in words, with the name that is meant."""

import logging

import pytest

from astakos_worker.configuration.names import COMMISSIONS, LOOKUPS, QUEUES
from astakos_worker.ledger.contract import Served, UnavailableError
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.service.served import unserved
from astakos_worker.service.serving_check import CheckingSender
from astakos_worker.service.wakeups import Message

THERE = {Served("production", "cyclades", queue) for queue in QUEUES}


@pytest.mark.parametrize(
    ("namespace", "service", "text"),
    [
        ("prodution", "cyclades", r"namespace 'prodution'.*the nearest known name is 'production'"),
        ("production", "cyclade", r"service 'cyclade'.*the nearest known name is 'cyclades'"),
        ("production", "pithos", r"service 'pithos'.*there are 'cyclades'"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest_one(namespace, service, text):
    import re

    assert re.search(text, unserved(THERE, namespace, service))


def test_a_service_that_is_served_needs_no_text():
    assert unserved(THERE, "production", "cyclades") == ""


def test_a_queue_that_nobody_reads_is_named_with_the_command_that_reads_it():
    there = {one for one in THERE if one.queue != LOOKUPS}
    assert unserved(there, "production", "cyclades", COMMISSIONS) == ""
    assert "worker -Q astakos.lookups" in unserved(there, "production", "cyclades", LOOKUPS)


def test_without_any_worker_the_command_that_starts_them_is_named():
    assert "astakos-worker serve" in unserved(set(), "production", "cyclades")


class Broker:
    """Takes messages."""

    def __init__(self):
        self.sent = []

    def send(self, message):
        self.sent.append(message)
        return True

    send_fast = send


def wake(sender):
    sender.send_fast(Message("astakos.issue", {"service": "default", "key": "k"}))


def said(caplog):
    return [line.getMessage() for line in caplog.records]


@pytest.fixture
def sender(ledger, caplog):
    caplog.set_level(logging.INFO)
    return CheckingSender(Broker(), ledger, "default")


def test_the_log_says_at_once_that_no_worker_serves_and_says_it_once(sender, caplog):
    wake(sender)
    wake(sender)
    [line] = said(caplog)
    assert "event='no_worker'" in line and "no worker runs on this ledger" in line


def test_the_log_says_when_workers_have_come(sender, ledger, caplog, monkeypatch):
    monkeypatch.setattr("astakos_worker.service.serving_check._EVERY", 0.0)
    wake(sender)
    ledger.serve(["default"], [COMMISSIONS], 10)
    wake(sender)
    wake(sender)
    assert [line.split()[0] for line in said(caplog)] == [
        "event='no_worker'",
        "event='workers_serve'",
    ]


def test_where_workers_serve_the_log_says_nothing(sender, ledger, caplog):
    ledger.serve(["default"], [COMMISSIONS], 10)
    wake(sender)
    assert said(caplog) == []


class AwayLedger(MemoryLedger):
    """A ledger that does not answer."""

    def served(self):
        raise UnavailableError("the ledger does not answer")


def test_a_ledger_that_does_not_answer_costs_no_wake_up(clock, caplog):
    broker = Broker()
    wake(CheckingSender(broker, AwayLedger(clock), "default"))
    assert len(broker.sent) == 1 and said(caplog) == []


def test_a_time_out_says_that_no_worker_serves(commissions, ledger):
    from astakos_worker import OutcomeTimeout

    commission = commissions.issue(user="u", project="p", provisions={"cyclades.vm": 1})
    with pytest.raises(OutcomeTimeout, match=r"is still queued after 0\.01 s; no worker runs"):
        commission.outcome(timeout=0.01)
    ledger.serve(["default"], [COMMISSIONS], 10)
    with pytest.raises(OutcomeTimeout, match=r"is still queued after 0\.01 s$"):
        commission.outcome(timeout=0.01)
