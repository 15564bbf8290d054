"""Projects: list, look at, apply, modify, decide (the protocol, sections 3.11 to 3.13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from astakos_worker.sandbox.api.one_key import one_of
from astakos_worker.sandbox.api.project_view import describe_project
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.operation import UserOperation
from astakos_worker.sandbox.projects import applications
from astakos_worker.sandbox.projects.applications import Verdict, decide
from astakos_worker.sandbox.projects.state_changes import Change, change_state
from astakos_worker.sandbox.projects.visibility import Mode, listed_projects, visible_project
from astakos_worker.sandbox.projects.wishing import read_wishes
from astakos_worker.sandbox.records import ProjectState
from astakos_worker.sandbox.wire import Reply, Request, reply_json

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import Application, User, Wishes


@dataclass(frozen=True, slots=True)
class ListProjects(UserOperation):
    """`GET projects`: those that concern the caller."""

    name: ClassVar[str] = "projects.list"
    caller: User
    mode: Mode
    wanted_name: str | None
    owner: str | None
    state: ProjectState | None

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """Unknown parameters do not matter, unknown values of known ones do."""
        state = request.parameter("state")
        try:
            mode = Mode(request.parameter("mode") or Mode.DEFAULT)
            wanted_state = None if state is None else ProjectState(state)
        except ValueError as cause:
            raise ApiFaultError(400, f"There is no such mode or state: {cause}") from cause
        names = request.parameter("name"), request.parameter("owner")
        return cls(user, mode, *names, wanted_state)

    def perform(self, astakos: Astakos) -> Reply:
        """A list of project objects."""
        return reply_json(
            [
                describe_project(astakos, self.caller, project)
                for project in listed_projects(astakos.world, self.caller, self.mode)
                if self.wanted_name in {None, project.name}
                and (self.owner is None or self.owner == project.owner)
                and self.state in {None, project.state}
            ]
        )


@dataclass(frozen=True, slots=True)
class ShowProject(UserOperation):
    """`GET projects/<uuid>`."""

    name: ClassVar[str] = "projects.info"
    caller: User
    project: str

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """The path names the project."""
        return cls(user, request.argument)

    def perform(self, astakos: Astakos) -> Reply:
        """One project object."""
        project = visible_project(astakos.world, self.caller, self.project)
        return reply_json(describe_project(astakos, self.caller, project))


@dataclass(frozen=True, slots=True)
class Apply(UserOperation):
    """`POST projects`: apply for a new one."""

    name: ClassVar[str] = "projects.create"
    caller: User
    wishes: Wishes

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """Read the wishes."""
        return cls(user, read_wishes(request.json_object(uncaught=True)))

    def perform(self, astakos: Astakos) -> Reply:
        """The new project and its application."""
        return _submitted(applications.apply(astakos, self.caller, self.wishes))


@dataclass(frozen=True, slots=True)
class Modify(UserOperation):
    """`PUT projects/<uuid>`: apply for a change."""

    name: ClassVar[str] = "projects.modify"
    caller: User
    project: str
    wishes: Wishes

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """Read the wishes."""
        body = request.json_object(uncaught=True)
        return cls(user, request.argument, read_wishes(body))

    def perform(self, astakos: Astakos) -> Reply:
        """The project and the application for its change."""
        application = applications.modify(astakos, self.caller, self.project, self.wishes)
        return _submitted(application)


@dataclass(frozen=True, slots=True)
class ActOnProject(UserOperation):
    """`POST projects/<uuid>/action`: about the project, or about its application."""

    name: ClassVar[str] = "projects.action"
    caller: User
    project: str
    action: Change | Verdict
    app_id: int

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """One recognized key, whose value may hold a reason, and must hold what it is about."""
        key, details = one_of(request.json_object(uncaught=True), (*Change, *Verdict))
        if not isinstance(details, dict):
            raise ApiFaultError(400, f"{key} must be an object", uncaught=True)
        if not isinstance(details.get("reason", ""), str | None):
            raise ApiFaultError(400, "reason must be a string", uncaught=True)
        if key in set(Change):
            return cls(user, request.argument, Change(key), 0)
        app_id = details.get("app_id")
        if type(app_id) is not int:
            raise ApiFaultError(400, f"{key} needs an app_id", uncaught=True)
        return cls(user, request.argument, Verdict(key), app_id)

    def perform(self, astakos: Astakos) -> Reply:
        """An empty answer, whatever was asked."""
        if isinstance(self.action, Change):
            change_state(astakos, self.caller, self.project, self.action)
        else:
            decide(astakos, self.caller, self.project, self.app_id, self.action)
        return Reply(200)


def _submitted(application: Application) -> Reply:
    return reply_json({"id": application.project, "application": application.id}, 201)
