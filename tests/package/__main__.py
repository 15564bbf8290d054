"""`make dist`: build a release into `dist/`, check it, install it into empty environments, run it.

1. The sdist is built, and the wheel from the sdist.
2. Their metadata and their README are checked as an index checks them.
3. The wheel's client is installed with its own two dependencies, and imported.
4. The wheel is installed with the extra `local` into an empty environment, and runs a short demo,
   which proves its sums.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.package.built import ROOT, build, in_wheel, wanted

#: Commissions of the demo: enough for the kill, the orphans and the proof.
_COMMISSIONS = 100

_IMPORT = """
import importlib, pkgutil, sys, astakosclient
for one in pkgutil.walk_packages(astakosclient.__path__, "astakosclient."):
    importlib.import_module(one.name)
"""


def main() -> int:
    """Return the exit status: 0 if all went well."""
    if Path(sys.prefix) == Path(sys.base_prefix):
        raise SystemExit("run this in the project's environment: make dist")
    place = ROOT / "dist"
    shutil.rmtree(place, ignore_errors=True)
    _say("build")
    built = build(place)
    if differs := in_wheel(built.wheel) ^ wanted():
        raise SystemExit(f"in the wheel or in the tree, and not in both: {sorted(differs)}")
    _say("check the metadata")
    _run(sys.executable, "-m", "twine", "check", "--strict", built.wheel, built.sdist)
    with tempfile.TemporaryDirectory(prefix="astakos-dist-") as name:
        empty = Path(name)
        _say("the client alone, with requests and urllib3")
        python = _environment(empty / "client", "--no-deps", built.wheel)
        _pip(python, "requests", "urllib3")
        _run(python, "-c", _IMPORT, cwd=empty)
        _say("the whole package, and its demo")
        python = _environment(empty / "whole", f"{built.wheel}[local]")
        command = python.with_name("astakos-worker")
        demo = ("demo", "--commissions", _COMMISSIONS, "--no-flower", "--plain")
        _run(command, *demo, cwd=empty)
    _say(f"{built.wheel.name} and {built.sdist.name} are in {place.name}/, and they work")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"== {text}\n")
    sys.stdout.flush()


def _environment(where: Path, *what: object) -> Path:
    """Make an empty environment, install something in it, and return its Python."""
    _run(sys.executable, "-m", "venv", where)
    python = where / "bin" / "python"
    _pip(python, *what)
    return python


def _pip(python: Path, *what: object) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt")
    _run(python, "-m", "pip", "install", *options, *what)


def _run(*command: object, cwd: Path = ROOT) -> None:
    done = subprocess.run([str(part) for part in command], cwd=cwd, check=False)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(str(part) for part in command)}")


if __name__ == "__main__":
    sys.exit(main())
