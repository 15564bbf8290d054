"""The ledger as a service's process calls it: with a circuit breaker around each call."""

from functools import partial
from typing import Any, cast

from astakos_worker.ledger.contract import Ledger, UnavailableError
from astakos_worker.service.server_breaker import CircuitOpenError, ServerBreaker


def guarded(ledger: Ledger) -> Ledger:
    """Return the ledger with a circuit breaker around each of its calls.

    A call that is not made raises `UnavailableError`, as one without an answer does.
    """
    return cast("Ledger", _Guarded(ledger, ServerBreaker("ledger", (UnavailableError,))))


class _Guarded:
    """Passes every call on, by its name: so it needs no list of the contract's methods."""

    def __init__(self, ledger: Ledger, breaker: ServerBreaker) -> None:
        self._ledger = ledger
        self._breaker = breaker

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ledger, name)
        return partial(self._call, found) if callable(found) else found

    def _call(self, method: Any, *arguments: Any, **options: Any) -> Any:
        try:
            with self._breaker.call():
                return method(*arguments, **options)
        except CircuitOpenError as error:
            raise UnavailableError(str(error)) from None
