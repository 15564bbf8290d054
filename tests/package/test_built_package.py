"""The package that users install: what is in it, and that it works where no source tree is."""

import email.parser
import os
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest

import astakos_worker
from tests.package.built import ROOT, build, in_sdist, in_wheel, wanted

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def metadata(built):
    with zipfile.ZipFile(built.wheel) as archive:
        [name] = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        return email.parser.Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A folder with the wheel alone. Its dependencies come from the environment of the tests."""
    where = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-index", "--target", str(where)]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, *options, str(built.wheel)], check=True)
    return where


@pytest.fixture
def run(installed, tmp_path):
    """Run a command in which the installed package comes before the source tree."""

    def run(*command):
        environ = {**os.environ, "PYTHONPATH": str(installed)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_wheel_holds_what_it_must_and_nothing_else(built):
    assert in_wheel(built.wheel) == wanted()


def test_what_the_code_reads_beside_itself_is_among_what_is_wanted():
    """The list is made from the tree. These are files that the code opens by name."""
    assert wanted() > {
        "astakos_worker/celeryconfig.py",
        "astakos_worker/ledger/redis/cas.lua",
        "astakos_worker/ledger/redis/claim.lua",
        "astakos_worker/py.typed",
        "astakos_worker/sandbox/default.toml",
        "astakosclient/py.typed",
    }


def test_the_sdist_holds_what_the_tests_and_the_site_need(built):
    names = in_sdist(built.sdist)
    assert names > {
        *("CHANGELOG.md", "LICENSE", "Makefile", "README.md", "celeryconfig.py"),
        *("constraints.txt", "pyproject.toml", "docs/services.md", "tests/conftest.py"),
        *("client/astakosclient/__init__.py", "examples/request_handler.py", "bench/__main__.py"),
    }
    tops = {name.partition("/")[0] for name in names}
    assert not tops & {".venv", ".git", "build", "dist", "run", "secrets"}


def test_the_version_stands_in_one_place(built, metadata, run):
    program = "import astakos_worker; print(astakos_worker.__version__)"
    assert metadata["Version"] == astakos_worker.__version__
    assert run(sys.executable, "-c", program) == f"{astakos_worker.__version__}\n"
    assert "version" in PROJECT["dynamic"]
    assert f"-{astakos_worker.__version__}-" in built.wheel.name


def test_the_newest_changes_are_those_of_this_version():
    [first, *_] = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first == astakos_worker.__version__


def test_the_oldest_python_that_is_promised_is_the_oldest_one_that_is_tested(metadata):
    named = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    assert metadata["Requires-Python"] == f">={named[0]}"


def test_the_installed_package_is_imported_and_has_its_files(installed, run):
    program = (
        "import astakos_worker, astakosclient\n"
        "from astakos_worker.configuration.celery_values import celery_values\n"
        "from astakos_worker.configuration.settings import Settings\n"
        "import astakos_worker.ledger.redis.scripts, astakos_worker.sandbox.seed\n"
        "print(astakos_worker.__file__, astakosclient.__file__, sep='\\n')\n"
        "print(celery_values(Settings())['worker_pool'])\n"
    )
    assert run(sys.executable, "-c", program).splitlines() == [
        str(installed / "astakos_worker" / "__init__.py"),
        str(installed / "astakosclient" / "__init__.py"),
        "threads",
    ]


def test_the_installed_command_runs(installed, run):
    out = run(sys.executable, str(installed / "bin" / "astakos-worker"), "--help")
    assert out.startswith("Usage: ")
    assert "reconcile" in out


@pytest.mark.parametrize(
    "absent", ["celery", "kombu", "redis", "msgspec", "pydantic", "click", "rich"]
)
def test_no_module_of_the_client_needs_what_only_the_worker_needs(run, absent):
    program = (
        f"import importlib, pkgutil, sys; sys.modules[{absent!r}] = None\n"
        "import astakosclient\n"
        "for one in pkgutil.walk_packages(astakosclient.__path__, 'astakosclient.'):\n"
        "    importlib.import_module(one.name)\n"
        "print(astakosclient.AstakosClient.__name__, 'astakos_worker' in sys.modules)"
    )
    assert run(sys.executable, "-c", program) == "AstakosClient False\n"
