"""Metrics for Prometheus: counters of this worker process, and the state of the ledger.

Counters are of one process; sum them over all processes. Lanes, alarms and each lane's last sweep
are read from the ledger when Prometheus asks, so any worker can show them. No key, user or serial
is a label: there are too many of them.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.samples import Sample

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.engine.ports import Astakos
from astakos_worker.engine.sweep.findings import Report
from astakos_worker.engine.sweep.sweep import last_report
from astakos_worker.ledger.contract import Lane, Ledger, LedgerError
from astakos_worker.ledger.record import Record
from astakos_worker.worker.health.judgement import Level, judge
from astakos_worker.worker.health.observed import Away, Observed
from astakosclient.errors import AstakosClientException

log = EventLog(__name__)

#: The state of a lane: each metric's name, description and value.
_LANE: Final[tuple[tuple[str, str, Callable[[Lane], float]], ...]] = (
    ("due", "Commissions on which work is due now", lambda lane: lane.due),
    ("open", "Commissions that have not ended", lambda lane: lane.open),
    ("held", "Open commissions that have a serial", lambda lane: lane.held),
    ("carriers", "Tasks at work on commissions", lambda lane: lane.awake),
    ("oldest_due_seconds", "How long the oldest due work waits", lambda lane: lane.oldest_due),
    ("resting_seconds", "Seconds until requests to Astakos begin again", lambda lane: lane.resting),
)

#: The last sweep of a lane: each metric's name, description and value.
_SWEEP: Final[tuple[tuple[str, str, Callable[[Report], float]], ...]] = (
    ("start_timestamp_seconds", "When the last sweep began", lambda last: last.started),
    ("duration_seconds", "How long the last sweep took", lambda last: last.seconds),
    ("seen", "Pending commissions that Astakos listed", lambda last: last.listed),
    ("looked", "Of these, how many the sweep looked at", lambda last: last.looked),
    ("stopped", "Whether the last sweep ended early", lambda last: bool(last.stopped)),
    ("left", "What the last sweep had to do and did not do", lambda last: last.left),
    (
        "oldest_undecided_seconds",
        "Age of the oldest undecided commission",
        lambda last: last.oldest_undecided,
    ),
    (
        "oldest_unexplained_seconds",
        "Age of the oldest pending commission of ours without a record",
        lambda last: last.oldest_unexplained,
    ),
)


class Metrics:
    """The metrics of one process."""

    def __init__(self, ledger: Ledger, read: Callable[[], Observed] | None = None) -> None:
        """`read` reads what the judgement is about; without it there is none to show."""
        self.registry = CollectorRegistry()
        self.registry.register(_FromLedger(ledger))
        if read is not None:
            self.registry.register(_Judged(read))
        labels = ("service", "call", "outcome")
        self._requests = Counter(
            "astakos_requests",
            "Requests to Astakos: answered, refused, not_sent or ambiguous",
            labels,
            registry=self.registry,
        )
        self._seconds = Histogram(
            "astakos_request_seconds",
            "How long requests to Astakos took",
            ("service", "call"),
            registry=self.registry,
        )
        self._ended = Counter(
            "astakos_commissions",
            "Commissions that ended, by their last state",
            ("service", "state"),
            registry=self.registry,
        )
        self._sweeps = Counter(
            "astakos_sweeps",
            "Sweeps: whole, or stopped early",
            ("service", "end"),
            registry=self.registry,
        )
        self._done = Counter(
            "astakos_sweep_done",
            "What sweeps did: adopt, twin, reject, accept, expired, resettle, conflict, vanished",
            ("service", "what"),
            registry=self.registry,
        )
        self._rejected = Counter(
            "astakos_sweep_rejected",
            "What sweeps rejected: as expired, twin, orphan, ghost, foreign, or by the owner",
            ("service", "reason"),
            registry=self.registry,
        )

    def carried(self, service: str, records: Iterable[Record], since: float) -> None:
        """Count the commissions that ended since a time, in seconds since the epoch."""
        for record in records:
            if record.closed is not None and record.closed >= since:
                self._ended.labels(service, str(record.state)).inc()

    def swept(self, report: Report) -> None:
        """Count what one sweep did."""
        service = report.service
        whole = report.ended is not None and not report.stopped
        self._sweeps.labels(service, "whole" if whole else "stopped").inc()
        for what, n in report.done.items():
            self._done.labels(service, what).inc(n)
        for reason, n in report.rejected.items():
            self._rejected.labels(service, reason).inc(n)

    @contextmanager
    def timed(self, service: str, call: str) -> Iterator[None]:
        """Count the request that the block sends, and measure its time."""
        began, outcome = time.monotonic(), "answered"
        try:
            yield
        except AstakosClientException as error:
            outcome = error.outcome.value
            raise
        finally:
            self._requests.labels(service, call, outcome).inc()
            self._seconds.labels(service, call).observe(time.monotonic() - began)

    def counts(self) -> dict[str, dict[str, float]]:
        """Return for each service: commissions ended, requests, those that failed, their seconds.

        Since the process began. A request failed if it was not answered, neither way.
        """
        counts: defaultdict[str, dict[str, float]] = defaultdict(
            lambda: {"ended": 0.0, "requests": 0.0, "failed": 0.0, "seconds": 0.0}
        )
        for sample in _samples(self._ended, "astakos_commissions_total"):
            counts[sample.labels["service"]]["ended"] += sample.value
        for sample in _samples(self._requests, "astakos_requests_total"):
            of_service = counts[sample.labels["service"]]
            of_service["requests"] += sample.value
            if sample.labels["outcome"] in {"not_sent", "ambiguous"}:
                of_service["failed"] += sample.value
        for sample in _samples(self._seconds, "astakos_request_seconds_sum"):
            counts[sample.labels["service"]]["seconds"] += round(sample.value, 3)
        return dict(counts)

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Show the metrics over HTTP, in a thread; return the function that ends it."""
        try:
            server, thread = start_http_server(port, host, self.registry)
        except OSError as error:  # the worker must work without metrics too
            log.warning("metrics_unavailable", host=host, port=port, reason=str(error))
            return lambda: None

        def end() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return end


