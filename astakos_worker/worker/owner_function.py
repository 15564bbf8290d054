"""Calls the owner's function that a setting names, and waits a bounded time for its answers.

The owner is the service's code in our process. The function may raise an error, hang, or be
missing. Each call runs in a thread of its own. While one call runs, no other is made, so a database
that hangs costs one thread.
"""

import threading
from collections.abc import Sequence

from celery.utils.imports import import_from_cwd, symbol_by_name

from astakos_worker.engine.sweep.owner import Answer, Owner, OwnerError, Unsettled


class OwnerFunction:
    """The function behind a dotted path, such as `cloud.quotas:owner`; waits `timeout` seconds.

    The function is imported by the first call.
    """

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._lock = threading.Lock()
        self._asked: _Question | None = None

    def __call__(self, commissions: Sequence[Unsettled]) -> Sequence[Answer]:
        """Return the owner's answers; `OwnerError` if there are none within the time-out."""
        with self._lock:
            if self._asked is not None and self._asked.is_alive():
                raise OwnerError(f"{self._path} is still at an earlier question")
            question = self._asked = _Question(self._path, commissions)
            question.start()
        question.join(self._timeout)
        if question.is_alive():
            raise OwnerError(f"{self._path} did not answer within {self._timeout:g} s")
        if question.error is not None:
            said = f"{type(question.error).__name__}: {question.error}"
            raise OwnerError(f"{self._path} failed with {said[:300]}") from question.error
        return question.answers


class _Question(threading.Thread):
    """One call. The end of the process ends the thread too, even while the call runs."""

    def __init__(self, path: str, commissions: Sequence[Unsettled]) -> None:
        super().__init__(name="astakos-owner", daemon=True)
        self._path = path
        self._commissions = tuple(commissions)
        self.answers: Sequence[Answer] = ()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call the function, and keep its answers or its error."""
        try:
            owner: Owner = symbol_by_name(self._path, imp=import_from_cwd)
            self.answers = owner(self._commissions)
        # Whatever the service's code raises, the sweep goes on without its answers, and reports it.
        except BaseException as error:  # noqa: BLE001  # SystemExit too: it ends this thread alone
            self.error = error
