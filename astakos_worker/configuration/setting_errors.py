"""Turns the errors of settings into texts that repeat no value.

The value of a misspelt setting may be a token, so no value is ever shown (F62).
"""

from typing import TYPE_CHECKING

from pydantic import ValidationError

if TYPE_CHECKING:
    from pydantic_core import InitErrorDetails


def without_input(error: ValidationError) -> ValidationError:
    """Return the same error without the values that were given."""
    lines: list[InitErrorDetails] = [
        {"type": one["type"], "loc": one["loc"], "ctx": one.get("ctx", {}), "input": "***"}
        for one in error.errors(include_url=False, include_input=False)
    ]
    return ValidationError.from_exception_data(error.title, lines, hide_input=True)


def in_words(error: ValidationError) -> str:
    """Return one line for each wrong setting: the variable's name and the reason."""
    lines = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        name = "ASTAKOS_" + "__".join(map(str, each["loc"])).upper() + ": " if each["loc"] else ""
        lines.append(name + each["msg"].removeprefix("Value error, "))
    return "\n".join(lines)
