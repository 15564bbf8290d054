"""Calls about projects, applications and memberships. With a user's token.

None of them is sent again after a lost answer: that would apply, or join, twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from astakosclient.caller import Caller
from astakosclient.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astakosclient.answer_types import Application, MembershipId


class ProjectCalls(Caller):
    """Projects, applications and memberships, one method for each call."""

    def get_projects(
        self,
        name: str | None = None,
        state: str | None = None,
        owner: str | None = None,
        mode: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return the projects that the user may see, filtered.

        `mode` is `default`, `related`, `member` or `active`; `owner` a uuid.
        """
        query = _query(name=name, state=state, owner=owner, mode=mode)
        found = self._call("GET", lambda: f"{self.api_projects}{query}", list)
        return cast("list[dict[str, Any]]", found)

    def get_project(self, project_id: str) -> dict[str, Any]:
        """Return a project; `NotFound`, or `Forbidden` where the user may not see it."""
        part = _part(project_id)
        found = self._call("GET", lambda: f"{self.api_projects}/{part}", dict)
        return cast("dict[str, Any]", found)

    def create_project(self, specs: Mapping[str, Any]) -> Application:
        """Apply for a project; `specs` needs `name` and `end_date` (with a time zone)."""
        applied = self._call("POST", lambda: self.api_projects, dict, dict(specs))
        return cast("Application", applied)

    def modify_project(self, project_id: str, specs: Mapping[str, Any]) -> Application:
        """Apply for a change of a project; `specs` holds the fields to change, no others."""
        part = _part(project_id)
        applied = self._call("PUT", lambda: f"{self.api_projects}/{part}", dict, dict(specs))
        return cast("Application", applied)

    def project_action(self, project_id: str, action: str, reason: str = "") -> None:
        """Do `suspend`, `unsuspend`, `terminate` or `reinstate` to a project."""
        self._project_action(project_id, {action: {"reason": reason}})

    def application_action(
        self, project_id: str, app_id: int, action: str, reason: str = ""
    ) -> None:
        """Do `approve`, `deny`, `cancel` or `dismiss` to an application of a project."""
        self._project_action(project_id, {action: {"app_id": app_id, "reason": reason}})

    def _project_action(self, project_id: str, body: object) -> None:
        part = _part(project_id)
        self._call("POST", lambda: f"{self.api_projects}/{part}/action", None, body)

    def get_memberships(
        self, project_id: str | None = None, project: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the user's memberships and those of the user's projects, or of one project.

        `project` is the old name of `project_id`.
        """
        query = _query(project=project if project_id is None else project_id)
        found = self._call("GET", lambda: f"{self.api_memberships}{query}", list)
        return cast("list[dict[str, Any]]", found)

    def get_membership(self, memb_id: int) -> dict[str, Any]:
        """Return a membership; `NotFound`, or `Forbidden` where the user may not see it."""
        part = _part(memb_id)
        found = self._call("GET", lambda: f"{self.api_memberships}/{part}", dict)
        return cast("dict[str, Any]", found)

    def membership_action(self, memb_id: int, action: str, reason: str = "") -> None:
        """Do `accept`, `reject`, `cancel`, `leave` or `remove` to a membership."""
        part = _part(memb_id)
        path = f"/{part}/action"
        self._call("POST", lambda: f"{self.api_memberships}{path}", None, {action: reason})

    def join_project(self, project_id: str) -> MembershipId:
        """Ask to join a project: `{"id": membership}`; at once or later, by its policy."""
        body = {"join": {"project": project_id}}
        return cast("MembershipId", self._call("POST", lambda: self.api_memberships, dict, body))

    def enroll_member(self, project_id: str, email: str) -> MembershipId:
        """Make a user a member of a project: `{"id": membership}`."""
        body = {"enroll": {"project": project_id, "user": email}}
        return cast("MembershipId", self._call("POST", lambda: self.api_memberships, dict, body))


def _part(given: str | int) -> str:
    """Return an id as a part of a path, whatever characters it has."""
    if type(given) not in (str, int) or given == "":
        raise BadValue(f"an id must be a string or a number, not {given!r}")
    return quote(str(given), safe="")


def _query(**filters: str | None) -> str:
    given = {name: value for name, value in filters.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
