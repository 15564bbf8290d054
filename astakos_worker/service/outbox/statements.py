"""The statements of `postgresql.sql` and `sqlite.sql`, by name."""

import re
from functools import cache
from importlib.resources import files
from typing import Literal

Dialect = Literal["postgresql", "sqlite"]

#: The outbox's table, in each database.
TABLE = "astakos_outbox"


def ddl(dialect: Dialect) -> str:
    """Return the statements that make the table and its indexes; nothing if they are there."""
    return statement(dialect, "table")


#: Statements that others hold. None of these holds another.
_PARTS = ("ready", "age", "now")


@cache
def statement(dialect: Dialect, name: str, parameters: int = 0) -> str:
    """Return a statement; `{list}` in it becomes so many parameters."""
    found = _read(dialect)
    parts = {one: text for one, text in found.items() if one in _PARTS}
    text = found[name]
    for part, inner in {**parts, "list": ", ".join(["%s"] * parameters)}.items():
        text = text.replace("{" + part + "}", inner)
    return text


@cache
def _read(dialect: Dialect) -> dict[str, str]:
    text = files("astakos_worker.service.outbox").joinpath(f"{dialect}.sql").read_text("utf-8")
    _, *pieces = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return {
        name: re.sub(r"^--.*\n", "", body, flags=re.MULTILINE).strip()
        for name, body in zip(pieces[::2], pieces[1::2], strict=True)
    }
