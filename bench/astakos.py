"""The Astakos that all rivals use: the shipped sandbox with a cost model, or a real one.

Both say how much was accepted, so a rival that loses work is noticed.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from astakos_worker.local.files import sandbox_token
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.process import Process
from astakos_worker.local.readiness import http_answers
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import user_uuid
from astakosclient import AstakosClient

RESOURCE = "cyclades.vm"
USERS = 20
_numbers = itertools.count(1)
_run = f"{time.time():.0f}"


@dataclass(frozen=True)
class Job:
    """One lifecycle: a VM for a user from the user's own project."""

    key: str
    user: str
    project: str
    provisions: dict[str, int]
    name: str = "bench"

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.user, self.project, self.provisions, self.name


class Astakos:
    """The users of an Astakos, and the lifecycles that are measured on it."""

    users: list[tuple[str, str]]  # and each one's project

    def given_back(self) -> AbstractContextManager[None]:
        """Do nothing: the sandbox ends with the run."""
        return nullcontext()

    def jobs(self, number: int) -> list[Job]:
        """Return `number` lifecycles, spread over the users."""
        return [
            Job(f"bench-{_run}-{n}", user, project, {RESOURCE: 1})
            for n, (user, project) in zip(
                itertools.islice(_numbers, number), itertools.cycle(self.users), strict=False
            )
        ]


class Sandbox(Astakos):
    """The shipped sandbox, in a process of its own."""

    def __init__(self, folder) -> None:
        self.port = Port()
        url = f"http://{LOOPBACK}:{self.port.number}"
        self.auth_url = f"{url}/identity/v2.0"
        self.token = sandbox_token()
        self.control = ControlClient(url)
        uuids = [user_uuid(f"user{n:02}@example.org") for n in range(1, USERS + 1)]
        self.users = [(uuid, uuid) for uuid in uuids]
        words = ["python", "-m", "astakos_worker.sandbox", "--no-access-log", "--port"]
        self.process = Process(
            "sandbox",
            [*words, str(self.port.number)],
            folder / "sandbox.log",
            environment={"LC_ALL": "C"},
            ready=lambda: http_answers("POST", f"{self.auth_url}/tokens"),
        )

    def accepted(self) -> int:
        """How many commissions have been accepted so far."""
        return self.control.audit()["events"].get("accepted", 0)

    def usage(self) -> tuple[int, int]:
        """Return the units of all users that are in use, and those that are pending."""
        mine = {f"user:{user}" for user, _ in self.users}
        rows = [
            row
            for row in self.control.holdings()
            if row["holder"] in mine and row["resource"] == RESOURCE
        ]
        used = sum(row["usage_min"] for row in rows)
        return used, sum(row["usage_max"] for row in rows) - used

    def requests(self) -> int:
        """How many requests about commissions the sandbox has received."""
        counts = self.control.audit()["requests"]
        return sum(sum(row.values()) for name, row in counts.items() if "commissions" in name)

    def cost(self, preset: str = "none", **figures: float) -> None:
        """Set the cost of each kind of work."""
        self.control.set_cost(preset, **figures)


def settled(row) -> int:
    """Return the units in use, without the pending ones that Astakos' usage includes."""
    return row["usage"] - row["pending"]


class Real(Astakos):
    """A real Astakos: it has its own costs and no control interface.

    The quota that the runs take is given back at the end.
    """

    def __init__(self, auth_url: str, token: str, room: int) -> None:
        self.auth_url, self.token = auth_url, token
        self.client = AstakosClient(token, auth_url, use_pool=True)
        found = []
        for user, projects in self.client.service_get_quotas().items():
            row = projects.get(user, {}).get(RESOURCE)
            if row and min(row["limit"], row["project_limit"]) - row["usage"] > room:
                found.append(user)
        self.users = [(user, user) for user in found[:USERS]]
        if not self.users:
            raise SystemExit(f"no user has room for {room} of {RESOURCE} in a project of its own")
        self.before = self.by_user()

    def by_user(self):
        quotas = self.client.service_get_quotas()
        return {user: quotas[user][project][RESOURCE] for user, project in self.users}

    def accepted(self) -> int:
        return self.usage()[0] - sum(map(settled, self.before.values()))

    def usage(self) -> tuple[int, int]:
        rows = self.by_user().values()
        return sum(map(settled, rows)), sum(row["pending"] for row in rows)

    def requests(self) -> None:
        """Return nothing: a real Astakos does not count its requests."""

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """Give back the quota that the runs took, one commission a user; after an error too."""
        try:
            yield
        finally:
            for user, row in self.by_user().items():
                if taken := settled(row) - settled(self.before[user]):
                    provisions = {RESOURCE: -taken}
                    serial = self.client.issue_one_commission(user, user, provisions, "bench")
                    self.client.accept_commission(serial)
