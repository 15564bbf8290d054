"""Steering a sandbox from Python, in the same process or another: one method per control.

Errors are `ControlError`, with the sandbox's own words about what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

import requests

from astakos_worker.sandbox.control import PREFIX
from astakos_worker.sandbox.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TIMEOUT: Final = (3.0, 30.0)


class HoldingRow(TypedDict):
    """One holding with its counters."""

    holder: str
    source: str | None
    resource: str
    limit: int
    usage_min: int
    usage_max: int


class CommissionRow(TypedDict):
    """One pending commission; provisions are merged."""

    serial: int
    component: str
    name: str
    issue_time: str
    provisions: list[dict[str, Any]]


class JournalRow(TypedDict):
    """One event of one commission: `issued`, `accepted` or `rejected`."""

    sequence: int
    event: str
    serial: int
    component: str
    name: str


class AuditReport(TypedDict):
    """What the sandbox has seen; see `docs/sandbox.md`."""

    requests: dict[str, dict[str, int]]
    in_flight: dict[str, int]
    most_in_flight: dict[str, int]
    events: dict[str, int]
    last_sequence: int
    forgotten: int


class FeedbackRow(TypedDict):
    """What a user told the operators."""

    user: str
    message: str
    data: str


class FaultReport(TypedDict):
    """The rules in force and how often each has struck."""

    seed: int
    rules: list[dict[str, Any]]
    hits: list[int]


class ControlClient:
    """The control interface of the sandbox at a URL."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def holdings(self, holder: str | None = None) -> list[HoldingRow]:
        """All holdings, or one holder's (`user:<uuid>`, `project:<uuid>`)."""
        rows: list[HoldingRow] = self._ask("GET", "holdings", {"holder": holder})
        return rows

    def holding(self, holder: str, source: str | None, resource: str) -> HoldingRow:
        """One holding."""
        for row in self.holdings(holder):
            if (row["source"], row["resource"]) == (source, resource):
                return row
        raise ControlError(f"there is no holding {(holder, source, resource)}")

    def commissions(self, component: str | None = None) -> list[CommissionRow]:
        """The pending commissions, by serial; all of them, or one component's."""
        rows: list[CommissionRow] = self._ask("GET", "commissions", {"component": component})
        return rows

    def world(self) -> dict[str, list[Any]]:
        """The users, components (with their tokens), projects and resources there are."""
        world: dict[str, list[Any]] = self._ask("GET", "world")
        return world

    def audit(self) -> AuditReport:
        """Requests by route and outcome, the most at once, events so far."""
        report: AuditReport = self._ask("GET", "audit")
        return report

    def journal(self, after: int = 0, limit: int | None = None) -> list[JournalRow]:
        """What happened to commissions, in order, after a sequence number."""
        rows: list[JournalRow] = self._ask("GET", "journal", {"after": after, "limit": limit})
        return rows

    def set_limit(self, holder: str, source: str | None, resource: str, limit: int) -> None:
        """Change the limit of a holding that is there; its usage stays."""
        self._ask(
            "PUT",
            "limits",
            json={"holder": holder, "source": source, "resource": resource, "limit": limit},
        )

    def add_user(
        self,
        name: str,
        *,
        token: str | None = None,
        limits: Mapping[str, int] | None = None,
        admin: bool = False,
    ) -> dict[str, str]:
        """Add a user with a system project; returns uuid, username and token."""
        body = {"name": name, "token": token, "limits": dict(limits or {}), "admin": admin}
        user: dict[str, str] = self._ask("POST", "users", json=body)
        return user

    def add_component(self, name: str, *, token: str | None = None) -> dict[str, str]:
        """Add a component; returns name and token."""
        body = {"name": name, "token": token}
        component: dict[str, str] = self._ask("POST", "components", json=body)
        return component

    def add_resource(self, name: str, service: str, **options: object) -> None:
        """Register a resource; `system_default`, `project_default` and `visible` are optional."""
        self._ask("POST", "resources", json={"name": name, "service": service, **options})

    def add_project(
        self,
        name: str,
        *,
        members: Iterable[str] = (),
        limits: Mapping[str, int] | None = None,
        member_limits: Mapping[str, int] | None = None,
        **options: object,
    ) -> str:
        """Add an active project; returns its uuid.

        A member's limits are the project's unless given. `owner`, `uuid`, `join_policy`,
        `leave_policy`, `max_members` and `private` are optional.
        """
        body = {
            "name": name,
            "members": list(members),
            "limits": dict(limits or {}),
            "member_limits": dict(member_limits or {}),
            **options,
        }
        project: dict[str, str] = self._ask("POST", "projects", json=body)
        return project["uuid"]

    def terminate_expired(self) -> list[str]:
        """End the projects whose end date has passed; returns their uuids."""
        done: dict[str, list[str]] = self._ask("POST", "projects/terminate-expired")
        return done["terminated"]

    def add_oauth_client(
        self,
        identifier: str,
        redirect_uri: str,
        *,
        secret: str | None = None,
        trusted: bool = False,
    ) -> None:
        """Register an application; one with a secret has to show it."""
        body = {
            "id": identifier,
            "redirect_uri": redirect_uri,
            "secret": secret,
            "trusted": trusted,
        }
        self._ask("POST", "oauth/clients", json=body)

    def add_oauth_token(self, user: str, *, scope: str = "", seconds: float | None = None) -> str:
        """Make an access token of a user, as the browser and `O/token` would; returns it."""
        body = {"user": user, "scope": scope, "seconds": seconds}
        token: dict[str, str] = self._ask("POST", "oauth/tokens", json=body)
        return token["token"]

    def feedback(self) -> list[FeedbackRow]:
        """What users have said since the start or the last reset."""
        rows: list[FeedbackRow] = self._ask("GET", "feedback")
        return rows

    def faults(self) -> FaultReport:
        """The fault rules in force."""
        report: FaultReport = self._ask("GET", "faults")
        return report

    def set_faults(self, *rules: Mapping[str, object], seed: int = 0) -> None:
        """Put these rules in force instead of those before."""
        body = {"rules": [dict(rule) for rule in rules], "seed": seed}
        self._ask("PUT", "faults", json=body)

    def clear_faults(self) -> None:
        """Nothing goes wrong from now on."""
        self._ask("DELETE", "faults")

    def cost(self) -> dict[str, Any]:
        """The cost model in force."""
        model: dict[str, Any] = self._ask("GET", "cost")
        return model

    def set_cost(self, preset: str | None = None, **figures: float) -> None:
        """Change the cost model: a preset (`none`, `real`), figures, or figures over a preset."""
        self._ask("PUT", "cost", json={"preset": preset, **figures})

    def set_quirks(self, quirks: Iterable[str] = ()) -> None:
        """Switch accidents of the real server on, and all others off."""
        self._ask("PUT", "quirks", json={"quirks": list(quirks)})

    def revoke_token(self, *, component: str | None = None, user: str | None = None) -> None:
        """Make a component's or a user's token stop working."""
        self._ask("POST", "tokens/revoke", json={"component": component, "user": user})

    def restore_token(self, *, component: str | None = None, user: str | None = None) -> None:
        """Make it work again."""
        self._ask("POST", "tokens/restore", json={"component": component, "user": user})

    def rotate_token(
        self, token: str, *, component: str | None = None, user: str | None = None
    ) -> None:
        """Give a component or a user another token."""
        body = {"token": token, "component": component, "user": user}
        self._ask("POST", "tokens/rotate", json=body)

    def advance_clock(self, seconds: float) -> None:
        """Move the sandbox's own clock."""
        self._ask("POST", "clock/advance", json={"seconds": seconds})

    def outage(self, seconds: float) -> None:
        """Refuse connections for so long, and drop those there are, as a restart does."""
        self._ask("POST", "outage", json={"seconds": seconds})

    def reset(self) -> None:
        """Back to the seed and to the faults and costs of the start; counters from zero."""
        self._ask("POST", "reset")

    def snapshot(self, name: str = "") -> None:
        """Remember what Astakos knows, while the sandbox runs."""
        self._ask("POST", "snapshot", json={"name": name})

    def restore(self, name: str = "") -> None:
        """Back to a snapshot, as after a restored backup: serials come again."""
        self._ask("POST", "restore", json={"name": name})

    def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int | None] | None = None,
        json: Mapping[str, object] | None = None,
    ) -> Any:
        # What is None was not given.
        body = {name: value for name, value in (json or {}).items() if value is not None}
        try:
            # A connection each: a test that cuts connections must not trip over its own control.
            reply = requests.request(
                method, self.url + PREFIX + path, params=params, json=body, timeout=_TIMEOUT
            )
            content = reply.json()
        except requests.RequestException as cause:
            raise ControlError(f"the sandbox at {self.url} does not answer: {cause}") from cause
        if not reply.ok:
            raise ControlError(str(content.get("error")))
        return content
