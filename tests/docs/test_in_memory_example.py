"""The worked example of the page on testing, of a service that goes through `Commissions`."""

import os
import subprocess
import sys
from pathlib import Path

from astakos_worker.testing.in_memory import InMemoryAstakos, InMemoryCommissions

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCKS = [part.split("```")[0] for part in PAGE.split("```python\n")[1:]]


def block(name):
    """The example file of this name, as the page prints it."""
    [text] = [one for one in BLOCKS if one.startswith(f"# {name}\n")]
    return text


def test_the_example_without_a_server_passes_as_it_stands(tmp_path):
    for name in ("shop.py", "test_shop.py"):
        (tmp_path / name).write_text(block(name), encoding="utf-8")
    fixture = "def test_all_may_be_had(commissions_in_memory):\n    {}".format(
        "assert commissions_in_memory.astakos.quota('u', 'p', 'r')['limit'] == 2**63 - 1\n"
    )
    (tmp_path / "test_fixture.py").write_text(fixture, encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider"),
            *("-p", "astakos_worker.testing", "-q", "."),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{block('test_shop.py').count('def test_') + 1} passed" in done.stdout


def test_the_page_names_every_handle():
    for kind in (InMemoryAstakos, InMemoryCommissions):
        for name in vars(kind):
            engines = name.startswith(("_", "issue_", "resolve_", "get_"))
            engines = engines or name in {"unknown_name", "look_up", "holdings"}
            assert engines or f"{name}" in PAGE, name
