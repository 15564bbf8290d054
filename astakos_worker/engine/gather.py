"""Names asked for at the same time share one request: what gathers during one goes with the next.

One thread leads at a time, and takes along all that has gathered while the request before was
under way. There is no timer and so no added delay: one that is alone goes at once.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from astakosclient.errors import AstakosClientException, BadRequest

#: Names that gather in one request, at most; who asks for more has a request to itself.
MOST = 1000

Fetch = Callable[[Sequence[str]], Mapping[str, str]]


class _Asked:
    """What one caller asked for, and what came of it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.found: dict[str, str] | None = None
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.found is not None or self.error is not None

    def answer(self) -> dict[str, str]:
        if self.error is not None:
            raise self.error
        return self.found or {}


class Gather:
    """Asks for names with `fetch`, for many threads at once.

    `same` turns spellings of one name into one: Astakos answers but one of them (the protocol,
    section 3.5).
    """

    def __init__(self, fetch: Fetch, same: Callable[[str], str] = str) -> None:
        self._fetch = fetch
        self._same = same
        self._waiting: list[_Asked] = []
        self._led = False
        self._changed = threading.Condition()

    def ask(self, names: Iterable[str]) -> dict[str, str]:
        """Return what is known of these names, as they are spelled here; unknown ones are absent.

        Raises what `fetch` raises, for all that went with that request (F64).
        """
        mine = _Asked(list(names))
        with self._changed:
            self._waiting.append(mine)
        while not mine.done:
            if taken := self._lead_or_wait(mine):
                try:
                    self._answer(taken)
                except BaseException as error:  # noqa: BLE001  # or who waits would wait for ever
                    for asked in taken:
                        asked.error = asked.error if asked.done else error
                finally:
                    with self._changed:
                        self._led = False
                        self._changed.notify_all()
        return mine.answer()

    def _lead_or_wait(self, mine: _Asked) -> list[_Asked]:
        """Return who goes with the next request; nobody, if another thread leads."""
        with self._changed:
            while self._led and not mine.done:
                self._changed.wait()
            if mine.done:
                return []
            self._led = True
            taken = [self._waiting.pop(0)]
            names = len(taken[0].names)
            while self._waiting and names + len(self._waiting[0].names) <= MOST:
                names += len(self._waiting[0].names)
                taken.append(self._waiting.pop(0))
            return taken

    def _answer(self, taken: Sequence[_Asked]) -> None:
        """Send one request for all; where one of them spoils it for the others, each its own."""
        spellings = {self._same(name): name for asked in taken for name in asked.names}
        try:
            found = {
                self._same(name): value
                for name, value in self._fetch(list(spellings.values())).items()
            }
        except AstakosClientException as error:
            if len(taken) == 1 or not _is_poison(error):
                raise
            for asked in taken:
                try:
                    self._answer([asked])
                except AstakosClientException as its:
                    asked.error = its
            return
        for asked in taken:
            asked.found = {
                name: found[same] for name in asked.names if (same := self._same(name)) in found
            }


def _is_poison(error: AstakosClientException) -> bool:
    """Return whether one name may be to blame: an Astakos that is away would be for all of them."""
    return isinstance(error, BadRequest) or (error.status == 500 and error.response is not None)
