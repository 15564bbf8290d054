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
"""
)


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
def caller_of():
    """Callers of servers that a test starts itself."""
    callers = []

    def caller_of(server):
        callers.append(Caller(server))
        return callers[-1]

    yield caller_of
    for caller in callers:
        caller.session.close()
