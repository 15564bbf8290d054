"""A small world, and a good request for each call of the API in it."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

from astakos_worker.sandbox.routes import find_route
from astakos_worker.sandbox.seed import project_uuid, user_uuid

SEED = """
[[component]]
name = "cyclades"
token = "component"

[[component]]
name = "other"
token = "other-component"

[[service]]
name = "compute"
type = "compute"
component = "cyclades"
endpoints = [{ versionId = "v2.0", publicURL = "/compute" }]

[[resource]]
name = "cyclades.vm"
service = "compute"
system_default = 10

[[resource]]
name = "astakos.pending_app"
service = "compute"
system_default = 3

[[users]]
name = "owner@example.org"
token = "owner"

[[users]]
name = "member@example.org"
token = "member"

[[users]]
name = "admin@example.org"
token = "admin"
admin = true

[[project]]
name = "lab.example.org"
owner = "owner@example.org"
members = ["owner@example.org"]
[project.resources]
"cyclades.vm" = { project = 10, member = 5 }

[[oauth_client]]
id = "client"
redirect_uris = ["https://client.example.org/back"]
secret = "secret"
trusted = true
"""

OWNER, MEMBER = user_uuid("owner@example.org"), user_uuid("member@example.org")
PROJECT = project_uuid("lab.example.org")
TOKENS = ("component", "other-component", "owner", "member", "admin")

# The client's own credential, and the session of a user's browser.
OAUTH_HEADERS = {
    "Authorization": "Basic Y2xpZW50OnNlY3JldA==",
    "Cookie": "_pithos2_a=" + quote(f"{OWNER}|owner"),
}

A = "/account/v1.0"
FORM = "application/x-www-form-urlencoded"
VM = {"resource": "cyclades.vm", "quantity": 1}
MEMBERS = {"holder": f"user:{OWNER}", "source": f"project:{PROJECT}", **VM}
WHOLE = {"holder": f"project:{PROJECT}", "source": None, **VM}
CAPACITIES = {"cyclades.vm": {"project_capacity": 4, "member_capacity": 2}}
SPECS = {
    "name": "new.example.org",
    "end_date": "2090-01-31T10:00:00Z",
    "start_date": "2080-01-31T10:00:00+02:00",
    "owner": MEMBER,
    "max_members": "inf",
    "join_policy": "auto",
    "leave_policy": "closed",
    "private": True,
    "comments": "c",
    "resources": CAPACITIES,
}


class Sample(NamedTuple):
    """A request that is right as it stands; `form` is a body that is no JSON."""

    method: str
    path: str
    token: str = ""
    body: Any = None
    form: dict[str, str] | None = None
    query: dict[str, str] | None = None


SAMPLES = [
    Sample("GET", "/identity"),
    Sample("GET", "/identity/v2.0"),
    Sample("POST", "/identity/v2.0/tokens"),
    Sample("POST", "/identity/v2.0/tokens", body={"auth": {"token": {"id": "owner"}}}),
    Sample(
        "POST",
        "/identity/v2.0/tokens",
        body={
            "auth": {
                "passwordCredentials": {"username": OWNER, "password": "owner"},
                "tenantName": OWNER,
            }
        },
    ),
    Sample("GET", "/identity/v2.0/tokens/oauth-token", query={"belongsTo": "scope/x"}),
    Sample("GET", "/ui/get_services", query={"callback": "show"}),
    Sample("POST", "/oauth2/token", form={"grant_type": "authorization_code", "code": "code"}),
    Sample(
        "GET",
        "/oauth2/auth",
        query={"response_type": "code", "client_id": "client", "scope": "s", "state": "x"},
    ),
    Sample("POST", "/oauth2/auth", form={"response_type": "code", "client_id": "client"}),
    Sample("POST", f"{A}/user_catalogs", "owner", {"uuids": [OWNER], "displaynames": ["x"]}),
    Sample("POST", f"{A}/service/user_catalogs", "component", {"uuids": None}),
    Sample("POST", f"{A}/feedback", "owner", form={"feedback_msg": "m", "feedback_data": "d"}),
    Sample("POST", f"{A}/myaccount/default_project", "owner", {"project_id": PROJECT}),
    Sample("GET", f"{A}/resources"),
    Sample("GET", f"{A}/quotas", "owner"),
    Sample("GET", f"{A}/service_quotas", "component", query={"user": f"{OWNER},x"}),
    Sample("GET", f"{A}/service_project_quotas", "component", query={"project": PROJECT}),
    Sample("GET", f"{A}/commissions", "component"),
    Sample(
        "POST",
        f"{A}/commissions",
        "component",
        {"name": "n", "force": False, "auto_accept": True, "provisions": [MEMBERS, WHOLE]},
    ),
    Sample("POST", f"{A}/commissions", "component", {"provisions": [{**WHOLE, "quantity": -1}]}),
    Sample("POST", f"{A}/commissions", "component", {"provisions": [MEMBERS], "force": True}),
    Sample("GET", f"{A}/commissions/1", "component"),
    Sample("POST", f"{A}/commissions/1/action", "component", {"accept": ""}),
    Sample("POST", f"{A}/commissions/action", "component", {"accept": [1, 7], "reject": [2, 1]}),
    Sample("GET", f"{A}/projects", "owner", query={"mode": "active", "state": "active"}),
    Sample("POST", f"{A}/projects", "owner", SPECS),
    Sample("GET", f"{A}/projects/{PROJECT}", "member"),
    Sample("PUT", f"{A}/projects/{PROJECT}", "owner", {"private": True, "resources": CAPACITIES}),
    Sample("POST", f"{A}/projects/{PROJECT}/action", "admin", {"suspend": {"reason": "r"}}),
    Sample("POST", f"{A}/projects/{PROJECT}/action", "admin", {"approve": {"app_id": 1}}),
    Sample("GET", f"{A}/projects/memberships", "owner", query={"project": PROJECT}),
    Sample("POST", f"{A}/projects/memberships", "admin", {"join": {"project": PROJECT}}),
    Sample(
        "POST",
        f"{A}/projects/memberships",
        "owner",
        {"enroll": {"project": PROJECT, "user": "admin@example.org"}},
    ),
    Sample("GET", f"{A}/projects/memberships/5", "member"),
    Sample("POST", f"{A}/projects/memberships/5/action", "owner", {"accept": "r"}),
    Sample("POST", f"{A}/projects/memberships/4/action", "owner", {"leave": "r"}),
]


def sampled_operations() -> set[str]:
    """The names of the calls that there is a sample of."""
    return {find_route(sample.method, sample.path).endpoint.name for sample in SAMPLES}
