"""The settings of workers and services: read from the environment, checked, and frozen.

Each field is an environment variable with the prefix `ASTAKOS_`: `lease` is `ASTAKOS_LEASE`,
and a service's token file `ASTAKOS_SERVICES__CYCLADES__TOKEN_FILE`. Times are in seconds.
Nothing here opens a connection, and no token is shown: each is a `SecretStr`.
"""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from astakos_worker.configuration.environment import Environment
from astakos_worker.configuration.names import NAME
from astakos_worker.configuration.nearest import nearest
from astakos_worker.configuration.servers import for_celery, read_url
from astakos_worker.configuration.service_settings import OwnerPath, ServiceSettings
from astakos_worker.configuration.setting_errors import without_input

Name = Annotated[str, StringConstraints(pattern=NAME)]
Seconds = Annotated[float, Field(gt=0)]

#: The shorter times of demonstrations and tests (`ASTAKOS_TIMES=demo`).
DEMO_TIMES: dict[str, float] = {
    "connect_timeout": 1,
    "request_deadline": 2,
    "astakos_work": 2,
    "slack": 1,
    "carry_seconds": 2,
    "lease": 8,
    "longest_task": 6,
    "visibility_timeout": 20,
    "drive": 1,
    "sweep": 3,
    "sweep_seconds": 4,
    "owner_timeout": 2,
    "grace": 5,
    "quarantine": 10,
    "hold_deadline": 30,
    "backoff_first": 0.2,
    "backoff_cap": 2,
    "refusal_window": 6,
    "overdue": 5,
}


#: Settings that only workers, beat and commands use.
_OF_WORKERS = frozenset(
    {
        *("services", "usage", "owner", "owner_batch", "owner_timeout", "require_https"),
        *("sweep_requests", "grace", "quarantine", "brake_share", "brake_floor"),
        *("foreign", "orphans", "undecided", "overdue", "metrics_port", "metrics_host"),
        "callback_broker_url",
    }
)

#: The address of a ledger in the process of a service's tests.
IN_MEMORY = "memory://"

#: Settings whose values may hold a password.
_URLS = {"broker_url", "ledger_url", "result_backend", "callback_broker_url"}


def _shown(url: str) -> str:
    """Return a URL without its password; `***` for one that cannot be parsed."""
    from kombu.utils.url import maybe_sanitize_url  # noqa: PLC0415  # loads half of kombu

    try:
        return str(maybe_sanitize_url(url, mask="***"))
    except ValueError:
        return "***"


#: Times of which each must be less than the next, and the reason.
_LADDER: dict[str, str] = {
    "connect_timeout": "",
    "request_deadline": "connecting is a part of a request",
    "longest_task": "a task sends requests",
    "lease": "another worker would take over work that is not done yet",
    "visibility_timeout": "the broker would deliver a message again while its task still runs",
}


