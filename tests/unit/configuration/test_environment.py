"""Variables of the environment: misspelt ones are named, and injected ones passed over."""

import pytest
from pydantic import ValidationError

from astakos_worker.configuration.environment import (
    celerys_variables,
    is_injected,
    not_settings,
)
from astakos_worker.configuration.settings import Settings, SettingsOfAService


def injected(service, port):
    """What Kubernetes injects into every pod of a namespace that has this Service."""
    name, address = service.upper().replace("-", "_"), "10.96.0.12"
    return {
        f"{name}_SERVICE_HOST": address,
        f"{name}_SERVICE_PORT": str(port),
        f"{name}_SERVICE_PORT_WEB_UI": str(port),
        f"{name}_PORT": f"tcp://{address}:{port}",
        f"{name}_PORT_{port}_TCP": f"tcp://{address}:{port}",
        f"{name}_PORT_{port}_TCP_PROTO": "tcp",
        f"{name}_PORT_{port}_TCP_PORT": str(port),
        f"{name}_PORT_{port}_TCP_ADDR": address,
    }


SERVICES = [
    ("astakos", 443),
    ("astakos-metrics", 9464),
    ("astakos-services", 80),
    ("astakos-service", 80),
    ("astakos-broker", 6379),
    ("astakos-services--x", 80),
]


@pytest.mark.parametrize(("service", "port"), SERVICES)
def test_what_kubernetes_injects_for_a_service_of_any_name_sets_nothing(monkeypatch, service, port):
    """F91: pods did not start, for one of them has the name of a setting."""
    variables = injected(service, port)
    for name, value in variables.items():
        assert is_injected(name, value), name
        monkeypatch.setenv(name, value)
    assert not_settings(variables, Settings.model_fields) == []
    assert Settings() == Settings(metrics_port=0)


def test_a_setting_of_the_same_name_is_still_a_setting(monkeypatch):
    monkeypatch.setenv("ASTAKOS_METRICS_PORT", "9464")
    monkeypatch.setenv("ASTAKOS_METRICS_HOST", "0.0.0.0")  # an address as any
    assert (Settings().metrics_port, Settings().metrics_host) == (9464, "0.0.0.0")
    monkeypatch.setenv("ASTAKOS_METRICS_PORT", "tcp:9464")
    with pytest.raises(ValidationError, match="metrics_port"):
        Settings()


def test_variables_that_set_nothing_are_named():
    """A misspelt ASTAKOS_OWNER is no owner, and nobody would say so."""
    good = ["ASTAKOS_OWNER", "astakos_lease", "ASTAKOS_SERVICES__CYCLADES__TOKEN", "PATH"]
    wrong = ["ASTAKOS_OWNR", "ASTAKOS_SERVICE__CYCLADES__TOKN"]
    fields = Settings.model_fields
    assert not_settings(dict.fromkeys(good, "x"), fields) == []
    assert not_settings(dict.fromkeys([*good, *wrong], "x"), fields) == wrong


def test_celerys_own_variables_are_named_with_the_setting_to_use():
    assert celerys_variables(["PATH", "CELERY_BROKER_URL"]) == {
        "CELERY_BROKER_URL": "ASTAKOS_BROKER_URL"
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METRICS_PORT", "nine"),
        ("SERVICES__CYCLADES__TOKEN", "without an address"),
        ("SERVICES", "no JSON"),
        ("OWNER", "no path"),
        ("BRAKE_SHARE", "7"),
        ("FOREIGN", "perhaps"),
    ],
)
def test_a_service_passes_over_what_only_workers_need(monkeypatch, name, value):
    """F91: its calls do not depend on settings that it does not use."""
    monkeypatch.setenv(f"ASTAKOS_{name}", value)
    monkeypatch.setenv("ASTAKOS_NAMESPACE", "staging")
    assert SettingsOfAService() == SettingsOfAService(namespace="staging")
    with pytest.raises((ValidationError, ValueError)):
        Settings()


def test_a_service_is_refused_for_what_it_needs_itself(monkeypatch):
    monkeypatch.setenv("ASTAKOS_BROKER_URL", "redis://h:99999")
    with pytest.raises(ValidationError, match="broker_url"):
        SettingsOfAService()
