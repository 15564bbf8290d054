"""Each check and each bug of the protocol that concerns the client has a test of its number."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
NAMES = [
    name
    for folder in ("unit", "integration")
    for file in TESTS.joinpath(folder, "client").glob("test_*.py")
    for name in re.findall(r"^def test_(\w+)", file.read_text(), re.MULTILINE)
]
# Section 6 marks them with C (client) or X (client and sandbox together).
CHECKS = [7, 8, 9, 10, 11, 13, 19, 20, 22, 28, *range(43, 51), 64]
BUGS = range(1, 19)


@pytest.mark.parametrize("number", CHECKS)
def test_a_check_has_its_test(number):
    assert any(re.search(rf"(^|_)c{number:02}_", name) for name in NAMES)


@pytest.mark.parametrize("number", BUGS)
def test_a_bug_of_the_old_package_has_its_test(number):
    assert any(re.search(rf"(^|_)bug_{number}_", name) for name in NAMES)
