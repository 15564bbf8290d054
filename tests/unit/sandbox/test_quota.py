"""What the quota book promises beyond the arithmetic that the model checks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from astakos_worker.sandbox.errors import (
    InternalFailureError,
    NoCapacityError,
    NoHoldingError,
    NoQuantityError,
    UnknownNameError,
)
from astakos_worker.sandbox.quota import INT64_MAX, Holding, HoldingKey, Provision, QuotaBook

NOW = datetime(2031, 1, 31, tzinfo=UTC)
VM = HoldingKey("user:u", "project:p", "cyclades.vm")
RAM = HoldingKey("user:u", "project:p", "cyclades.ram")


@pytest.fixture
def book():
    book = QuotaBook()
    book.set_limit(VM, 10)
    book.set_limit(RAM, 10)
    return book


def issue(book, *wanted, component="cyclades", **options):
    provisions = [Provision(*key, quantity) for key, quantity in wanted]
    return book.issue(component, provisions, at=NOW, **options)


def test_the_first_provision_that_fails_is_the_one_reported(book):
    missing = HoldingKey("user:nobody", None, "cyclades.vm")
    with pytest.raises(NoCapacityError):
        issue(book, (VM, 11), (missing, 1))
    with pytest.raises(NoHoldingError):
        issue(book, (missing, 1), (VM, 11))


def test_a_refused_issue_takes_no_serial(book):
    with pytest.raises(NoCapacityError):
        issue(book, (VM, 11))
    assert issue(book, (VM, 1)).serial == 1


def test_a_refusal_tells_the_merged_quantity_and_the_figures(book):
    issue(book, (VM, 4))
    with pytest.raises(NoCapacityError) as caught:
        issue(book, (VM, 5), (VM, 3))
    assert caught.value.data == {
        "name": "NoCapacityError",
        "limit": 10,
        "usage": 4,
        "provision": {**VM._asdict(), "quantity": 8},
    }


def test_a_refused_release_reports_a_limit_of_zero_and_what_is_confirmed(book):
    book.resolve("cyclades", issue(book, (VM, 4)).serial, accept=True)
    issue(book, (VM, -3))
    with pytest.raises(NoQuantityError) as caught:
        issue(book, (VM, -2), force=True)
    assert caught.value.data["limit"] == 0
    assert caught.value.data["usage"] == 1


def test_each_refusal_has_data_of_its_own(book):
    with pytest.raises(NoCapacityError):
        issue(book, (VM, 11))
    with pytest.raises(NoHoldingError) as caught:
        issue(book, (HoldingKey("user:nobody", None, "x"), 1))
    assert set(caught.value.data) == {"name", "provision"}


def test_usage_beyond_64_bits_is_a_failure_and_changes_nothing(book):
    with pytest.raises(InternalFailureError):
        issue(book, (RAM, 1), (VM, INT64_MAX), (VM, 1), force=True)
    assert book.holdings == {VM: Holding(10), RAM: Holding(10)}
    assert not book.commissions


@pytest.mark.parametrize("name", ["n" * 4097, "a\0b", "lone \ud800 surrogate"])
def test_a_name_that_the_database_cannot_hold_is_a_failure_unless_quota_refuses_first(book, name):
    with pytest.raises(InternalFailureError):
        issue(book, (VM, 1), name=name)
    with pytest.raises(NoCapacityError):
        issue(book, (VM, 11), name=name)
    assert book.holdings[VM] == Holding(10)


def test_a_name_of_4096_characters_is_kept_as_it_is(book):
    name = "ἀ\n\x01" + "n" * 4093
    assert book.find("cyclades", issue(book, name=name).serial).name == name


def test_a_batch_that_meets_a_vanished_holding_does_nothing_at_all(book):
    good, bad = issue(book, (RAM, 1)), issue(book, (VM, 1))
    del book.holdings[VM]
    with pytest.raises(InternalFailureError):
        book.resolve_many("cyclades", [good.serial, bad.serial], [])
    assert book.holdings[RAM] == Holding(10, 0, 1)
    assert book.pending("cyclades") == [good.serial, bad.serial]


def test_the_holders_locked_are_those_of_the_component_s_own_serials(book):
    own = issue(book, (VM, 1))
    foreign = issue(book, (VM, 1), component="pithos")
    assert book.holders("cyclades", [own.serial, 99]) == {"user:u"}
    assert book.holders("cyclades", [foreign.serial]) == set()


def test_changing_the_limit_of_a_holding_that_is_not_there_is_refused(book):
    with pytest.raises(UnknownNameError, match="user:nobody"):
        book.change_limit(HoldingKey("user:nobody", None, "x"), 5)
