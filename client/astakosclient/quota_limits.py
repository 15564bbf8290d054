"""From a 413 on an issue to a `QuotaLimit` that says which limit, and by how much. Pure.

The figures in a refusal may belong to the request of somebody else (the protocol, section 10.1):
with fourteen clients at once, in more than half of the answers. Status and message were right
every time. So the figures are used only if they name a provision that was sent, and if they do
not fit the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from astakosclient.errors import Case, Outcome, QuotaLimit
from astakosclient.provisions import merged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astakosclient.answer_types import Provision

LABELS = {
    "cyclades.disk": "Disk",
    "cyclades.vm": "Virtual Machine",
    "cyclades.cpu": "CPU",
    "cyclades.ram": "RAM",
    "cyclades.floating_ip": "Floating IP address",
    "cyclades.network.private": "Private Network",
    "pithos.diskspace": "Storage space",
    "astakos.pending_app": "Pending Applications",
}

_MESSAGES: dict[Case, str] = {
    "member": "The user's limit for a resource in the project is exceeded",
    "project": "The project's limit for a resource is exceeded",
    "release": "More of a resource would be released than is in use",
}


def quota_limit(
    sent: Sequence[Provision],
    reason: str,
    response: str,
    fault: Mapping[str, Any] | None,
    outcome: Outcome,
) -> QuotaLimit:
    """Return the error for a refusal of the provisions `sent`.

    `reason` is the phrase of the status, `response` the raw body, `fault` the fault in the body
    (None if the body is not Astakos' own), `outcome` what that means for the request.
    """
    if fault is None:
        return QuotaLimit(reason, "", response=response, outcome=outcome)
    trusted = _trusted(sent, fault.get("data"))
    if trusted is None:
        return QuotaLimit(
            "A resource limit is exceeded",
            str(fault.get("message", "")),
            response=response,
            outcome=outcome,
        )
    case, provision, limit, usage = trusted
    label = LABELS.get(provision["resource"], provision["resource"])
    # The limit may have been lowered below the usage. Then nothing is available, not "-3".
    available = usage if case == "release" else max(limit - usage, 0)
    requested = abs(provision["quantity"])
    return QuotaLimit(
        _MESSAGES[case],
        f"{label}: available {available}, requested {requested}",
        response=response,
        outcome=outcome,
        holder=provision["holder"],
        source=provision["source"],
        resource=provision["resource"],
        limit=limit,
        usage=usage,
        quantity=provision["quantity"],
        case=case,
    )


def _trusted(sent: Sequence[Provision], data: object) -> tuple[Case, Provision, int, int] | None:
    if not isinstance(data, dict):
        return None
    limit, usage, named = data.get("limit"), data.get("usage"), data.get("provision")
    provision = next((one for one in merged(sent) if one == named), None)
    if provision is None or type(limit) is not int or type(usage) is not int:
        return None
    after = usage + provision["quantity"]
    if data.get("name") == "NoQuantityError" and provision["quantity"] < 0 and after < 0:
        return "release", provision, limit, usage
    if data.get("name") == "NoCapacityError" and provision["quantity"] >= 0 and after > limit:
        project = provision["holder"].startswith("project:")
        return "project" if project else "member", provision, limit, usage
    return None
