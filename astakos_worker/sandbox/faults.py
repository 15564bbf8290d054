"""Which fault strikes a request: decided by rules, counts, time and seeded chance.

Pure: a plan is asked about each request in turn and returns a decision; `fault_effects.py` carries
it out. Each rule has a random source of its own, so that a new rule does not change the hits of
another.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec

from astakos_worker.sandbox.errors import FaultRuleError
from astakos_worker.sandbox.input_tables import Document, read_dataclass
from astakos_worker.sandbox.routes import ROUTE_NAMES


class Kind(StrEnum):
    """The kinds of faults. *Before*: the work is not done. *After*: the work is done."""

    # Before the work, which is then done.
    DELAY = "delay"
    RESTORE = "restore"
    # Instead of the work.
    CUT_BEFORE = "cut-before"
    ERROR_BEFORE = "error-before"
    HANG_BEFORE = "hang-before"
    PROXY_PAGE = "proxy-page"
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 # no password
    NO_HOLDING = "no-holding"
    QUOTA_SYNC = "quota-sync"
    MAIL_FAILURE = "mail-failure"
    GHOST = "ghost"
    OUTAGE = "outage"
    # After the work, instead of its reply.
    DELAY_AFTER = "delay-after"
    CUT_AFTER = "cut-after"
    ERROR_AFTER = "error-after"
    HANG = "hang"
    EMPTY_LIST = "empty-list"
    STALE_DATA = "stale-data"
    TRUNCATE = "truncate"
    GARBLE = "garble"
    TRICKLE = "trickle"


DELAYS: Final = frozenset({Kind.DELAY, Kind.DELAY_AFTER})
BEFORE: Final = frozenset(
    {
        Kind.CUT_BEFORE,
        Kind.ERROR_BEFORE,
        Kind.HANG_BEFORE,
        Kind.PROXY_PAGE,
        Kind.TOKEN_REVOKED,
        Kind.NO_HOLDING,
        Kind.QUOTA_SYNC,
        Kind.MAIL_FAILURE,
        Kind.GHOST,
        Kind.OUTAGE,
    }
)

# Kinds that make sense on some routes only, and strike no others.
ONLY_ON: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.EMPTY_LIST: ("commissions.list",),
    Kind.NO_HOLDING: ("commissions.issue",),
    Kind.QUOTA_SYNC: ("commissions.issue", "commissions.action", "commissions.batch"),
    Kind.STALE_DATA: ("commissions.issue",),
    Kind.MAIL_FAILURE: ("feedback",),
}

_DEFAULT_STATUS: Final = {Kind.ERROR_BEFORE: 500, Kind.ERROR_AFTER: 500, Kind.PROXY_PAGE: 404}
_DEFAULT_SECONDS: Final = {Kind.GHOST: 1.0, Kind.TRICKLE: 1.0, Kind.OUTAGE: 1.0}


_Seconds = Annotated[float, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of fault, and the requests that it strikes.

    `route` is a route's name or a pattern (`commissions.*`). Of the requests that match, the first
    `skip` are spared; then each is hit with `probability`, until `count` were hit. `begin` and
    `end` are seconds since the rules were set.
    """

    kind: Kind
    route: str = "*"
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    count: Annotated[int, msgspec.Meta(ge=0)] | None = None
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    begin: _Seconds = 0.0
    end: _Seconds | None = None
    # How long a delay or an outage is, when a ghost works, how far apart trickled bytes are.
    seconds: _Seconds = 0.0
    # A delay is longer by a random time up to this.
    spread: _Seconds = 0.0
    status: int = 0
    # Whether an error comes as a proxy's page; None: a 500 does not, the others do.
    html: bool | None = None

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Return a rule from a JSON object or a TOML table; raises `FaultRuleError`."""
        try:
            kind = Kind(str(values.get("kind")))
        except ValueError:
            raise FaultRuleError(
                f"{values.get('kind')!r} is no kind of fault; use one of: {', '.join(Kind)}"
            ) from None
        defaults = {
            "seconds": _DEFAULT_SECONDS.get(kind, 0.0),
            "status": _DEFAULT_STATUS.get(kind, 0),
        }
        rule = read_dataclass(cls, {**defaults, **values}, FaultRuleError, "a fault rule")
        if kind in _DEFAULT_STATUS and not 400 <= rule.status <= 599:
            raise FaultRuleError(f"the status of {kind} is between 400 and 599")
        if not any(fnmatchcase(name, rule.route) for name in ROUTE_NAMES):
            raise FaultRuleError(
                f"{rule.route!r} matches no route; the routes are: {', '.join(ROUTE_NAMES)}"
            )
        return rule

    def matches(self, route: str, elapsed: float) -> bool:
        """Return whether the rule is about this route, `elapsed` seconds after it was set."""
        only = ONLY_ON.get(self.kind)
        return (
            fnmatchcase(route, self.route)
            and (only is None or route in only)
            and elapsed >= self.begin
            and (self.end is None or elapsed < self.end)
        )

    @property
    def sends_page(self) -> bool:
        """Return whether the error comes as an HTML page, as from a proxy."""
        if self.html is not None:
            return self.html
        return self.kind is Kind.PROXY_PAGE or self.status > 500

    def describe(self) -> dict[str, object]:
        """Return the rule as JSON, without the values that are defaults."""
        return {
            field.name: value
            for field, value in zip(fields(self), asdict(self).values(), strict=True)
            if value != field.default
        }


@dataclass(frozen=True, slots=True)
class FaultDecision:
    """The delays and the fault of one request; `fault` None: it is served."""

    fault: Rule | None = None
    # Seconds before the work and after it.
    delay: float = 0.0
    delay_after: float = 0.0


UNHARMED: Final = FaultDecision()


@dataclass(slots=True)
class _Tally:
    """The requests that a rule has seen, and those that it has hit."""

    random: random.Random
    seen: int = 0
    hits: int = 0


class FaultPlan:
    """The rules in force, and how often each has struck."""

    def __init__(self, rules: Iterable[Rule] = (), *, seed: int = 0, now: float = 0.0) -> None:
        self.rules = tuple(rules)
        self.seed = seed
        self._since = now
        self._tallies = [
            _Tally(random.Random(f"{seed}/{number}"))  # noqa: S311 # reproducible on purpose
            for number, _ in enumerate(self.rules)
        ]

    @property
    def hits(self) -> list[int]:
        """The number of hits of each rule."""
        return [tally.hits for tally in self._tallies]

    def decide(self, route: str, now: float) -> FaultDecision:
        """Return all delays that strike a request, and the first other fault that does.

        `now` is in seconds, by the clock that the plan was made with.
        """
        if not self.rules:
            return UNHARMED
        elapsed = now - self._since
        fault: Rule | None = None
        delays = dict.fromkeys(DELAYS, 0.0)
        for rule, tally in zip(self.rules, self._tallies, strict=True):
            if rule.kind in DELAYS:
                if self._strikes(rule, tally, route, elapsed):
                    extra = tally.random.uniform(0, rule.spread)
                    delays[rule.kind] += rule.seconds + extra
            elif fault is None and self._strikes(rule, tally, route, elapsed):
                fault = rule
        return FaultDecision(fault, delays[Kind.DELAY], delays[Kind.DELAY_AFTER])

    @staticmethod
    def _strikes(rule: Rule, tally: _Tally, route: str, elapsed: float) -> bool:
        if not rule.matches(route, elapsed):
            return False
        tally.seen += 1
        if tally.seen <= rule.skip or (rule.count is not None and tally.hits >= rule.count):
            return False
        if rule.probability < 1 and tally.random.random() >= rule.probability:
            return False
        tally.hits += 1
        return True


def load_faults(path: Path) -> tuple[tuple[Rule, ...], int]:
    """Return the rules of a file, and the seed of their chances; raises `FaultRuleError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise FaultRuleError(
            f"the faults {path} cannot be read ({cause}); give the path of a TOML file"
        ) from cause
    return parse_faults(text, str(path))


def parse_faults(text: str, source: str = "the faults") -> tuple[tuple[Rule, ...], int]:
    """Return the rules of a text, and the seed of their chances; errors name the line."""
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
