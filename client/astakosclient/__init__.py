"""A client of Astakos: identity, quotas, commissions and projects of a Synnefo cloud.

from astakosclient import AstakosClient

client = AstakosClient(token, "https://accounts.example.org")
print(client.authenticate()["access"]["user"]["id"])

Every error is an `AstakosClientException`, and its `outcome` says whether Astakos may have done
what was asked. The functions are `parse_endpoints`, `get_token_from_cookie` and `mk_provisions`.
The other names are types of answers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from astakosclient.answer_types import (
    Application,
    CatalogEntry,
    Commission,
    Figures,
    MembershipId,
    ProjectFigures,
    Provision,
    Resolution,
    Resource,
)
from astakosclient.cookies import get_token_from_cookie
from astakosclient.errors import (
    AstakosClientException,
    BadRequest,
    BadValue,
    ConnectionError,  # noqa: A004 - the name is the protocol's
    Forbidden,
    InvalidResponse,
    LocalError,
    NoEndpoints,
    NotFound,
    NoUserName,
    NoUUID,
    Outcome,
    QuotaLimit,
    Unauthorized,
)
from astakosclient.provisions import mk_provisions

if TYPE_CHECKING:
    from astakosclient.client import AstakosClient
    from astakosclient.endpoints import parse_endpoints

__all__ = [
    "Application",
    "AstakosClient",
    "AstakosClientException",
    "BadRequest",
    "BadValue",
    "CatalogEntry",
    "Commission",
    "ConnectionError",
    "Figures",
    "Forbidden",
    "InvalidResponse",
    "LocalError",
    "MembershipId",
    "NoEndpoints",
    "NoUUID",
    "NoUserName",
    "NotFound",
    "Outcome",
    "ProjectFigures",
    "Provision",
    "QuotaLimit",
    "Resolution",
    "Resource",
    "Unauthorized",
    "get_token_from_cookie",
    "mk_provisions",
    "parse_endpoints",
]


#: The names that load `requests`. They are imported when they are used, so that a program that
#: needs the errors alone, such as a service behind a queue, does not load it.
_LATER = {"AstakosClient": "astakosclient.client", "parse_endpoints": "astakosclient.endpoints"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(_LATER[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
