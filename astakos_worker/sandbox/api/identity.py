"""Identity: discovery, authentication and version documents (the protocol, sections 2 and 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.operation import PublicOperation, valid_user
from astakos_worker.sandbox.records import ProjectState
from astakos_worker.sandbox.wire import Reply, Request, reply_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import Service, User
    from astakos_worker.sandbox.world import World


_MEDIA_TYPES: Final = [
    {
        "base": f"application/{syntax}",
        "type": f"application/vnd.openstack.identity-v2.0+{syntax}",
    }
    for syntax in ("json", "xml")
]


@dataclass(frozen=True, slots=True)
class Discover(PublicOperation):
    """`POST tokens`: the catalog; with a credential also whose it is."""

    name: ClassVar[str] = "tokens"
    base_url: str
    user: User | None

    @classmethod
    def parse(cls, astakos: Astakos, request: Request) -> Self:
        """Without a body, no question of who is asking."""
        user = _authenticate(astakos, request) if request.body else None
        return cls(request.base_url, user)

    def perform(self, astakos: Astakos) -> Reply:
        """The reply that clients call the endpoints."""
        access: dict[str, object] = {}
        if self.user is not None:
            access.update(_identity(astakos, self.user))
        access["serviceCatalog"] = list(_catalog(astakos.world, self.base_url))
        return reply_json({"access": access})


@dataclass(frozen=True, slots=True)
class ListVersions(PublicOperation):
    """`GET` on the identity's root: which versions there are."""

    name: ClassVar[str] = "versions"
    base_url: str

    @classmethod
    def parse(cls, astakos: Astakos, request: Request) -> Self:  # noqa: ARG003 # is public
        """Only the address matters."""
        return cls(request.base_url)

    def perform(self, astakos: Astakos) -> Reply:  # noqa: ARG002 # the same in every world
        """One version."""
        return reply_json({"versions": {"values": [_version(self.base_url)]}})


@dataclass(frozen=True, slots=True)
class ShowVersion(ListVersions):
    """`GET` on the identity's base: what this version speaks."""

    name: ClassVar[str] = "version"

    def perform(self, astakos: Astakos) -> Reply:  # noqa: ARG002 # the same in every world
        """The version, with its media types."""
        return reply_json({"version": {**_version(self.base_url), "media_types": _MEDIA_TYPES}})


def _authenticate(astakos: Astakos, request: Request) -> User:
    auth = request.json_object(uncaught=True).get("auth", {})
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
    user = valid_user(astakos.world.user_by_token(token), astakos.clock.now())
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


def describe_user(world: World, user: User) -> dict[str, object]:
    """Who a token belongs to, as the identity API shows it.

    A group is a role, with the same id for each of its members; without groups there are no roles.
    """
    groups = dict.fromkeys(group for each in world.users.values() for group in each.groups)
    numbers = {group: str(number) for number, group in enumerate(groups, 1)}
    return {
        "id": user.uuid,
        "name": user.full_name,
        "roles": [{"id": numbers[group], "name": group} for group in user.groups],
        "roles_links": [],
    }


def describe_token(token: str, expires: str, user: User) -> dict[str, object]:
    """A token, with the project that its owner draws on if nothing else is said."""
    tenant = {"id": user.default_project, "name": user.full_name}
    return {"id": token, "expires": expires, "tenant": tenant}


def _identity(astakos: Astakos, user: User) -> dict[str, object]:
    projects = [
        project.uuid
        for project, row in astakos.world.memberships_of(user.uuid)
        if project.state is ProjectState.ACTIVE and row.state.is_actually_accepted
    ]
    return {
        "token": describe_token(user.token, astakos.time(user.token_expires), user),
        "user": {**describe_user(astakos.world, user), "projects": projects},
    }


def _catalog(world: World, base_url: str) -> Iterator[dict[str, object]]:
    for service in world.services.values():
        url = absolute_url(world.components[service.component].url, base_url)
        yield {
            "name": service.name,
            "type": service.type,
            "endpoints_links": [],
            "endpoints": list(_endpoints(service, url, base_url)),
        }


def _endpoints(
    service: Service, ui_url: str | None, base_url: str
) -> Iterator[dict[str, str | None]]:
    for endpoint in service.endpoints:
        public_url = absolute_url(endpoint["publicURL"], base_url)
        entry = {**endpoint, "publicURL": public_url, "SNF:uiURL": ui_url, "region": "default"}
        if service.name == "astakos_weblogin":
            entry["SNF:webloginURL"] = public_url
        yield entry


def _version(base_url: str) -> dict[str, object]:
    return {
        "id": "v2.0",
        "status": "CURRENT",
        "updated": "2013-03-06T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base_url}/identity/v2.0/"}],
    }


def absolute_url(url: str | None, base_url: str) -> str | None:
    """A path of a seed becomes a URL of this sandbox; a URL stays."""
    return base_url + url if url is not None and url.startswith("/") else url
