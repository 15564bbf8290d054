"""Answers of Astakos, garbled in no, one or several places: status, headers, body, framing.

`TOKEN` stands for a secret that the peer has seen and repeats.
"""

import json

from hypothesis import strategies as st

U, P = "user:u", "project:p"
HELD = {"holder": U, "source": P, "resource": "cyclades.vm", "quantity": 1}


def fault(status, name, **more):
    return {name: {"code": status, "message": "so it is", "details": "", **more}}


def over(name, limit, usage):
    return {"name": name, "limit": limit, "usage": usage, "provision": HELD}


ENDPOINT = {"versionId": "v1.0", "publicURL": "http://h/account/v1.0", "SNF:uiURL": "http://h/ui"}
OAUTH2 = {"name": "astakos_oauth2", "endpoints": [{"publicURL": "http://h/oauth2"}]}
SAMPLES = [
    (201, {"serial": 57}),
    (200, [57, 58]),
    (200, {"serial": 57, "name": "tag", "provisions": [HELD]}),
    (200, {"uuid_catalog": {"u": "n"}, "displayname_catalog": {"n": "u"}}),
    (200, {"accepted": [1], "rejected": [], "failed": [[2, fault(404, "itemNotFound")]]}),
    (
        200,
        {
            "access": {
                "serviceCatalog": [{"name": "astakos_account", "endpoints": [ENDPOINT]}, OAUTH2]
            }
        },
    ),
    (200, {"p": {"cyclades.vm": {"limit": 1, "usage": 1, "pending": 0}}}),
    (413, fault(413, "overLimit", data=over("NoCapacityError", 1, 1))),
    (413, fault(413, "overLimit", data=over("NoQuantityError", 0, 0))),
    (404, fault(404, "itemNotFound", data={"name": "NoHoldingError", "provision": HELD})),
    (401, fault(401, "unauthorized")),
    (400, {"error": "generic_error", "exception": "no such code"}),
    (503, fault(503, "serviceUnavailable")),
]

_texts = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        [
            *("", "\0", "\ud800", "57", "tag", "v1.0", "http://[", "http://h/a b\r\nX: y", "//"),
            *("http://h:port/", "?", "http://h/\xe9\udcff", "x" * 5000, "TOKEN"),
        ]
    ),
)
_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 60),
    st.sampled_from([2**63, -(10**4000), 1.5, 1e308, float("nan"), float("inf")]),
    _texts,
)
_junk = st.one_of(
    _leaves, st.lists(_leaves, max_size=3), st.dictionaries(_texts, _leaves, max_size=3)
)


@st.composite
def _spoiled(draw, value):
    """The value with something in it replaced, left out or added."""
    way = draw(st.integers(0, 5))
    if isinstance(value, dict) and value and way:
        key = draw(st.sampled_from(sorted(value)))
        if way == 1:
            return {name: one for name, one in value.items() if name != key}
        if way == 2:
            return {**value, draw(_texts): draw(_junk)}
        return {**value, key: draw(_spoiled(value[key]))}
    if isinstance(value, list) and value and way > 1:
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(_spoiled(value[place])), *value[place + 1 :]]
    return draw(_junk)