class Settings(BaseSettings):
    """Everything that can be set. `Settings()` reads the environment."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="ASTAKOS_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    #: Settings that are not read from the environment.
    passed_over: ClassVar[frozenset[str]] = frozenset()
    #: Whether the ledger may be `memory://`.
    may_be_in_memory: ClassVar[bool] = False

    #: `demo` shortens the times below, for demonstrations and tests.
    times: Literal["production", "demo"] = "production"

    #: Tells two ledgers on one component token apart: each treats the other's as foreign (F70).
    namespace: Name = "default"
    #: The named service of `Commissions()` and `Lookups()` that are given none.
    service: Name = "default"
    #: The named services that a worker serves; only workers need them.
    services: dict[Name, ServiceSettings] = Field(default_factory=dict)
    #: Refuse an `http://` address of Astakos on another machine: a token would travel in clear.
    require_https: bool = False

    #: The dotted path of the service's function that counts its usage: for `reconcile usage`.
    usage: str = ""

    broker_url: str = "redis://127.0.0.1:6379/0"
    ledger_url: str = "redis://127.0.0.1:6379/1"
    #: The server of the results; empty: the broker's.
    result_backend: str = ""
    #: The broker that call-backs are sent to; empty: `broker_url`.
    callback_broker_url: str = ""
    #: The file to use in place of the shipped `celeryconfig.py`.
    celeryconfig: Path | None = None

    # One request to Astakos.
    connect_timeout: Seconds = 3
    request_deadline: Seconds = 15
    #: How long Astakos may still work on a request after its client has given up.
    astakos_work: Seconds = 60
    slack: Seconds = 10

    # One carry: the work of one task.
    carry_records: Annotated[int, Field(ge=1)] = 50
    carry_seconds: Seconds = 10
    #: Records that are marked, sent and recorded together. A `kill -9` leaves these in doubt.
    run: Annotated[int, Field(ge=1, le=16)] = 8
    lease: Seconds = 60
    longest_task: Seconds = 40
    visibility_timeout: Annotated[int, Field(gt=0)] = 300

    # The carriers of a lane.
    carriers: Annotated[int, Field(ge=1)] = 8
    #: Due records for one carrier: 32 due records wake two carriers by default.
    records_per_carrier: Annotated[int, Field(ge=1)] = 16
    heartbeat: Seconds = 1
    forgotten_after: Seconds = 4
    #: How long a wake-up that was sent counts as a carrier.
    promise: Seconds = 2
    drive: Seconds = 2
    #: Off: every call sends its own message, and Flower shows each as a row.
    coalesce: bool = True

    settle_batch: Annotated[int, Field(ge=1, le=500)] = 50
    settle_wait: Seconds = 0.1

    # The sweep.
    sweep: Seconds = 60
    #: A sweep stops after this time; the next sweep goes on from there.
    sweep_seconds: Seconds = 30
    #: Requests about single commissions that a sweep sends at once.
    sweep_requests: Annotated[int, Field(ge=1, le=32)] = 4
    grace: Seconds = 600
    quarantine: Seconds = 3600
    brake_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    brake_floor: Annotated[int, Field(ge=0)] = 20
    #: The dotted path of the function that decides what the ledger cannot decide.
    owner: OwnerPath = ""
    owner_batch: Annotated[int, Field(ge=1)] = 100
    owner_timeout: Seconds = 10
    #: What the sweep does without an owner: with commissions that have no tag of ours; with ours
    #: that have no record; and with undecided ones after their deadline.
    foreign: Literal["report", "owner", "reject"] = "report"
    orphans: Literal["reject", "report"] = "reject"
    undecided: Literal["reject", "report"] = "reject"

    # Retries.
    backoff_first: Seconds = 0.5
    backoff_cap: Seconds = 60
    #: How long a 404 on an issue, or a failing accept, is taken for a quota synchronisation.
    refusal_window: Seconds = 300

    # The cache of looked-up names, where services find them without a message. 0: no cache.
    names_kept: Annotated[float, Field(ge=0)] = 300
    unknown_names_kept: Annotated[float, Field(ge=0)] = 10

    # How long things are kept.
    retention: Seconds = 7 * 86400
    bare_retention: Seconds = 3600
    awaited: Seconds = 3600
    #: The service has an outbox: a decision of a key that the ledger does not know waits for it.
    outbox: bool = False
    hold_deadline: Seconds = 3600

    #: How long a service's call waits for the ledger or the broker.
    patience: Seconds = 1

    #: Due work that waits for longer is late: `astakos-worker status` is red.
    overdue: Seconds = 60

    #: The TCP port on which each worker process shows its metrics; 0: none.
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    metrics_host: str = "127.0.0.1"

    if not TYPE_CHECKING:  # type checkers know the fields as its arguments

        def __init__(self, **values: Any) -> None:
            refusal: ValueError | None = None
            try:
                super().__init__(**values)
            except ValidationError as error:
                refusal = without_input(error)
            except SettingsError as error:  # its cause, an error of `json`, quotes the whole text
                refusal = SettingsError(str(error))
            # Raised here: inside `except`, the error with the values would be its context.
            if refusal is not None:
                raise refusal

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from: the arguments first, and then the environment."""
        return sources["init_settings"], Environment(settings_cls, without=cls.passed_over)

    def __repr_args__(self) -> Any:
        for name, value in super().__repr_args__():
            yield name, _shown(value) if name in _URLS else value

    @model_validator(mode="before")
    @classmethod
    def _scaled(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("times") == "demo":
            return {**DEMO_TIMES, **data}
        return data

    @field_validator("broker_url", "ledger_url")
    @classmethod
    def _readable(cls, url: str, info: ValidationInfo) -> str:
        if info.field_name == "ledger_url" and url == IN_MEMORY:
            if cls.may_be_in_memory:
                return url
            raise ValueError(
                f"{IN_MEMORY} is for the tests of a service; workers, relays and commands need a "
                "server, such as redis://127.0.0.1:6379/1"
            )
        read_url(url)
        return url

    @property
    def in_memory(self) -> bool:
        """Whether the ledger, the workers and Astakos are in this process: for tests."""
        return self.ledger_url == IN_MEMORY

    @field_validator("callback_broker_url")
    @classmethod
    def _is_broker(cls, url: str) -> str:
        if url and url.partition("://")[0].lower() not in {"amqp", "amqps"}:
            read_url(url)
        return url

    @field_validator("result_backend")
    @classmethod
    def _readable_if_redis(cls, url: str) -> str:
        for_celery(url)  # Celery's own kinds of result backends are left to Celery
        return url

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def quiet_horizon(self) -> float:
        """Seconds after `send_until` from which no lost request can still be executed."""
        return self.request_deadline + self.astakos_work + self.slack

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        for name in self.in_clear if self.require_https else ():
            raise ValueError(
                f"services.{name}.auth_url must be https:// (require_https is set): by http:// its "
                "token would travel in clear"
            )
        return self

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        """Check that each limit ends before the next one, or two workers do one work at once."""
        for (low, _), (high, why) in itertools.pairwise(_LADDER.items()):
            a, b = getattr(self, low), getattr(self, high)
            if not a < b:
                raise ValueError(f"{low} ({a:g} s) must be less than {high} ({b:g} s): {why}")
        if not self.carry_seconds + 2 * self.request_deadline <= self.longest_task:
            raise ValueError(
                f"carry_seconds ({self.carry_seconds:g} s) and two requests of request_deadline "
                f"({self.request_deadline:g} s) must fit into longest_task "
                f"({self.longest_task:g} s)"
            )
        if self.sweep_seconds > self.longest_task:
            raise ValueError(
                f"sweep_seconds ({self.sweep_seconds:g} s) must not exceed longest_task "
                f"({self.longest_task:g} s)"
            )
        if not self.heartbeat * 2 < self.forgotten_after:
            raise ValueError(
                f"forgotten_after ({self.forgotten_after:g} s) must be more than twice the "
                f"heartbeat ({self.heartbeat:g} s): a carrier whose beat is late would be forgotten"
            )
        if not self.retention > 10 * self.visibility_timeout:
            raise ValueError(
                f"retention ({self.retention:g} s) must exceed ten times visibility_timeout "
                f"({self.visibility_timeout} s): a message that is delivered again would find its "
                "commission deleted, and issue another"
            )
        if not self.retention > self.quiet_horizon:
            raise ValueError(
                f"retention ({self.retention:g} s) must exceed the quiet horizon "
                f"({self.quiet_horizon:g} s: request_deadline, astakos_work and slack): a request "
                "that Astakos executes late would find its commission deleted"
            )
        return self

    @property
    def in_clear(self) -> list[str]:
        """The named services whose tokens travel unencrypted."""
        return [name for name, one in self.services.items() if one.in_clear]

    def for_service(self, name: str) -> ServiceSettings:
        """Return the settings of a named service; the text of `KeyError` names the nearest one."""
        try:
            return self.services[name]
        except KeyError:
            variable = f"ASTAKOS_SERVICES__{name.upper()}__AUTH_URL"
            known = nearest(name, self.services)
            raise KeyError(
                f"these workers serve no service {name!r}{known}; {variable} adds one"
            ) from None


class SettingsOfAService(Settings):
    """The settings that a service's process reads: those of workers alone are passed over.

    A service may run with an environment that was made for workers. A mistake in the workers'
    settings is no reason to refuse the service's calls.
    """

    passed_over = _OF_WORKERS
    may_be_in_memory = True
