"""Reads the URL that a client is given, and the URLs of a catalog. Pure.

Of the URLs of a catalog only the paths are used. Every request goes to the scheme and host of
`auth_url`, whatever host the catalog names (the protocol, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.exceptions import RequestException

from astakosclient.errors import BadValue, NoEndpoints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astakosclient.answer_types import CatalogEntry

IDENTITY = "/identity/v2.0"
ACCOUNT = ("astakos_account", "v1.0")
OAUTH2 = "astakos_oauth2"


def identity_url(auth_url: object) -> SplitResult:
    """Return the parts of `auth_url`; a URL without a path gets the usual path of identity.

    Raises `BadValue` for anything that no request could be sent to.
    """
    if not isinstance(auth_url, str):
        raise BadValue("auth_url must be a URL, for example https://accounts.example.org")
    try:
        url = urlsplit(auth_url.strip())
        host, port = url.hostname, url.port
        if host:
            host.encode("idna")
    except ValueError as error:
        raise BadValue(f"auth_url is not a URL: {error}") from None
    if url.scheme not in {"http", "https"}:
        raise BadValue(f"auth_url has the scheme {url.scheme!r}; it must be http or https")
    if not host:
        raise BadValue("auth_url names no host")
    if url.username is not None or url.query or url.fragment:
        raise BadValue("auth_url must be scheme, host and path alone")
    if port == 0:
        raise BadValue("auth_url has the port 0; a port is a number from 1 to 65535")
    try:  # requests refuses some hosts that Python accepts
        requests.Request("GET", url.geturl()).prepare()
    except RequestException as error:
        raise BadValue(f"auth_url is not a URL: {error}") from None
    if "\\" in url.netloc:  # urllib3 reads it as a slash, and would ask another host
        raise BadValue("auth_url has a backslash in the name of its host")
    return url._replace(path=url.path.rstrip("/") or IDENTITY)


def parse_endpoints(
    endpoints: Mapping[str, Any],
    ep_name: str | None = None,
    ep_type: str | None = None,
    ep_region: str | None = None,
    ep_version_id: str | None = None,
) -> list[CatalogEntry]:
    """Return the entries of a catalog that match all of the given criteria.

    `endpoints` is a whole reply of `get_endpoints` or `authenticate`, and is not changed. Name
    and type choose entries. Region and version choose endpoints within an entry; an entry
    without any such endpoint is left out. Raises `NoEndpoints` if nothing matches.
    """
    nothing = NoEndpoints(ep_name, ep_type, ep_region, ep_version_id)
    try:
        catalog: list[CatalogEntry] = endpoints["access"]["serviceCatalog"]
        found = [
            entry
            for entry in catalog
            if ep_name in (None, entry.get("name")) and ep_type in (None, entry.get("type"))
        ]
        if ep_region is not None or ep_version_id is not None:
            found = [
                {**entry, "endpoints": kept}
                for entry in found
                if (kept := _placed(entry, ep_region, ep_version_id))
            ]
    except (KeyError, TypeError, AttributeError):
        raise nothing from None
    if not found:
        raise nothing
    return found


def _placed(entry: CatalogEntry, region: str | None, version: str | None) -> list[dict[str, Any]]:
    return [
        endpoint
        for endpoint in entry.get("endpoints", [])
        if region in (None, endpoint.get("region")) and version in (None, endpoint.get("versionId"))
    ]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs of the account service, the web interface and OAuth 2 in a catalog."""

    account: str
    ui: str | None
    oauth2: str | None

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Endpoints:
        """Read the reply of a tokens call. Raises `NoEndpoints` without `astakos_account` v1.0."""
        name, version = ACCOUNT
        account = parse_endpoints(reply, ep_name=name, ep_version_id=version)[0]["endpoints"][0]
        public = _usable(account.get("publicURL"))
        if public is None:
            raise NoEndpoints(ep_name=name, ep_version_id=version)
        try:
            oauth2 = parse_endpoints(reply, ep_name=OAUTH2)[0]["endpoints"][0]["publicURL"]
        except (NoEndpoints, LookupError, TypeError):
            oauth2 = None  # an older server; only a call that needs OAuth 2 fails
        return cls(account=public, ui=_usable(account.get("SNF:uiURL")), oauth2=_usable(oauth2))


def _usable(url: object) -> str | None:
    """Return a URL of the catalog if a request can be sent to it, else None."""
    if not isinstance(url, str):
        return None
    try:
        path = path_of(url)
    except ValueError:
        return None
    return url if not path or path.startswith("/") else None


def path_of(url: str) -> str:
    """Return the path of a URL, without a slash at its end."""
    return urlsplit(url).path.rstrip("/")
