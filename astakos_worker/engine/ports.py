"""What the engine is handed: the client's calls that it makes, and the limits that it keeps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from astakos_worker.ledger.request import Provision


class Astakos(Protocol):
    """The part of `AstakosClient` that the engine uses; all raise `AstakosClientException`."""

    def issue_provisions(
        self,
        provisions: Sequence[Any],
        name: str = "",
        force: bool = False,
        *,
        fresh: bool = False,
    ) -> int:
        """Issue a commission, two-phase; return its serial."""

    def resolve_commissions(
        self, accept_serials: Sequence[int], reject_serials: Sequence[int]
    ) -> Mapping[str, Any]:
        """Accept and reject; return `{"accepted": [], "rejected": [], "failed": [[n, {}]]}`."""

    def get_pending_commissions(self) -> list[int]:
        """Return the serials that Astakos holds as pending for this component, in any order."""

    def get_commission_info(self, serial: int) -> Mapping[str, Any]:
        """Return `{"serial", "issue_time", "name", "provisions"}` of a pending commission."""


#: Sends one wake-up for a lane. It must not raise when the broker is away: the drive sends one
#: later.
WakeLane = Callable[[str], None]

#: Says which name of a request Astakos does not know, after a 404: given the lane and the
#: provisions. It must not raise, and sends one request at most. "": it does not know.
Explain = Callable[[str, Sequence[Provision]], str]

#: Gives a number in [0, 1), for jitter.
Draw = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Limits:
    """The engine's numbers; seconds, and counts of records. `Settings` explains each."""

    namespace: str = "default"
    quiet_horizon: float = 85.0
    carry_records: int = 50
    carry_seconds: float = 10.0
    run: int = 8
    lease: float = 60.0
    settle_batch: int = 50
    settle_wait: float = 0.1
    backoff_first: float = 0.5
    backoff_cap: float = 60.0
    refusal_window: float = 300.0
    grace: float = 600.0
    quarantine: float = 3600.0
    brake_share: float = 0.1
    brake_floor: int = 20
    failures_to_rest: int = 3  # requests in a row without an answer, after which a lane rests
    sweep_lease: float = 300.0
    sweep_seconds: float = float("inf")  # then the sweep stops, and the next one goes on from there
    owner_batch: int = 100
    foreign: Literal["report", "owner", "reject"] = "report"
    orphans: Literal["reject", "report"] = "reject"
    undecided: Literal["reject", "report"] = "reject"

    def tag_namespace(self, lane: str) -> str:
        """Return the namespace of our tags: another ledger, or another lane, has another (F70)."""
        return f"{self.namespace}.{lane}"

    def backoff(self, attempts: int, draw: Draw) -> float:
        """Return seconds to wait after `attempts` failures: exponential, capped, with jitter."""
        longest = min(self.backoff_cap, self.backoff_first * 2.0 ** min(attempts, 30))
        return longest * (0.5 + draw() / 2)
