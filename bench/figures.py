"""Computes medians, ratios and aims from samples. Pure."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: `{scenario: {contender: {figure: samples}}}`
Results = dict[str, dict[str, dict[str, list[float]]]]


def summary(samples: list[float]) -> dict[str, float]:
    """Return median and spread; for many samples also the 99th percentile."""
    out = {
        "median": statistics.median(samples),
        "low": min(samples),
        "high": max(samples),
        "samples": len(samples),
    }
    if len(samples) >= 50:
        out["p99"] = statistics.quantiles(samples, n=100)[98]
    return out


@dataclass(frozen=True)
class Aim:
    """One aim: a figure that must be reached."""

    text: str
    bound: float
    at_least: bool
    value: Callable[[Results], float]

    def row(self, results: Results) -> dict[str, Any] | None:
        """The measured figure; None if it was not measured."""
        try:
            got = self.value(results)
        except KeyError:
            return None
        met = got >= self.bound if self.at_least else got <= self.bound
        sign = "≥" if self.at_least else "≤"
        return {"what": self.text, "aim": f"{sign} {self.bound:g}", "got": got, "met": met}


def by_rounds(scenario: str, ours: str, other: str, figure: str = "a second"):
    """Return the median of the rounds' ratios. A disturbance of a round disturbs both rivals."""

    def value(results: Results) -> float:
        found = results[scenario]
        pairs = zip(found[ours][figure], found[other][figure], strict=True)
        return statistics.median(a / b for a, b in pairs)

    return value


def by_median(scenario: str, ours: str, other: str, figure: str, *, p99: str = ""):
    """Return the ratio of two medians; `p99`: of `both`, or of the `first`, the p99 instead."""

    def value(results: Results) -> float:
        a, b = (summary(results[scenario][name][figure]) for name in (ours, other))
        return a["p99" if p99 else "median"] / b["p99" if p99 == "both" else "median"]

    return value


def least(text: str, bound: float, value) -> Aim:
    return Aim(text, bound, True, value)


def most(text: str, bound: float, value) -> Aim:
    return Aim(text, bound, False, value)


AIMS = [
    least(
        "lifecycles a second, waiting, one server, against plain",
        1.45,
        by_rounds("waiting", "ours", "plain"),
    ),
    least("burning CPU, one server, against plain", 1.45, by_rounds("burning", "ours", "plain")),
    least("burning CPU, two servers, against plain", 1.8, by_rounds("burning-2", "ours", "plain")),
    least(
        "burning CPU, one server, against batched by hand",
        1.03,
        by_rounds("burning", "ours", "batched"),
    ),
    least(
        "burning CPU, two servers, against batched by hand",
        1.3,
        by_rounds("burning-2", "ours", "batched"),
    ),
    least("burning CPU, one server, against the floor", 0.9, by_rounds("burning", "ours", "floor")),
    least(
        "burning CPU, two servers, against the floor",
        0.9,
        by_rounds("burning-2", "ours", "floor"),
    ),
    least("Astakos without cost, against plain", 2.5, by_rounds("free", "ours", "plain")),
    least("settles alone, against plain's accepts", 6, by_rounds("settles", "ours", "plain")),
    most(
        "HTTP requests a settle, busy lane",
        0.04,
        lambda results: summary(results["free"]["ours"]["HTTP"])["median"] - 1,
    ),
    most(
        "CPU a lifecycle (worker, server, producer), against plain",
        1 / 3,
        by_rounds("free", "ours", "plain", "CPU ms"),
    ),
    most(
        "issue(), quiet lane, p50 against delay()",
        1.3,
        by_median("quiet", "issue()", "delay()", "ms"),
    ),
    most(
        "issue(), busy lane, p50 against delay()",
        0.5,
        by_median("busy", "issue()", "delay()", "ms"),
    ),
    most(
        "issue(), busy lane, p99 against delay()",
        0.5,
        by_median("busy", "issue()", "delay()", "ms", p99="both"),
    ),
    most(
        "issue(), quiet lane, p99 against the direct call's p50 at 20 ms",
        0.1,
        by_median("quiet-20", "issue()", "direct", "ms", p99="first"),
    ),
    most(
        "issue() to the serial, quiet lane, p50 against plain",
        1.3,
        by_median("answers", "ours", "plain", "to the serial, ms"),
    ),
    most(
        "accept() to settled, quiet lane, p50 against plain",
        1.3,
        by_median("answers", "ours", "plain", "to settled, ms"),
    ),
    least(
        "uuid look-ups a second, 64 in flight, cold, against one call a task",
        1.4,
        by_rounds("lookups", "ours", "plain"),
    ),
    least(
        "the same, cached",
        10,
        by_rounds("lookups", "ours, cached", "plain"),
    ),
    least(
        "lifecycles a second with 100,000 open, against 1,000",
        0.9,
        by_rounds("growth", "100,000 open", "1,000 open"),
    ),
    most(
        "a worker's memory after 100,000 commissions, against after 1,000",
        1.1,
        by_median("memory", "after 100,000", "after 1,000", "MB"),
    ),
]
