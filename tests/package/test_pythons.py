"""`make pythons` finds the interpreters that run, and no others."""

import sys

from tests.package.pythons import find, promised, version_of

THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_the_promised_versions_are_read_and_have_this_one():
    assert promised()[0] == "3.11"
    assert THIS in promised()


def test_an_interpreter_that_runs_has_a_version(tmp_path):
    broken = tmp_path / "python3.99"
    broken.write_text("#!/bin/sh\necho 3.99\nexit 127\n")
    broken.chmod(0o755)
    assert version_of(sys.executable) == THIS
    assert version_of(broken) == ""
    assert version_of(tmp_path / "absent") == ""


def test_one_that_does_not_run_is_passed_over_for_the_next(tmp_path, monkeypatch):
    """As with pyenv: its `python3.99` on the PATH is there, and ends with an error."""
    shims, versions = tmp_path / "shims", tmp_path / "pyenv" / "versions"
    for path, status in ((shims / "python3.99", 127), (versions / "3.99.1" / "bin" / "python", 0)):
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\necho 3.99\nexit {status}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shims}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert find("3.99") == versions / "3.99.1" / "bin" / "python"
    assert find("3.98") is None
