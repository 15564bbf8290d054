"""What is to be issued, its fingerprint, and the tag in its wire name.

No effects. After an answer was lost, the tag is the only way to find the commission again.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, unquote

import msgspec

#: Most characters of a name that Astakos keeps (the protocol, section 10.6).
NAME_LIMIT = 4096


class Provision(NamedTuple):
    """An amount of a resource for a holder: `quantity` > 0 takes, < 0 gives back."""

    holder: str  # "user:<uuid>" or "project:<uuid>"
    source: str | None  # "project:<uuid>" for a user's holding, None for a project's
    resource: str
    quantity: int

    def wire(self) -> dict[str, str | int | None]:
        """Return the form of the API."""
        return self._asdict()


def merge(provisions: Iterable[Provision]) -> tuple[Provision, ...]:
    """Return one provision for each holding, with the summed quantity, in order; as Astakos."""
    sums: dict[tuple[str, str | None, str], int] = {}
    for holder, source, resource, quantity in provisions:
        sums[holder, source, resource] = sums.get((holder, source, resource), 0) + quantity
    return tuple(Provision(*holding, quantity) for holding, quantity in sums.items())


class Request(msgspec.Struct, frozen=True):
    """What is to be issued. `name` is the caller's text, without the tag."""

    provisions: tuple[Provision, ...]
    name: str = ""
    force: bool = False


def fingerprint(service: str, request: Request) -> str:
    """Return 16 digits that are the same for the same contents, in any order.

    Name, deadline, decision and call-back are not in it: a repeated call does not change them
    (F3).
    """
    provisions = sorted(
        merge(request.provisions),
        key=lambda p: (p.holder, p.source is not None, p.source or "", p[2:]),
    )
    text = _CANONICAL.encode([service, provisions, request.force])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# The fingerprints in wire names are hashes of this text, so its form cannot change.
_CANONICAL = json.JSONEncoder(separators=(",", ":"))


class Tag(NamedTuple):
    """The end of a wire name: finds a commission again after its answer was lost."""

    namespace: str
    key: str
    incarnation: str
    fingerprint: str

    def __str__(self) -> str:
        return (
            f"[astakos1 {self.namespace} {quote(self.key, safe='')} "
            f"{self.incarnation} {self.fingerprint}]"
        )


_TAG = re.compile(
    r"\[astakos1 ([a-z][a-z0-9_.-]*) ([A-Za-z0-9_.~%-]+) ([0-9a-f]{8}) ([0-9a-f]{16})\]\Z"
)


def read_tag(wire_name: str) -> Tag | None:
    """Return the tag at the very end of a name; a caller's text may contain others (F22)."""
    found = _TAG.search(wire_name)
    if found is None:
        return None
    namespace, key, incarnation, print_ = found.groups()
    return Tag(namespace, unquote(key), incarnation, print_)


def caller_text(wire_name: str) -> str:
    """Return a name without its tag."""
    found = _TAG.search(wire_name)
    return wire_name if found is None else wire_name[: found.start()].removesuffix(" ")


def wire_name(text: str, tag: Tag) -> str:
    """Return the text with its tag; `ValueError` if Astakos would not keep all of it."""
    name = f"{text} {tag}" if text else str(tag)
    if len(name) > NAME_LIMIT:
        room = NAME_LIMIT - len(str(tag)) - 1
        raise ValueError(f"name has {len(text)} characters; with this key {room} fit")
    return name
