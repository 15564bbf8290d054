"""Turns a record or a decision into the text that the ledger stores, and reads it back.

A record's text begins with its schema, and leaves out fields that have their default: the scripts
rely on that. Every text that an earlier version has stored can be read, unusual ones more slowly.
"""

import json
from typing import Any

import msgspec
from msgspec.structs import replace

from astakos_worker.ledger.record import (
    SCHEMA,
    WHEN_CLOSED,
    Decision,
    HistoryLine,
    Record,
    State,
    Twin,
)
from astakos_worker.ledger.request import Provision, Request


class NewerSchemaError(ValueError):
    """Raised when a record was written by a newer version of this package."""


class UnreadableError(ValueError):
    """Raised when a text is no record of our schema: rubbish, or a field that the schema lacks."""


def dump(record: Record) -> str:
    """Return a record as JSON; a field with its default value is left out."""
    if record.moments == WHEN_CLOSED:  # msgspec leaves out the default object, not an equal one
        record = replace(record, moments=WHEN_CLOSED)
    return _json(record)


def load(text: str | bytes) -> Record:
    """Return the record of a text of `dump`.

    Raises `NewerSchemaError` for a record of a newer schema, `UnreadableError` for any other text.
    """
    try:
        return _RECORDS.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        pass
    try:
        return _lenient(json.loads(text))
    except NewerSchemaError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise UnreadableError(f"{type(error).__name__}: {error}"[:200]) from error


def why_unreadable(text: str | bytes) -> str:
    """Return why a text is no record of ours; "" if it is one."""
    try:
        load(text)
    except ValueError as error:
        return str(error)
    return ""


def dump_decision(decision: Decision) -> str:
    """Return a decision as the text of the write-once cell."""
    return _json(decision)


def load_decision(text: str | bytes | None) -> Decision | None:
    """Return the decision in a cell, if there is one."""
    if not text:
        return None
    try:
        return _DECISIONS.decode(text)
    except msgspec.DecodeError:
        return Decision(*json.loads(text))


def _lenient(raw: dict[str, Any]) -> Record:
    """Return a record from values of other types than its own; raises `NewerSchemaError`.

    Such texts were stored: with a reason that is no string, or with half a surrogate pair in an
    error text of Astakos. They must be read all the same.
    """
    schema = int(raw.pop("schema"))
    if schema > SCHEMA:
        raise NewerSchemaError(f"schema {schema} is newer than {SCHEMA}")
    raw["state"] = State(raw["state"])
    if request := raw.get("request"):
        provisions = tuple(Provision(*each) for each in request["provisions"])
        raw["request"] = Request(provisions, request["name"], request["force"])
    if decision := raw.get("decision"):
        raw["decision"] = Decision(*decision)
    for name in raw.keys() & {"sent", "moments", "told"}:
        raw[name] = tuple(raw[name])
    raw = {_NAMES.get(stored, stored): value for stored, value in raw.items()}
    raw["twins"] = tuple(Twin(int(n), bool(done)) for n, done in raw.get("twins", ()))
    raw["history"] = tuple(HistoryLine(*each) for each in raw.get("history", ()))
    return Record(**raw)


def _json(value: Record | Decision) -> str:
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:  # a lone surrogate, from an error text of Astakos or a proxy
        plain = msgspec.to_builtins(value, enc_hook=_plain)
        return json.dumps(plain, separators=(",", ":"))


def _plain(value: object) -> str | int | float:
    """Return a subclass of text or number, as Django's `SafeString`, as JSON has it."""
    match value:
        case str():
            return str.__str__(value)
        case int():
            return int.__int__(value)
        case float():
            return float.__float__(value)
    raise TypeError(f"a record cannot hold {type(value).__name__}: JSON has no such type")


#: Names in the text -> names in Python, where they differ.
_NAMES = {
    each.encode_name: each.name
    for each in msgspec.structs.fields(Record)
    if each.encode_name != each.name
}
_ENCODER = msgspec.json.Encoder(enc_hook=_plain)
_RECORDS = msgspec.json.Decoder(Record)
_DECISIONS = msgspec.json.Decoder(Decision)
