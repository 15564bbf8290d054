"""The order in which tests are given to the processes that run them, and which are left out.

`README.md` says how they run beside each other, and what a test must not do because of that.
"""

import shutil

import pytest

from tests.integration.cluster.postgres import postgres_runs

#: The longest files come first, and the short ones that fit into any gap last.
ORDER = ("test_live.py", "simulation", "chaos", "integration", "fuzz", "package", "docs", "unit")

#: Servers that not every machine has, by the marker of the tests that need them: a function that
#: looks for the server, its name, and the server that the other tests run on.
WANTED = {
    "redis_server": (
        lambda: shutil.which("redis-server"),
        "redis-server on the PATH",
        "the embedded Valkey",
    ),
    "tls_server": (
        lambda: shutil.which("redis-server") and shutil.which("openssl"),
        "redis-server and openssl on the PATH",
        "connections in clear",
    ),
    "c_compiler": (lambda: shutil.which("cc"), "cc on the PATH", "clocks that nobody sets"),
    "postgres_server": (postgres_runs, "PostgreSQL (initdb, pg_ctl) on the PATH", "SQLite"),
}

LEFT_OUT = pytest.StashKey[dict[str, int]]()


def pytest_addoption(parser):
    parser.addoption(
        "--leave-none-out",
        action="store_true",
        help="fail where this machine lacks what a test wants, instead of leaving the test out",
    )


def pytest_configure(config):
    lacking = [missing for found, missing, _ in WANTED.values() if not found()]
    if config.getoption("--leave-none-out") and lacking:
        raise pytest.UsageError(f"there is no {', and no '.join(lacking)}")


def pytest_collection_modifyitems(config, items):
    items.sort(key=_rank)
    config.stash[LEFT_OUT] = {}
    for marker, (found, _, _) in WANTED.items():
        left_out = [item for item in items if item.get_closest_marker(marker)]
        if not left_out or found():
            continue
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
        config.stash[LEFT_OUT][marker] = len(left_out)


def _rank(item):
    return next((rank for rank, part in enumerate(ORDER) if part in item.path.parts), 0)


def pytest_sessionfinish(session):
    """Report the number to the process that started this one, if there are several."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", {})


def pytest_terminal_summary(terminalreporter, config):
    for marker, number in config.stash.get(LEFT_OUT, {}).items():
        _, missing, others = WANTED[marker]
        terminalreporter.write_line(
            f"left out, because there is no {missing}: {number} (the others ran on {others})",
            yellow=True,
        )
