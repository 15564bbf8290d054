"""A claim announces what its carrier is about to send, and whoever reads the record learns it."""

import pytest

from astakos_worker.ledger import events, states
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.record import State
from astakos_worker.ledger.states import transition
from tests.integration.ledger.places import (
    ACCEPT,
    FAULT,
    LANE,
    LONG,
    REJECT,
    SOON,
    keys_of,
)

BEATEN = events.Postponed(1.0)  # an event that fits whatever is open


def decided(place, key="a", serial=7):
    """A pending commission that has been decided, and whose record does not know."""
    entry = place.put(key, serial=serial)
    assert place.decide(key).entry.cell == ACCEPT
    return entry


def taken(place, carrier="carrier", lease=LONG, **more):
    """The one entry that this claim gives."""
    [entry] = place.claim(carrier, lease, settle_wait=0, **more).entries
    return entry


def left_by_the_dead(place, **more):
    """What a carrier had claimed, whose lease is over."""
    entry = taken(place, "dead", SOON, **more)
    place.passes(2 * SOON)
    place.ledger.sign_off(LANE, "dead")  # forgotten
    return entry


# --- What is announced ------------------------------------------------------------------------


def test_a_claim_announces_what_is_to_be_issued(place):
    """F5, F8, F72: were its carrier killed at once, the commission would be looked for."""
    before = place.put("a")
    earliest = place.now()
    entry = taken(place, send_for=10.0, quiet_for=95.0)
    record = entry.record
    assert (entry.marked, record.state, record.marks) == (True, State.ISSUING, 1)
    assert earliest + 10 - 0.001 <= record.send_until <= place.now() + 10 + 0.001
    assert record.quiet_at - record.send_until == pytest.approx(85)
    assert record.history[-1].what == "issuing, attempt 1"
    assert record.history[-1].at == pytest.approx(record.send_until - 10, abs=0.002)
    assert record.request == before.record.request


def test_a_claim_announces_what_was_accepted_before_it_was_issued(place):
    """F20."""
    place.put("a")
    place.decide("a", ACCEPT)
    entry = taken(place)
    assert (entry.marked, entry.record.state, entry.cell) == (True, State.ISSUING, ACCEPT)


def test_a_claim_announces_that_a_decision_is_to_be_sent(place):
    """F25."""
    decided(place)
    entry = taken(place)
    assert (entry.marked, entry.record.state) == (True, State.SETTLING)
    assert (entry.record.decision, entry.record.sent, entry.record.settles) == (ACCEPT, (1,), 1)
    assert entry.record.history[-1].what == "accept sent, attempt 1"


@pytest.mark.parametrize("again", [events.Settled(), events.SettleUnsent(1, 1.0)])
def test_a_claim_counts_on_from_what_the_record_says_was_sent(place, again):
    """F24, F43: whether the decision is to be sent once more, or never left."""
    steps = events.Decided(ACCEPT), events.SettleMarked(), again
    steps += (events.Resurfaced(),) if again == events.Settled() else ()
    place.write(place.put("a", serial=7), *steps)
    entry = taken(place)
    assert (entry.marked, entry.record.state, entry.record.settles) == (True, State.SETTLING, 2)
    assert entry.record.sent[-1:] == (2,)


def test_a_claim_announces_for_each_that_it_gives_and_for_no_other(place):
    for n in range(4):
        place.put(f"a{n}", late=9 - n)
    entries = place.claim(issues=3).entries
    assert [(e.record.key, e.marked, e.record.state) for e in entries] == [
        (f"a{n}", True, State.ISSUING) for n in range(3)
    ]
    assert place.entry("a3").record.state is State.QUEUED
    assert [place.entry(f"a{n}").version for n in range(4)] == [2, 2, 2, 1]


