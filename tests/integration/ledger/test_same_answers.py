"""Both stores give the same answers, whatever is asked of them in whatever order.

Both live by the server's clock, and what a claim announces is dated by both alike. Whatever
lasts, lasts for minutes or is over before the next step, so that no answer depends on how long a
step took.
"""

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from astakos_worker.ledger import events, states
from astakos_worker.ledger.contract import ANYONE, Asked, WakeupPolicy, Write
from astakos_worker.ledger.events import NotNow
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.record import Decision, bare_key
from astakos_worker.ledger.request import Provision, Request
from astakos_worker.ledger.states import transition
from tests.integration.ledger.places import FAULT, LANE, LONG, REQUEST, RedisPlace

TINY = 0.001
SEND_FOR, QUIET_FOR = 0.25, 0.5  # what is added to a time in seconds, or in milliseconds, exactly
EXAMPLES = 20
KEYS = ["a", "b", "c", "d", bare_key(1)]
SERIALS = [1, 2, 3]
CARRIERS = ["one", "two", "three"]

#: Another holder's: those of one holder are given together.
OTHER = Request((Provision("user:v", "project:q", "cyclades.vm", 1),), "a server")

keys = st.sampled_from(KEYS)
durations = st.sampled_from([TINY, LONG])
verbs = st.sampled_from(["accept", "reject"])
few = st.integers(1, 3)


@dataclass
class ServerClock:
    """The server's time; it stands still within a step, as it does within a script."""

    place: RedisPlace
    at: float = 0.0
    script: float | None = None  # the time that the last script lived in, if it told

    def now(self):
        return self.at

    def tick(self):
        self.at = int(self.place._time() * 1000) / 1000  # as scripts have it

    def saw(self, milliseconds, asked=None):
        if asked is None:  # else the time was asked for beside the script
            self.script = milliseconds / 1000


