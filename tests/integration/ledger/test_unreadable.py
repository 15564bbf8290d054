"""A record of our schema that cannot be read is set aside, and the others go on (F86)."""

import json

import pytest
from click.testing import CliRunner

from astakos_worker import Commissions, NewerRecord
from astakos_worker.cli import main
from astakos_worker.ledger import events
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.record import Record
from tests.integration.ledger.places import FAULT, LANE, LONG, issued

PREFIX = f"astakos:test:{LANE}:"

#: What may be in the place of a record's text.
TEXTS = {
    "empty": "",
    "{}": "{}",
    "schema alone": '{"schema":1}',
    "list": "[]",
    "null": "null",
    "garbage": "\x00 garbage",
    "not UTF-8": b"\xff\x80",
    "a state that is not UTF-8": None,
    "a name that is not UTF-8": None,
    "cut": None,
    "unknown field": None,
    "unknown state": None,
    "text for a number": None,
}


def spoil(place, key, how):
    """Replace the text of a record; return the new one."""
    name = f"{PREFIX}r:{key}"
    body = place.server.hget(name, "body")
    raw = json.loads(body)
    text = {
        "cut": body[:-20],
        "unknown field": json.dumps({**raw, "lately": 1}, separators=(",", ":")),
        "a state that is not UTF-8": body.encode().replace(raw["state"].encode(), b"\xff"),
        "a name that is not UTF-8": body.encode().replace(b'"name":"', b'"name":"\xff'),
        "unknown state": json.dumps({**raw, "state": "odd"}, separators=(",", ":")),
        "text for a number": json.dumps({**raw, "twins": "x"}, separators=(",", ":")),
    }.get(how, TEXTS[how])
    place.server.hset(name, "body", text)
    return text if isinstance(text, str) else text.decode(errors="backslashreplace")


@pytest.mark.parametrize("how", list(TEXTS))
def test_the_others_of_its_lane_go_on(on_server, how):
    """F86."""
    place = on_server
    for n in range(6):
        place.put(f"key-{n}", late=60 - n)
    text = spoil(place, "key-0", how)
    assert place.claimed() == ["key-1", "key-2", "key-3", "key-4", "key-5"]
    [(key, aside)] = place.ledger.unreadable(LANE).items()
    assert (key, aside.text) == ("key-0", text) and aside.why
    assert "1 record" in place.ledger.lane(LANE).alarms["unreadable"]
    assert place.ledger.lane(LANE).due == 0


@pytest.mark.parametrize("how", list(TEXTS))
def test_one_that_is_alone_does_not_end_its_carrier(on_server, how):
    """F86: the claim finds nothing else: its carrier is signed off, and not given an empty run."""
    place = on_server
    place.put("a", serial=7)
    place.decide("a")
    spoil(place, "a", how)
    claim = place.claim()
    assert (claim.entries, claim.why) == ((), "idle")
    assert place.ledger.lane(LANE).awake == 0
    assert set(place.ledger.unreadable(LANE)) == {"a"}


@pytest.mark.parametrize("how", list(TEXTS))
def test_it_is_neither_absent_nor_changed(on_server, how):
    """F86: else the sweep would take its serial for an orphan's, and its key would be used."""
    place = on_server
    entry = place.put("a", serial=7)
    spoil(place, "a", how)
    before = place.server.hgetall(f"{PREFIX}r:a")
    assert place.ledger.get(LANE, ["a"]) == {}
    assert place.ledger.newer(LANE, ["a", "unknown"]) == {"a"}
    assert place.ledger.find(LANE, [7]) == {7: "a"}
    [verdict] = place.ledger.cas([Write(place.led(entry.record, events.Issued(8)), 7)])
    assert (verdict.done, verdict.entry, verdict.newer) == (False, None, True)
    [verdict] = place.ledger.cas([Write(place.new("a"), 0)])
    assert (verdict.done, verdict.entry, verdict.newer) == (False, None, True)
    assert place.ledger.watch(LANE, "a", LONG) is None
    after = place.server.hgetall(f"{PREFIX}r:a")
    assert {**after, "watched": ""} == {**before, "watched": ""}
    verdict = place.decide("a")
    assert (verdict.done, verdict.entry, verdict.newer) == (False, None, True)


