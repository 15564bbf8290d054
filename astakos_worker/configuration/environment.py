"""Variables of the environment that begin with `ASTAKOS_`: which of them set something."""

from collections.abc import Iterable


def not_settings(names: Iterable[str], fields: Iterable[str]) -> list[str]:
    """Return the variables that begin with `ASTAKOS_` and set nothing; most likely misspelt.

    `names` are the variables of the environment, `fields` the names of the settings.
    """
    known = {f"ASTAKOS_{field.upper()}" for field in fields}

    def sets_something(name: str) -> bool:
        # A service's own settings have a nested form, and pydantic refuses unknown ones itself.
        return name in known or name.startswith("ASTAKOS_SERVICES__")

    ours = {name for name in names if name.upper().startswith("ASTAKOS_")}
    return sorted(name for name in ours if not sets_something(name.upper()))
