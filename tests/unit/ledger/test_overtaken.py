"""A write that another process overtook is made again from the record as it is now."""

import pytest
from msgspec.structs import replace

from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.overtaken import retry_overtaken
from tests.unit.ledger.records import NOW, fresh


class Clock:
    def now(self):
        return NOW


class Rivals(MemoryLedger):
    """A ledger where another process writes the record first, so many times."""

    rivals = 0
    round_trips = 0

    def cas(self, writes):
        self.round_trips += 1
        for write in writes:
            if self.rivals and write.version:
                self.rivals -= 1
                there = self.get(write.record.service, [write.record.key])[write.record.key]
                super().cas([Write(replace(there.record, attempts=99), there.version)])
        return super().cas(writes)


@pytest.fixture
def ledger():
    ledger = Rivals(Clock())
    for key in ("a", "b"):
        assert ledger.cas([Write(replace(fresh(), key=key), 0)])[0].done
    ledger.round_trips = 0
    return ledger


def counted(_name, entry):
    record = replace(entry.record, settles=entry.record.settles + 1)
    return Write(record, entry.version)


def written(ledger):
    entries = ledger.get(fresh().service, ["a", "b"])
    first = ledger.cas([counted(key, entry) for key, entry in entries.items()])
    return dict(zip(entries, first, strict=True))


def test_what_was_overtaken_is_written_on_top_of_the_other_write(ledger):
    """Both changes are there in the end, and the overtaken ones travel together."""
    ledger.rivals = 3
    answers = retry_overtaken(ledger, written(ledger), counted)
    assert all(answer.done for answer in answers.values())
    assert ledger.round_trips == 3  # both are overtaken, then one of them, then none
    records = [entry.record for entry in ledger.get(fresh().service, ["a", "b"]).values()]
    assert [(record.settles, record.attempts) for record in records] == [(1, 99)] * 2


def test_a_write_that_is_not_wanted_any_more_leaves_the_record_as_it_is(ledger):
    ledger.rivals = 1
    answers = retry_overtaken(ledger, written(ledger), lambda *_: None)
    assert [answer.done for answer in answers.values()] == [False, True]
    assert answers["a"].entry.record.attempts == 99


def test_after_so_many_tries_it_gives_up(ledger):
    ledger.rivals = 100
    answers = retry_overtaken(ledger, written(ledger), counted, tries=2)
    assert [(answer.done, answer.entry) for answer in answers.values()] == [(False, None)] * 2
    assert ledger.round_trips == 3
