"""Makes commissions directly in Astakos, with the service's own token. The service knows of none.

A foreign commission has no tag of this ledger; the workers must not touch it. An orphan has a tag
of this ledger, and the service does not want it; the workers must reject it. There are three kinds
of orphans: under a key that the ledger does not know, under an earlier use of a key, and twins of
commissions that are in order.
"""

import random
from collections.abc import Iterable

from astakos_worker.demo.plan import CPU, VM, Accounts
from astakos_worker.demo.proof import Charges, DirectCommission, charges
from astakos_worker.ledger.request import Provision, Request, Tag, fingerprint, wire_name
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.inside import history
from astakosclient import AstakosClient
from astakosclient.answer_types import Provision as WireProvision


class DirectCommissions:
    """Makes foreign commissions and orphans in Astakos, and remembers them for the proof."""

    def __init__(
        self,
        astakos: AstakosClient,
        commissions: Commissions,
        namespace: str,
        accounts: Accounts,
        seed: int,
    ) -> None:
        self._astakos = astakos
        self._commissions = commissions
        self._namespace = namespace
        self._accounts = accounts
        self._random = random.Random(seed)  # noqa: S311  # the choice is no secret
        self.foreign: list[DirectCommission] = []
        self.orphans: list[DirectCommission] = []

    def make_foreign(self) -> int:
        """Make commissions without a tag of ours, some with a similar name; return how many."""
        ours, theirs = self._tag("lost"), self._tag("server-0001/create", "staging.default")
        names = ["", "made by hand", str(theirs), f"{ours} was here", f"copy of {ours}."]
        self.foreign += [self._make(name, self._some()) for name in names]
        return len(names)

    def make_orphans(self, count: int) -> int:
        """Make `count` commissions under keys that the ledger does not know; return `count`.

        A ledger that was restored from an old copy leaves such commissions behind.
        """
        for number in range(1, count + 1):
            name = wire_name("lost", self._tag(f"lost-{number:02}/create"))
            self.orphans.append(self._make(name, self._some()))
        return count

    def make_late_requests(self, keys: Iterable[str]) -> int:
        """Make the commissions of earlier uses of these keys, as late requests do."""
        names = [wire_name("late", self._tag(key)) for key in keys]
        self.orphans += [self._make(name, self._some()) for name in names]
        return len(names)

    def make_twins(self, keys: Iterable[str]) -> int:
        """Make each of these commissions a second time, with the same name and provisions."""
        count = 0
        for key in keys:
            record, _ = history(self._commissions, key)
            if record.request is None:
                continue
            name = wire_name(record.request.name, record.tag(self._namespace))
            taken = {
                (holder, source, resource): quantity
                for holder, source, resource, quantity in record.request.provisions
            }
            self.orphans.append(self._make(name, taken))
            count += 1
        return count

    def _tag(self, key: str, namespace: str | None = None) -> Tag:
        incarnation = f"{self._random.getrandbits(32):08x}"
        asked = Request(tuple(Provision(*holding, n) for holding, n in self._some().items()))
        return Tag(namespace or self._namespace, key, incarnation, fingerprint("default", asked))

    def _some(self) -> Charges:
        user = self._random.choice(list(self._accounts.plenty.values()))
        return charges(user, user, {VM: 1, CPU: 2})

    def _make(self, name: str, taken: Charges) -> DirectCommission:
        provisions = [
            WireProvision(holder=holder, source=source, resource=resource, quantity=quantity)
            for (holder, source, resource), quantity in taken.items()
        ]
        return DirectCommission(self._astakos.issue_provisions(provisions, name), name, taken)
