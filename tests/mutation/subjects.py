"""The modules and scripts that are mutated, and the tests that should notice.

`equivalent.txt` lists the survivors that change nothing, each with the reason.
"""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
#: Cases of the simulation whose single faults are searched where the tests noticed nothing.
_CASES = (
    *("issue/1", "issue_accepted/1", "issue/2+sweep", "reject_while_queued/1"),
    *("twin/1+sweep", "serial_never_there/1", "refused/1"),
)


class Subject(NamedTuple):
    """A file, and what is run for each of its mutants."""

    file: Path
    tests: tuple[str, ...]
    cases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's path in the project."""
        return str(self.file.relative_to(ROOT))


def _module(path: str, *tests: str, cases: tuple[str, ...] = ()) -> Subject:
    return Subject(ROOT / "astakos_worker" / path, tests, cases)


_CHANGES = (
    "deciding",
    "issuing",
    "settling",
    "bare_serials",
    "interventions",
    "waiting",
    "updates",
)
_LEDGER = ("tests/unit/ledger", "tests/unit/engine/carry")
MODULES = [
    _module("ledger/states.py", *_LEDGER, cases=_CASES),
    *(_module(f"ledger/changes/{name}.py", *_LEDGER, cases=_CASES) for name in _CHANGES),
    _module("engine/replies.py", "tests/unit/engine", cases=_CASES),
    _module("engine/sweep/policy.py", "tests/unit/engine/sweep", cases=_CASES),
    _module("engine/drift/compare.py", "tests/unit/engine/drift"),
    _module("service/outcome.py", "tests/unit/service", cases=_CASES),
    _module("service/arguments.py", "tests/unit/service"),
]
#: The tests of the ledger on a server, the quickest first. Valkey alone: Redis runs the same text.
_ON_A_SERVER = (
    *("writes", "decisions", "fences", "claims", "indexes", "watching", "wakeups", "marks"),
    *("resting", "unreadable", "newer_versions", "lost_writes", "stepped_clocks", "same_answers"),
)
_SCRIPTS_TESTS = tuple(f"tests/integration/ledger/test_{name}.py" for name in _ON_A_SERVER)
SCRIPTS = [
    Subject(file, (*_SCRIPTS_TESTS, "-k", "not redis-"))
    for file in sorted((ROOT / "astakos_worker/ledger/redis").glob("*.lua"))
]


def equivalent() -> dict[str, str]:
    """Return `{name of the mutant without its line: the reason why nothing can notice it}`."""
    lines = (_HERE / "equivalent.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" => ") for line in lines if line and not line.startswith("#")]
    return {name.strip(): reason.strip() for name, reason in rows}
