"""Calls about commissions: issue, look, accept, reject. With a component's token.

An issue is never sent twice unless it is certain that the first did not leave: Astakos has no
idempotency, and a second request is a second commission.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from astakosclient.caller import Caller
from astakosclient.errors import BadValue, NotFound
from astakosclient.provisions import (
    commission_body,
    generic_provisions,
    is_serial,
    mk_provisions,
    one_commission,
    reassignment_provisions,
    serial,
    serials,
)
from astakosclient.quota_limits import quota_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from astakosclient.answer_types import Commission, Provision, Resolution


class CommissionCalls(Caller):
    """Commissions, one method for each call."""

    def issue_provisions(
        self,
        provisions: Sequence[Provision],
        name: str = "",
        force: bool = False,
        auto_accept: bool = False,
        *,
        fresh: bool = False,
    ) -> int:
        """Issue a commission of the provisions exactly as they are given; return its serial.

        `fresh` asks for a connection that is new or was used just now, so that an idle one that
        the server is about to close does not leave the outcome in doubt (F74).
        Errors: `QuotaLimit`; `NotFound` where a provision names no holding; any other.
        """
        body = commission_body(provisions, name, force, auto_accept)
        reply: dict[str, Any] = self._call(
            "POST",
            lambda: self.api_commissions,
            dict,
            body,
            fresh=fresh,
            flaw=_no_serial,
            over_limit=functools.partial(quota_limit, list(provisions)),
        )
        issued: int = reply["serial"]
        return issued

    def issue_commission_generic(
        self,
        user_provisions: Mapping[tuple[str, str, str], int],
        project_provisions: Mapping[tuple[str, str], int],
        name: str = "",
        force: bool = False,
        auto_accept: bool = False,
    ) -> int:
        """Issue `{(user, project, resource): q}` and `{(project, resource): q}` as they are."""
        provisions = generic_provisions(user_provisions, project_provisions)
        return self.issue_provisions(provisions, name, force, auto_accept)

    @overload
    def issue_one_commission(
        self,
        holder: str,
        source: str,
        provisions: Mapping[str, int],
        name: str = "",
        force: bool = False,
        auto_accept: bool = False,
    ) -> int: ...

    @overload
    def issue_one_commission(
        self,
        holder: str,
        source: Mapping[tuple[str, str], int],
        provisions: str = "",
        name: bool = False,
        force: bool = False,
    ) -> int: ...

    @overload
    def issue_one_commission(
        self,
        holder: str,
        source: Mapping[tuple[str, str], int],
        *,
        name: str = "",
        force: bool = False,
        auto_accept: bool = False,
    ) -> int: ...

    @overload
    def issue_one_commission(
        self,
        holder: str,
        *,
        provisions: Mapping[tuple[str, str], int],
        name: str = "",
        force: bool = False,
        auto_accept: bool = False,
    ) -> int: ...

    def issue_one_commission(  # noqa: PLR0917 - the user's document fixes the order
        self,
        holder: object,
        source: object = None,
        provisions: object = None,
        name: object = "",
        force: object = False,
        auto_accept: object = False,
    ) -> int:
        """Charge a user and a project alike, for each resource; return the serial.

        Either `(holder, source, {resource: q}, ...)` or `(holder, {(source, resource): q}, ...)`,
        the rest being `name`, `force`, `auto_accept` in this order; anything mixed: `BadValue`.
        """
        one = one_commission(holder, source, provisions, (name, force, auto_accept))
        return self.issue_provisions(
            one.provisions,
            cast("str", one.name),
            cast("bool", one.force),
            cast("bool", one.auto_accept),
        )

    def issue_resource_reassignment(
        self,
        holder: str,
        provisions: Mapping[tuple[str, str, str], int],
        name: str = "",
        force: bool = False,
        auto_accept: bool = False,
    ) -> int:
        """Move `{(from_project, to_project, resource): q}` of a user's; return the serial."""
        moved = reassignment_provisions(holder, provisions)
        return self.issue_provisions(moved, name, force, auto_accept)

    @staticmethod
    def mk_provisions(holder: str, source: str, resource: str, quantity: int) -> list[Provision]:
        """Return the two provisions that charge a user and a project alike."""
        return mk_provisions(holder, source, resource, quantity)

    def get_pending_commissions(self) -> list[int]:
        """Return the serials of the component's pending commissions, in no order."""
        pending = self._call("GET", lambda: self.api_commissions, list, flaw=_no_serials)
        return cast("list[int]", pending)

    def get_commission_info(self, serial: int) -> Commission:
        """Return a pending commission; resolved, unknown or another component's: `NotFound`."""
        path = _path_of(serial)
        info = self._call(
            "GET", lambda: f"{self.api_commissions}{path}", dict, bare_404=True, flaw=_no_name
        )
        return cast("Commission", info)

    def commission_action(self, serial: int, action: Literal["accept", "reject"]) -> None:
        """Accept or reject; resolved before, unknown or another component's: `NotFound`."""
        if action not in ("accept", "reject"):
            raise BadValue(f"an action is 'accept' or 'reject', not {action!r}")
        path = _path_of(serial)
        self._call(
            "POST",
            lambda: f"{self.api_commissions}{path}/action",
            None,
            {action: ""},
            bare_404=True,
        )

    def accept_commission(self, serial: int) -> None:
        """Accept a pending commission; see `commission_action`."""
        self.commission_action(serial, "accept")

    def reject_commission(self, serial: int) -> None:
        """Reject a pending commission; see `commission_action`."""
        self.commission_action(serial, "reject")

    def resolve_commissions(
        self, accept_serials: Iterable[int], reject_serials: Iterable[int]
    ) -> Resolution:
        """Settle many at once: `{"accepted": [...], "rejected": [...], "failed": [...]}`.

        `failed` holds pairs of a serial and its fault: those not found, then those that were in
        both lists. A serial that is given twice in one list is sent once.
        """
        body = {
            "accept": serials(accept_serials, "accept_serials"),
            "reject": serials(reject_serials, "reject_serials"),
        }
        reply = self._call(
            "POST", lambda: self.api_commissions_action, dict, body, flaw=_no_resolution
        )
        return cast("Resolution", reply)

    def recover_commission(self, tag: str | Callable[[str], bool]) -> list[Commission]:
        """Return the pending commissions whose name contains `tag`, or of whose name it is true.

        For the caller whose issue ended in doubt, and who put a marker of its own into the name:
        an empty list says that there is none *now* - Astakos may still be at it - and more than
        one that it was sent more than once. Looks at every pending commission, a request each.
        Of no use for commissions that were accepted as they were issued.
        """
        if not tag:
            raise BadValue("a tag must say something")
        found = []
        for pending in sorted(self.get_pending_commissions(), reverse=True):
            try:
                info = self.get_commission_info(pending)
            except NotFound:
                continue  # resolved meanwhile
            if tag in info["name"] if isinstance(tag, str) else tag(info["name"]):
                found.append(info)
        return found


def _path_of(given: object) -> str:
    return f"/{serial(given)}"


def _no_serial(reply: dict[str, Any]) -> str | None:
    good = is_serial(reply.get("serial"))
    return None if good else "the reply to an issue names no serial that can be one"


def _no_serials(reply: list[Any]) -> str | None:
    return None if all(map(is_serial, reply)) else "the reply is not a list of serials"


def _no_name(reply: dict[str, Any]) -> str | None:
    good = is_serial(reply.get("serial")) and isinstance(reply.get("name"), str)
    return None if good else "the reply does not describe a commission"


def _no_resolution(reply: dict[str, Any]) -> str | None:
    done, failed = [reply.get("accepted"), reply.get("rejected")], reply.get("failed")
    good = all(isinstance(one, list) and all(map(is_serial, one)) for one in done)
    pairs = isinstance(failed, list) and all(
        isinstance(one, list) and len(one) == 2 and is_serial(one[0]) for one in failed
    )
    return None if good and pairs else "the reply does not say what became of each serial"
