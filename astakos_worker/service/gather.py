"""Names asked for at the same time share one question: what gathers during one goes with the next.

Used twice: a service's threads share messages, and a worker's tasks share requests to Astakos. So
many threads lead at a time, each with a question, and take along all that has gathered since. There
is no timer and so no added delay: one that is alone goes at once.
"""

import copy
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from astakosclient.errors import AstakosClientException, BadRequest

#: Names that gather in one question, at most; who asks for more has a question to itself.
MOST = 1000

#: Asks for names; with seconds, or without a bound of its own. `TimeoutError`: no answer in time.
Fetch = Callable[[Sequence[str], float | None], Mapping[str, str]]


class _Asked:
    """What one caller asked for, and what came of it."""

    def __init__(self, names: Sequence[str], timeout: float | None) -> None:
        self.names = names
        self.end = None if timeout is None else time.monotonic() + timeout
        self.taken = False  # it is in a question that is under way
        self.found: dict[str, str] | None = None
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.found is not None or self.error is not None

    def left(self) -> float | None:
        """Return how many seconds its caller still waits; None: as long as it takes."""
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    def answer(self) -> dict[str, str]:
        if isinstance(self.error, AstakosClientException):
            raise copy.copy(self.error)  # each thread has a traceback of its own
        if self.error is not None:
            raise self.error
        return self.found or {}


class Gather:
    """Asks for names with `fetch`, for many threads at once, with so many questions at a time.

    `same` turns spellings of one name into one: Astakos answers but one of them (the protocol,
    section 3.5).
    """

    def __init__(self, fetch: Fetch, same: Callable[[str], str] = str, *, leads: int = 1) -> None:
        self._fetch = fetch
        self._same = same
        self._free = leads
        self._waiting: list[_Asked] = []
        self._changed = threading.Condition()

    def ask(self, names: Iterable[str], timeout: float | None = None) -> dict[str, str]:
        """Return what is known of these names, as they are spelled here; unknown ones are absent.

        Raises what `fetch` raises, for all that went with that question (F64), and `TimeoutError`
        for those alone whose time is up.
        """
        mine = _Asked(list(names), timeout)
        with self._changed:
            self._waiting.append(mine)
        while not mine.done:
            if taken := self._lead_or_wait(mine):
                self._lead(mine, taken)
        return mine.answer()

    def _lead_or_wait(self, mine: _Asked) -> list[_Asked]:
        """Return who goes with the next question; nobody, if others have asked it."""
        with self._changed:
            while not mine.done and (mine.taken or not self._free):
                if not self._changed.wait(mine.left()) and not mine.done:
                    mine.error = TimeoutError("what was asked before is not answered either")
            if mine.done:
                self._waiting = [asked for asked in self._waiting if asked is not mine]
                return []
            self._free -= 1
            taken = [self._waiting.pop(0)]
            names = len(taken[0].names)
            while self._waiting and names + len(self._waiting[0].names) <= MOST:
                names += len(self._waiting[0].names)
                taken.append(self._waiting.pop(0))
            for asked in taken:
                asked.taken = True
            return taken

    def _lead(self, mine: _Asked, taken: Sequence[_Asked]) -> None:
        again: Sequence[_Asked] = ()
        try:
            self._answer(taken, mine.left())
        except TimeoutError as error:  # its own time is up, and not that of the others
            mine.error = error
            again = [asked for asked in taken if not asked.done]
        except BaseException as error:  # noqa: BLE001  # or who waits would wait for ever
            for asked in taken:
                asked.error = asked.error if asked.done else error
        finally:
            with self._changed:
                self._free += 1
                for asked in again:
                    asked.taken = False
                self._waiting[:0] = again
                self._changed.notify_all()

    def _answer(self, taken: Sequence[_Asked], timeout: float | None) -> None:
        """Ask one question for all; where one of them spoils it for the others, each its own."""
        spellings = {self._same(name): name for asked in taken for name in asked.names}
        try:
            found = {
                self._same(name): value
                for name, value in self._fetch(list(spellings.values()), timeout).items()
            }
        except AstakosClientException as error:
            if len(taken) == 1 or not _is_poison(error):
                raise
            for asked in taken:
                try:
                    self._answer([asked], asked.left())
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
