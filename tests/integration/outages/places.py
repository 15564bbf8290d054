"""One service of a stack that several tests share: what it may ask for, and what Astakos says."""

from collections import Counter

from astakos_worker import Commissions
from astakos_worker.ledger.request import read_tag
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.service.connect import ledger_of
from tests.integration.cluster.until import until

VM = "cyclades.vm"
USER = user_uuid("user01@example.org")


class Service:
    """A named service, with the sandbox that is its Astakos."""

    def __init__(self, name, settings, sandbox):
        self.name = name
        self.settings = settings
        self.sandbox = sandbox
        self.control = sandbox.control
        self.commissions = Commissions(name, settings=settings)
        self.ledger = ledger_of(settings)

    def issue(self, key, **more):
        return self.commissions.issue(user=USER, project=USER, provisions={VM: 1}, key=key, **more)

    def state(self, key):
        return self.commissions.get(key).state

    def used(self):
        """What Astakos says is used for good, and what is reserved beside."""
        row = self.control.holding(f"user:{USER}", f"project:{USER}", VM)
        return row["usage_min"], row["usage_max"] - row["usage_min"]

    def events(self, prefix):
        """What became in Astakos of the keys that begin so: `{event: {key: how often}}`."""
        out = {"issued": Counter(), "accepted": Counter(), "rejected": Counter()}
        for row in self.control.journal():
            tag = read_tag(row["name"])
            if tag is not None and tag.key.startswith(prefix):
                out[row["event"]][tag.key] += 1
        return out

    def requests(self):
        """How many requests Astakos has seen, by route."""
        return Counter(
            {route: sum(ends.values()) for route, ends in self.control.audit()["requests"].items()}
        )

    def alarms(self):
        return self.ledger.lane(self.name).alarms

    def until_accepted(self, *keys, within=60):
        for key in keys:
            assert self.commissions.outcome(key, within).state == "accepted", key

    def until(self, condition, within=60):
        return until(condition, within)


def records(service, keys):
    """The records of these keys, read in one go."""
    return {key: entry.record for key, entry in service.ledger.get(service.name, keys).items()}
