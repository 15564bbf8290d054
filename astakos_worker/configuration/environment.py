"""Variables of the environment that begin with `ASTAKOS_`: settings, misspelt and injected ones."""

import re
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from typing import Final

from pydantic_settings import BaseSettings, EnvSettingsSource

#: What Kubernetes injects into each pod for a Service, such as one with the name `astakos-metrics`.
#: `ASTAKOS_METRICS_PORT=tcp://10.96.0.12:9464` and six more say where the Service is. They set
#: nothing of ours, though one has the name of a setting.
_INJECTED_NAME: Final = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$"
)
_INJECTED_PORT: Final = re.compile(r"^(tcp|udp|sctp)://[^/]+:\d+$")

#: Celery's own variables, which another application of the process may use; ours uses settings.
_CELERYS: Final = {
    "CELERY_BROKER_URL": "ASTAKOS_BROKER_URL",
    "CELERY_BROKER_READ_URL": "ASTAKOS_BROKER_URL",
    "CELERY_BROKER_WRITE_URL": "ASTAKOS_BROKER_URL",
    "CELERY_RESULT_BACKEND": "ASTAKOS_RESULT_BACKEND",
}


def is_injected(name: str, value: str | None) -> bool:
    """Return whether Kubernetes has put a variable there for a Service of its own."""
    name = name.upper()
    if name.endswith("_PORT") and value is not None and _INJECTED_PORT.match(value):
        return True
    return _INJECTED_NAME.search(name) is not None


def drop_injected(variables: MutableMapping[str, str], prefix: str) -> None:
    """Remove the variables with this prefix that Kubernetes has injected."""
    for name, value in list(variables.items()):
        if name.startswith(prefix) and is_injected(name, value):
            del variables[name]


class Environment(EnvSettingsSource):
    """The environment as a source of settings, without what Kubernetes injects.

    The settings in `without` are not read either.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], without: Collection[str] = frozenset()
    ) -> None:
        self._without = {f"astakos_{name}" for name in without}
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {
            name: value
            for name, value in super()._load_env_vars().items()
            if not is_injected(name, value) and name.lower().partition("__")[0] not in self._without
        }


def not_settings(variables: Mapping[str, str], fields: Iterable[str]) -> list[str]:
    """Return the variables that begin with `ASTAKOS_` and set nothing; most likely misspelt.

    `variables` are the environment, `fields` the names of the settings.
    """
    known = {f"ASTAKOS_{field.upper()}" for field in fields}

    def sets_something(name: str) -> bool:
        # A service's own settings have a nested form, and pydantic refuses unknown ones itself.
        return name in known or name.startswith("ASTAKOS_SERVICES__")

    ours = {name for name in variables if name.upper().startswith("ASTAKOS_")}
    return sorted(
        name
        for name in ours
        if not sets_something(name.upper()) and not is_injected(name, variables[name])
    )


def celerys_variables(variables: Iterable[str]) -> dict[str, str]:
    """Return `{variable of Celery's: the setting to use}` for those that ours ignore."""
    return {name: _CELERYS[name] for name in variables if name in _CELERYS}
