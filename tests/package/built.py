"""The wheel and the sdist of this tree: how they are built, and what the wheel must hold."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

#: Where the packages of the wheel stand in the tree.
PACKAGES = (ROOT / "astakos_worker", ROOT / "client" / "astakosclient")

#: What a package may hold besides Python's sources.
DATA = (".lua", ".sql", ".toml", "py.typed")


class Built(NamedTuple):
    """The files of a release."""

    wheel: Path
    sdist: Path


def build(where: Path) -> Built:
    """Build the sdist, and the wheel from that sdist, with what is installed here."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(where), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel], [sdist] = where.glob("*.whl"), where.glob("*.tar.gz")
    return Built(wheel, sdist)


def in_wheel(wheel: Path) -> set[str]:
    """Return the names of a wheel's files, without those about the wheel itself."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def in_sdist(sdist: Path) -> set[str]:
    """Return the names of an sdist's files, below its folder."""
    with tarfile.open(sdist) as archive:
        return {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}


def wanted() -> set[str]:
    """Return what the wheel must hold, and nothing else, from the sources of this tree."""
    found = {"astakos_worker/celeryconfig.py"}
    for package in PACKAGES:
        for path in package.rglob("*"):
            if path.name.endswith((".py", *DATA)):
                found.add(path.relative_to(package.parent).as_posix())
    return found
