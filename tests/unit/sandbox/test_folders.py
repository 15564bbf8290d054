"""What each folder of the sandbox says that it never imports, held by the source of its modules."""

import ast
from pathlib import Path

import pytest

import astakos_worker.sandbox

ROOT = Path(astakos_worker.sandbox.__file__).parent
OURS = "astakos_worker.sandbox"
SERVER = (f"{OURS}.server", f"{OURS}.asgi")
FAULTS = (f"{OURS}.faults", f"{OURS}.fault_effects")
NEVER = {
    "api": (*SERVER, *FAULTS, f"{OURS}.control"),
    "projects": (*SERVER, *FAULTS, f"{OURS}.control", f"{OURS}.api", f"{OURS}.routes"),
    "control": SERVER,
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(name, modules):
    return any(name == module or name.startswith(f"{module}.") for module in modules)


@pytest.mark.parametrize("folder", NEVER)
def test_a_folder_never_imports_what_its_docstring_excludes(folder):
    paths = list(ROOT.joinpath(folder).glob("*.py"))
    assert len(paths) > 3
    assert all(ROOT.joinpath(*name.split(".")[2:]).with_suffix(".py").exists() for name in SERVER)
    strays = [(path.name, name) for path in paths for name in imported(path)]
    assert [stray for stray in strays if below(stray[1], NEVER[folder])] == []


def test_the_arithmetic_of_quota_knows_nothing_but_its_errors():
    """The Astakos in memory uses it where no server is installed."""
    ours = {name for name in imported(ROOT / "quota.py") if below(name, (OURS,))}
    assert {name for name in ours if not below(name, (f"{OURS}.errors",))} == set()


@pytest.mark.parametrize("folder", ["", *NEVER])
def test_each_folder_says_in_a_few_lines_where_it_runs_and_what_it_never_imports(folder):
    text = ast.get_docstring(ast.parse(ROOT.joinpath(folder, "__init__.py").read_text()))
    assert "Runs in" in text
    assert "Must never import" in text
    assert len(text.splitlines()) <= 5
