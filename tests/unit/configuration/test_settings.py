"""Settings are read from the environment, fit together or are refused, and show no token."""

import os
import pickle
import traceback

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from astakos_worker.configuration.celery_values import celery_values
from astakos_worker.configuration.names import COMMISSIONS, LOOKUP, LOOKUPS, RECONCILE, SWEEP
from astakos_worker.configuration.settings import DEMO_TIMES, Settings

TOKEN = "a-token-nobody-may-see"
URL = "https://accounts.example.org/identity/v2.0"


@pytest.fixture(autouse=True)
def scrubbed(monkeypatch):
    for name in list(os.environ):
        if name.upper().startswith("ASTAKOS_"):
            monkeypatch.delenv(name)


@pytest.fixture
def env(monkeypatch):
    def env(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"ASTAKOS_{name}", str(value))

    return env


def refusal(**values):
    with pytest.raises(ValidationError) as caught:
        Settings(**values)
    return str(caught.value)


# --- Times that contradict each other ---------------------------------------------------------


def test_the_defaults_fit_together_and_so_do_the_demos():
    assert Settings().quiet_horizon == 85
    assert Settings(times="demo").quiet_horizon == 5


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("connect_timeout", "request_deadline"),
        ("request_deadline", "longest_task"),
        ("longest_task", "lease"),
        ("lease", "visibility_timeout"),
    ],
)
@pytest.mark.parametrize("times", ["production", "demo"])
def test_a_limit_must_end_before_the_next_one_begins(low, high, times):
    """Or work would be done twice at once; equal is not before."""
    at = getattr(Settings(times=times), high)
    text = refusal(times=times, **{low: at})
    assert f"{low} ({at:g} s) must be less than {high} ({at:g} s)" in text


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"carry_seconds": 11}, ["carry_seconds (11 s)", "request_deadline", "longest_task"]),
        ({"request_deadline": 16}, ["carry_seconds", "request_deadline (16 s)", "longest_task"]),
        ({"heartbeat": 2}, ["heartbeat", "forgotten_after"]),
        ({"forgotten_after": 2}, ["heartbeat", "forgotten_after"]),
        ({"retention": 3000}, ["retention", "visibility_timeout"]),
        ({"visibility_timeout": 60480}, ["retention", "visibility_timeout"]),
        ({"astakos_work": 604800}, ["retention", "quiet horizon", "astakos_work"]),
        ({"slack": 604800}, ["retention", "quiet horizon", "slack"]),
    ],
)
def test_what_does_not_fit_is_refused_with_both_sides_named(values, named):
    text = refusal(**values)
    assert all(name in text for name in named)


@pytest.mark.parametrize(
    "values",
    [
        {"carry_seconds": 10},
        {"heartbeat": 1.9},
        {"retention": 3001},
        {"lease": 299},
        {"lease": 40.5},
    ],
)
def test_what_just_fits_is_taken(values):
    assert Settings(**values).model_dump(include=set(values)) == values


