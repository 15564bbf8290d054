"""In which order tests are given to the processes that run them, and which are left out.

How they run beside each other, and what a test must not do therefore, is in `README.md`.
"""

import shutil

import pytest

#: What keeps a core busy for longest comes first, and what fits into any gap comes last.
ORDER = ("simulation", "chaos", "integration", "fuzz", "docs", "unit")

LEFT_OUT = pytest.StashKey[int]()


def pytest_collection_modifyitems(config, items):
    items.sort(key=_rank)
    if shutil.which("redis-server"):
        return
    left_out = [item for item in items if item.get_closest_marker("redis_server")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    config.stash[LEFT_OUT] = len(left_out)


def _rank(item):
    return next((rank for rank, part in enumerate(ORDER) if part in item.path.parts), 0)


def pytest_sessionfinish(session):
    """Tell the process that started this one, where there are several."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter, config):
    if number := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(
            f"left out, for want of a redis-server on the PATH: {number} "
            f"(the others ran on the embedded Valkey)",
            yellow=True,
        )
