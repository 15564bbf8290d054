"""A service beside real workers: what it may ask for, and what Astakos says became of it."""

import uuid

import pytest

from astakos_worker import Commissions
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.service.connect import ledger_of
from tests.integration.cluster.until import until

VM = "cyclades.vm"


class Service:
    """A service of one test, with a user of its own; it counts what has happened since."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.control = cluster.sandbox.control
        self.commissions = Commissions(settings=cluster.settings)
        self.ledger = ledger_of(cluster.settings)
        self.user = self.control.add_user(f"{uuid.uuid4().hex}@example.org")["uuid"]
        self.tiny = user_uuid("tiny1@example.org")
        self._journal_before = self.control.audit()["last_sequence"]
        self._posts_before = self.requests("issue")

    def issue(self, key, *, user=None, quantity=1, **more):
        user = user or self.user
        return self.commissions.issue(
            user=user, project=user, provisions={VM: quantity}, key=key, **more
        )

    def used(self, user=None):
        """What Astakos says a user has for good, and what is still pending."""
        user = user or self.user
        row = self.control.holding(f"user:{user}", f"project:{user}", VM)
        return row["usage_min"], row["usage_max"] - row["usage_min"]

    def events(self, *events):
        """What became of commissions in Astakos, by the tag's key."""
        return [row for row in self.control.journal(self._journal_before) if row["event"] in events]

    def issued(self, key):
        """How often Astakos executed an issue of this key."""
        return sum(f" {key} " in row["name"] for row in self.events("issued"))

    def posts(self):
        """How many issue requests reached Astakos, whatever became of them."""
        return self.requests("issue") - self._posts_before

    def requests(self, what):
        """How many requests of a kind have reached Astakos in all."""
        return sum(self.control.audit()["requests"].get(f"commissions.{what}", {}).values())

    def state(self, key):
        return self.commissions.get(key).state

    def until_state(self, key, *states, within=30):
        return until(lambda: self.state(key) in states, within)

    def alarms(self):
        return self.ledger.lane("default").alarms


@pytest.fixture
def service(cluster):
    return Service(cluster)
