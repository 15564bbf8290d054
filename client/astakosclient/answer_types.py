"""The shapes of what Astakos answers, as types. What is documented as always there is required."""

from __future__ import annotations

from typing import Any, TypedDict


class CatalogEntry(TypedDict, total=False):
    """One service of the catalog."""

    name: str
    type: str
    endpoints: list[dict[str, Any]]
    endpoints_links: list[Any]


class ProjectFigures(TypedDict):
    """What all members of a project together have of one resource."""

    project_limit: int
    project_usage: int
    project_pending: int


class Figures(ProjectFigures):
    """What one member has of one resource, beside the project's figures."""

    limit: int
    usage: int
    pending: int


class Resource(TypedDict):
    """A resource as registered; `unit` is `"bytes"` or None."""

    service: str
    description: str
    unit: str | None
    ui_visible: bool
    api_visible: bool


class Provision(TypedDict):
    """One counter to change: `holder` is `user:<uuid>` or `project:<uuid>`; `source` is
    `project:<uuid>`, or None where a project is the holder; `quantity` is signed.
    """  # noqa: D205 - the shape is the summary

    holder: str
    source: str | None
    resource: str
    quantity: int


class Commission(TypedDict):
    """A pending commission; its provisions are merged, in no particular order."""

    serial: int
    issue_time: str
    name: str
    provisions: list[Provision]


class Resolution(TypedDict):
    """What became of a batch; `failed` holds pairs of a serial and its fault."""

    accepted: list[int]
    rejected: list[int]
    failed: list[list[Any]]


class Application(TypedDict):
    """Where an application for a project was filed."""

    id: str
    application: int


class MembershipId(TypedDict):
    """The membership that a join or an enrolment led to."""

    id: int
