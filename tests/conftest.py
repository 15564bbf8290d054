"""In which order tests are given to the processes that run them, and which are left out.

How they run beside each other, and what a test must not do therefore, is in `README.md`.
"""

import shutil

import pytest

from tests.integration.cluster.postgres import postgres_runs

#: What takes longest in one file comes first, and what fits into any gap comes last.
ORDER = ("test_live.py", "simulation", "chaos", "integration", "fuzz", "docs", "unit")

#: What is there on some machines alone, by the marker of the tests that need it.
WANTED = {
    "redis_server": (
        lambda: shutil.which("redis-server"),
        "a redis-server on the PATH",
        "the embedded Valkey",
    ),
    "postgres_server": (postgres_runs, "a PostgreSQL on the PATH", "SQLite"),
}

LEFT_OUT = pytest.StashKey[dict[str, int]]()


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
    """Tell the process that started this one, where there are several."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", {})


def pytest_terminal_summary(terminalreporter, config):
    for marker, number in config.stash.get(LEFT_OUT, {}).items():
        _, missing, others = WANTED[marker]
        terminalreporter.write_line(
            f"left out, for want of {missing}: {number} (the others ran on {others})",
            yellow=True,
        )