def _samples(metric: Counter | Histogram, name: str) -> Iterator[Sample]:
    for family in metric.collect():
        yield from (sample for sample in family.samples if sample.name == name)


class MeasuredAstakos:
    """Astakos as the engine calls it, with each request counted and timed."""

    def __init__(self, astakos: Astakos, service: str, metrics: Metrics) -> None:
        self._astakos = astakos
        self._service = service
        self._metrics = metrics

    def issue_provisions(
        self,
        provisions: Sequence[Any],
        name: str = "",
        force: bool = False,
        *,
        fresh: bool = False,
    ) -> int:
        """Issue a commission that waits for its decision; return its serial."""
        with self._metrics.timed(self._service, "issue"):
            return self._astakos.issue_provisions(provisions, name, force, fresh=fresh)

    def resolve_commissions(
        self, accept_serials: Sequence[int], reject_serials: Sequence[int]
    ) -> Mapping[str, Any]:
        """Accept and reject; return what became of each serial."""
        with self._metrics.timed(self._service, "resolve"):
            return self._astakos.resolve_commissions(accept_serials, reject_serials)

    def get_pending_commissions(self) -> list[int]:
        """Return the serials that are pending."""
        with self._metrics.timed(self._service, "list"):
            return self._astakos.get_pending_commissions()

    def get_commission_info(self, serial: int) -> Mapping[str, Any]:
        """Return a pending commission as Astakos describes it."""
        with self._metrics.timed(self._service, "info"):
            return self._astakos.get_commission_info(serial)


class _FromLedger:
    """Reads the ledger when Prometheus asks."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def describe(self) -> Iterable[Metric]:
        """Return nothing, and so ask nothing: the ledger may be away when a worker starts."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the state of each lane, its alarms, and its last sweep."""
        answers = GaugeMetricFamily("astakos_ledger_up", "Whether the ledger answers")
        try:
            families = self._read()
        except LedgerError as error:
            log.warning("ledger_away", error=str(error))
            answers.add_metric((), 0)
            return [answers]
        answers.add_metric((), 1)
        return [answers, *families]

    def _read(self) -> list[Metric]:
        names = self._ledger.lanes()
        lanes = [self._ledger.lane(name) for name in names]
        lasts = [last for name in names if (last := last_report(self._ledger, name))]
        families: list[Metric] = []
        for name, text, value in _LANE:
            family = GaugeMetricFamily(f"astakos_lane_{name}", text, labels=("service",))
            for lane in lanes:
                family.add_metric((lane.name,), value(lane))
            families.append(family)
        alarms = GaugeMetricFamily(
            "astakos_alarm", "Alarms that stand", labels=("service", "alarm")
        )
        for lane in lanes:
            for alarm in lane.alarms:
                alarms.add_metric((lane.name, alarm), 1)
        families.append(alarms)
        for name, text, about in _SWEEP:
            family = GaugeMetricFamily(f"astakos_last_sweep_{name}", text, labels=("service",))
            for last in lasts:
                family.add_metric((last.service,), about(last))
            families.append(family)
        found = GaugeMetricFamily(
            "astakos_last_sweep_found",
            "What the last sweep found, done or not: adopt, twin, foreign, wait, vanished, ...",
            labels=("service", "what"),
        )
        for last in lasts:
            for what, n in last.counts.items():
                found.add_metric((last.service, what), n)
        return [*families, found]


class _Judged:
    """The judgement, as Prometheus reads it: the findings that `astakos-worker status` shows."""

    def __init__(self, read: Callable[[], Observed]) -> None:
        self._read = read

    def describe(self) -> Sequence[Metric]:
        """Return nothing: the names are known when they are asked for."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Read and judge."""
        seen = self._read()
        found = judge(seen)
        level = GaugeMetricFamily(
            "astakos_red",
            "1 while something is wrong: astakos_finding says what",
            value=float(any(one.level is Level.RED for one in found)),
        )
        findings = GaugeMetricFamily(
            "astakos_finding",
            "What is not as it should be: its level is red, warning or unknown",
            labels=("finding", "about", "level"),
        )
        for labels in {(one.name, one.about, one.level.value) for one in found}:
            findings.add_metric(labels, 1)
        return [level, findings, *_gauges(seen)]


def _gauges(seen: Observed) -> Iterator[Metric]:
    for name, server in (("ledger", seen.ledger), ("broker", seen.broker)):
        yield GaugeMetricFamily(
            f"astakos_{name}_answers",
            f"Whether the {name} answers",
            value=float(not isinstance(server, Away)),
        )
    dead = GaugeMetricFamily("astakos_lane_dead", "Dead letters", labels=("service",))
    for lane in seen.lanes:
        dead.add_metric((lane.name,), lane.dead)
    yield dead
    waiting = GaugeMetricFamily("astakos_queue_messages", "Messages that wait", labels=("queue",))
    for queue, messages in (seen.queues or {}).items():
        waiting.add_metric((queue,), messages)
    yield waiting
    clocks = GaugeMetricFamily(
        "astakos_clock_ahead_seconds",
        "How far a worker's clock is ahead of the ledger server's",
        labels=("worker",),
    )
    for one in seen.workers or ():
        clocks.add_metric((one.node,), one.clock)
    yield clocks