@pytest.mark.parametrize(
    "values",
    [
        {"lease": 0},
        {"slack": -1},
        {"carry_records": 0},
        {"run": 17},
        {"settle_batch": 501},
        {"brake_share": 1.1},
        {"visibility_timeout": 0},
        {"times": "fast"},
        {"namespace": "Not a name"},
        {"namespace": "a.b"},
        {"service": ""},
        {"broker_url": "amqp://localhost"},
        {"ledger_url": "localhost:6379"},
        {"ledger_url": "sentinel://localhost:26379/0"},
        {"ledger_url": "redis+cluster://localhost:6379"},
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_name(values):
    assert next(iter(values)) in refusal(**values)


def test_settings_cannot_be_changed():
    """Nobody unfits times that were checked."""
    with pytest.raises(ValidationError):
        Settings().lease = 1


# --- The environment --------------------------------------------------------------------------


def test_every_setting_is_read_from_the_environment(env):
    env(NAMESPACE="staging", LEASE="61.5", RUN=4, COALESCE="false", LEDGER_URL="rediss://h:1/2")
    settings = Settings()
    assert (settings.namespace, settings.lease, settings.run) == ("staging", 61.5, 4)
    assert settings.coalesce is False
    assert settings.ledger_url == "rediss://h:1/2"


def test_the_demos_times_are_scaled_and_each_can_still_be_set(env):
    env(TIMES="demo", SWEEP=7)
    settings = Settings()
    chosen = {name: getattr(settings, name) for name in DEMO_TIMES}
    assert chosen == {**DEMO_TIMES, "sweep": 7}


def test_services_come_from_nested_variables(env):
    env(
        SERVICES__CYCLADES__AUTH_URL=URL,
        SERVICES__CYCLADES__TOKEN=TOKEN,
        SERVICES__PITHOS__AUTH_URL=URL,
        SERVICES__PITHOS__TOKEN_FILE="/run/secrets/pithos",
        SERVICES__PITHOS__CA_FILE="/etc/ssl/ca.pem",
    )
    settings = Settings()
    assert settings.services.keys() == {"cyclades", "pithos"}
    assert settings.for_service("cyclades").token.get_secret_value() == TOKEN
    pithos = settings.for_service("pithos")
    assert (pithos.token, str(pithos.token_file)) == (None, "/run/secrets/pithos")
    assert str(pithos.ca_file) == "/etc/ssl/ca.pem"


def test_a_service_needs_exactly_one_token(env):
    env(SERVICES__CYCLADES__AUTH_URL=URL)
    assert "TOKEN or TOKEN_FILE" in refusal()
    env(SERVICES__CYCLADES__TOKEN=TOKEN, SERVICES__CYCLADES__TOKEN_FILE="/x")
    assert "TOKEN or TOKEN_FILE" in refusal()


def test_a_misspelt_variable_of_a_service_is_refused(env):
    env(SERVICES__CYCLADES__AUTH_URL=URL, SERVICES__CYCLADES__TOKEN_FILES="/x")
    assert "token_files" in refusal()


def test_a_service_that_is_not_there_is_named_with_those_that_are(env):
    env(SERVICES__CYCLADES__AUTH_URL=URL, SERVICES__CYCLADES__TOKEN=TOKEN)
    with pytest.raises(KeyError) as caught:
        Settings().for_service("pithos")
    assert "cyclades" in str(caught.value)
    assert "ASTAKOS_SERVICES__PITHOS__AUTH_URL" in str(caught.value)


# --- Tokens (F62) -----------------------------------------------------------------------------


@pytest.fixture
def secretive(env):
    env(SERVICES__CYCLADES__AUTH_URL=URL, SERVICES__CYCLADES__TOKEN=TOKEN)
    return Settings()


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        lambda settings: settings.model_dump_json(),
        lambda settings: str(settings.model_dump()),
        lambda settings: repr(settings.services),
        lambda settings: repr(settings.for_service("cyclades").token),
        lambda settings: repr(celery_values(settings)),
    ],
)
def test_settings_show_no_token(secretive, show):
    """F62."""
    assert TOKEN not in show(secretive)
    assert show(secretive)


@pytest.mark.parametrize(
    "wrong",
    [
        {"LEASE": 1},
        {"SERVICES__CYCLADES__TOKEN_FILE": "/x"},
        {"SERVICES__CYCLADES__TOKENS": TOKEN},
        {"SERVICES__Not!a!name__TOKEN": TOKEN, "SERVICES__Not!a!name__AUTH_URL": URL},
        {"BROKER_URL": "http://nobody"},
    ],
)
def test_a_refusal_shows_no_token_either(secretive, env, wrong):
    """F62: settings that are wrong end up in a traceback, and in a log."""
    env(**wrong)
    with pytest.raises(ValidationError) as caught:
        Settings()
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.errors())
    assert TOKEN not in told + repr(pickle.dumps(error))
    assert (error.__cause__, error.__context__) == (None, None)


