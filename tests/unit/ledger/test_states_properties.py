"""What holds after whatever happens, in whatever order, to one commission.

The stories come from a random generator that hypothesis seeds: drawing each event from a
strategy would leave most stories too short to get anywhere.
"""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from astakos_worker.ledger import events
from astakos_worker.ledger.events import NotNow
from astakos_worker.ledger.record import CLOSED, OPEN, Decision, State
from astakos_worker.ledger.record_json import dump, load
from astakos_worker.ledger.states import transition
from tests.unit.ledger.records import FAULT, REFUSAL, REQUEST, after, awaited, bare, fresh


class Teller:
    """Tells what happens to one commission: (before, event, after) for each event that fits."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def story(self):
        begin = self.random.choice([awaited, bare, fresh])
        if begin is fresh:
            callback = self.random.choice([None, "shop.settled"])
            decided = self.random.choice([None, self.decision()])
            asked = [("closed",), ("refused",), ("pending", "closed")]
            moments = self.random.choice(asked)
            record = fresh(decision=decided, callback=callback, moments=moments)
            if self.random.random() < 0.5 and not (decided and decided.verb == "reject"):
                record = after(record, events.Marked(0, 0), events.Absent(1, 0, 0))
        else:
            record = begin(self.decision())
        story = []
        for _ in range(self.random.randint(10, 50)):
            event = self.event(record)
            try:
                follows = transition(record, event, self.moment())
            except NotNow:
                continue
            story.append((record, event, follows))
            record = follows
        return story

    def event(self, record):
        """Mostly what is likely to happen next, and sometimes anything at all."""
        followers = {
            State.AWAITED: [self.requested, lambda: events.Died(self.fault())],
            State.QUEUED: [self.marked],
            State.ISSUING: [self.issued, self.decided, *2 * self.of_a_mark(record)],
            State.PENDING: [self.decided, self.issued, events.SettleMarked, events.Vanished],
            State.SETTLING: self.of_a_settle(),
            State.DEAD: [lambda: events.Revived(self.moment()), events.Discarded],
            State.DISCARDED: [lambda: events.TwinSettled(record.serial or 1)],
        }
        likely = followers.get(record.state, [events.Resurfaced])
        anything = [
            *[each for steps in followers.values() for each in steps],
            *self.of_a_mark(record),
            lambda: events.TwinSettled(self.random.randint(1, 3)),
            events.Vanished,
            events.Resurfaced,
            lambda: events.Conflicted(self.fault()),
            lambda: events.Merged("key"),
            lambda: events.Recognised("5eed", "a name"),
            events.NotThere,
            lambda: events.TwinResurfaced(self.random.randint(1, 3)),
            lambda: events.Died(self.fault()),
            lambda: events.Revived(self.moment()),
            events.Discarded,
            lambda: events.Extended(self.moment()),
            lambda: events.Postponed(self.moment(), self.perhaps_fault()),
            events.Released,
            lambda: events.CallbackSent(self.random.choice([record.state, State.ACCEPTED])),
        ]
        return self.random.choice(likely if self.random.random() < 0.9 else anything)()

    def of_a_mark(self, record):
        """What is learnt of the latest mark, and now and then of the one before it."""
        mark = record.marks - self.random.choice([0, 0, 0, 1])
        return [
            lambda: events.Unsent(mark, self.moment(), self.perhaps_fault()),
            lambda: events.Doubtful(mark, self.moment(), self.fault()),
            lambda: events.Declined(mark, self.moment(), self.fault()),
            lambda: events.Refused(mark, self.fault()),
            lambda: events.Absent(mark, self.moment(), self.moment()),
        ]

    def of_a_settle(self):
        return [
            events.SettleMarked,
            lambda: events.SettleUnsent(
                self.random.randint(1, 4), self.moment(), self.perhaps_fault()
            ),
            lambda: events.SettleFailed(self.moment(), self.fault()),
            events.Settled,
            events.SettleNotFound,
        ]

    def requested(self):
        return events.Requested(REQUEST, "99999999", self.random.choice([None, self.moment()]))

    def decided(self):
        return events.Decided(self.decision())

    def marked(self):
        return events.Marked(self.moment(), self.moment())

    def issued(self):
        return events.Issued(self.random.randint(1, 3))

    def decision(self):
        return Decision(self.random.choice(["accept", "reject"]), "", self.moment())

    def moment(self):
        return round(self.random.uniform(0, 2000), 3)

    def fault(self):
        return self.random.choice([FAULT, REFUSAL])

    def perhaps_fault(self):
        return self.random.choice([None, self.fault()])


stories = st.integers(0, 2**64).map(lambda seed: Teller(Random(seed)).story())


def test_the_stories_go_everywhere():
    """Without this, what follows could hold because nothing ever happened."""
    seen = Counter(
        (type(event), follows.state)
        for seed in range(1000)
        for _, event, follows in Teller(Random(seed)).story()
    )
    assert {event for event, _ in seen} == set(events.Event.__args__)
    assert {state for _, state in seen} == set(State)
    for event, state in [
        (events.Absent, State.REFUSED),
        (events.Absent, State.CANCELLED),
        (events.Unsent, State.CANCELLED),
        (events.Refused, State.ISSUING),
        (events.SettleNotFound, State.ACCEPTED),
        (events.SettleNotFound, State.REJECTED),
        (events.SettleNotFound, State.VANISHED),
        (events.SettleNotFound, State.UNKNOWN),
        (events.Resurfaced, State.PENDING),
        (events.Resurfaced, State.SETTLING),
        (events.TwinSettled, State.REFUSED),
        (events.TwinSettled, State.DISCARDED),
        (events.Revived, State.AWAITED),
        (events.Revived, State.ISSUING),
        (events.Revived, State.SETTLING),
        (events.CallbackSent, State.PENDING),
    ]:
        assert seen[event, state], (event, state)


@given(stories)
@settings(max_examples=300)
def test_serial_and_decision_are_written_once(story):
    """Rule 2 of the design, F23: whatever comes, and however often."""
    for before, _, follows in story:
        assert before.serial in {None, follows.serial}
        assert before.decision in {None, follows.decision}


@given(stories)
@settings(max_examples=300)
def test_no_serial_is_ever_lost(story):
    """F7, F17: each that was told is the commission's own or a twin of it."""
    given_up = False
    for before, event, follows in story:
        known = {twin.serial for twin in follows.twins} | {follows.serial}
        assert {twin.serial for twin in before.twins} <= known
        if isinstance(event, events.Issued):
            assert event.serial in known
        given_up = given_up or isinstance(event, events.Discarded)  # its own is rejected then
        serials = [twin.serial for twin in follows.twins]
        assert len(serials) == len(set(serials)) and (given_up or follows.serial not in serials)