class Stores(RuleBasedStateMachine):
    """Asks both stores the same."""

    url = ""

    @initialize(retention=durations, promise=durations, forgotten=durations, number=few)
    def begin(self, retention, promise, forgotten, number):
        more = {
            "wakeups": WakeupPolicy(number, 2, promise, forgotten),
            "retention": retention,
            "bare_retention": LONG,
        }
        self.place = RedisPlace(self.url)
        self.place.open(**more)
        self.clock = ServerClock(self.place)
        self.clock.tick()
        self.place.ledger.clock.saw = self.clock.saw
        self.stores = [self.place.ledger, MemoryLedger(self.clock, **more)]
        self.count = 0
        for key, request in zip(KEYS, [REQUEST, OTHER, REQUEST, OTHER, None], strict=True):
            self.write(Write(self._new(key, None, request=request), 0))

    def teardown(self):
        if hasattr(self, "place"):
            self.place.close()

    def ask(self, call, shown=lambda answer: answer):
        """Ask both, and let all that is short be over."""
        self.same(call, shown)
        self.place.passes(4 * TINY)
        self.clock.tick()

    def same(self, call, shown=lambda answer: answer):
        self.clock.script = None
        on_server = shown(call(self.stores[0]))
        self.clock.tick()
        self.clock.at = self.clock.script or self.clock.at
        in_memory = shown(call(self.stores[1]))
        assert on_server == in_memory

    # --- Writing ------------------------------------------------------------------------------

    def _new(self, key, decision, *, late=True, deadline=None, request=REQUEST):
        now = self.clock.now()
        if key.startswith("\x1f"):
            decision = decision or Decision("accept", "", now)
            return states.bare(key, LANE, "0" * 8, serial=1, decision=decision, now=now)
        self.count = getattr(self, "count", 0) + 1
        due = now - 100 - self.count if late else now + LONG
        record = states.queued(
            *(key, LANE, f"{self.count % 5:08x}", request),
            now=now,
            decision=decision,
            deadline=deadline,
        )
        return transition(record, events.Postponed(due), now)

    def write(self, write):
        self.last = write
        self.ask(lambda store: store.cas([write]), lambda done: [told(v) for v in done])

    def entry(self, key):
        return self.stores[1].get(LANE, [key]).get(key)

    @rule(
        key=keys,
        verb=st.none() | verbs,
        late=st.booleans(),
        wakeup=st.booleans(),
        request=st.sampled_from([REQUEST, OTHER]),
    )
    def create(self, *, key, verb, late, wakeup, request):
        decision = Decision(verb, "", 1.0) if verb else None
        deadline = self.clock.now() - 50 if late else None
        record = self._new(key, decision, late=late, deadline=deadline, request=request)
        self.write(Write(record, 0, wakeup=wakeup))

    @rule(key=keys, verb=st.none() | verbs)
    def use_again(self, key, verb):
        entry = self.entry(key)
        if entry is not None and not entry.record.is_open:
            decision = Decision(verb, "", 1.0) if verb else None
            self.write(Write(self._new(key, decision), entry.version, cell=decision, reset=True))

    @rule(
        key=keys,
        number=st.integers(0, 15),
        serial=st.sampled_from(SERIALS),
        verb=verbs,
        fence=st.sampled_from(["none", "current", "older"]),
        fenced=st.booleans(),
        lease=st.sampled_from([None, None, TINY, LONG]),
        stale=st.sampled_from([0, 0, 0, 1]),
        wakeup=st.booleans(),
    )
    def change(self, *, key, number, serial, verb, fence, fenced, lease, stale, wakeup):
        entry = self.entry(key)
        if entry is None:
            return
        now, mark = self.clock.now(), entry.record.marks
        steps = [
            events.Marked(now, now),
            events.Unsent(mark, now),
            events.Doubtful(mark, now + LONG, FAULT),
            events.Absent(mark, now + 1, now),
            events.Issued(serial),
            events.Decided(entry.cell or Decision(verb, "", 1.0)),
            events.Decided(Decision(verb, "", 1.0)),
            events.SettleMarked(),
            events.Settled(),
            events.TwinSettled(serial),
            events.Died(FAULT),
            events.Resurfaced(),
            events.Merged("a"),
            events.Postponed(now + LONG),
            events.Revived(now),
            events.Discarded(),
        ]
        try:
            record = transition(entry.record, steps[number], now)
        except NotNow:
            return
        number = {"none": None, "current": entry.fence, "older": entry.fence - 1}[fence]
        version = entry.version - stale
        self.write(Write(record, version, number, fenced, lease, wakeup=wakeup))

    @rule()
    def repeat(self):
        self.write(self.last)

    @rule(key=st.sampled_from([*KEYS, "unknown"]), verb=verbs)
    def decide(self, key, verb):
        decisions = {key: Decision(verb, "", 1.0)}
        self.ask(lambda store: store.decide(LANE, decisions), lambda done: told(done[key]))

    @rule(key=st.sampled_from([*KEYS, "unknown"]), seconds=durations)
    def watch(self, key, seconds):
        self.ask(lambda store: store.watch(LANE, key, seconds), told_entry)

    # --- Carrying -----------------------------------------------------------------------------

    @rule(
        carrier=st.sampled_from(CARRIERS),
        lease=durations,
        issues=few,
        settles=few,
        wait=st.sampled_from([0.0, LONG]),
        own=st.none() | keys,
        wakeup_id=st.sampled_from([None, ANYONE, "a?", "a!", "b?", "b!"]),
    )
    def claim(self, *, carrier, lease, issues, settles, wait, own, wakeup_id):
        asked = Asked(
            *(LANE, carrier, lease, issues, settles, wait),
            send_for=SEND_FOR,
            quiet_for=QUIET_FOR,
            own=own,
            wakeup_id=wakeup_id,
        )
        self.ask(
            lambda store: store.claim(asked)[0],
            lambda claim: (
                [(told_entry(entry), entry.marked) for entry in claim.entries],
                (claim.queue, claim.why, claim.wakeup, claim.trial),
            ),
        )

    @rule(carrier=st.sampled_from(CARRIERS))
    def sign_off(self, carrier):
        self.ask(lambda store: store.sign_off(LANE, carrier))

    @rule(carriers=st.sets(st.sampled_from(CARRIERS)), driver=st.sampled_from([None, "x", "y"]))
    def beat(self, carriers, driver):
        self.ask(lambda store: store.beat({LANE: sorted(carriers)}, driver, TINY))

    @rule(seconds=durations)
    def rest(self, seconds):
        self.ask(lambda store: store.rest(LANE, seconds, f"for {seconds:g}"))

    @rule()
    def end_rest(self):
        self.ask(lambda store: store.end_rest(LANE))

    @rule(worked=st.booleans())
    def count_requests(self, worked):
        if worked:
            self.ask(lambda store: store.forget_failures(LANE))
        else:
            self.ask(lambda store: store.count_failure(LANE))

    @rule(holder=st.sampled_from("xy"), lease=durations, back=st.booleans())
    def hold(self, holder, lease, back):
        if back:
            self.ask(lambda store: store.release_lease("sweep", holder))
        self.ask(lambda store: store.take_lease("sweep", holder, lease))

    # --- Reading ------------------------------------------------------------------------------

    @invariant()
    def all_that_can_be_read_is_the_same(self):
        if not hasattr(self, "stores"):
            return
        self.same(
            lambda store: (
                {key: told_entry(entry) for key, entry in store.get(LANE, KEYS).items()},
                store.find(LANE, SERIALS),
                store.held(LANE),
                store.expired(LANE),
                sorted(store.dead(LANE)),
                store.lanes(),
            )
        )
        self.same(
            lambda store: store.lane(LANE),
            lambda lane: (
                *(lane.due, lane.open, lane.held, lane.dead, lane.awake, lane.reason),
                lane.resting > 0,
            ),
        )


def told_entry(entry):
    return entry and (entry.record, entry.version, entry.fence, entry.cell)


def told(verdict):
    return verdict.done, told_entry(verdict.entry), verdict.wakeup, verdict.clash


def test_both_stores_give_the_same_answers(session_servers):
    class OnTheServer(Stores):
        url = session_servers("valkey").url()

    run_state_machine_as_test(
        OnTheServer,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_both_name_the_other_owner_of_a_serial_to_a_creation_that_is_repeated(session_servers):
    """The writer's serials count: the record may have none yet, or others by now."""

    class OnTheServer(Stores):
        url = session_servers("valkey").url()

    machine = OnTheServer()
    machine.begin(retention=LONG, promise=LONG, forgotten=LONG, number=1)
    try:
        machine.change(
            fence="none",
            fenced=False,
            key="a",
            lease=None,
            number=4,
            serial=1,
            stale=1,
            verb="accept",
            wakeup=False,
        )
    finally:
        machine.teardown()
