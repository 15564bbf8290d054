"""Which path and method mean which operation (the protocol, sections 3.1 and 3.2).

Adding a call of the API is a class in `api/` and a line here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from astakos_worker.sandbox.api import (
    account,
    catalogs,
    commissions,
    components,
    identity,
    memberships,
    oauth,
    projects,
    quotas,
)
from astakos_worker.sandbox.errors import ApiFaultError

if TYPE_CHECKING:
    from astakos_worker.sandbox.operation import Operation

    Methods = dict[str, type[Operation]]

IDENTITY: Final = "/identity"
ACCOUNT: Final = "/account"

PATHS: Final[dict[str, Methods]] = {
    "/identity": {"GET": identity.ListVersions},
    "/identity/v2.0": {"GET": identity.ShowVersion},
    "/identity/v2.0/tokens": {"POST": identity.Discover},
    "/account/v1.0/user_catalogs": {"POST": catalogs.AskAsUser},
    "/account/v1.0/service/user_catalogs": {"POST": catalogs.AskAsService},
    "/account/v1.0/feedback": {"POST": account.SendFeedback},
    "/account/v1.0/myaccount/default_project": {"POST": account.SetDefaultProject},
    "/account/v1.0/resources": {"GET": quotas.ListResources},
    "/account/v1.0/quotas": {"GET": quotas.ShowQuotas},
    "/account/v1.0/service_quotas": {"GET": quotas.ShowServiceQuotas},
    "/account/v1.0/service_project_quotas": {"GET": quotas.ShowServiceProjectQuotas},
    "/account/v1.0/commissions": {"GET": commissions.ListPending, "POST": commissions.Issue},
    "/account/v1.0/commissions/action": {"POST": commissions.ActOnMany},
    "/account/v1.0/projects": {"GET": projects.ListProjects, "POST": projects.Apply},
    "/account/v1.0/projects/memberships": {
        "GET": memberships.ListMemberships,
        "POST": memberships.BecomeMember,
    },
    "/oauth2/auth": {"GET": oauth.Authorize, "POST": oauth.Authorize},
    "/oauth2/token": {"POST": oauth.ExchangeCode},
    "/ui/get_services": {"GET": components.ListComponents},
}

# Paths with something in them that varies, in the group of each pattern.
_PATTERNS: Final[tuple[tuple[str, Methods], ...]] = (
    (r"/account/v1\.0/commissions/([0-9]+)", {"GET": commissions.Info}),
    (r"/account/v1\.0/commissions/([0-9]+)/action", {"POST": commissions.Act}),
    (r"/account/v1\.0/projects/memberships/([0-9]+)", {"GET": memberships.ShowMembership}),
    (
        r"/account/v1\.0/projects/memberships/([0-9]+)/action",
        {"POST": memberships.ActOnMembership},
    ),
    (
        r"/account/v1\.0/projects/(?!memberships/)([^/]+)",
        {"GET": projects.ShowProject, "PUT": projects.Modify},
    ),
    (
        r"/account/v1\.0/projects/(?!memberships/)([^/]+)/action",
        {"POST": projects.ActOnProject},
    ),
    (r"/identity/v2\.0/tokens/([^/]+)", {"GET": oauth.ValidateToken}),
)
PATTERNS: Final = tuple((re.compile(pattern), methods) for pattern, methods in _PATTERNS)

# By these names faults and counters know the routes.
ROUTE_NAMES: Final = tuple(
    sorted(
        {
            operation.name
            for methods in (*PATHS.values(), *(methods for _, methods in PATTERNS))
            for operation in methods.values()
        }
    )
)


class NoSuchPageError(Exception):
    """Raised for a path that is not the API's at all; a web server answers it with a page."""


class Route(NamedTuple):
    """What a request asks for, and what its path names."""

    operation: type[Operation]
    argument: str


def find_route(method: str, path: str, base_path: str = "") -> Route:
    """The operation of a path below a site's prefix; a trailing slash is optional.

    Raises:
        ApiFaultError: 400 for an unknown path of the API, 405 for a wrong method.
        NoSuchPageError: the path is not the API's.

    """
    if not path.startswith(base_path):
        raise NoSuchPageError(path)
    path = path.removeprefix(base_path).removesuffix("/")
    methods, argument = PATHS.get(path), ""
    if methods is None:
        for pattern, candidates in PATTERNS:
            match = pattern.fullmatch(path)
            if match:
                methods, argument = candidates, match[1]
                break
        else:
            if path.startswith((f"{IDENTITY}/", f"{ACCOUNT}/")) or path == ACCOUNT:
                raise ApiFaultError(400, "Unknown API endpoint")
            raise NoSuchPageError(path)
    operation = methods.get(method)
    if operation is None:
        allow = tuple(methods)
        raise ApiFaultError(405, f"Method not allowed; use {' or '.join(allow)}", allow=allow)
    return Route(operation, argument)
