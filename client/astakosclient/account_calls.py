"""Calls about users: identity, names, quotas, resources, services, feedback."""

from __future__ import annotations

import base64
import contextlib
import functools
import time
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote_plus

from astakosclient.caller import Caller
from astakosclient.endpoints import OAUTH2, Endpoints
from astakosclient.errors import NoEndpoints, NoUserName, NoUUID
from astakosclient.http_messages import HttpRequest
from astakosclient.texts import form, part, query, text, texts
from astakosclient.transport import encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from astakosclient.answer_types import Figures, ProjectFigures, Resource

FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


class AccountCalls(Caller):
    """The calls about users, one method each."""

    def authenticate(self, tenant_name: str | None = None) -> dict[str, Any]:
        """Return `{"access": {"token": ..., "user": ..., "serviceCatalog": [...]}}`.

        Needs a user's token, which the reply holds too. If `tenant_name` is given, it must be
        the user's own uuid; else Astakos answers `BadRequest`.
        """
        auth: dict[str, Any] = {"token": {"id": self.token}}
        if tenant_name is not None:
            auth["tenantName"] = tenant_name
        deadline = time.monotonic() + self._limits.total_timeout
        reply = self._ask_catalog(deadline, encoded({"auth": auth}))
        if self._catalog is None:
            # The login is good without this entry. A call that needs the entry says so.
            with contextlib.suppress(NoEndpoints):
                self._catalog = Endpoints.of(reply)
        return reply

    def get_endpoints(self, extra: bool = False) -> dict[str, Any]:
        """Return the catalog, `{"access": {"serviceCatalog": [...]}}`, for `parse_endpoints`.

        Raises `NoEndpoints` if the catalog has no account service; with `extra`, also if it has
        no OAuth 2 service.
        """
        reply = self._ask_catalog(time.monotonic() + self._limits.total_timeout)
        self._catalog = found = Endpoints.of(reply)
        if extra and found.oauth2 is None:
            raise NoEndpoints(ep_name=OAUTH2)
        return reply

    def validate_token(self, token_id: str, belongs_to: str | None = None) -> dict[str, Any]:
        """Return the owner of an OAuth 2 access token: `{"access": {"token", "user"}}`.

        Raises `NotFound` if the token is unknown or expired, or if `belongs_to` is given and
        does not start with the token's scope.
        """
        quoted = part("token_id", text("token_id", token_id, shown=False))
        request = HttpRequest(
            "GET",
            f"{self._identity.path}/tokens/{quoted}{query(belongsTo=belongs_to)}",
            dict,
            safe=True,
            secrets=(token_id, quoted),
        )
        deadline = time.monotonic() + self._limits.total_timeout
        reply: dict[str, Any] = self._transport.call(request, self._headers, deadline)
        return reply

    def get_token(
        self, grant_type: str, client_id: str, client_secret: str, **body_params: str
    ) -> dict[str, Any]:
        """Exchange an OAuth 2 code for `{"access_token", "token_type", "expires_in"}` (seconds).

        `body_params` are the other fields of the form: `code` and `redirect_uri`. A code works
        once, so the request is never repeated. The token of this client is not sent along.
        Raises `BadRequest` for every mistake in the form, `NoEndpoints` if there is no OAuth 2.
        """
        content = form(grant_type=grant_type, client_id=client_id, **body_params)
        text("client_secret", client_secret, shown=False)
        basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        deadline = time.monotonic() + self._limits.total_timeout
        self._discovered(deadline)
        request = HttpRequest(
            "POST",
            self.api_oauth2_token,
            dict,
            content,
            {**FORM_HEADERS, "Authorization": f"Basic {basic}"},
            oauth=True,
            secrets=(
                self.token,
                basic,
                client_secret,
                quote_plus(client_secret),
                *body_params.values(),
            ),
        )
        own = {name: text for name, text in self._headers.items() if name != "X-Auth-Token"}
        reply: dict[str, Any] = self._transport.call(request, own, deadline)
        return reply

    def get_usernames(self, uuids: Iterable[str]) -> dict[str, str]:
        """Return `{uuid: name}`; unknown uuids are left out. Needs a user's token."""
        return self._names(lambda: self.api_user_catalogs, uuids)

    def service_get_usernames(self, uuids: Iterable[str] | None) -> dict[str, str]:
        """Return `{uuid: name}`; unknown uuids are left out. Needs a component's token.

        If `uuids` is None, the answer has all users.
        """
        return self._names(lambda: self.api_service_user_catalogs, uuids)

    def get_username(self, uuid: str) -> str:
        """Return the name of a user. Raises `NoUserName`. Needs a user's token."""
        return _name_in(self.get_usernames([text("uuid", uuid)]), uuid)

    def service_get_username(self, uuid: str) -> str:
        """Return the name of a user. Raises `NoUserName`. Needs a component's token."""
        return _name_in(self.service_get_usernames([text("uuid", uuid)]), uuid)

    def get_uuids(self, display_names: Iterable[str]) -> dict[str, str]:
        """Return `{name as given: uuid}`; unknown names are left out. Needs a user's token."""
        return self._uuids(lambda: self.api_user_catalogs, display_names)

    def service_get_uuids(
        self, uuids: Iterable[str] | None = None, *, display_names: Iterable[str] | None = None
    ) -> dict[str, str]:
        """Return `{name as given: uuid}`; unknown names are left out. Needs a component's token.

        Give names, under either argument. The user's document calls it `uuids`, the later
        package `display_names`.
        """
        names = display_names if uuids is None else uuids
        return self._uuids(lambda: self.api_service_user_catalogs, names)

    def get_uuid(self, display_name: str) -> str:
        """Return the uuid of a user. Raises `NoUUID`. Needs a user's token.

        Upper and lower case in the name do not matter.
        """
        return _uuid_in(self.get_uuids([text("display_name", display_name)]), display_name)

    def service_get_uuid(self, uuid: str | None = None, *, display_name: str | None = None) -> str:
        """Return the uuid of a user. Raises `NoUUID`. Needs a component's token.

        Give the name, under either argument. The user's document calls it `uuid`, the later
        package `display_name`.
        """
        name = text("the name", display_name if uuid is None else uuid)
        return _uuid_in(self.service_get_uuids([name]), name)

    def _names(self, where: Callable[[], str], uuids: Iterable[str] | None) -> dict[str, str]:
        body = {"uuids": uuids if uuids is None else texts("uuids", uuids)}
        return self._catalog_of(where, body, "uuid_catalog")

    def _uuids(self, where: Callable[[], str], names: Iterable[str] | None) -> dict[str, str]:
        body = {"displaynames": names if names is None else texts("display_names", names)}
        return self._catalog_of(where, body, "displayname_catalog")

    def _catalog_of(self, where: Callable[[], str], body: object, name: str) -> dict[str, str]:
        lacks = functools.partial(_lacks_catalog, name)
        reply = self._call("POST", where, dict, body, safe=True, flaw=lacks)
        return cast("dict[str, str]", reply[name])

    def get_services(self) -> list[dict[str, Any]]:
        """Return the registered components, as the web interface lists them: `[{"name", ...}]`.

        Raises `NoEndpoints` if the catalog has no web interface.
        """
        return cast("list[dict[str, Any]]", self._call("GET", lambda: self.api_get_services, list))

    def get_resources(self) -> dict[str, Resource]:
        """Return the resources: `{resource: {"service", "description", "unit", ...}}`."""
        return cast("dict[str, Resource]", self._call("GET", lambda: self.api_resources, dict))

    def get_quotas(self) -> dict[str, dict[str, Figures]]:
        """Return the quotas of the user: `{project: {resource: figures}}`. Needs a user's token."""
        found = self._call("GET", lambda: self.api_quotas, dict)
        return cast("dict[str, dict[str, Figures]]", found)

    def service_get_quotas(
        self,
        user: str | Iterable[str] | None = None,
        project_id: str | Iterable[str] | None = None,
        project: str | Iterable[str] | None = None,
    ) -> dict[str, dict[str, dict[str, Figures]]]:
        """Return `{user: {project: {resource: figures}}}` for the component's resources.

        Needs a component's token. `user` and `project_id` are a uuid or several uuids, and
        narrow the answer down; `project` is an older name of `project_id`. An empty list of
        either gives `{}`, without a request. Raises `NotFound` if `user` is given and nothing
        is found.
        """
        wanted = project if project_id is None else project_id
        filters = query(user=user, project=wanted)
        if filters is None:
            return {}
        found = self._call("GET", lambda: f"{self.api_service_quotas}{filters}", dict)
        return cast("dict[str, dict[str, dict[str, Figures]]]", found)

    def service_get_project_quotas(
        self,
        project_id: str | Iterable[str] | None = None,
        project: str | Iterable[str] | None = None,
    ) -> dict[str, dict[str, ProjectFigures]]:
        """Return `{project: {resource: figures}}`, the figures of all members together.

        Needs a component's token. Arguments as for `service_get_quotas`. Raises `NotFound` if
        projects are given and none is found.
        """
        filters = query(project=project if project_id is None else project_id)
        if filters is None:
            return {}
        found = self._call("GET", lambda: f"{self.api_service_project_quotas}{filters}", dict)
        return cast("dict[str, dict[str, ProjectFigures]]", found)

    def send_feedback(self, message: str, data: str) -> None:
        """Send a message to the operators of the cloud. Needs a user's token.

        `data` describes the program that the message comes from.
        """
        content = form(feedback_msg=message, feedback_data=data)
        self._call("POST", lambda: self.api_feedback, None, content, headers=FORM_HEADERS)

    def set_default_project(self, project_id: str) -> None:
        """Make a project the user's default project. Needs a user's token.

        Raises `NotFound` if there is no such project or membership, `Forbidden` if the
        membership or the project is not active.
        """
        self._call("POST", lambda: self.api_default_project, None, {"project_id": project_id})


def _lacks_catalog(name: str, reply: Mapping[str, Any]) -> str | None:
    found = reply.get(name)
    good = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    return None if good else f"the reply has no {name}"


def _name_in(catalog: Mapping[str, str], uuid: str) -> str:
    if uuid not in catalog:
        raise NoUserName(uuid)
    return catalog[uuid]


def _uuid_in(catalog: Mapping[str, str], name: str) -> str:
    if name not in catalog:
        raise NoUUID(name)
    return catalog[name]