def test_what_is_no_json_is_not_repeated_either(env):
    """F62."""
    env(SERVICES='{"cyclades": {"token": "' + TOKEN)
    with pytest.raises(SettingsError, match="services") as caught:
        Settings()
    error = caught.value
    assert TOKEN not in str(error) + repr(error) + repr(pickle.dumps(error))
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_refusal_still_says_which_setting_is_wrong_and_why(env):
    env(LEASE="soon", SERVICES__CYCLADES__TOKENS=TOKEN)
    told = refusal()
    for said in ("lease", "should be a valid number", "services.cyclades.tokens", "not permitted"):
        assert said in told


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hush-hush@h:1/0",
        "rediss://someone:hush-hush@h/1?ssl_cert_reqs=none",
        "rediss://h/1?password=hush-hush",
        "unix:///run/valkey.sock?password=hush-hush",
        "sentinel://:hush-hush@a:1;sentinel://:hush-hush@b:2/0?master=m",
    ],
)
def test_settings_show_no_password_of_a_server(url):
    """F62: they end up in a log, and in the locals of a traceback."""
    for name in ("result_backend", "broker_url", "ledger_url"):
        settings = Settings(**{name: url})
        assert getattr(settings, name) == url
        assert "hush" not in repr(settings) + str(settings) + f"{settings}"


def test_settings_show_where_a_server_is():
    shown = repr(Settings(ledger_url="redis://someone:hush-hush@ledger.example.org:6380/1"))
    assert "ledger_url='redis://someone:***@ledger.example.org:6380/1'" in shown


# --- celeryconfig.py --------------------------------------------------------------------------


def test_celery_is_told_of_sentinels_in_its_own_way():
    values = celery_values(Settings(broker_url="sentinel://a:1;b:2/0?master=m"))
    both = "sentinel://a:1/0;sentinel://b:2/0"
    assert values["broker_url"] == values["result_backend"] == both
    for options in ("broker_transport_options", "result_backend_transport_options"):
        assert values[options]["master_name"] == "m"
    assert "master_name" not in celery_values(Settings())["broker_transport_options"]


def test_celery_gets_the_projects_values():
    settings = Settings(services={"pithos": {"auth_url": URL, "token": TOKEN}})
    values = celery_values(settings)
    assert values["broker_url"] == values["result_backend"] == settings.broker_url
    assert values["broker_transport_options"]["visibility_timeout"] == 300
    assert values["task_acks_late"] is True
    assert values["task_serializer"] == values["result_serializer"] == "json"
    assert values["accept_content"] == ["json"]
    assert {queue.name for queue in values["task_queues"]} == {COMMISSIONS, LOOKUPS, SWEEP}
    assert values["task_routes"][RECONCILE] == {"queue": SWEEP}
    assert values["task_routes"][f"{LOOKUP}*"] == {"queue": LOOKUPS}
    assert values["beat_schedule"]["reconcile-pithos"]["kwargs"] == {"service": "pithos"}
    assert "settings" not in values


def test_the_ledger_may_be_another_server_than_the_brokers_and_the_results():
    settings = Settings(broker_url="redis://a/0", ledger_url="redis://b/0", result_backend="rpc://")
    values = celery_values(settings)
    assert (values["broker_url"], values["result_backend"]) == ("redis://a:6379/0", "rpc://")


def test_another_celeryconfig_is_loaded_by_its_path(tmp_path):
    """A service may have a `celeryconfig` of its own, which is not ours."""
    path = tmp_path / "mine.py"
    path.write_text("import os\n_hidden = 1\nworker_concurrency = 3\nvisible = settings.lease\n")
    assert celery_values(Settings(celeryconfig=path)) == {"worker_concurrency": 3, "visible": 60}


def test_a_celeryconfig_of_the_services_own_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "celeryconfig.py").write_text("broker_url = 'amqp://mine'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert celery_values(Settings())["broker_url"] == Settings().broker_url


def test_a_celeryconfig_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.py.*ASTAKOS_CELERYCONFIG"):
        celery_values(Settings(celeryconfig=tmp_path / "nowhere.py"))


def test_settings_survive_being_sent_to_another_process(secretive):
    assert pickle.loads(pickle.dumps(secretive)) == secretive
