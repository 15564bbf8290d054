"""Loads `celeryconfig.py`, the file of Celery's own settings.

The file is loaded by its path: a service may have a module `celeryconfig` of its own, and that
one must not be loaded in its place.
"""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from astakos_worker.configuration.settings import Settings


def celery_values(settings: Settings) -> dict[str, Any]:
    """Load `celeryconfig.py` and return `{Celery's setting: its value}`.

    The file computes its values from `settings`. `FileNotFoundError` if there is no such file.
    """
    package = Path(__file__).resolve().parents[1]
    installed = package / "celeryconfig.py"
    in_checkout = package.parent / "celeryconfig.py"
    path = settings.celeryconfig or (installed if installed.exists() else in_checkout)
    spec = importlib.util.spec_from_file_location("_astakos_celeryconfig", path)
    if spec is None or spec.loader is None or not path.exists():
        raise FileNotFoundError(f"{path} is no Python file; set ASTAKOS_CELERYCONFIG")
    module = importlib.util.module_from_spec(spec)
    module.settings = settings  # type: ignore[attr-defined]  # the file reads it
    spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if _is_value(name, value)}


def _is_value(name: str, value: Any) -> bool:
    plain = not (callable(value) or isinstance(value, ModuleType))
    return plain and name.islower() and name[0] != "_" and name != "settings"