@st.composite
def _bodies(draw):
    """A status, and a body that may even go with it."""
    status, said = draw(st.sampled_from(SAMPLES))
    way = draw(st.integers(0, 7))
    if way > 3:
        said = draw(_spoiled(said))
    body = json.dumps(said).encode()
    if way == 3:
        body = draw(
            st.sampled_from(
                [
                    *(b"", body[: len(body) // 2], body + b"}", b"\xff\xfe" + body, b"null", b"{}"),
                    *(b"<html>TOKEN</html>", b"[" * 50_000, b"9" * 5000, b'"\\ud800TOKEN"'),
                    *(b'{"serial": ' + b"9" * 4000 + b"}", b'{"serial": 1e5}', body + b"\0"),
                ]
            )
        )
    if not draw(st.integers(0, 3)):
        status = draw(
            st.one_of(
                st.sampled_from([100, 101, 199, 204, 206, 300, 302, 304, 400, 404, 405, 409, 500]),
                st.integers(-1, 10_000),
            )
        )
    return status, body


def chunked(body):
    half = len(body) // 2
    pieces = [piece for piece in (body[:half], body[half:]) if piece]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


FRAMES = [
    lambda body: ([b"Content-Length: %d" % len(body)], body),
    lambda body: ([b"Content-Length: %d" % (len(body) // 2)], body),
    lambda body: ([b"Content-Length: %d" % (len(body) + 9)], body),
    lambda body: ([b"Content-Length: 5", b"Content-Length: 6"], body),
    lambda body: ([b"Content-Length: many"], body),
    lambda body: ([b"Content-Length: 99999999999999999999"], body),
    lambda body: ([], body),
    lambda body: ([b"Transfer-Encoding: chunked"], chunked(body)),
    lambda body: ([b"Transfer-Encoding: chunked"], body),
    lambda body: ([b"Transfer-Encoding: chunked"], chunked(body)[:-5]),
    lambda body: ([b"Transfer-Encoding: chunked"], chunked(body).replace(b"0\r\n\r\n", b"-5\r\n")),
    lambda body: ([b"Transfer-Encoding: chunked"], b"%s\r\n" % (b"f" * 20) + body),
    lambda body: ([b"Transfer-Encoding: gzip, chunked"], chunked(body)),
    lambda body: (
        [b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(body)],
        chunked(body),
    ),
    lambda body: ([b"Content-Encoding: gzip", b"Content-Length: %d" % len(body)], body),
]
LINES = [
    *(b"Connection: close", b"Connection: TOKEN", b"Set-Cookie: a=TOKEN", b"Date: never"),
    *(b"TOKEN without a colon", b": no name", b"X\0: y", b"\xff\xfe: \xff", b" folded", b""),
    *(b"Content-Type: text/html; charset=none", b"Location: http://elsewhere/TOKEN"),
    *(b"Retry-After: soon", b"Trailer: x", b"Upgrade: websocket", b"X: " + b"y" * 70_000),
]


@st.composite
def answers(draw):
    """The bytes of an answer that is garbled in no, one or several places."""
    status, body = draw(_bodies())
    frame = draw(st.sampled_from(FRAMES)) if not draw(st.integers(0, 2)) else FRAMES[0]
    lines, body = frame(body)
    reason = draw(st.sampled_from([b"OK", b"", b"TOKEN", b"\xff", b"long " * 20]))
    first = b"HTTP/1.1 %d %s" % (status, reason)
    if not draw(st.integers(0, 9)):
        first = draw(
            st.sampled_from(
                [
                    *(b"", b"HTTP/1.1", b"HTTP/1.1 200", b"HTTP/1.0 201 OK", b"HTTP/9.9 200 OK"),
                    *(b"HTTP/1.1 2x0 OK", b"TOKEN", b"\x16\x03\x01\x00\xff", b"HTTP/1.1 " * 9000),
                ]
            )
        )
    if not draw(st.integers(0, 3)):
        lines += draw(st.lists(st.sampled_from(LINES), max_size=3))
    end = draw(st.sampled_from([b"\r\n"] * 5 + [b"\n"]))
    content = end.join([first, *lines, b"", b""]) + body
    if not draw(st.integers(0, 7)):
        interim = st.sampled_from([b"HTTP/1.1 100 Go\r\n\r\n", b"HTTP/1.1 103 Hm\r\nX: y\r\n\r\n"])
        content = draw(interim) * draw(st.integers(1, 3)) + content
    if not draw(st.integers(0, 7)):
        place, length = draw(st.integers(0, len(content))), draw(st.integers(0, 20))
        content = content[:place] + draw(st.binary(max_size=4)) + content[place + length :]
    return content
