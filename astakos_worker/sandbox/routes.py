"""Which path and method mean which call (the protocol, sections 3.1 and 3.2).

To add a call, write a function in `api/` and a line here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from astakos_worker.sandbox.api import account_endpoints as account
from astakos_worker.sandbox.api import commission_endpoints as commissions
from astakos_worker.sandbox.api import identity_endpoints as identity
from astakos_worker.sandbox.api import membership_endpoints as memberships
from astakos_worker.sandbox.api import oauth_endpoints as oauth
from astakos_worker.sandbox.api import project_endpoints as projects
from astakos_worker.sandbox.api import quota_endpoints as quotas
from astakos_worker.sandbox.api.endpoint import (
    AnyEndpoint,
    ApiCall,
    ApiWork,
    Caller,
    Endpoint,
    anybody,
    by_component,
    by_user,
)
from astakos_worker.sandbox.api_messages import ApiRequest
from astakos_worker.sandbox.astakos import SandboxAstakos
from astakos_worker.sandbox.errors import ApiFaultError

IDENTITY: Final = "/identity"
ACCOUNT: Final = "/account"


def _below(
    base: str,
    authenticate: Callable[[SandboxAstakos, ApiRequest], Caller],
    *rows: tuple[str, str, str, Callable[[ApiCall[Caller]], ApiWork]],
) -> tuple[AnyEndpoint, ...]:
    """Return endpoints from rows of name, method, path below the base, and function."""
    return tuple(
        Endpoint(method, base + path, name, authenticate, handle)
        for name, method, path, handle in rows
    )


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    *_below(
        "",
        anybody,
        ("versions", "GET", "/identity", identity.list_versions),
        ("version", "GET", "/identity/v2.0", identity.show_version),
        ("tokens", "POST", "/identity/v2.0/tokens", identity.discover),
        ("tokens.info", "GET", "/identity/v2.0/tokens/<token>", oauth.validate_token),
        ("services", "GET", "/ui/get_services", identity.list_components),
        ("resources", "GET", f"{ACCOUNT}/v1.0/resources", quotas.list_resources),
        ("oauth.auth", "GET", "/oauth2/auth", oauth.authorize),
        ("oauth.auth", "POST", "/oauth2/auth", oauth.authorize),
        ("oauth.token", "POST", "/oauth2/token", oauth.exchange_code),
    ),
    *_below(
        f"{ACCOUNT}/v1.0",
        by_component,
        ("service.catalogs", "POST", "/service/user_catalogs", account.look_up_as_service),
        ("service.quotas", "GET", "/service_quotas", quotas.show_service_quotas),
        ("service.project_quotas", "GET", "/service_project_quotas", quotas.show_project_quotas),
        ("commissions.list", "GET", "/commissions", commissions.list_pending),
        ("commissions.issue", "POST", "/commissions", commissions.issue),
        ("commissions.batch", "POST", "/commissions/action", commissions.act_on_many),
        ("commissions.info", "GET", "/commissions/<number>", commissions.show),
        ("commissions.action", "POST", "/commissions/<number>/action", commissions.act),
    ),
    *_below(
        f"{ACCOUNT}/v1.0",
        by_user,
        ("catalogs", "POST", "/user_catalogs", account.look_up_as_user),
        ("feedback", "POST", "/feedback", account.send_feedback),
        ("default_project", "POST", "/myaccount/default_project", account.set_default_project),
        ("quotas", "GET", "/quotas", quotas.show_quotas),
        ("projects.list", "GET", "/projects", projects.list_projects),
        ("projects.create", "POST", "/projects", projects.create),
        ("projects.info", "GET", "/projects/<project>", projects.show),
        ("projects.modify", "PUT", "/projects/<project>", projects.modify),
        ("projects.action", "POST", "/projects/<project>/action", projects.act),
        ("memberships.list", "GET", "/projects/memberships", memberships.list_memberships),
        ("memberships.create", "POST", "/projects/memberships", memberships.create),
        ("memberships.info", "GET", "/projects/memberships/<number>", memberships.show),
        ("memberships.action", "POST", "/projects/memberships/<number>/action", memberships.act),
    ),
)

ROUTE_NAMES: Final = tuple(sorted({endpoint.name for endpoint in ENDPOINTS}))

_VARIABLES: Final = {
    "<number>": "([0-9]+)",
    "<token>": "([^/]+)",
    "<project>": "(?!memberships/)([^/]+)",
}


def _by_path(*, with_variable: bool) -> dict[str, dict[str, AnyEndpoint]]:
    paths: dict[str, dict[str, AnyEndpoint]] = {}
    for endpoint in ENDPOINTS:
        if ("<" in endpoint.path) is with_variable:
            paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return paths


_FIXED: Final[Mapping[str, Mapping[str, AnyEndpoint]]] = _by_path(with_variable=False)
_PATTERNS: Final = tuple(
    (
        re.compile(re.sub(r"<\w+>", lambda name: _VARIABLES[name[0]], path.replace(".", r"\."))),
        methods,
    )
    for path, methods in _by_path(with_variable=True).items()
)


class NoSuchPageError(Exception):
    """Raised for a path that is not the API's at all; a web server answers it with a page."""


class Route(NamedTuple):
    """The endpoint that a request asks for, and the value of the variable in its path."""

    endpoint: AnyEndpoint
    argument: str


def find_route(method: str, path: str, base_path: str = "") -> Route:
    """Return the endpoint of a path below a site's prefix; a trailing slash is optional.

    Raises:
        ApiFaultError: 400 for an unknown path of the API, 405 for a wrong method.
        NoSuchPageError: the path is not the API's.

    """
    if not path.startswith(base_path):
        raise NoSuchPageError(path)
    path = path.removeprefix(base_path).removesuffix("/")
    methods, argument = _FIXED.get(path), ""
    if methods is None:
        methods, argument = _find_pattern(path)
    endpoint = methods.get(method)
    if endpoint is None:
        allow = tuple(methods)
        raise ApiFaultError(405, f"Method not allowed; use {' or '.join(allow)}", allow=allow)
    return Route(endpoint, argument)


def _find_pattern(path: str) -> tuple[Mapping[str, AnyEndpoint], str]:
    for pattern, methods in _PATTERNS:
        match = pattern.fullmatch(path)
        if match:
            return methods, match[1]
    if path.startswith((f"{IDENTITY}/", f"{ACCOUNT}/")) or path == ACCOUNT:
        raise ApiFaultError(400, "Unknown API endpoint")
    raise NoSuchPageError(path)
