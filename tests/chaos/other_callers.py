"""Two more kinds of callers: a program that calls tasks by name, and one with its own client.

The first is a Celery program that sends whole requests. Until a worker has such a message, it is
only as safe as the broker. So the program sends the requests again until the ledger knows them. The
second issues commissions without a tag, gives their serials to the workers to accept or reject,
and forgets them.
"""

import threading
import time
from dataclasses import replace

from astakos_worker.configuration import names
from astakos_worker.configuration.settings import Settings
from astakos_worker.demo.plan import CPU, VM, Accounts
from astakos_worker.demo.proof import CallerView, charges
from astakos_worker.service.broker import BROKER_AWAY, producer
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.errors import CommissionError, Unavailable, UnknownKey
from astakosclient import AstakosClient
from astakosclient.answer_types import Provision
from astakosclient.errors import AstakosClientException

#: Seconds until a message that no worker made a record of is sent again.
_AGAIN = 3.0
_LOOK = 0.1
_SERIALS = 10
_ACCEPTED, _REJECTED = frozenset({"accepted"}), frozenset({"rejected"})


class ByName:
    """Sends requests by name, one after the other, over so many seconds."""

    def __init__(self, settings: Settings, accounts: Accounts, count: int, seconds: float) -> None:
        self._app = producer(settings)
        self._commissions = Commissions(settings=settings)
        users = list(accounts.plenty.values())
        self._users = {f"by-name-{n}": users[n % len(users)] for n in range(count)}
        self._gap = seconds / max(count, 1)
        self._over = threading.Event()
        self._sent: list[str] = []
        self.again = 0
        self._thread = threading.Thread(target=self._run, name="by-name", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def firing(self) -> bool:
        """Return whether there is more to send."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End it; what is sent is sent."""
        self._over.set()
        if self._thread.ident is not None:  # it may be called off before it began
            self._thread.join(2 * _AGAIN)
        self._app.close()

    def views(self, within: float) -> list[CallerView]:
        """Wait for the end of each that the ledger knows; return the view of each caller."""
        return [
            _end(
                self._commissions,
                key,
                CallerView(key, _charges(self._users[key]), _ACCEPTED),
                within,
            )
            for key in self._sent
        ]

    def _run(self) -> None:
        began = time.monotonic()
        for number, (key, user) in enumerate(self._users.items()):
            if self._over.wait(max(0.0, began + number * self._gap - time.monotonic())):
                return
            self._sent.append(key)
            while not self._is_known(key, user):
                if self._over.is_set():
                    return
                self.again += 1

    def _is_known(self, key: str, user: str) -> bool:
        """Send a request, and wait until the ledger has a record of it."""
        body = {"key": key, "user": user, "project": user, "provisions": _TAKEN, "accept": True}
        try:
            self._app.send_task(
                names.ISSUE_COMMISSION,
                kwargs=body,
                queue=names.COMMISSIONS,
                ignore_result=True,
                retry=False,
            )
        except BROKER_AWAY:
            self._over.wait(_LOOK)
            return False
        for _ in range(int(_AGAIN / _LOOK)):
            try:
                self._commissions.get(key)
            except (UnknownKey, Unavailable):
                if self._over.wait(_LOOK):
                    return False
            else:
                return True
        return False


class OwnClient:
    """Issues by itself, and hands the serials over; with no trouble meanwhile on Astakos' side."""

    def __init__(
        self, astakos: AstakosClient, commissions: Commissions, accounts: Accounts
    ) -> None:
        self._astakos = astakos
        self._commissions = commissions
        self._users = list(accounts.plenty.values())
        self._serials: dict[int, tuple[str, frozenset[str]]] = {}
        self._due: list[int] = []

    def hand_over(self) -> int:
        """Issue some, and have all but every third accepted; `Unavailable`: call again."""
        while len(self._due) < _SERIALS:
            number = len(self._serials)
            user = self._users[number % len(self._users)]
            provisions = [
                Provision(holder=holder, source=source, resource=resource, quantity=quantity)
                for (holder, source, resource), quantity in _charges(user).items()
            ]
            serial = self._astakos.issue_provisions(provisions, f"by our own client, {number}")
            self._serials[serial] = user, _ACCEPTED if number % 3 else _REJECTED
            self._due.append(serial)
        accepted = [n for n in self._due if self._serials[n][1] is _ACCEPTED]
        became = self._commissions.resolve(accepted, [n for n in self._due if n not in accepted])
        for outcome in became.values():
            if isinstance(outcome, Exception):
                raise outcome
        count = len(self._due)
        self._due.clear()
        return count

    def views(self, within: float) -> list[CallerView]:
        """Wait for the end of each; return the view of each caller."""
        return [
            _end(
                self._commissions,
                n,
                CallerView(f"serial {n}", _charges(user), ends, bare=True),
                within,
            )
            for n, (user, ends) in self._serials.items()
        ]


_TAKEN = {VM: 1, CPU: 2}


def _charges(user: str) -> dict[tuple[str, str | None, str], int]:
    return charges(user, user, _TAKEN)


def _end(commissions: Commissions, which: str | int, view: CallerView, within: float) -> CallerView:
    """Wait for the end of a commission; return the view of its caller."""
    try:
        outcome = commissions.outcome(which, within)
    except (CommissionError, AstakosClientException) as error:
        return replace(view, note=f"{type(error).__name__}: {error}")
    return replace(view, end=outcome.state, serial=outcome.serial, note=outcome.reason)
