"""A client of Astakos: identity, quotas, commissions and projects of a Synnefo cloud.

from astakosclient import AstakosClient

client = AstakosClient(token, "https://accounts.example.org")
print(client.authenticate()["access"]["user"]["id"])
"""

# The client
from astakosclient.client import AstakosClient

# What stands by itself
from astakosclient.commissions import mk_provisions
from astakosclient.cookies import get_token_from_cookie
from astakosclient.endpoints import parse_endpoints

# What can go wrong
from astakosclient.errors import (
    AstakosClientException,
    BadRequest,
    BadValue,
    ConnectionError,  # noqa: A004 - the name is the protocol's
    Forbidden,
    InvalidResponse,
    NoEndpoints,
    NotFound,
    NoUserName,
    NoUUID,
    Outcome,
    QuotaLimit,
    Unauthorized,
)

# The shapes of answers
from astakosclient.replies import (
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
