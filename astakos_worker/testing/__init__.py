"""An Astakos for the tests of a service, over HTTP or in memory: a pytest plugin.

    pytest_plugins = ["astakos_worker.testing"]     # in the tests' top-level conftest.py

    def test_something(astakos_sandbox):
        client = AstakosClient(astakos_sandbox.token("cyclades"), astakos_sandbox.auth_url)

One server, in a thread of the tests' own process, serves a whole run; each test that asks for it
begins with the seed, whatever the one before did. `commissions_in_memory` needs no server at all.
`docs/testing.md` tells more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from astakos_worker.sandbox.server import SandboxServer
    from astakos_worker.testing.in_memory import InMemoryCommissions


@pytest.fixture(scope="session")
def astakos_sandbox_seed() -> Path | str | None:
    """The world that each test begins with: a TOML file, its text, or None for the shipped one.

    Override it in your `conftest.py`.
    """
    return None


@pytest.fixture(scope="session")
def astakos_sandbox_server(astakos_sandbox_seed: Path | str | None) -> Iterator[SandboxServer]:
    """The server itself, one for all tests of a run; a test asks for `astakos_sandbox`."""
    # A plugin is imported by every run, the server only by one that uses it.
    try:
        from astakos_worker.sandbox.server import SandboxServer  # noqa: PLC0415 # see above
    except ModuleNotFoundError as missing:
        pytest.fail(f"{missing.name} is not installed; install astakos-worker[sandbox]")
    with SandboxServer(astakos_sandbox_seed) as server:
        yield server


@pytest.fixture
def astakos_sandbox(astakos_sandbox_server: SandboxServer) -> SandboxServer:
    """A sandbox as the seed says, without faults, costs, quirks or anything pending.

    `auth_url` and `token(name)` are what a client needs; `control` steers it.
    """
    astakos_sandbox_server.reset()
    return astakos_sandbox_server


@pytest.fixture
def commissions_in_memory() -> InMemoryCommissions:
    """`Commissions` over a ledger and an Astakos in memory, in which everything may be had.

    `commissions_in_memory.astakos.set_limit(...)` puts an end to that.
    """
    from astakos_worker.service.commissions import Commissions  # noqa: PLC0415 # as above

    return Commissions.in_memory()