@given(stories)
@settings(max_examples=300)
def test_an_end_is_left_only_for_what_astakos_holds_again(story):
    """F43 is the only way back; a conflict or a merger may be found out about any end.

    What is dead is a person's to send again or to give up.
    """
    for before, event, follows in story:
        if before.state in CLOSED and follows.state is not before.state:
            by_a_person = isinstance(event, events.Revived | events.Discarded)
            found = isinstance(event, events.Resurfaced | events.Conflicted | events.Merged)
            assert found or (by_a_person and before.state is State.DEAD)


@given(stories)
@settings(max_examples=300)
def test_a_post_is_announced_only_where_none_is_unaccounted_for(story):
    """F5 to F9: and never for a commission that is rejected or has a serial."""
    for before, event, follows in story:
        if isinstance(event, events.Marked):
            assert before.state is State.QUEUED and before.serial is None
            assert before.decision is None or before.decision.verb == "accept"
            assert follows.marks == before.marks + 1 and follows.refusal is None


@given(stories)
@settings(max_examples=300)
def test_what_is_ambiguous_is_done_with_by_proof_alone(story):
    """Rule 7 of the design: an answer to this very mark, a serial, a list late enough, a person."""
    proofs = events.Unsent | events.Declined | events.Refused | events.Issued | events.Absent
    for before, event, follows in story:
        if before.state is State.ISSUING and follows.state is not State.ISSUING:
            assert isinstance(event, proofs | events.Died | events.Conflicted)
            assert getattr(event, "mark", before.marks) == before.marks
            if isinstance(event, events.Absent):
                assert event.listed >= before.quiet_at


@given(stories)
@settings(max_examples=300)
def test_a_refusal_is_final_only_without_a_doubt_or_after_a_probe(story):
    """F12, F13."""
    for before, event, follows in story:
        if follows.state is State.REFUSED and before.state is not State.REFUSED:
            if isinstance(event, events.Absent):
                assert before.refusal is not None and event.listed >= before.quiet_at
            else:
                assert isinstance(event, events.Refused) and not before.doubts


@given(stories)
@settings(max_examples=300)
def test_not_found_is_success_only_after_another_send(story):
    """F24, F25."""
    for before, event, follows in story:
        if isinstance(event, events.SettleNotFound):
            done = follows.state in {State.ACCEPTED, State.REJECTED}
            assert done == (len(before.sent) > 1)


@given(stories)
@settings(max_examples=300)
def test_whatever_has_something_left_to_do_is_due_and_no_closed_record_else(story):
    """F45: nothing waits for ever, and nothing is looked at for ever."""
    for _, _, follows in story:
        waits = follows.state is State.PENDING and follows.decision is None
        if follows.state in CLOSED:
            assert (follows.due is not None) == follows.is_open
            assert follows.closed is not None
        elif not waits or follows.twins_due or follows.callbacks_due:
            assert follows.due is not None
        if follows.state in OPEN:
            assert follows.closed is None


@given(stories)
@settings(max_examples=300)
def test_the_history_keeps_its_beginning_and_its_end_within_bounds(story):
    for before, _, follows in story:
        assert follows.history[0] == before.history[0]
        assert len(follows.history) <= 24


def test_a_long_history_loses_its_middle():
    record = fresh()
    for n in range(1, 30):
        record = transition(record, events.Marked(n, n), n)
        record = transition(record, events.Unsent(n, n), n)
    assert [note.what for note in record.history[:4]] == [
        "queued",
        "issuing, attempt 1",
        "issuing, attempt 2",
        "issuing, attempt 3",
    ]
    assert record.history[4].what == "issuing, attempt 10"
    assert record.history[-1].what == "issuing, attempt 29"
    assert len(record.history) == 24


@given(stories)
@settings(max_examples=300)
def test_every_record_survives_the_store(story):
    for _, _, follows in story:
        assert load(dump(follows)) == follows


def test_a_long_error_does_not_swell_the_history():
    fault = {"class": "Garbled", "message": "x" * 10_000}
    record = after(fresh(), events.Marked(1, 1), events.Doubtful(1, 1, fault))
    assert len(record.history[-1].what) < 300
