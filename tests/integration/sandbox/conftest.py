"""One sandbox for all these tests, put back to its seed before each, and a plain HTTP caller."""

from __future__ import annotations

import pytest
import requests

from astakos_worker.sandbox.seed import default_seed, project_uuid, user_uuid
from astakos_worker.sandbox.server import SandboxServer

SEED = (
    default_seed()
    + """
[[component]]
name = "idle"
token = "sandbox-token-of-idle"

[[component]]
name = "retired"
token = "sandbox-token-of-retired"
expired = true

[[resource]]
name = "cyclades.hidden"
service = "cyclades_compute"
api_visible = false

[[users]]
name = "unverified@example.org"
token = "sandbox-token-of-unverified"
email_verified = false

[[users]]
name = "unmoderated@example.org"
token = "sandbox-token-of-unmoderated"
moderated = false

[[users]]
name = "rejected@example.org"
token = "sandbox-token-of-rejected"
rejected = true

[[users]]
name = "paused@example.org"
token = "sandbox-token-of-paused"
system_project = "suspended"

[[users]]
name = "Mixed.Case@Example.org"
token = "sandbox-token-of-mixed"
groups = ["students", "staff"]

[[users]]
name = "student@example.org"
token = "sandbox-token-of-student"
groups = ["students"]

[[oauth_token]]
token = "sandbox-oauth-token"
user = "user01@example.org"
client = "sandbox-client"
scope = "read"

[[oauth_client]]
id = "asking"
redirect_uris = ["https://asking.example.org/back"]
"""
)

OWNER = "sandbox-token-of-user10"
OTHER = "sandbox-token-of-user11"
ADMIN = "sandbox-token-of-admin"
SPECS = {
    "name": "lab.example.org",
    "end_date": "2090-01-31T10:00:00+02:00",
    "resources": {"cyclades.vm": {"project_capacity": 20, "member_capacity": 5}},
}


class Projects:
    """Speaks of projects and memberships, as the user whose token is given."""

    owner, other, admin = OWNER, OTHER, ADMIN
    owner_uuid, other_uuid = user_uuid("user10@example.org"), user_uuid("user11@example.org")

    def __init__(self, call):
        self.call = call

    def ask(self, method, path, token, body=None):
        return self.call.account(method, path, token, json=body)

    def create(self, token=OWNER, **specs):
        return self.ask("POST", "projects", token, {**SPECS, **specs})

    def applied(self, token=OWNER, **specs):
        """The uuid and the application of a project that was applied for."""
        reply = self.create(token, **specs)
        assert reply.status_code == 201, reply.text
        return reply.json()["id"], reply.json()["application"]

    def active(self, **specs):
        """The uuid of a project that was approved."""
        project, application = self.applied(**specs)
        assert self.decide(project, application, "approve") == 200
        return project

    def decide(self, project, application, verdict, token=ADMIN):
        body = {verdict: {"app_id": application, "reason": "because"}}
        return self.ask("POST", f"projects/{project}/action", token, body).status_code

    def act(self, project, action, token=ADMIN):
        path = f"projects/{project}/action"
        return self.ask("POST", path, token, {action: {"reason": "because"}}).status_code

    def modify(self, project, token=OWNER, **specs):
        return self.ask("PUT", f"projects/{project}", token, specs)

    def show(self, project, token=OWNER):
        return self.ask("GET", f"projects/{project}", token).json()

    def listed(self, token, query=""):
        reply = self.ask("GET", f"projects{query}", token)
        assert reply.status_code == 200, reply.text
        return {project["id"] for project in reply.json()}

    def join(self, project, token=OTHER):
        return self.ask("POST", "projects/memberships", token, {"join": {"project": project}})

    def enroll(self, project, email="user11@example.org", token=OWNER):
        body = {"enroll": {"project": project, "user": email}}
        return self.ask("POST", "projects/memberships", token, body)

    def member(self, project, token=OTHER):
        """The membership of somebody who joined."""
        reply = self.join(project, token)
        assert reply.status_code == 200, reply.text
        return reply.json()["id"]

    def move(self, number, action, token):
        path = f"projects/memberships/{number}/action"
        return self.ask("POST", path, token, {action: "because"}).status_code

    def membership(self, number, token=OTHER):
        return self.ask("GET", f"projects/memberships/{number}", token).json()

    def limit(self, project, user=None):
        """What the project, or a member of it, may take: its VMs."""
        holder = f"user:{user}" if user else f"project:{project}"
        source = f"project:{project}" if user else None
        return self.call.control.holding(holder, source, "cyclades.vm")["limit"]


class Caller:
    """Speaks HTTP to a sandbox as the component cyclades, or as whoever a token belongs to."""

    def __init__(self, server):
        self.server = server
        self.control = server.control
        self.session = requests.Session()
        self.user = user_uuid("user01@example.org")
        self.shared = project_uuid("shared.example.org")

    def __call__(self, method, path, token="sandbox-token-of-cyclades", **options):
        headers = {**({"X-Auth-Token": token} if token else {}), **options.pop("headers", {})}
        return self.session.request(
            method, self.server.url + path, headers=headers, timeout=10, **options
        )

    def account(self, method, path, *args, **options):
        return self(method, f"/account/v1.0/{path}", *args, **options)

    def discover(self, body=None, **options):
        return self("POST", "/identity/v2.0/tokens", None, json=body, **options)

    def log_in(self, token, **auth):
        return self.discover({"auth": {"token": {"id": token}, **auth}})

    def vm(self, quantity, resource="cyclades.vm"):
        """What user01 takes from their own project."""
        return {
            "holder": f"user:{self.user}",
            "source": f"project:{self.user}",
            "resource": resource,
            "quantity": quantity,
        }

    def issue(self, *provisions, token="sandbox-token-of-cyclades", **options):
        body = {"provisions": list(provisions), **options}
        return self.account("POST", "commissions", token, json=body)

    def serial(self, *provisions, **options):
        reply = self.issue(*provisions, **options)
        assert reply.status_code == 201, reply.text
        return reply.json()["serial"]

    def act(self, serial, body, **options):
        return self.account("POST", f"commissions/{serial}/action", json=body, **options)

    def accept(self, serial):
        return self.act(serial, {"accept": ""})

    def reject(self, serial):
        return self.act(serial, {"reject": ""})

    def resolve(self, accept=(), reject=(), **options):
        body = {"accept": list(accept), "reject": list(reject)}
        return self.account("POST", "commissions/action", json=body, **options)

    def pending(self, **options):
        return self.account("GET", "commissions", **options).json()

    def set_limit(self, limit):
        self.control.set_limit(f"user:{self.user}", f"project:{self.user}", "cyclades.vm", limit)

    def counters(self):
        """`usage_min/usage_max` of user01's VMs in their own project."""
        holding = self.control.holding(f"user:{self.user}", f"project:{self.user}", "cyclades.vm")
        return f"{holding['usage_min']}/{holding['usage_max']}"


@pytest.fixture(scope="session")
def sandbox_server():
    with SandboxServer(SEED) as server:
        yield server


@pytest.fixture
def call(sandbox_server):
    caller = Caller(sandbox_server)
    caller.control.reset()
    with caller.session:
        yield caller


@pytest.fixture
def projects(call):
    return Projects(call)


@pytest.fixture
def caller_of():
    """Callers of servers that a test starts itself."""
    callers = []

    def caller_of(server):
        callers.append(Caller(server))
        return callers[-1]

    yield caller_of
    for caller in callers:
        caller.session.close()
