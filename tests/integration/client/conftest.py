"""One sandbox for these tests, put back to its seed before each, and clients of it."""

import pytest

from astakos_worker.sandbox.seed import project_uuid, user_uuid
from astakos_worker.sandbox.server import SandboxServer
from astakosclient import AstakosClient


class Cloud:
    """A sandbox as its services and users see it."""

    def __init__(self, server):
        self.server = server
        self.control = server.control
        self.user = user_uuid("user01@example.org")
        self.tiny = user_uuid("tiny1@example.org")
        self.shared = project_uuid("shared.example.org")
        self.crowded = project_uuid("crowded.example.org")
        self._clients = []

    def client(self, whose="cyclades", auth_url=None, **options):
        options = {"connect_timeout": 5, "total_timeout": 20, **options}
        url = auth_url or self.server.auth_url
        self._clients.append(AstakosClient(f"sandbox-token-of-{whose}", url, **options))
        return self._clients[-1]

    def requests_for(self, route):
        return sum(self.control.audit()["requests"].get(route, {}).values())

    def counters(self, holder, source, resource="cyclades.vm"):
        row = self.control.holding(holder, source, resource)
        return row["usage_min"], row["usage_max"]

    def close(self):
        for client in self._clients:
            client.close()


@pytest.fixture(scope="session")
def client_sandbox():
    with SandboxServer() as server:
        yield server


@pytest.fixture
def cloud(client_sandbox):
    cloud = Cloud(client_sandbox)
    cloud.control.reset()
    yield cloud
    cloud.close()


@pytest.fixture
def cloud_of():
    """Clouds of servers that a test starts itself."""
    clouds = []

    def cloud_of(server):
        clouds.append(Cloud(server))
        return clouds[-1]

    yield cloud_of
    for cloud in clouds:
        cloud.close()
