"""A file of fault rules: `seed = 7`, then a `[[fault]]` table for each rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astakos_worker.sandbox.errors import FaultRuleError
from astakos_worker.sandbox.faults import Rule
from astakos_worker.sandbox.input_tables import Document

if TYPE_CHECKING:
    from pathlib import Path


def load_faults(path: Path) -> tuple[tuple[Rule, ...], int]:
    """The rules of a file, and the seed of their chances."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise FaultRuleError(
            f"the faults {path} cannot be read ({cause}); give the path of a TOML file"
        ) from cause
    return parse_faults(text, str(path))


def parse_faults(text: str, source: str = "the faults") -> tuple[tuple[Rule, ...], int]:
    """The rules of a text, and the seed of their chances; complaints name the line."""
    document = Document(text, source, FaultRuleError)
    document.only("seed", "fault")
    seed = document.top.get("seed", int, 0)
    rules = []
    for table in document.tables("fault"):
        try:
            rules.append(Rule.of(table.contents()))
        except FaultRuleError as cause:
            raise table.error("", str(cause)) from cause
    return tuple(rules), seed
