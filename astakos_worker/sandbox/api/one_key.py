"""Bodies that say what to do by the one key that they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astakos_worker.sandbox.errors import ApiFaultError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def one_of(body: Mapping[str, object], recognized: Iterable[str]) -> tuple[str, object]:
    """The one recognized key and its value; a 400 if there are none, or several."""
    known = [str(key) for key in recognized]
    found = [key for key in known if key in body]
    if len(found) != 1:
        raise ApiFaultError(400, f"Give one of: {', '.join(known)}")
    return found[0], body[found[0]]