def test_a_value_that_is_no_hash_is_set_aside_too(on_server):
    """F86."""
    place = on_server
    place.put("a", late=9)
    place.put("b")
    place.server.delete(f"{PREFIX}r:a")
    place.server.rpush(f"{PREFIX}r:a", "no record")
    assert place.claimed() == ["b"]
    assert set(place.ledger.unreadable(LANE)) == {"a"}
    assert place.ledger.unreadable(LANE)["a"].text == ""
    assert place.ledger.newer(LANE, ["a"]) == {"a"}


def test_what_stands_beside_a_record_may_be_unreadable_too(on_server):
    place = on_server
    place.put("a", late=9)
    place.put("b")
    place.server.hset(f"{PREFIX}r:a", "cell", '["accept","",{}]')
    assert place.claimed() == ["b"]
    assert set(place.ledger.unreadable(LANE)) == {"a"}


def test_a_version_that_can_read_it_takes_it_up_again(on_server):
    """F86."""
    place = on_server
    place.put("a")
    text = place.server.hget(f"{PREFIX}r:a", "body")
    spoil(place, "a", "unknown field")
    assert place.claimed() == []
    assert place.ledger.read_again(LANE) == 1
    assert place.claimed() == []
    assert set(place.ledger.unreadable(LANE)) == {"a"}
    place.server.hset(f"{PREFIX}r:a", "body", text)
    assert place.ledger.read_again(LANE) == 1
    assert place.ledger.unreadable(LANE) == {}
    assert "unreadable" not in place.ledger.lane(LANE).alarms
    assert place.claimed() == ["a"]


def test_a_record_that_was_written_since_is_not_set_aside(on_server):
    place = on_server
    place.put("a")
    row = [place.entry("a").version - 1, "{}", "a"]
    place.ledger._set_aside(LANE, [row])
    assert place.ledger.unreadable(LANE) == {}
    assert place.claimed() == ["a"]


def test_records_of_a_newer_version_stay_where_they_are(on_server):
    """F78: they are no rubbish."""
    place = on_server
    place.put("a")
    body = place.server.hget(f"{PREFIX}r:a", "body")
    place.server.hset(f"{PREFIX}r:a", "body", body.replace('"schema":1', '"schema":2', 1))
    assert place.claimed() == []
    assert place.ledger.unreadable(LANE) == {}
    assert place.ledger.lane(LANE).due == 1


def test_a_ledger_in_memory_has_none(place):
    """The contract: it answers, and says that nothing was set aside."""
    entry = place.put("a")
    place.write(entry, *issued(7), events.Died(FAULT))
    assert place.ledger.unreadable(LANE) == {}
    assert place.ledger.read_again(LANE) == 0


#: The fields of a record's text, by schema. Whoever adds a field gives it a new schema: workers of
#: this version could not read the record, and would set it aside instead of passing it over.
FIELDS_OF = {
    1: (
        "key service incarnation state created request serial decision deadline due marks "
        "send_until quiet_at doubts verdict settles sent twins seen attempts failing_since error "
        "callback moments told closed history"
    ),
}


def test_a_new_field_has_a_new_schema():
    """F78, F86."""
    config = Record.__struct_config__
    assert " ".join(Record.__struct_encode_fields__) == FIELDS_OF[config.tag]


def test_the_operator_sees_its_text_and_gives_it_back_to_the_workers(on_server, monkeypatch):
    """F86: with the alarm comes the command that shows what was set aside."""
    place = on_server
    monkeypatch.setenv("ASTAKOS_LEDGER_URL", place.url)
    monkeypatch.setenv("ASTAKOS_BROKER_URL", place.url)
    monkeypatch.setenv("ASTAKOS_NAMESPACE", "test")
    command = ["ledger", "unreadable", LANE]
    assert CliRunner().invoke(main, command).output == f"{LANE}: every record can be read\n"
    place.put("a")
    text = spoil(place, "a", "unknown field")
    assert place.claimed() == []
    with pytest.raises(NewerRecord, match="astakos-worker ledger unreadable"):
        Commissions(LANE).get("a")
    listed = CliRunner().invoke(main, [*command, "--json"])
    assert listed.exit_code == 1
    [(key, found)] = json.loads(listed.output).items()
    assert (key, found["text"]) == ("a", text) and "lately" in found["why"]
    again = CliRunner().invoke(main, [*command, "--again"])
    assert again.exit_code == 1 and text in again.output.replace("\n", "")
    assert again.output.endswith("1 records are tried again\n")
    assert place.ledger.unreadable(LANE) == {}
