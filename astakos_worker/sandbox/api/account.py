"""A user's own account: feedback, and the default project (the protocol, section 3.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.forms import form_of
from astakos_worker.sandbox.operation import UserOperation
from astakos_worker.sandbox.records import ProjectState
from astakos_worker.sandbox.wire import Reply, Request

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import User


@dataclass(frozen=True, slots=True)
class SendFeedback(UserOperation):
    """`POST feedback`: a form, not JSON."""

    name: ClassVar[str] = "feedback"
    user: str
    message: str
    data: str

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """A body of any other type looks like an empty form."""
        form = form_of(request)
        message = form.get("feedback_msg", "")
        if not message:
            raise ApiFaultError(400, "feedback_msg is missing")
        return cls(user.uuid, message, form.get("feedback_data", ""))

    def perform(self, astakos: Astakos) -> Reply:
        """An empty answer; the control interface shows what was said."""
        astakos.audit.hear(self.user, self.message, self.data)
        return Reply(200)


@dataclass(frozen=True, slots=True)
class SetDefaultProject(UserOperation):
    """`POST myaccount/default_project`: which project to draw on if nothing else is said."""

    name: ClassVar[str] = "default_project"
    user: User
    project: object

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """Whether there is an id at all is a question for later."""
        return cls(user, request.json_object(uncaught=True).get("project_id"))

    def perform(self, astakos: Astakos) -> Reply:
        """An empty answer."""
        if self.project is None:
            raise ApiFaultError(403, "project_id is missing")
        if not self.user.is_accepted:
            raise ApiFaultError(405, "The account is not ready", allow=())
        project = astakos.world.projects.get(str(self.project))
        if project is None:
            raise ApiFaultError(404, "There is no such project")
        if not project.state.is_alive:
            raise ApiFaultError(409, f"The project is {project.state}", uncaught=True)
        row = astakos.world.membership(self.user.uuid, project.uuid)
        if row is None:
            raise ApiFaultError(404, "You are no member of this project")
        if not row.state.is_actually_accepted or project.state is ProjectState.SUSPENDED:
            raise ApiFaultError(403, "You cannot draw on this project")
        self.user.default_project = project.uuid
        astakos.changed()
        return Reply(200)
