"""Calls about projects, applications and memberships. All need a user's token.

A call that changes something is never repeated after a lost answer: a second application, or a
second join, would be the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from astakosclient.caller import Caller
from astakosclient.errors import BadValue
from astakosclient.texts import part, query, text

if TYPE_CHECKING:
    from astakosclient.answer_types import Application, MembershipId


class ProjectCalls(Caller):
    """The calls about projects, one method each.

    A status 409 is an `AstakosClientException` with `status` 409: the project, application or
    membership exists, and its state does not allow the change.
    """

    def get_projects(
        self,
        name: str | None = None,
        state: str | None = None,
        owner: str | None = None,
        mode: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return the projects that the user may see.

        `name`, `state` and `owner` (a uuid) narrow the answer down. `mode` is `"default"`,
        `"related"`, `"member"` or `"active"`. Raises `BadRequest` for an unknown state or mode.
        """
        filters = query(name=name, state=state, owner=owner, mode=mode)
        found = self._call("GET", lambda: f"{self.api_projects}{filters or ''}", list)
        return cast("list[dict[str, Any]]", found)

    def get_project(self, project_id: str) -> dict[str, Any]:
        """Return a project. Raises `NotFound`, or `Forbidden` if the user may not see it."""
        quoted = part("project_id", project_id)
        found = self._call("GET", lambda: f"{self.api_projects}/{quoted}", dict)
        return cast("dict[str, Any]", found)

    def create_project(self, specs: Mapping[str, Any]) -> Application:
        """Apply for a project; return `{"id": uuid, "application": number}`.

        `specs` needs `name` (shaped like a domain) and `end_date` (ISO 8601, with a time zone).
        Raises `BadRequest` for a wrong field, 409 if the user has too many pending applications.
        """
        applied = self._call("POST", lambda: self.api_projects, dict, _checked(specs))
        return cast("Application", applied)

    def modify_project(self, project_id: str, specs: Mapping[str, Any]) -> Application:
        """Apply for a change of a project; return `{"id": uuid, "application": number}`.

        `specs` has the fields to change, and no others. Raises `BadRequest`, `NotFound`,
        `Forbidden`, 409.
        """
        quoted = part("project_id", project_id)
        applied = self._call("PUT", lambda: f"{self.api_projects}/{quoted}", dict, _checked(specs))
        return cast("Application", applied)

    def project_action(self, project_id: str, action: str, reason: str = "") -> None:
        """Change the state of a project: `suspend`, `unsuspend`, `terminate` or `reinstate`.

        Needs the token of an administrator. Raises `NotFound`, `Forbidden`, `BadRequest`, 409.
        """
        self._project_action(project_id, {text("action", action): {"reason": reason}})

    def application_action(
        self, project_id: str, app_id: int, action: str, reason: str = ""
    ) -> None:
        """Decide about an application: `approve`, `deny`, `cancel` or `dismiss`.

        `approve` and `deny` need the token of an administrator. Raises `NotFound`,
        `Forbidden`, `BadRequest`, 409.
        """
        self._project_action(
            project_id, {text("action", action): {"app_id": app_id, "reason": reason}}
        )

    def _project_action(self, project_id: str, body: object) -> None:
        quoted = part("project_id", project_id)
        self._call("POST", lambda: f"{self.api_projects}/{quoted}/action", None, body)

    def get_memberships(
        self, project_id: str | None = None, project: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the memberships of the user, and those in projects that the user owns.

        With `project_id`, only those in that project. `project` is its older name.
        """
        filters = query(project=project if project_id is None else project_id)
        found = self._call("GET", lambda: f"{self.api_memberships}{filters or ''}", list)
        return cast("list[dict[str, Any]]", found)

    def get_membership(self, memb_id: int) -> dict[str, Any]:
        """Return a membership. Raises `NotFound`, or `Forbidden` if the user may not see it."""
        quoted = part("memb_id", memb_id)
        found = self._call("GET", lambda: f"{self.api_memberships}/{quoted}", dict)
        return cast("dict[str, Any]", found)

    def membership_action(self, memb_id: int, action: str, reason: str = "") -> None:
        """Change a membership: `accept`, `reject`, `cancel`, `leave` or `remove`.

        Raises `NotFound`, `Forbidden`, `BadRequest`, 409.
        """
        quoted = part("memb_id", memb_id)
        path = f"/{quoted}/action"
        self._call(
            "POST", lambda: f"{self.api_memberships}{path}", None, {text("action", action): reason}
        )

    def join_project(self, project_id: str) -> MembershipId:
        """Ask to join a project; return `{"id": number of the membership}`.

        The policy of the project decides whether the membership is accepted at once. Raises
        `NotFound`, 409.
        """
        body = {"join": {"project": project_id}}
        return cast("MembershipId", self._call("POST", lambda: self.api_memberships, dict, body))

    def enroll_member(self, project_id: str, email: str) -> MembershipId:
        """Make a user a member of a project; return `{"id": number of the membership}`.

        Needs the token of the project's owner, or of an administrator. Raises `Forbidden`; 409,
        also for an unknown e-mail address or project.
        """
        body = {"enroll": {"project": project_id, "user": email}}
        return cast("MembershipId", self._call("POST", lambda: self.api_memberships, dict, body))


def _checked(specs: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(specs, Mapping):
        raise BadValue(f"specs must be a dict of the fields of a project, not {specs!r}")
    return dict(specs)
