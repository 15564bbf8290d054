"""Requests that are nearly right: the samples with one thing wrong, or several."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from tests.fuzz.samples import (
    FORM,
    MEMBER,
    OAUTH_HEADERS,
    OWNER,
    PROJECT,
    SAMPLES,
    TOKENS,
    Sample,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Spoiled(NamedTuple):
    """A request as it is sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


_odd_texts = st.sampled_from(
    [
        *(
            "",
            "\0",
            "\ud800",
            "ἀ" * 5000,
            "9" * 5000,
            "../..",
            "%00",
            "suspend",
            "auto",
            "inf",
            "7",
        ),
        *(OWNER, MEMBER, PROJECT, f"user:{OWNER}", "owner@example.org", "lab.example.org"),
        *("2090-01-31", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"),
    ]
)
_texts = st.one_of(_odd_texts, _odd_texts, st.text(max_size=8))
_numbers = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([2**31, 2**63 - 1, 2**63, -(2**63), 10**30, 1.0, 1e308, float("nan")]),
)
_leaves = st.one_of(st.none(), st.booleans(), _numbers, _texts)
_junk = st.one_of(
    _leaves, st.lists(_leaves, max_size=3), st.dictionaries(_texts, _leaves, max_size=3)
)


@st.composite
def _spoiled_value(draw: Any, value: Any) -> Any:
    """The value with something in it replaced, left out or added."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value)))
        way = draw(st.integers(0, 5))
        if way == 0:
            return {name: each for name, each in value.items() if name != key}
        if way == 1:
            return {**value, draw(_texts): draw(_junk)}
        return {**value, key: draw(_spoiled_value(value[key]))}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(_spoiled_value(value[place])), *value[place:]]
    # Of the right type more often than not: so it gets further.
    for kind, others in ((bool, st.booleans()), (str, _texts), (int, _numbers)):
        if isinstance(value, kind) and draw(st.booleans()):
            return draw(others)
    return draw(_junk)


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()


@st.composite
def _spoiled_body(draw: Any, sample: Sample) -> bytes:
    if sample.form is not None:
        whole = urlencode(sample.form).encode()
    elif sample.body is not None:
        whole = _encoded(sample.body)
        way = draw(st.integers(0, 9))
        if way > 3:
            return _encoded(draw(_spoiled_value(sample.body)))
    else:
        whole = b""
    if draw(st.integers(0, 3)):
        return whole
    return draw(
        st.sampled_from(
            [
                whole,
                whole[: len(whole) // 2],
                whole + b"}",
                whole.replace(b'"', b"'"),
                b"",
                b"\xff\xfe" + whole,
                b"[" * 50_000,
                b"9" * 5_000,
                whole.decode().encode("utf-16"),
            ]
        )
    )


@st.composite
def _token(draw: Any, sample: Sample) -> str:
    if draw(st.integers(0, 5)):
        return sample.token
    return draw(st.sampled_from([*TOKENS, "", "unknown", "\xe1", "x" * 9000]))


@st.composite
def requests(draw: Any) -> Spoiled:
    """A request of any call, spoiled in no, one or several places."""
    sample = draw(st.sampled_from(SAMPLES))
    # Most choices are 0, so that a request is spoiled here or there, and not everywhere.
    method, path, query = sample.method, sample.path, dict(sample.query or {})
    headers = {"Content-Type": FORM if sample.form is not None else "application/json"}
    match draw(st.integers(0, 13)):
        case 1:
            method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "X"]))
        case 2 | 7 | 8:
            parts = path.split("/")
            place = draw(st.integers(1, min(3, len(parts) - 1)))
            numbers = st.sampled_from(["9" * 5000, "9" * 19, "0", "-1", "1e3", "\u0661"])
            parts[-place] = quote(draw(st.one_of(numbers, _texts)), safe="", errors="replace")
            path = "/".join(parts)
        case 3:
            path += quote(draw(_texts), safe="/", errors="replace")
        case 4:
            name = draw(st.sampled_from([*query, "X-Auth-Token", "format", "mode"]))
            query[name] = draw(_texts)
        case 5:
            headers["Content-Type"] = draw(
                st.sampled_from(["", FORM, "text/plain", "multipart/form-data; boundary=\xff"])
            )
        case 6:
            name = draw(st.sampled_from(["Authorization", "Cookie", "Host", "Accept", "Expect"]))
            headers[name] = draw(
                st.sampled_from(
                    ["", "x", "Basic x", "Basic " + "\xff" * 9, "_pithos2_a=%", "a=b;;"]
                )
            )
        case _:
            pass
    token = draw(_token(sample))
    if token:
        headers["X-Auth-Token"] = token
    if "Authorization" not in headers and path.startswith("/oauth2"):
        headers |= OAUTH_HEADERS
    body = draw(_spoiled_body(sample))
    if query:
        path += "?" + urlencode(query, errors="replace")
    return Spoiled(method, path, headers, body)


# What stands in each place of each body, one after the other.
_ODD_VALUES = [
    *(None, True, 0, -1, 1.5, 2**63, 10**30, float("nan"), "", "\0", "\ud800", "x" * 5000),
    *([], [[]], {}, {"x": []}, "0001-01-01T00:00:00+14:00", "9" * 5000, "a.example.org"),
]
_ODD_PARTS = ["0", "9" * 19, "9" * 5000, "-1", "%00", "%FF", "..", "x", "%E1%BC%80", "action"]


def single_faults() -> Iterator[Spoiled]:
    """Every sample with one thing wrong with it, each thing in turn: no luck is needed."""
    for sample in SAMPLES:
        whole = _intact(sample)
        parts = sample.path.split("/")
        for place in range(max(2, len(parts) - 2), len(parts)):
            for odd in _ODD_PARTS:
                path = "/".join([*parts[:place], odd, *parts[place + 1 :]])
                yield whole._replace(path=path)
        if sample.body is not None:
            for body in _variants(sample.body):
                yield whole._replace(body=_encoded(body))
        for name in sample.query or {}:
            for odd in ("", "\0", "\ud800", "9" * 5000):
                query = urlencode({**(sample.query or {}), name: odd}, errors="replace")
                yield whole._replace(path=f"{sample.path}?{query}")
        for name in sample.form or {}:
            for odd in ("", "\0", "9" * 5000):
                yield whole._replace(body=urlencode({**(sample.form or {}), name: odd}).encode())


def _variants(value: Any) -> Iterator[Any]:
    """The value with each of its places taken by each odd value, or empty."""
    yield from _ODD_VALUES
    if isinstance(value, dict):
        for key in value:
            yield {name: each for name, each in value.items() if name != key}
            yield from ({**value, key: variant} for variant in _variants(value[key]))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            for variant in _variants(each):
                yield [*value[:place], variant, *value[place + 1 :]]


def _intact(sample: Sample) -> Spoiled:
    headers = {"Content-Type": FORM if sample.form is not None else "application/json"}
    if sample.token:
        headers["X-Auth-Token"] = sample.token
    if sample.path.startswith("/oauth2"):
        headers |= OAUTH_HEADERS
    body = b""
    if sample.form is not None:
        body = urlencode(sample.form).encode()
    elif sample.body is not None:
        body = _encoded(sample.body)
    query = f"?{urlencode(sample.query)}" if sample.query else ""
    return Spoiled(sample.method, sample.path + query, headers, body)
