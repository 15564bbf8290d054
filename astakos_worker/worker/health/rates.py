"""How fast the services' work goes on: from what the workers said at two moments. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from astakos_worker.worker.health.observed import Presence


@dataclass(frozen=True, slots=True)
class Rates:
    """Per second: commissions that ended, requests to Astakos, and of these the ones that failed.

    `latency` is the mean time of a request in seconds; None: there was none.
    """

    ended: float
    requests: float
    failed: float
    latency: float | None


def rates(
    before: Iterable[Presence], after: Iterable[Presence], seconds: float
) -> dict[str, Rates]:
    """Return the rates of each service over the `seconds` between two moments.

    A worker that began in between counts from 0, and one that ended does not count.
    """
    earlier = {one.node: one for one in before}
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in after:
        past = earlier.get(one.node)
        for service, counts in one.counts.items():
            old: Mapping[str, float] = {} if past is None else past.counts.get(service, {})
            if any(old.get(what, 0) > n for what, n in counts.items()):
                old = {}  # it was restarted
            for what, n in counts.items():
                sums[service][what] += n - old.get(what, 0)  # type: ignore[assignment]  # seconds
    return {service: _rates(total, seconds) for service, total in sums.items()}


def _rates(total: Mapping[str, float], seconds: float) -> Rates:
    requests = total["requests"]
    return Rates(
        ended=total["ended"] / seconds,
        requests=requests / seconds,
        failed=total["failed"] / seconds,
        latency=total["seconds"] / requests if requests else None,
    )
