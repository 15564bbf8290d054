"""`make pythons`: the unit tests, and a few with real servers, under each Python that is promised.

The promised versions are those of the classifiers in `pyproject.toml`. A version that this machine
does not have is named at the end, and is no failure. The version of `.venv` is left to `make test`,
unless it is given. Each version has an environment of its own
below `build/pythons/`.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.package.built import ROOT

#: Real processes: a worker with its broker and ledger, a service's process, the command line.
INTEGRATION = ("tests/integration/test_processes.py", "tests/integration/service")

_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def promised() -> list[str]:
    """Return the versions that the package says it is for, such as `3.11`."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    found = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", c) for c in classifiers)
    return [one[1] for one in found if one]


def find(version: str) -> Path | None:
    """Return an interpreter of this version that runs: on the PATH, or one of pyenv's."""
    return next((one for one in _candidates(version) if version_of(one) == version), None)


def _candidates(version: str) -> Iterator[Path]:
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)


def version_of(python: Path) -> str:
    """Return the version of an interpreter; empty if it does not run."""
    # pyenv puts a `python3.12` on the PATH that ends with an error where 3.12 is not chosen.
    try:
        done = subprocess.run(
            [python, "-c", _VERSION], capture_output=True, text=True, check=False, timeout=60
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def environment(python: Path, version: str) -> Path:
    """Return the Python of an environment with all that the tests need; it is made once."""
    where = ROOT / "build" / "pythons" / version
    wanted = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        wanted.update((ROOT / name).read_bytes())
    ready = where / ".ready"
    inside = where / "bin" / "python"
    if not (ready.exists() and ready.read_text() == wanted.hexdigest()):
        subprocess.run([python, "-m", "venv", "--clear", where], check=True)
        options = ["--quiet", "--disable-pip-version-check", "-c", "constraints.txt"]
        pip = [inside, "-m", "pip", "install", *options, "-e", ".[dev]"]
        subprocess.run(pip, cwd=ROOT, check=True)
        ready.write_text(wanted.hexdigest())
    return inside


def tested(inside: Path) -> bool:
    """Run the tests in an environment; return whether they pass."""
    options = ["--quiet", "--numprocesses", "2", "--dist", "worksteal", "-m", "not long"]
    units = [inside, "-m", "pytest", *options, "tests/unit", "tests/package"]
    others = [inside, "-m", "pytest", *options, "--dist", "loadfile", *INTEGRATION]
    return all(
        subprocess.run(command, cwd=ROOT, check=False).returncode == 0
        for command in (units, others)
    )


def main(given: list[str]) -> int:
    """Return the exit status: 1 if the tests fail under any of the versions found."""
    pythons = {version_of(Path(one)): Path(one) for one in given}
    if "" in pythons:
        raise SystemExit(f"{pythons['']} does not run")
    missing, failed = [], []
    for version in promised():
        if not given and version == version_of(Path(sys.executable)):
            continue
        python = pythons.get(version) if given else find(version)
        if python is None:
            missing.append(version)
            continue
        sys.stdout.write(f"== Python {version}: {python}\n")
        sys.stdout.flush()
        if not tested(environment(python, version)):
            failed.append(version)
    for label, versions in (("not on this machine", missing), ("failed", failed)):
        if versions:
            sys.stdout.write(f"== Python {', '.join(versions)}: {label}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
