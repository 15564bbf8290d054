"""The look-ups of a test: answered from the users that it adds, and from Astakos in memory."""

import uuid
from typing import TYPE_CHECKING, Any

from astakos_worker.engine.replies import fault_of
from astakos_worker.service.asks import BrokerAwayError
from astakos_worker.service.lookups import Lookups
from astakos_worker.testing.in_memory.astakos import InMemoryAstakos
from astakosclient.errors import AstakosClientException, NotFound, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from astakosclient.answer_types import ProjectFigures


class InMemoryAsks:
    """Answers look-ups as workers would; `away` is an outage of the broker.

    `answers` replaces the answer of a look-up by its name: `answers["services"] = [...]`.
    """

    def __init__(self, astakos: InMemoryAstakos) -> None:
        self.reset(astakos)

    def reset(self, astakos: InMemoryAstakos) -> None:
        """Forget all users and answers, and ask another Astakos."""
        self.away: bool = False
        self.answers: dict[str, Any] = {}
        self._astakos = astakos
        self._users: dict[str, str] = {}

    def add_user(self, name: str, of: str | None = None) -> str:
        """Add a user, or change the name of one; return the uuid.

        `of`: the uuid; None: one is made, the same for the same name.
        """
        found = str(uuid.uuid5(uuid.NAMESPACE_DNS, name.lower())) if of is None else of
        self._users[found] = name
        return found

    def ask(self, what: str, kwargs: dict[str, Any], timeout: float) -> Any:
        """Return the answer of a task; `BrokerAwayError` while the broker is away."""
        del timeout  # nothing is waited for
        if self.away:
            raise BrokerAwayError("the test says that the broker is away")
        arguments = {name: value for name, value in kwargs.items() if name != "service"}
        try:
            return {"value": self._astakos.look_up(lambda: self._answer(what, arguments))}
        except AstakosClientException as error:
            return {"error": fault_of(error)}

    def _answer(self, what: str, arguments: dict[str, Any]) -> Any:
        if what in self.answers:
            return self.answers[what]
        answers: dict[str, Callable[..., Any]] = {
            "usernames": self._usernames,
            "uuids": self._uuids,
            "quotas": self._quotas,
            "project_quotas": self._project_quotas,
            "resources": self._resources,
            "services": list,
            "endpoints": lambda: {"access": {"serviceCatalog": []}},
            "pending_commissions": lambda: self._astakos.pending,
            "commission_info": self._astakos.get_commission_info,
        }
        return answers[what](**arguments)

    def _usernames(self, uuids: list[str]) -> dict[str, str]:
        return {one: self._users[one] for one in uuids if one in self._users}

    def _uuids(self, display_names: list[str]) -> dict[str, str]:
        there = {name.lower(): one for one, name in self._users.items()}
        return {name: there[name.lower()] for name in display_names if name.lower() in there}

    def _quotas(self, user: list[str] | None, project_id: list[str] | None) -> dict[str, Any]:
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for (one, project, resource), figures in self._astakos.holdings().items():
            wanted = (user is None or one in user) and (project_id is None or project in project_id)
            if wanted:
                found.setdefault(one, {}).setdefault(project, {})[resource] = figures
        if user is not None and not found:
            raise NotFound("Not Found", "no such user", outcome=Outcome.REFUSED)
        return found

    def _project_quotas(self, project_id: list[str] | None) -> dict[str, Any]:
        found: dict[str, dict[str, ProjectFigures]] = {}
        for (_, project, resource), figures in self._astakos.holdings().items():
            if project_id is None or project in project_id:
                found.setdefault(project, {})[resource] = {
                    "project_limit": figures["project_limit"],
                    "project_usage": figures["project_usage"],
                    "project_pending": figures["project_pending"],
                }
        if project_id is not None and not found:
            raise NotFound("Not Found", "no such project", outcome=Outcome.REFUSED)
        return found

    def _resources(self) -> dict[str, Any]:
        of_holdings = {resource for _, _, resource in self._astakos.holdings()}
        row = {"description": "", "unit": None, "ui_visible": True, "api_visible": True}
        return {
            name: {"service": name.partition(".")[0], **row}
            for name in sorted({*(self._astakos.limits or {}), *of_holdings})
        }


class InMemoryLookups(Lookups):
    """`Lookups` for unit tests; see `Lookups.in_memory()`, which makes it.

    `users` has `add_user`, `answers` and the switch `away`; `astakos` has the faults.
    """

    def __init__(self, astakos: InMemoryAstakos, *, service: str = "default") -> None:
        self.astakos: InMemoryAstakos = astakos
        self.users: InMemoryAsks = InMemoryAsks(astakos)
        super().__init__(service, settings=None, asks=self.users)