def test_a_bare_serial_of_which_something_was_sent_is_announced(place):
    """F24: it was looked at before that."""
    bare = place.put_bare(7)
    sent = place.write(bare, events.Recognised("5eed", "a name"), events.SettleMarked()).entry
    place.write(sent, events.SettleFailed(1.0, FAULT))
    entry = taken(place)
    assert (entry.marked, entry.record.sent) == (True, (1, 2))


# --- What is not announced --------------------------------------------------------------------


def test_what_was_rejected_before_it_was_issued_is_not_announced(place):
    """F18, F19: whoever claims it finds it as it was, and cancels it."""
    before = place.put("a")
    place.decide("a", REJECT)
    entry = taken(place)
    assert not entry.marked
    assert (entry.record.state, entry.version, entry.cell) == (State.CANCELLED, 1, REJECT)
    assert entry.record == transition(before.record, events.Decided(REJECT), REJECT.at)
    cancelled = place.write(entry, events.Released(), fence=entry.fence)
    assert cancelled.done and cancelled.entry.record.state is State.CANCELLED


def awaited(place):
    now = place.now()
    record = states.awaited("a", LANE, "0" * 8, ACCEPT, now=now, until=now - 1)
    [verdict] = place.ledger.cas([Write(record, 0)])
    return verdict.entry


