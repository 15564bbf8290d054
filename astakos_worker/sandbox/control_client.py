"""Steering a sandbox from Python, in the same process or another: one method for each control.

Errors are `ControlError`, with the sandbox's own words about what to do.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypedDict, TypeVar

import requests

from astakos_worker.sandbox.control import PREFIX
from astakos_worker.sandbox.errors import ControlError

T = TypeVar("T")

# Seconds to connect, and to wait for the answer.
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
    """The requests and events that the sandbox has seen; see `docs/sandbox.md`."""

    requests: dict[str, dict[str, int]]
    in_flight: dict[str, int]
    most_in_flight: dict[str, int]
    events: dict[str, int]
    last_sequence: int
    forgotten: int


class FeedbackRow(TypedDict):
    """One message of a user to the operators."""

    user: str
    message: str
    data: str


class FaultReport(TypedDict):
    """The rules in force, and how often each has struck."""

    seed: int
    rules: list[dict[str, Any]]
    hits: list[int]


class ControlClient:
    """The control interface of the sandbox at a URL.

    Each method raises `ControlError` if the sandbox refuses or does not answer.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def holdings(self, holder: str | None = None) -> list[HoldingRow]:
        """Return all holdings, or one holder's (`user:<uuid>`, `project:<uuid>`)."""
        return self._ask(list[HoldingRow], "GET", "holdings", holder=holder)

    def holding(self, holder: str, source: str | None, resource: str) -> HoldingRow:
        """Return one holding."""
        for row in self.holdings(holder):
            if (row["source"], row["resource"]) == (source, resource):
                return row
        raise ControlError(f"there is no holding {(holder, source, resource)}")

    def commissions(self, component: str | None = None) -> list[CommissionRow]:
        """Return the pending commissions by serial, all or one component's."""
        return self._ask(list[CommissionRow], "GET", "commissions", component=component)

    def world(self) -> dict[str, list[Any]]:
        """Return users, components (both with tokens), projects and resources."""
        return self._ask(dict[str, list[Any]], "GET", "world")

    def audit(self) -> AuditReport:
        """Return requests by route and outcome, the most at once, and the events so far."""
        return self._ask(AuditReport, "GET", "audit")

    def journal(self, after: int = 0, limit: int | None = None) -> list[JournalRow]:
        """Return the events of commissions in order, at most `limit`, after a sequence number."""
        return self._ask(list[JournalRow], "GET", "journal", after=after, limit=limit)

    def feedback(self) -> list[FeedbackRow]:
        """Return the feedback of users since the start or the last reset."""
        return self._ask(list[FeedbackRow], "GET", "feedback")

    def set_limit(self, holder: str, source: str | None, resource: str, limit: int) -> None:
        """Change the limit of a holding that is there; its usage stays."""
        body = {"holder": holder, "source": source, "resource": resource, "limit": limit}
        self._ask(object, "PUT", "limits", **body)

    def add_user(
        self,
        name: str,
        *,
        token: str | None = None,
        limits: Mapping[str, int] | None = None,
        admin: bool = False,
        **options: object,
    ) -> dict[str, str]:
        """Add a user, and return uuid, username and token.

        `options` are keys of the seed's `[[users]]`, such as `active`, `moderated` and `groups`.
        """
        body = {"name": name, "token": token, "limits": dict(limits or {}), "admin": admin}
        return self._ask(dict[str, str], "POST", "users", **body, **options)

    def add_component(self, name: str, *, token: str | None = None) -> dict[str, str]:
        """Add a component, and return name and token."""
        return self._ask(dict[str, str], "POST", "components", name=name, token=token)

    def add_resource(self, name: str, service: str, **options: object) -> None:
        """Register a resource; `system_default`, `project_default` and `visible` are optional."""
        self._ask(object, "POST", "resources", name=name, service=service, **options)

    def add_project(
        self,
        name: str,
        *,
        members: Iterable[str] = (),
        limits: Mapping[str, int] | None = None,
        member_limits: Mapping[str, int] | None = None,
        **options: object,
    ) -> str:
        """Add an active project, and return its uuid.

        A member's limits are the project's unless given. `options` are keys of the seed's
        `[[project]]`, such as `owner`, `uuid`, `join_policy`, `max_members` and `private`.
        """
        body = {
            "name": name,
            "members": list(members),
            "limits": dict(limits or {}),
            "member_limits": dict(member_limits or {}),
            **options,
        }
        return self._ask(dict[str, str], "POST", "projects", **body)["uuid"]

    def terminate_expired(self) -> list[str]:
        """End the projects whose end date has passed, and return their uuids."""
        return self._ask(dict[str, list[str]], "POST", "projects/terminate-expired")["terminated"]

    def add_oauth_client(
        self,
        identifier: str,
        redirect_uri: str,
        *,
        secret: str | None = None,
        trusted: bool = False,
    ) -> None:
        """Register an application; one with a secret has to show it."""
        body = {"redirect_uri": redirect_uri, "secret": secret, "trusted": trusted}
        self._ask(object, "POST", "oauth/clients", id=identifier, **body)

    def add_oauth_token(self, user: str, *, scope: str = "", seconds: float | None = None) -> str:
        """Make an access token of a user, as the browser and `O/token` would, and return it."""
        body = {"user": user, "scope": scope, "seconds": seconds}
        return self._ask(dict[str, str], "POST", "oauth/tokens", **body)["token"]

    def faults(self) -> FaultReport:
        """Return the fault rules in force."""
        return self._ask(FaultReport, "GET", "faults")

    def set_faults(self, *rules: Mapping[str, object], seed: int = 0) -> None:
        """Put these rules in force instead of those before."""
        self._ask(object, "PUT", "faults", rules=[dict(rule) for rule in rules], seed=seed)

    def clear_faults(self) -> None:
        """Take all fault rules out of force."""
        self._ask(object, "DELETE", "faults")

    def cost(self) -> dict[str, Any]:
        """Return the cost model in force."""
        return self._ask(dict[str, Any], "GET", "cost")

    def set_cost(self, preset: str | None = None, **figures: float) -> None:
        """Change the cost model: a preset (`none`, `real`), figures, or figures over a preset."""
        self._ask(object, "PUT", "cost", preset=preset, **figures)

    def set_quirks(self, quirks: Iterable[str] = ()) -> None:
        """Switch these accidents of the real server on, and all others off."""
        self._ask(object, "PUT", "quirks", quirks=list(quirks))

    def revoke_token(self, *, component: str | None = None, user: str | None = None) -> None:
        """Make a component's or a user's token stop working."""
        self._ask(object, "POST", "tokens/revoke", component=component, user=user)

    def restore_token(self, *, component: str | None = None, user: str | None = None) -> None:
        """Make a revoked token work again."""
        self._ask(object, "POST", "tokens/restore", component=component, user=user)

    def rotate_token(
        self, token: str, *, component: str | None = None, user: str | None = None
    ) -> None:
        """Give a component or a user another token."""
        self._ask(object, "POST", "tokens/rotate", token=token, component=component, user=user)

    def advance_clock(self, seconds: float) -> None:
        """Move the sandbox's own clock forward."""
        self._ask(object, "POST", "clock/advance", seconds=seconds)

    def outage(self, seconds: float) -> None:
        """Refuse connections for `seconds`, and drop open ones, as a restart does."""
        self._ask(object, "POST", "outage", seconds=seconds)

    def reset(self) -> None:
        """Go back to the seed and to the faults, costs and quirks of the start; empty the audit."""
        self._ask(object, "POST", "reset")

    def snapshot(self, name: str = "") -> None:
        """Remember all that Astakos knows, while the sandbox runs."""
        self._ask(object, "POST", "snapshot", name=name)

    def restore(self, name: str = "") -> None:
        """Go back to a snapshot, as after a restored backup: serials come again."""
        self._ask(object, "POST", "restore", name=name)

    def _ask(self, _: type[T], method: str, path: str, /, **values: object) -> T:
        # A value of None was not given.
        given: dict[str, Any] = {key: value for key, value in values.items() if value is not None}
        params, body = (given, None) if method == "GET" else (None, given)
        try:
            # A new connection each time: a test that cuts connections must not cut its own control.
            reply = requests.request(
                method, self.url + PREFIX + path, params=params, json=body, timeout=_TIMEOUT
            )
            content: Any = reply.json()
        except requests.RequestException as cause:
            raise ControlError(f"the sandbox at {self.url} does not answer: {cause}") from cause
        if not reply.ok:
            raise ControlError(str(content.get("error")))
        answer: T = content
        return answer
