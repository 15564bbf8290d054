"""Named leases, what the sweep remembers, and what is published for who waits."""

from astakos_worker.ledger import events
from astakos_worker.ledger.states import transition
from tests.integration.ledger.places import ACCEPT, LANE, LONG, SOON, issued

# --- Named leases -----------------------------------------------------------------------------


def test_a_named_lease_is_one_holders(place):
    """F41."""
    assert place.ledger.take_lease("sweep", "one", LONG)
    assert not place.ledger.take_lease("sweep", "two", LONG)
    assert place.ledger.take_lease("sweep", "one", LONG)
    assert place.ledger.take_lease("another", "two", LONG)


def test_a_named_lease_that_is_given_back_is_the_next_ones(place):
    place.ledger.take_lease("sweep", "one", LONG)
    place.ledger.release_lease("sweep", "two")  # whose it is not
    assert not place.ledger.take_lease("sweep", "two", LONG)
    place.ledger.release_lease("sweep", "one")
    assert place.ledger.take_lease("sweep", "two", LONG)
    place.ledger.release_lease("nothing", "one")


def test_a_named_lease_ends_by_itself(place):
    """F41: its holder may have died."""
    place.ledger.take_lease("sweep", "one", SOON)
    place.passes(2 * SOON)
    assert place.ledger.take_lease("sweep", "two", LONG)
    assert not place.ledger.take_lease("sweep", "one", LONG)


# --- What the sweep remembers -----------------------------------------------------------------


def test_a_serial_is_remembered_from_our_own_first_sight(place):
    """F33."""
    before = place.now()
    first = place.ledger.sightings(LANE, [7])[7]
    assert before - 0.001 <= first.first_seen <= place.now() and first.description is None
    place.passes(SOON)
    again = place.ledger.sightings(LANE, [7, 8])
    assert again[7] == first
    assert again[8].first_seen > first.first_seen
    assert place.ledger.sightings(LANE, []) == {}


def test_how_serials_look_is_remembered(place):
    place.ledger.sightings(LANE, [7, 8])
    place.ledger.remember_descriptions(LANE, {7: "a server [tag] ☃"})
    place.ledger.remember_descriptions(LANE, {})
    sights = place.ledger.sightings(LANE, [7, 8])
    assert (sights[7].description, sights[8].description) == ("a server [tag] ☃", None)


def test_serials_that_are_not_listed_any_more_are_forgotten(place):
    """F40, F44: a serial may come again, as another commission's."""
    serials = list(range(1, 1300))
    first = place.ledger.sightings(LANE, serials)
    place.ledger.remember_descriptions(LANE, dict.fromkeys(serials, "old"))
    place.passes(SOON)
    place.ledger.forget_sightings(LANE, [5, 1299])
    again = place.ledger.sightings(LANE, serials)
    assert {n for n in serials if again[n].first_seen == first[n].first_seen} == {5, 1299}
    assert again[6].first_seen > first[6].first_seen and again[6].description is None
    assert again[5].description == "old"


def test_what_is_noted_about_a_lane_is_found_again_until_it_is_taken_back(place):
    assert place.ledger.notes(LANE) == {}
    place.ledger.note(LANE, "sweep", "☃")
    place.ledger.note(LANE, "other", "old")
    place.ledger.note(LANE, "other", "new")
    place.ledger.note("another", "sweep", "its own")
    assert place.ledger.notes(LANE) == {"sweep": "☃", "other": "new"}
    place.ledger.note(LANE, "other", None)
    place.ledger.note(LANE, "never", None)
    assert place.ledger.notes(LANE) == {"sweep": "☃"}


def test_what_is_late_is_read_in_pages(place):
    """F37: the oldest deadline first."""
    for number in range(7):
        place.put(f"late-{number}", deadline=place.now() - 10 + number)
    place.put("later", deadline=place.now() + LONG)
    pages = [place.ledger.expired(LANE, 3, skip) for skip in (0, 3, 6, 7)]
    assert pages == [
        ["late-0", "late-1", "late-2"],
        ["late-3", "late-4", "late-5"],
        ["late-6"],
        [],
    ]


# --- Watching ---------------------------------------------------------------------------------


def test_a_watched_record_is_told_as_it_is(place):
    entry = place.put("a", serial=7)
    place.decide("a")
    watched = place.ledger.watch(LANE, "a", LONG)
    assert watched.record == transition(entry.record, events.Decided(ACCEPT), ACCEPT.at)
    assert (watched.version, watched.cell) == (1, ACCEPT)


def test_watching_an_unknown_key_leaves_nothing_behind(place):
    assert place.ledger.watch(LANE, "a", LONG) is None
    assert place.entry("a") is None
    assert place.put("a").version == 1


def test_only_changes_of_watched_records_are_published(place):
    place.listen()
    unwatched, watched = place.put("unwatched"), place.put("watched")
    place.ledger.watch(LANE, "watched", LONG)
    place.write(unwatched, *issued(7))
    place.decide("unwatched")
    entry = place.write(watched, *issued(8)).entry
    assert place.heard() == "watched"
    place.decide("watched")
    assert place.heard() == "watched"
    place.decide("watched")  # says nothing new
    place.write(entry, events.Issued(9))
    assert place.heard() == "watched"
    place.put("last"), place.ledger.watch(LANE, "last", LONG)
    place.decide("last")
    assert place.heard() == "last"


def test_a_watch_ends_by_itself(place):
    entry, other = place.put("a"), place.put("b")
    place.listen()
    place.ledger.watch(LANE, "a", SOON), place.ledger.watch(LANE, "b", LONG)
    place.passes(2 * SOON)
    place.write(entry, *issued(7)), place.write(other, *issued(8))
    assert place.heard() == "b"


def test_a_watched_record_expires_as_any_other(place):
    """F57."""
    place.open(retention=SOON)
    place.write(place.put("a"), events.Died({"class": "X"}))
    place.ledger.watch(LANE, "a", LONG)
    place.passes(3 * SOON)
    assert place.entry("a") is None
