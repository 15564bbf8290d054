"""Calls about commissions: issue, look, accept, reject. All need a component's token.

An issue is sent a second time only if it is certain that no byte of the first request left:
Astakos has no idempotency key, so a second request is a second commission.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from astakosclient.caller import Caller
from astakosclient.errors import BadValue, NotFound
from astakosclient.provisions import (
    commission_body,
    generic_provisions,
    mk_provisions,
    one_commission,
    reassignment_provisions,
)
from astakosclient.quota_limits import quota_limit
from astakosclient.serials import is_serial, serial, serials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from astakosclient.answer_types import Commission, Provision, Resolution


class CommissionCalls(Caller):
    """The calls about commissions, one method each.

    A `Provision` is `{"holder", "source", "resource", "quantity"}`. A quantity is an integer in
    the unit of the resource: more than 0 allocates, less than 0 releases.
    """

    def issue_provisions(
        self,
        provisions: Sequence[Provision],
        name: str = "",
        force: bool = False,
        auto_accept: bool = False,
        *,
        fresh: bool = False,
    ) -> int:
        """Issue a commission with exactly these provisions; return its serial.

        `name` has at most 4,096 characters. `force` exceeds limits. `auto_accept` accepts the
        commission at once. `fresh` asks for a connection that is new or was used a moment ago
        (`fresh_within`): a server may close an idle one just when the issue is sent, and then
        nobody knows whether Astakos has read the issue.

        Raises `BadValue`; `QuotaLimit`; `NotFound` if a provision names no holding.
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
        """Issue `{(user, project, resource): quantity}` and `{(project, resource): quantity}`.

        Nothing is added to them. Returns the serial. Other arguments and errors: see
        `issue_provisions`.
        """
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
        """Charge a user and a project with the same quantities; return the serial.

        Call it as `(holder, source, {resource: quantity}, ...)` or as
        `(holder, {(source, resource): quantity}, ...)`. In both, `name`, `force` and
        `auto_accept` follow. `holder` is the uuid of a user, `source` the uuid of a project.
        A mixture of the two raises `BadValue`. Other arguments and errors: see
        `issue_provisions`.
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
        """Move usage of a user from one project to another; return the serial.

        `provisions` is `{(from_project, to_project, resource): quantity}`. Other arguments and
        errors: see `issue_provisions`.
        """
        moved = reassignment_provisions(holder, provisions)
        return self.issue_provisions(moved, name, force, auto_accept)

    @staticmethod
    def mk_provisions(holder: str, source: str, resource: str, quantity: int) -> list[Provision]:
        """Return two provisions: one charges a user, one a project, with the same quantity."""
        return mk_provisions(holder, source, resource, quantity)

    def get_pending_commissions(self) -> list[int]:
        """Return the serials of all pending commissions of the component, in no order."""
        pending = self._call("GET", lambda: self.api_commissions, list, flaw=_no_serials)
        return cast("list[int]", pending)

    def get_commission_info(self, serial: int) -> Commission:
        """Return a pending commission: `{"serial", "issue_time", "name", "provisions"}`.

        Raises `NotFound` if the commission is resolved, unknown, or of another component.
        """
        path = _path_of(serial)
        info = self._call(
            "GET", lambda: f"{self.api_commissions}{path}", dict, bare_404=True, flaw=_no_name
        )
        return cast("Commission", info)

    def commission_action(self, serial: int, action: Literal["accept", "reject"]) -> None:
        """Accept or reject a pending commission.

        Raises `NotFound` if the commission is resolved, unknown, or of another component.
        """
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
        """Accept and reject many; return `{"accepted": [...], "rejected": [...], "failed": [...]}`.

        `failed` has pairs `[serial, fault]`: serials that were not found, and serials that are
        in both lists. A serial that is twice in one list is sent once. Raises `BadValue` if a
        list has something other than integers from 1 to 2**53 - 1.
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
        """Return the pending commissions whose name contains `tag`, or for whose name it is true.

        Use it after an issue whose outcome is ambiguous, with a text in the name that no other
        commission has. An empty list means that there is none *now*; Astakos may still be at
        work. Two commissions mean that the issue arrived twice. One request is made for every
        pending commission, each with a deadline of its own. A commission that was issued with
        `auto_accept` is never found.
        """
        if not tag:
            raise BadValue("tag must be a text or a function, and not empty")
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
