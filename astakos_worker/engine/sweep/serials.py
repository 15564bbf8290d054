"""Many serials in little memory: sorted, eight bytes each, compared without a set.

A sweep holds two lists of serials at a time. 100,000 serials take 0.8 MB here, and some 4 MB in a
Python list or 8 MB in a set.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator


class Serials:
    """A sorted set of serials that does not change."""

    __slots__ = ("_sorted",)

    def __init__(self, serials: Iterable[int] = ()) -> None:
        self._sorted = array("q", sorted(serials))

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[int]:
        return iter(self._sorted)

    def __contains__(self, serial: object) -> bool:
        if not isinstance(serial, int):
            return False
        at = bisect_left(self._sorted, serial)
        return at < len(self._sorted) and self._sorted[at] == serial

    def without(self, others: "Serials") -> "Serials":
        """Return the serials that `others` does not hold. Both are sorted: one pass is enough."""
        left = Serials()
        left._sorted = array("q", self._walk(others))
        return left

    def _walk(self, others: "Serials") -> Iterator[int]:
        rest = iter(others)
        other = next(rest, None)
        for serial in self._sorted:
            while other is not None and other < serial:
                other = next(rest, None)
            if other != serial:
                yield serial
