"""Names that several threads ask for at the same time go in one question.

At most `leads` questions are under way. While they are, further names gather, and the next question
takes them all. There is no timer, so a thread that is alone asks at once. Used twice: the threads
of a service share messages to the workers, and the tasks of a worker share requests to Astakos.
"""

import copy
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from astakosclient.errors import AstakosClientException, BadRequest

#: Names in one question, at most. A caller with more names has a question of its own.
MOST = 1000

#: Asks for names, for so many seconds; None: no limit. `TimeoutError`: no answer in time.
Fetch = Callable[[Sequence[str], float | None], Mapping[str, str]]


class _Asked:
    """The names of one caller, and the answer."""

    def __init__(self, names: Sequence[str], timeout: float | None) -> None:
        self.names = names
        self.end = None if timeout is None else time.monotonic() + timeout
        self.taken = False  # its names are in a question that is under way
        self.found: dict[str, str] | None = None
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.found is not None or self.error is not None

    def left(self) -> float | None:
        """Return the seconds for which its caller still waits; None: no limit."""
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    def answer(self) -> dict[str, str]:
        if isinstance(self.error, AstakosClientException):
            raise copy.copy(self.error)  # each thread needs a traceback of its own
        if self.error is not None:
            raise self.error
        return self.found or {}


class Gather:
    """Asks for names with `fetch`, for many threads at once, with at most `leads` questions.

    `same` makes one text of all spellings of a name: Astakos answers only one of them (the
    protocol, section 3.5).
    """

    def __init__(self, fetch: Fetch, same: Callable[[str], str] = str, *, leads: int = 1) -> None:
        self._fetch = fetch
        self._same = same
        self._free = leads
        self._waiting: list[_Asked] = []
        self._changed = threading.Condition()

    def ask(self, names: Iterable[str], timeout: float | None = None) -> dict[str, str]:
        """Return the answers for these names, in this spelling; unknown names are absent.

        Raises what `fetch` raises, to all callers of that question (F64). Raises `TimeoutError`
        after `timeout` seconds, to this caller alone.
        """
        mine = _Asked(list(names), timeout)
        with self._changed:
            self._waiting.append(mine)
        while not mine.done:
            if taken := self._lead_or_wait(mine):
                self._lead(mine, taken)
        return mine.answer()

    def _lead_or_wait(self, mine: _Asked) -> list[_Asked]:
        """Return the callers of the next question; none if this caller's is asked."""
        with self._changed:
            while not mine.done and (mine.taken or not self._free):
                if not self._changed.wait(mine.left()) and not mine.done:
                    mine.error = TimeoutError("an earlier question is not answered either")
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
        except TimeoutError as error:  # the time of this caller is over; the others may have more
            mine.error = error
            again = [asked for asked in taken if not asked.done]
        except BaseException as error:  # noqa: BLE001  # else the waiting threads would wait for ever
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
        """Ask one question for all; if one name may spoil it, one for each caller."""
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
    """Return whether one name may be the cause. An outage would concern all of them."""
    return isinstance(error, BadRequest) or (error.status == 500 and error.response is not None)
