"""The class that users of this package make: its settings, checked, and all its calls."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from astakosclient.account_calls import AccountCalls
from astakosclient.commission_calls import CommissionCalls
from astakosclient.endpoints import identity_url
from astakosclient.errors import BadValue, LocalError
from astakosclient.http_messages import CallLimits
from astakosclient.project_calls import ProjectCalls

_MOST = 1_000_000  # seconds, or connections: far beyond any use, and within what a socket takes


class AstakosClient(AccountCalls, CommissionCalls, ProjectCalls):
    """A client of one Astakos, for one token.

    Many threads may use one client at once; a forked child may use it too. Nothing is sent or
    opened before the first call. Every call may raise `ConnectionError`, `LocalError`,
    `InvalidResponse`, `Unauthorized` and `AstakosClientException`; further errors stand with
    the call.

    Args:
        token: a user's token, or a component's.
        auth_url: the identity URL, or the bare URL of the host: `/identity/v2.0` is then added.
        retry: how many further attempts a call may make, where they can do no harm.
        use_pool: whether connections are kept and used again.
        pool_size: how many connections are kept. No more are open at once.
        logger: gets one line for each request, at level DEBUG. Default: `astakosclient`.
        headers: headers for every request.
        connect_timeout: seconds for connecting, to all addresses of the host together.
        total_timeout: seconds for one call with its discovery, retries and pauses.
        fresh_within: seconds since its last use in which a kept connection serves a call with
            `fresh=True`. Choose less than the keep-alive time of the server.
        verify: True, or the path of a file or folder of certificate authorities to trust, or
            False, which checks no certificate.

    Raises:
        BadValue: an argument cannot be right.
        LocalError: there is no file or folder at the path in `verify`.

    """

    def __init__(  # noqa: PLR0917 - the user's document fixes the order
        self,
        token: str,
        auth_url: str,
        retry: int = 0,
        use_pool: bool = False,
        pool_size: int = 8,
        logger: logging.Logger | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        connect_timeout: float = 3.0,
        total_timeout: float = 15.0,
        fresh_within: float = 1.0,
        verify: bool | str = True,
    ) -> None:
        if not isinstance(retry, int):
            raise BadValue(f"retry must be an integer, not {retry!r}")
        if headers is not None and not isinstance(headers, Mapping):
            raise BadValue(f"headers must be a dict of strings, not {headers!r}")
        limits = CallLimits(
            connect_timeout=_positive("connect_timeout", connect_timeout),
            total_timeout=_positive("total_timeout", total_timeout),
            fresh_within=_positive("fresh_within", fresh_within),
            retry=max(retry, 0),
            use_pool=bool(use_pool),
            pool_size=int(_positive("pool_size", pool_size)),
        )
        super().__init__(
            token,
            identity_url(auth_url),
            limits=limits,
            verify=_checked(verify),
            logger=logger or logging.getLogger("astakosclient"),
            headers=headers or {},
        )


def _positive(what: str, value: float) -> float:
    if type(value) not in {int, float} or not 0 < value <= _MOST:
        raise BadValue(f"{what} must be a number more than 0, up to {_MOST}, not {value!r}")
    return value


def _checked(verify: object) -> bool | str:
    """Return `verify`; an empty text would switch verification off without a word."""
    if isinstance(verify, bool):
        return verify
    if not isinstance(verify, str | os.PathLike) or not os.fspath(verify):
        raise BadValue(f"verify must be True, False or a path, not {verify!r}")
    path = str(os.fspath(verify))
    try:
        there = Path(path).exists()
    except (OSError, ValueError) as error:
        raise BadValue(f"verify is not a path: {error}") from None
    if not there:
        raise LocalError(OSError(f"verify: there is no file or folder {path}"))
    return path
