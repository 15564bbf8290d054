"""Reads a service's usage and Astakos' quotas, in an order that shows what is on its way.

A commission is in the ledger before it is in Astakos, and it is pending there before it counts. So
the order is: Astakos, the service, the ledger, Astakos again. A commission that the service counts
already is then in the ledger or in Astakos. One that ends in between shows as a change in Astakos.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from astakos_worker.engine.drift.compare import (
    DriftFinding,
    Figure,
    FiguresByHolding,
    Holding,
    UsageSnapshot,
    tally,
)
from astakos_worker.engine.listed import chunks
from astakos_worker.ledger.contract import Ledger, LedgerError
from astakosclient.errors import NotFound, Outcome

#: A function of the service: returns rows `(user, project, resource, quantity)` of these projects
#: at least; None: of all projects.
UsageFunction = Callable[[frozenset[str] | None], Iterable[object]]

#: Users or projects in one request: their uuids must fit into its first line.
_ASKED = 50


class Quotas(Protocol):
    """The part of `AstakosClient` that is used here."""

    def service_get_usernames(self, uuids: Iterable[str] | None) -> Mapping[str, str]:
        """Return `{uuid: name}`; of all users for None."""

    def service_get_quotas(
        self, user: Iterable[str] | None = None, project_id: Iterable[str] | None = None
    ) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return `{user: {project: {resource: figures}}}`."""

    def service_get_project_quotas(
        self, project_id: Iterable[str] | None = None
    ) -> Mapping[str, Mapping[str, Any]]:
        """Return `{project: {resource: figures}}`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is compared; None: everything. `resources` adds those that no row names."""

    users: frozenset[str] | None = None
    projects: frozenset[str] | None = None
    resources: frozenset[str] = frozenset()

    def covers(self, holding: Holding) -> bool:
        """Return whether a holding is compared. If users are named, only theirs are."""
        user, project, resource = holding
        return (
            (self.users is None or user in self.users)
            and (self.projects is None or project in self.projects)
            and (not self.resources or resource in self.resources)
        )


@dataclass(slots=True)
class SnapshotReader:
    """Reads both sides for one lane. `step` is called after each request, to show progress."""

    astakos: Quotas
    ledger: Ledger
    usage: UsageFunction
    lane: str
    step: Callable[[], None] = field(default=lambda: None)

    def survey(self, scope: Scope) -> UsageSnapshot:
        """Read everything once. Equal holdings are done; the others are to be inspected again."""
        own = {h: n for h, n in tally(self.usage(scope.projects)).items() if scope.covers(h)}
        awaited = self._awaited()
        users = scope.users
        if users is None:
            users = frozenset(self.astakos.service_get_usernames(None))
            self.step()
        resources = scope.resources or frozenset(h.resource for h in own)
        members = self._members(users, scope.projects, resources)
        projects = scope.projects or {h.project for h in (*own, *members)}
        both = members | self._projects(projects if scope.users is None else (), resources)
        there = {h: figure for h, figure in both.items() if scope.covers(h)}
        return UsageSnapshot(own, there, there, awaited, resources)

    def inspect(self, findings: Iterable[DriftFinding]) -> UsageSnapshot:
        """Read some holdings closely: Astakos before and after the service."""
        holdings = [finding.holding for finding in findings]
        before = self._figures(holdings)
        own = tally(self.usage(frozenset(h.project for h in holdings)))
        awaited, after = self._awaited(), self._figures(holdings)
        wanted = {h: own[h] for h in holdings if h in own}
        return UsageSnapshot(
            wanted, before, after, awaited, frozenset(h.resource for h in holdings)
        )

    def _figures(self, holdings: Iterable[Holding]) -> FiguresByHolding:
        listed = list(holdings)
        resources = frozenset(h.resource for h in listed)
        users = {h.user for h in listed if h.user is not None}
        members = self._members(users, {h.project for h in listed if h.user}, resources)
        return members | self._projects({h.project for h in listed if not h.user}, resources)

    def _members(
        self, users: Collection[str], projects: Collection[str] | None, resources: frozenset[str]
    ) -> dict[Holding, Figure]:
        found: dict[Holding, Figure] = {}
        # Many projects would not fit beside many users. They are filtered out later.
        few = sorted(projects) if projects is not None and len(projects) <= _ASKED else None
        for some in chunks(sorted(users), _ASKED):
            try:
                quotas = self.astakos.service_get_quotas(some, few)
            except NotFound as error:
                _only_nothing(error)
                quotas = {}
            self.step()
            found |= {
                Holding(user, project, resource): Figure(f["usage"], f["pending"], f["limit"])
                for user, of_user in quotas.items()
                for project, of_project in of_user.items()
                for resource, f in of_project.items()
                if resource in resources
            }
        return found

    def _projects(
        self, projects: Iterable[str], resources: frozenset[str]
    ) -> dict[Holding, Figure]:
        found: dict[Holding, Figure] = {}
        for some in chunks(sorted(projects), _ASKED):
            try:
                quotas = self.astakos.service_get_project_quotas(some)
            except NotFound as error:
                _only_nothing(error)
                quotas = {}
            self.step()
            found |= {
                Holding(None, project, resource): Figure(
                    f["project_usage"], f["project_pending"], f["project_limit"]
                )
                for project, of_project in quotas.items()
                for resource, f in of_project.items()
                if resource in resources
            }
        return found

    def _awaited(self) -> frozenset[Holding]:
        """Return the holdings of commissions that Astakos may not have received yet."""
        named: set[Holding] = set()
        for keys in chunks(self.ledger.unissued(self.lane), 500):
            entries = self.ledger.get(self.lane, keys)
            missing = [key for key in keys if key not in entries]
            if missing and self.ledger.newer(self.lane, missing):
                raise LedgerError(
                    "a newer version has written commissions that this one cannot read, and so "
                    "cannot tell what is on its way: upgrade this host (F78)"
                )
            for entry in entries.values():
                request = entry.record.request
                for holder, source, resource, _ in request.provisions if request else ():
                    user = holder.removeprefix("user:") if source else None
                    project = (source or holder).removeprefix("project:")
                    named.add(Holding(user, project, resource))
        return frozenset(named)


def _only_nothing(error: NotFound) -> None:
    """Raise the error again, unless Astakos itself said that it knows none of the names."""
    if error.outcome is not Outcome.REFUSED:
        raise error
