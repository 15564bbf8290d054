"""Types of what Astakos answers. A field that is documented as always there is required."""

from __future__ import annotations

from typing import Any, TypedDict


class CatalogEntry(TypedDict, total=False):
    """One service of the catalog."""

    name: str
    type: str
    endpoints: list[dict[str, Any]]
    endpoints_links: list[Any]


class ProjectFigures(TypedDict):
    """Limit, usage and pending quantity of one resource, of all members of a project together."""

    project_limit: int
    project_usage: int
    project_pending: int


class Figures(ProjectFigures):
    """The same three figures of one member, beside those of the project."""

    limit: int
    usage: int
    pending: int


class Resource(TypedDict):
    """A registered resource; `unit` is `"bytes"`, or None for a count."""

    service: str
    description: str
    unit: str | None
    ui_visible: bool
    api_visible: bool


class Provision(TypedDict):
    """A change of one holding.

    `holder` is `user:<uuid>` or `project:<uuid>`. `source` is `project:<uuid>`, or None if the
    holder is a project. `quantity` is more than 0 to allocate, less than 0 to release.
    """

    holder: str
    source: str | None
    resource: str
    quantity: int


class Commission(TypedDict):
    """A pending commission. Its provisions are merged, and in no order."""

    serial: int
    issue_time: str
    name: str
    provisions: list[Provision]


class Resolution(TypedDict):
    """The answer to accepting and rejecting many; `failed` has pairs `[serial, fault]`."""

    accepted: list[int]
    rejected: list[int]
    failed: list[list[Any]]


class Application(TypedDict):
    """A new application: `id` is the uuid of its project, `application` its own number."""

    id: str
    application: int


class MembershipId(TypedDict):
    """The number of the membership that a join or an enrolment made."""

    id: int
