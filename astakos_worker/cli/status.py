"""`astakos-worker status`: whether all is well, and if not, what is wrong and what to do."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from astakos_worker.cli import findings
from astakos_worker.cli.interrupts import INTERRUPTED
from astakos_worker.cli.options import JSON
from astakos_worker.cli.service_names import known_services
from astakos_worker.cli.terminal import cell, duration, print_json, report_console, shown_live
from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.sweep.findings import Report
from astakos_worker.engine.sweep.sweep import last_report
from astakos_worker.ledger.contract import Lane, Ledger, LedgerError, ServerLedger
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.outbox import databases
from astakos_worker.service.outbox.of_drivers import outbox_of_url
from astakos_worker.worker.health.judgement import Finding, judge, overall
from astakos_worker.worker.health.observed import Away, Observed, WaitingRows
from astakos_worker.worker.health.rates import Rates, rates
from astakos_worker.worker.health.reading import Reader

#: Seconds between two looks of --watch.
_EVERY = 2.0
#: Alarms that no later answer ends: a person does.
_FOR_A_PERSON = ("conflict", "vanished", "clock")


@click.command("status")
@click.option("--service", "services", multiple=True, help="Only this one; all if left out.")
@click.option(
    "--acknowledge",
    "seen",
    multiple=True,
    type=click.Choice(_FOR_A_PERSON),
    help="End an alarm that a person has dealt with. The others end when their cause ends.",
)
@click.option(
    "--database",
    envvar="ASTAKOS_OUTBOX_DATABASE",
    show_envvar=True,
    help="The service's database, to see whether rows of its outbox wait.",
)
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
@JSON
def command(
    services: tuple[str, ...],
    seen: tuple[str, ...],
    database: str | None,
    *,
    watch: bool,
    as_json: bool,
) -> None:
    """Say whether all is well: what is wrong, since when, and what to do about it.

    Exit status 1 while something is red. What cannot be read is unknown, and not red.
    With --watch there are also rates for each second, since the last look. `astakos-worker
    reconcile --last` says more about the last sweep.
    """
    settings = Settings()
    ledger = ledger_of(settings)
    if seen or services:
        chosen = known_services(settings, ledger, services) or ledger.lanes()
        _acknowledge(ledger, [ledger.lane(name) for name in chosen], seen)
    read = Reader(settings, outbox=_outbox_reader(database)).read
    if watch:
        with suppress(KeyboardInterrupt):
            shown_live(_Moments(lambda: View.of(read(), ledger, services)).picture, every=_EVERY)
        sys.exit(INTERRUPTED)
    view = View.of(read(), ledger, services)
    if as_json:
        print_json(view.as_json())
    else:
        report_console().print(view.picture())
    sys.exit(1 if view.level == "red" else 0)


@dataclass(frozen=True, slots=True)
class View:
    """What `status` shows: the judgement, and the lanes and workers that it is about."""

    level: str
    findings: Sequence[Finding]
    lanes: Sequence[Lane]
    sweeps: dict[str, Report]
    observed: Observed

    @classmethod
    def of(cls, seen: Observed, ledger: ServerLedger, services: Sequence[str] = ()) -> "View":
        """Judge what was seen; with `services`, without what is about the other ones."""
        others = {lane.name for lane in seen.lanes} - set(services) if services else set()
        found = [one for one in judge(seen) if one.about not in others]
        lanes = [lane for lane in seen.lanes if lane.name not in others]
        sweeps = {}
        for lane in lanes:
            try:
                last = last_report(ledger, lane.name)
            except LedgerError:
                continue  # the judgement says so
            if last is not None:
                sweeps[lane.name] = last
        return cls(overall(found), found, lanes, sweeps, seen)

    def picture(self, speeds: Mapping[str, Rates] | None = None) -> RenderableType:
        """Return the view for a person; `speeds` has the rates of services."""
        parts: list[RenderableType] = [findings.headline(self.level, self.findings), Text()]
        if speeds is not None:
            parts += [_speeds(speeds), Text()]
        if self.lanes:
            parts += [self._lanes(), Text()]
        if self.observed.workers:
            parts += [self._workers(), Text()]
        return Group(*parts, *findings.lines(self.findings))

    def as_json(self) -> dict[str, Any]:
        """Return the view for a program."""
        seen = self.observed
        return {
            "level": self.level,
            "findings": [{**asdict(one), "level": one.level.value} for one in self.findings],
            "lanes": [_lane_as_json(lane, self.sweeps.get(lane.name)) for lane in self.lanes],
            "workers": None if seen.workers is None else [asdict(one) for one in seen.workers],
            "queues": None if seen.queues is None else dict(seen.queues),
        }

    def _lanes(self) -> Table:
        table = Table(
            *("service", "due", "oldest", "open", "held", "dead", "awake", "last sweep", "rests"),
            box=None,
        )
        for lane in self.lanes:
            rests = f"{lane.resting:.1f} s: {lane.reason}" if lane.resting else "-"
            table.add_row(
                lane.name,
                str(lane.due),
                f"{lane.oldest_due:.1f} s" if lane.due else "-",
                str(lane.open),
                str(lane.held),
                cell(lane.dead, "bold red" if lane.dead else ""),
                str(lane.awake),
                self._swept(lane.name),
                cell(rests, "yellow" if lane.resting else ""),
            )
        return table

    def _swept(self, name: str) -> Text:
        report, swept = self.sweeps.get(name), self.observed.sweeps.get(name)
        if report is None or swept is None:
            return cell("never")
        text = f"{duration(swept.age)} ago"
        if report.stopped:
            return cell(f"{text}, stopped", "red")
        return cell(f"{text}, {report.left} left" if report.left else text)

    def _workers(self) -> Table:
        table = Table("worker", "beat", "up", "reads", "serves", "clock", box=None)
        for one in self.observed.workers or ():
            table.add_row(
                cell(one.node),
                f"{duration(one.age)} ago",
                duration(one.up),
                cell(", ".join(name.removeprefix("astakos.") for name in one.queues) or "-"),
                cell(", ".join(one.services) or "-"),
                f"{one.clock:+.1f} s",
            )
        return table


class _Moments:
    """Looks again and again, and shows how fast the work went on since the last look."""

    def __init__(self, look: Callable[[], View]) -> None:
        self._look = look
        self._last: tuple[float, View] | None = None

    def picture(self) -> RenderableType:
        """Look, and return the view with the rates since the last look."""
        now, view = time.monotonic(), self._look()
        last, self._last = self._last, (now, view)
        if last is None:
            return view.picture({})
        before, after = last[1].observed.workers or (), view.observed.workers or ()
        return view.picture(rates(before, after, now - last[0]))


def _speeds(speeds: Mapping[str, Rates]) -> Table:
    table = Table("service", "ended/s", "requests/s", "failed/s", "latency", box=None)
    for service, one in sorted(speeds.items()):
        latency = "-" if one.latency is None else f"{one.latency * 1000:.0f} ms"
        per_second = (f"{n:.1f}" for n in (one.ended, one.requests, one.failed))
        table.add_row(cell(service), *per_second, latency)
    return table


def _outbox_reader(database: str | None) -> Callable[[], WaitingRows | Away] | None:
    if database is None:
        return None

    def read() -> WaitingRows | Away:
        try:
            outbox = outbox_of_url(database)
            try:
                [(waiting, oldest)] = databases.run(outbox, "waiting")
            finally:
                outbox.close()
        except Exception as error:  # noqa: BLE001  # the database: its drivers share no class
            return Away(f"{type(error).__name__}: {error}")
        return WaitingRows(int(waiting), float(oldest))

    return read


def _acknowledge(ledger: Ledger, lanes: Sequence[Lane], seen: Sequence[str]) -> None:
    raised = {name for lane in lanes for name in lane.alarms}
    if missing := sorted(set(seen) - raised):
        raise click.UsageError(f"there is no alarm {', '.join(missing)}")
    for lane in lanes:
        for name in seen:
            ledger.alarm(lane.name, name, None)


def _lane_as_json(lane: Lane, report: Report | None) -> dict[str, Any]:
    sweep = None if report is None else {**report.to_dict(), "rows": None, "left": report.left}
    return {**asdict(lane), "alarms": dict(lane.alarms), "sweep": sweep}
