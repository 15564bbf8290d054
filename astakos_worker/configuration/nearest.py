"""The nearest known name of a misspelt one, as the end of an error's text. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches

#: Names that a text lists where none is near.
_LISTED = 5


def nearest(name: str, known: Iterable[str]) -> str:
    """Return how a text about an unknown name goes on.

    `nearest("cyclades.vmm", ["cyclades.vm", "cyclades.ram"])` is "; the nearest known name is
    'cyclades.vm'". Where none is near, the first five known names are listed. Where none is known,
    the text is empty.
    """
    names = sorted(set(known))
    if near := get_close_matches(name, names, n=1):
        return f"; the nearest known name is {near[0]!r}"
    if not names:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"; there are {', '.join(map(repr, names[:_LISTED]))}{more}"
