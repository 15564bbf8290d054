"""A pytest plugin: an Astakos for the tests of a service, over HTTP or in memory.

    def test_something(astakos_sandbox):
        client = AstakosClient(astakos_sandbox.token("cyclades"), astakos_sandbox.auth_url)

One server in a thread of the tests' process serves the whole run. Each test that asks for it begins
with the seed. `commissions_in_memory` and `astakos_in_memory` need no server. pytest finds the
plugin by its entry point. See `docs/testing.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from astakos_worker.sandbox.server import SandboxServer
    from astakos_worker.testing.in_memory import (
        InMemoryCloud,
        InMemoryCommissions,
        InMemoryLookups,
    )


@pytest.fixture(scope="session")
def astakos_sandbox_seed() -> Path | str | None:
    """Return the seed: a path of a TOML file, the text of one, or None for the shipped seed.

    Override this fixture in your `conftest.py`.
    """
    return None


@pytest.fixture(scope="session")
def astakos_sandbox_server(astakos_sandbox_seed: Path | str | None) -> Iterator[SandboxServer]:
    """Yield the server of the whole run. A test asks for `astakos_sandbox` instead."""
    # Every run imports the plugin. Only a run that uses the server imports it.
    try:
        from astakos_worker.sandbox.server import SandboxServer  # noqa: PLC0415  # see above
    except ModuleNotFoundError as missing:
        pytest.fail(f"{missing.name} is not installed; install astakos-worker[sandbox]")
    with SandboxServer(astakos_sandbox_seed) as server:
        yield server


@pytest.fixture
def astakos_sandbox(astakos_sandbox_server: SandboxServer) -> SandboxServer:
    """Return a sandbox as the seed says: no faults, costs or quirks, and nothing pending.

    A client needs its `auth_url` and `token(name)`; a test steers it by `control`.
    """
    astakos_sandbox_server.reset()
    return astakos_sandbox_server


@pytest.fixture
def commissions_in_memory() -> InMemoryCommissions:
    """Return `Commissions` over a ledger and an Astakos in memory, without limits.

    `commissions_in_memory.astakos.set_limit(...)` sets one.
    """
    from astakos_worker.service.commissions import Commissions  # noqa: PLC0415  # as above

    return Commissions.in_memory()


@pytest.fixture
def lookups_in_memory(commissions_in_memory: InMemoryCommissions) -> InMemoryLookups:
    """Return `Lookups` over the Astakos of `commissions_in_memory`.

    `lookups_in_memory.users.add_user(name)` adds a user, and returns the uuid.
    """
    from astakos_worker.service.lookups import Lookups  # noqa: PLC0415  # as above

    return Lookups.in_memory(commissions_in_memory)


@pytest.fixture
def astakos_in_memory(monkeypatch: pytest.MonkeyPatch) -> InMemoryCloud:
    """Return an empty ledger and Astakos, as all `Commissions()` and `Lookups()` of a service see.

    For a service that makes them by itself. Set `ASTAKOS_LEDGER_URL=memory://` for the whole run if
    it makes them when its modules are imported; each test begins with an empty cloud.
    """
    from astakos_worker.configuration.settings import (  # noqa: PLC0415  # as above
        IN_MEMORY,
        SettingsOfAService,
    )
    from astakos_worker.testing.in_memory import the_cloud  # noqa: PLC0415  # as above

    monkeypatch.setenv("ASTAKOS_LEDGER_URL", IN_MEMORY)
    cloud = the_cloud(SettingsOfAService())
    cloud.reset()
    return cloud