#: What is claimed for something else than sending its commission or its decision.
OTHERWISE = {
    "ambiguous": lambda place: (
        place.write(place.put("a"), events.Marked(1.0, 1.0), events.Doubtful(1, 1.0, FAULT)).entry
    ),
    "undecided, with a twin": lambda place: (
        place.write(place.put("a", serial=7), events.Issued(8)).entry
    ),
    "undecided, to be told": lambda place: place.put(
        "a", serial=7, callback="shop.told", moments=("pending", "closed")
    ),
    "bare, not looked at": lambda place: place.put_bare(7),
    "awaited": awaited,
    "closed, with a twin": lambda place: (
        place.write(place.put("a", serial=7), events.Vanished(), events.Issued(8)).entry
    ),
    "closed, to be told": lambda place: (
        place.write(place.put("a", callback="shop.told"), events.Died(FAULT)).entry
    ),
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_nothing_is_announced_of_what_is_claimed_for_something_else(place, what):
    """It is probed, looked at, told, or its twin is rejected; the record stays as it is."""
    before = OTHERWISE[what](place)
    writes = place.ledger.known_writes()
    entry = taken(place)
    assert not entry.marked
    assert (entry.record, entry.version, entry.fence) == (before.record, before.version, 1)
    assert place.ledger.known_writes() == writes


def test_one_with_a_twin_that_is_decided_meanwhile_is_announced_by_the_next_claim(place):
    place.write(place.put("a", serial=7), events.Issued(8))
    assert not left_by_the_dead(place).marked
    place.decide("a")
    entry = taken(place)
    assert (entry.marked, entry.record.state, entry.record.sent) == (True, State.SETTLING, (1,))


# --- Claimed again ----------------------------------------------------------------------------


def test_what_a_dead_carrier_was_issuing_is_handed_on_and_not_announced_again(place):
    """F5, F8, F72: it is ambiguous, and its mark says until when."""
    place.put("a")
    dead = left_by_the_dead(place, send_for=10.0)
    entry = taken(place, "next", send_for=200.0)
    assert (dead.marked, entry.marked) == (True, False)
    assert (entry.record, entry.version) == (dead.record, dead.version)
    assert entry.fence == dead.fence + 1


def test_one_that_was_rejected_after_it_was_announced_is_handed_on_as_announced(place):
    """F5, F18: it may have been issued by then, so it is not cancelled unseen."""
    place.put("a")
    dead = left_by_the_dead(place)
    place.decide("a", REJECT)
    entry = taken(place)
    assert entry.record == transition(dead.record, events.Decided(REJECT), REJECT.at)
    assert (entry.record.state, entry.marked, entry.cell) == (State.ISSUING, False, REJECT)


def test_each_claim_counts_as_a_send_of_the_decision(place):
    """F24, F25: that a dead carrier may have sent it tells "not found" from vanished."""
    decided(place)
    for n in (1, 2, 3):
        entry = left_by_the_dead(place)
        assert (entry.marked, entry.version) == (True, 1 + n)
        assert entry.record.sent == tuple(range(1, n + 1))
        assert place.entry("a").record == entry.record


def test_of_many_sends_it_counts_that_there_were_some(place):
    """F25: a carrier that dies each time makes no record that grows."""
    decided(place)
    for _ in range(9):
        entry = left_by_the_dead(place)
    assert (entry.marked, entry.version) == (True, 10)
    assert (entry.record.settles, entry.record.sent) == (8, tuple(range(1, 9)))


# --- Who reads it -----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["to be issued", "decided"])
def test_all_that_read_a_record_learn_what_was_announced(place, what):
    """F5, F17: whoever judges it knows that something may be under way."""
    stale = decided(place) if what == "decided" else place.put("a")
    entry = taken(place)
    [refused] = place.ledger.cas([Write(place.led(stale.record, BEATEN), stale.version)])
    said = {
        "get": place.entry("a"),
        "watch": place.ledger.watch(LANE, "a", LONG),
        "decide": place.decide("a").entry,
        "refused": refused.entry,
    }
    if what == "to be issued":  # "decide" has decided it besides
        decided_too = transition(entry.record, events.Decided(ACCEPT), ACCEPT.at)
        assert said.pop("decide").record == decided_too
    for reader, read in said.items():
        assert (read.record, read.version) == (entry.record, entry.version), reader
        assert not read.marked, reader
    assert not refused.done


def test_a_decision_of_what_is_being_issued_is_published_with_what_was_announced(place):
    """On a server each change is told as it is read: see `heard`."""
    place.put("a")
    place.ledger.watch(LANE, "a", LONG)
    entry = taken(place)
    place.listen()
    verdict = place.decide("a")
    assert verdict.entry.record == transition(entry.record, events.Decided(ACCEPT), ACCEPT.at)
    assert (verdict.entry.record.state, verdict.entry.version) == (State.ISSUING, entry.version)
    assert place.heard() == "a"


def test_a_decision_tells_who_watches_that_it_is_being_issued(on_server):
    """The published text, not what `get` says of it."""
    on_server.put("a")
    on_server.ledger.watch(LANE, "a", LONG)
    entry = taken(on_server)
    on_server.listen()
    on_server.decide("a")
    told = []
    read_change = on_server.ledger.read_change
    on_server.ledger.read_change = lambda text: told.append(read_change(text)) or told[-1]
    assert on_server.heard() == "a"
    [(_, change)] = told
    assert change.record == transition(entry.record, events.Decided(ACCEPT), ACCEPT.at)
    assert (change.version, change.cell) == (entry.version, ACCEPT)


# --- Who writes it ----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["to be issued", "decided"])
def test_who_read_before_the_announcement_writes_nothing(place, what):
    """F17, F73: it does not know that something may be under way."""
    stale = decided(place) if what == "decided" else place.put("a")
    entry = taken(place)
    assert entry.version == stale.version + 1
    assert not place.write(stale, BEATEN).done
    assert (place.entry("a").record, place.entry("a").version) == (entry.record, entry.version)


@pytest.mark.parametrize("what", ["to be issued", "decided"])
def test_who_read_before_the_announcement_cannot_give_the_record_back_unchanged(place, what):
    """F5, F17: the version is what its write would have made it, and yet is not its write's."""
    stale = decided(place) if what == "decided" else place.put("a")
    entry = taken(place)
    [verdict] = place.ledger.cas([Write(stale.record, stale.version)])
    assert not verdict.done
    assert (verdict.entry.record, verdict.entry.version) == (entry.record, entry.version)


def test_a_write_that_was_repeated_after_the_announcement_does_not_hide_it(place):
    """F5, F56: its answer was lost, and a carrier has begun since."""
    write = Write(place.new("a"), 0)
    place.ledger.cas([write])
    entry = taken(place)
    [again] = place.ledger.cas([write])
    assert again.done
    assert (again.entry.record, again.entry.version) == (entry.record, entry.version)


def test_a_write_has_the_announcement_in_its_record_and_it_counts_once(place):
    place.put("a")
    first = taken(place)
    back = place.write(first, events.Unsent(1, place.now() - 1), fence=first.fence)
    assert back.done and back.entry.version == first.version + 1
    assert place.entry("a").record == back.entry.record
    assert (back.entry.record.state, back.entry.record.marks) == (State.QUEUED, 1)
    second = taken(place)
    assert (second.marked, second.record.marks, second.version) == (True, 2, first.version + 2)


def test_a_settled_one_carries_no_announcement_when_it_is_pending_again(place):
    """F43."""
    decided(place)
    entry = taken(place)
    steps = events.Settled(), events.Resurfaced()
    written = place.write(entry, *steps, fence=entry.fence).entry
    assert place.entry("a").record == written.record
    assert place.entry("a").record.sent == (1,)


def test_a_repeated_write_over_an_announcement_counts_as_done(place):
    """F56: the answer of the write that had it was lost."""
    place.put("a")
    entry = taken(place)
    write = Write(place.led(entry.record, events.Issued(7)), entry.version, fence=entry.fence)
    first, again = (place.ledger.cas([write])[0] for _ in range(2))
    assert first.done and again.done
    assert (again.entry.record, again.entry.version) == (first.entry.record, entry.version + 1)


@pytest.mark.parametrize("steps", [(events.Died(FAULT),), (events.Issued(7), events.Vanished())])
def test_a_key_in_use_again_carries_no_announcement_of_its_former_life(place, steps):
    """F57, F71."""
    place.put("a")
    entry = taken(place)
    closed = place.write(entry, *steps).entry
    new = place.new("a")
    [again] = place.ledger.cas([Write(new, closed.version, reset=True)])
    assert again.done and place.entry("a").record == new
    second = taken(place)
    assert (second.marked, second.record.marks, second.version) == (True, 1, closed.version + 2)


# --- Counted, and distrusted ------------------------------------------------------------------


def test_an_announcement_is_an_acknowledged_write(place):
    """F68: a ledger that forgot one would issue again what may have been issued."""
    for n in range(3):
        place.put(f"a{n}")
    decided(place, "b")
    assert place.ledger.known_writes() == {LANE: 5}
    assert len(place.claim(issues=3, settle_wait=LONG).entries) == 3
    assert place.ledger.known_writes() == {LANE: 8}
    assert taken(place).marked
    assert place.ledger.known_writes() == {LANE: 9}
    assert place.ledger.lost_writes() == set()  # nor does anybody believe that some are gone


def test_a_forgotten_announcement_is_noticed(on_server):
    """F68: were it not counted, nobody could tell."""
    on_server.put("a")
    key = f"astakos:test:{LANE}:writes"
    before = on_server.server.get(key)
    taken(on_server)
    on_server.server.set(key, before)
    assert on_server.ledger.lost_writes() == {LANE}


def test_what_is_announced_is_handed_on_though_writes_are_gone(place):
    """F68: it is looked for, not issued; what was never announced is put off."""
    place.put("announced", late=2)
    dead = left_by_the_dead(place)
    place.put("queued", late=3)
    place.ledger.remember_writes(LANE, 1000)
    claim = place.claim()
    assert keys_of(claim) == ["announced"]
    assert set(place.ledger.lane(LANE).alarms) == {"lost-writes"}
    [entry] = claim.entries
    assert (entry.record, entry.marked) == (dead.record, False)
    assert entry.record.state is State.ISSUING
    assert place.entry("queued").record.state is State.QUEUED
