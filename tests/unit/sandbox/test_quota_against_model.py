"""The quota book against a model that is written the other way round.

The book keeps two counters and moves them; the model keeps the list of what is pending and the
sum of what is confirmed, and works everything out afresh each time.
"""

from __future__ import annotations

from datetime import UTC, datetime

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

provisions = st.lists(
    st.builds(
        lambda key, quantity: Provision(*key, quantity),
        st.sampled_from([*KEYS, *KEYS, *KEYS, UNKNOWN]),
        st.integers(-6, 6),
    ),
    max_size=4,
)
components = st.sampled_from(COMPONENTS)
serials = st.integers(1, 30)


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

    @rule(
        component=components,
        asked=provisions,
        force=st.booleans(),
        auto_accept=st.booleans(),
    )
    def issue(self, component, asked, force, auto_accept):
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

    @rule(component=components, serial=serials, accept=st.booleans())
    def resolve(self, component, serial, accept):
        expected = self.model.owns(component, serial)
        try:
            self.book.resolve(component, serial, accept=accept)
        except NoCommissionError:
            assert not expected
        else:
            assert expected
            self.model.resolve(serial, accept)

    @rule(component=components, accept=st.lists(serials), reject=st.lists(serials))
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

    @rule(key=st.sampled_from(KEYS), limit=st.integers(0, 12))
    def change_limit(self, key, limit):
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
TestQuotaAgainstModel.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, database=None
)
