"""Each conformance check of the protocol that concerns the sandbox has a test of its number."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
NAMES = [
    name
    for folder in ("unit", "integration")
    for file in TESTS.joinpath(folder, "sandbox").glob("test_*.py")
    for name in re.findall(r"^def test_(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
]
# Section 6 marks them with S (sandbox); those marked X, client and sandbox together, have theirs
# with the client's.
CHECKS = [*range(1, 7), 12, *range(14, 28), *range(29, 43), *range(51, 64)]


@pytest.mark.parametrize("number", CHECKS)
def test_a_check_has_its_test(number):
    assert any(re.search(rf"(^|_)[sx]{number}_", name) for name in NAMES)
