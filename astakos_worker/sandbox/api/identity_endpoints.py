"""Identity: discovery, authentication, versions, components (the protocol, 2, 3.3 and 3.6)."""

import json
import re
from typing import Final

from astakos_worker.sandbox.api.endpoint import ApiCall, ApiWork, replies, valid_user
from astakos_worker.sandbox.api_messages import Reply, reply_json
from astakos_worker.sandbox.astakos import SandboxAstakos
from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.database_rows import Component, ProjectState, Service, User
from astakos_worker.sandbox.errors import ApiFaultError

_MEDIA_TYPES: Final = [
    {"base": f"application/{syntax}", "type": f"application/vnd.openstack.identity-v2.0+{syntax}"}
    for syntax in ("json", "xml")
]
_CALLBACK: Final = re.compile(r"[\w.$]+", re.ASCII)


def discover(call: ApiCall[None]) -> ApiWork:
    """`POST tokens`: the catalog, and with a credential also whose it is."""
    user = _authenticate(call) if call.request.body else None

    def perform() -> Reply:
        access = {} if user is None else _identity(call.astakos, user)
        return reply_json({"access": {**access, "serviceCatalog": _catalog(call)}})

    return ApiWork(perform)


@replies
def list_versions(call: ApiCall[None]) -> Reply:
    """`GET` on the identity's root: the one version."""
    return reply_json({"versions": {"values": [_version(call.request.base_url)]}})


@replies
def show_version(call: ApiCall[None]) -> Reply:
    """`GET` on the identity's base: the version with its media types."""
    version = {**_version(call.request.base_url), "media_types": _MEDIA_TYPES}
    return reply_json({"version": version})


@replies
def list_components(call: ApiCall[None]) -> Reply:
    """`GET get_services`: a list of the components; with `callback` as JSONP."""
    callback = call.request.query.get("callback", "")
    if callback and not _CALLBACK.fullmatch(callback):
        raise ApiFaultError(400, "callback must be the name of a function")
    base_url = call.request.base_url
    components = [
        _describe_component(component, number, base_url)
        for number, component in enumerate(call.database.components.values(), 1)
    ]
    components.sort(key=lambda shown: int(str(shown["order"])))
    if callback:
        body = f"{callback}({json.dumps(components)})"
        return Reply(200, body.encode(), "application/javascript; charset=UTF-8")
    return reply_json(components)


def describe_user(database: Database, user: User) -> dict[str, object]:
    """Return a user as the identity API shows the owner of a token.

    A group is a role, with the same id for each of its members; without groups there are no roles.
    """
    groups = dict.fromkeys(group for each in database.users.values() for group in each.groups)
    numbers = {group: str(number) for number, group in enumerate(groups, 1)}
    return {
        "id": user.uuid,
        "name": user.full_name,
        "roles": [{"id": numbers[group], "name": group} for group in user.groups],
        "roles_links": [],
    }


def describe_token(token: str, expires: str, user: User) -> dict[str, object]:
    """Return a token with its owner's default project."""
    tenant = {"id": user.default_project, "name": user.full_name}
    return {"id": token, "expires": expires, "tenant": tenant}


def _authenticate(call: ApiCall[None]) -> User:
    auth = call.request.json_object(uncaught=True).get("auth", {})
    if not isinstance(auth, dict):
        raise ApiFaultError(400, "auth must be an object", uncaught=True)
    username = None
    if "token" in auth:
        token = _member(auth, "token").get("id")
    else:
        credentials = _member(auth, "passwordCredentials")
        username, token = credentials.get("username"), credentials.get("password")
        if not username:
            raise ApiFaultError(400, "passwordCredentials need a username and a password")
    if not isinstance(token, str) or not token:
        raise ApiFaultError(400, "The credential lacks a token")
    user = valid_user(call.database.user_by_token(token), call.astakos.clock.now())
    if username is not None and username != user.uuid:
        raise ApiFaultError(401, "The token belongs to another user")
    tenant = auth.get("tenantName")
    if tenant and tenant != user.uuid:
        raise ApiFaultError(400, "The tenant is not the user")
    return user


def _member(auth: dict[str, object], key: str) -> dict[str, object]:
    value = auth.get(key)
    if value is None:
        raise ApiFaultError(400, "auth needs a token or passwordCredentials")
    if not isinstance(value, dict):
        raise ApiFaultError(400, f"{key} must be an object", uncaught=True)
    return value


def _identity(astakos: SandboxAstakos, user: User) -> dict[str, object]:
    projects = [
        project.uuid
        for project, row in astakos.database.memberships_of(user.uuid)
        if project.state is ProjectState.ACTIVE and row.state.is_actually_accepted
    ]
    return {
        "token": describe_token(user.token, astakos.time(user.token_expires), user),
        "user": {**describe_user(astakos.database, user), "projects": projects},
    }


def _catalog(call: ApiCall[None]) -> list[dict[str, object]]:
    database, base_url = call.database, call.request.base_url
    return [
        {
            "name": service.name,
            "type": service.type,
            "endpoints_links": [],
            "endpoints": _endpoints(service, database.components[service.component], base_url),
        }
        for service in database.services.values()
    ]


def _endpoints(
    service: Service, component: Component, base_url: str
) -> list[dict[str, str | None]]:
    entries = []
    for endpoint in service.endpoints:
        public_url = _absolute(endpoint["publicURL"], base_url)
        ui_url = _absolute(component.url, base_url)
        entry = {**endpoint, "publicURL": public_url, "SNF:uiURL": ui_url, "region": "default"}
        if service.name == "astakos_weblogin":
            entry["SNF:webloginURL"] = public_url
        entries.append(entry)
    return entries


def _describe_component(component: Component, number: int, base_url: str) -> dict[str, object]:
    order = number if component.order is None else component.order
    return {
        "name": component.name,
        "url": _absolute(component.url, base_url),
        "verbose_name": component.verbose_name or component.name,
        "order": order,
        "dashboard": {"order": order, "show": True, **component.dashboard},
        "cloudbar": {"show": True, **component.cloudbar},
    }


def _version(base_url: str) -> dict[str, object]:
    return {
        "id": "v2.0",
        "status": "CURRENT",
        "updated": "2013-03-06T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base_url}/identity/v2.0/"}],
    }


def _absolute(url: str | None, base_url: str) -> str | None:
    """Return a path of the seed as a URL of this sandbox; a URL stays as it is."""
    return base_url + url if url is not None and url.startswith("/") else url
