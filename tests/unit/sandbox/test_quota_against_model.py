"""The quota book against a model that is written the other way round.

The book keeps two counters and moves them; the model keeps the list of what is pending and the
sum of what is confirmed, and works everything out afresh each time.

A thousand stories of fifty steps: issues that import, release, ask for nothing or for one holding
twice, forced or not, accepted at once or not; resolving singly and in batches; limits that change.
Each choice is one draw, so that all of it takes seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from astakos_worker.sandbox.errors import (
    NoCapacityError,
    NoCommissionError,
    NoHoldingError,
    NoQuantityError,
)
from astakos_worker.sandbox.quota import HoldingKey, Provision, QuotaBook

NOW = datetime(2031, 1, 31, tzinfo=UTC)
KEYS = [
    HoldingKey("user:u", "project:p", "vm"),
    HoldingKey("user:v", "project:p", "vm"),
    HoldingKey("project:p", None, "vm"),
    HoldingKey("project:p", None, "ram"),
]
UNKNOWN = HoldingKey("user:u", None, "vm")
COMPONENTS = ["cyclades", "pithos"]

# One unknown holding among a dozen, so that most issues get past it.
provisions = st.lists(
    st.sampled_from(
        [
            Provision(*key, quantity)
            for key in [*KEYS, *KEYS, *KEYS, UNKNOWN]
            for quantity in range(-6, 7)
        ]
    ),
    max_size=4,
)
issuing = st.sampled_from(list(product(COMPONENTS, (False, True), (False, True))))
# The same few serials again and again, resolved or not, one's own or not, twice in a list or not.
batches = st.sampled_from(
    [batch for size in range(4) for batch in product(range(1, 15), repeat=size)]
)
resolving = st.sampled_from(list(product(COMPONENTS, range(1, 31), (False, True))))
limits = st.sampled_from(list(product(KEYS, range(13))))


class Model:
    """Confirmed sums and pending lists."""

    def __init__(self, limits):
        self.limits = dict(limits)
        self.confirmed = dict.fromkeys(limits, 0)
        self.pending = {}
        self.last = 0

    def low(self, key):
        releases = (q for _, parts in self.pending.values() for k, q in parts if k == key and q < 0)
        return self.confirmed[key] + sum(releases)

    def high(self, key):
        imports = (q for _, parts in self.pending.values() for k, q in parts if k == key and q > 0)
        return self.confirmed[key] + sum(imports)

    def verdict(self, wanted, force):
        for key, quantity in wanted:
            if key not in self.limits:
                return NoHoldingError
            if quantity < 0 and -quantity > self.low(key):
                return NoQuantityError
            if quantity >= 0 and not force and self.high(key) + quantity > self.limits[key]:
                return NoCapacityError
        return None

    def issue(self, component, wanted):
        self.last += 1
        self.pending[self.last] = (component, wanted)
        return self.last

    def resolve(self, serial, accept):
        _, parts = self.pending.pop(serial)
        for key, quantity in parts:
            self.confirmed[key] += quantity if accept else 0

    def owns(self, component, serial):
        return self.pending.get(serial, (None,))[0] == component


class QuotaMachine(RuleBasedStateMachine):
    @initialize(limits=st.tuples(*[st.integers(0, 12) for _ in KEYS]))
    def begin(self, limits):
        self.book = QuotaBook()
        self.model = Model(dict(zip(KEYS, limits, strict=True)))
        for key, limit in self.model.limits.items():
            self.book.set_limit(key, limit)

    @rule(asked=provisions, how=issuing)
    def issue(self, asked, how):
        component, force, auto_accept = how
        wanted = {}
        for provision in asked:
            wanted[provision.key] = wanted.get(provision.key, 0) + provision.quantity
        wanted = list(wanted.items())
        expected = self.model.verdict(wanted, force)
        refused = None
        try:
            commission = self.book.issue(
                component, asked, at=NOW, name="n", force=force, auto_accept=auto_accept
            )
        except (NoHoldingError, NoCapacityError, NoQuantityError) as refusal:
            refused = type(refusal)
        assert refused is expected
        if refused is None:
            assert commission.serial == self.model.issue(component, wanted)
            if auto_accept:
                self.model.resolve(commission.serial, accept=True)

    @rule(what=resolving)
    def resolve(self, what):
        component, serial, accept = what
        expected = self.model.owns(component, serial)
        try:
            self.book.resolve(component, serial, accept=accept)
        except NoCommissionError:
            assert not expected
        else:
            assert expected
            self.model.resolve(serial, accept)

    @rule(component=st.sampled_from(COMPONENTS), accept=batches, reject=batches)
    def resolve_many(self, component, accept, reject):
        both = set(accept) & set(reject)
        owned = {s for s in {*accept, *reject} - both if self.model.owns(component, s)}
        done = self.book.resolve_many(component, accept, reject)
        assert {c.serial for c in done.accepted} == owned & set(accept)
        assert {c.serial for c in done.rejected} == owned & set(reject)
        assert set(done.conflicting) == both
        assert set(done.not_found) == {*accept, *reject} - both - owned
        assert len(done.not_found) == len(set(done.not_found))
        for serial in owned:
            self.model.resolve(serial, serial in accept)

    @rule(what=limits)
    def change_limit(self, what):
        key, limit = what
        self.book.change_limit(key, limit)
        self.model.limits[key] = limit

    @invariant()
    def the_counters_agree(self):
        for key, holding in self.book.holdings.items():
            assert (holding.usage_min, holding.usage_max) == (
                self.model.low(key),
                self.model.high(key),
            )
            assert holding.limit == self.model.limits[key]

    @invariant()
    def the_pending_lists_agree(self):
        for component in COMPONENTS:
            expected = [s for s, (owner, _) in self.model.pending.items() if owner == component]
            assert self.book.pending(component) == sorted(expected)


TestQuotaAgainstModel = QuotaMachine.TestCase
TestQuotaAgainstModel.pytestmark = pytest.mark.long
TestQuotaAgainstModel.settings = settings(
    max_examples=1000, stateful_step_count=50, deadline=None, database=None
)
