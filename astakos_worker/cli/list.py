"""`astakos-worker list`: finds commissions by a part of their key, and by what is in them."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import click
from rich.console import Group
from rich.table import Table

from astakos_worker.cli.interrupts import INTERRUPTED
from astakos_worker.cli.options import JSON, SERVICE, seconds_of
from astakos_worker.cli.service_names import known_services
from astakos_worker.cli.terminal import cell, duration, hint, print_json, report_console, shown_live
from astakos_worker.configuration.servers import connect
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Ledger
from astakos_worker.ledger.record import OPEN, Record, State, shown
from astakos_worker.ledger.record_json import dump
from astakos_worker.ledger.redis.searching import Found, Place, RecordSearch, Sought
from astakos_worker.service.connect import ledger_of

#: Seconds that one answer of a server which is searched may take.
_PATIENCE: Final = 10.0


@click.command("list")
@click.argument("part", default="")
@SERVICE
@click.option("--ended", is_flag=True, help="Also those that have ended.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice([str(state) for state in State])
)
@click.option("--user", default="", help="The uuid of the user.")
@click.option("--project", default="", help="The uuid of the project.")
@click.option("--resource", default="", help="Such as cyclades.vm.")
@click.option("--serial", type=int, help="The serial, or that of a twin; open or ended.")
@click.option(
    "--older-than", type=seconds_of, default="0", metavar="TIME", help="90s, 10m, 2h, 1d."
)
@click.option("--decided/--undecided", default=None, help="Accepted or rejected by its service.")
@click.option("--failing", is_flag=True, help="Its requests to Astakos fail.")
@click.option("--error", is_flag=True, help="It has an error.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--from", "start", default="", metavar="PLACE", help="Where the last page ended.")
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
@JSON
def command(part: str, service: str | None, *, as_json: bool, watch: bool, **wanted: Any) -> None:
    """List commissions whose keys have PART in them: the open ones, or with --ended all.

    Open ones come by their deadline, then by their key; with --ended they come in no order. A page
    has --limit of them, or some more with --ended; its last line says how to get the next one. With
    --json each has a line, and the place of the next page goes to standard error.

    The server serves its other callers meanwhile. Exit status 1 if none was found.
    """
    settings = Settings()
    ledger = ledger_of(settings)
    [lane] = known_services(settings, ledger, [service or settings.service])
    filters = Filters(part=part, **wanted)
    search = RecordSearch(connect(settings.ledger_url, patience=_PATIENCE), settings.namespace)

    def read() -> Page:
        if filters.serial is not None:
            return of_serial(ledger, lane, filters)
        return find(search, lane, filters, ledger.clock.now())

    if watch:
        with suppress(KeyboardInterrupt):
            shown_live(lambda: read().picture(), every=2.0)
        sys.exit(INTERRUPTED)
    page = read()
    if as_json:
        for record in page.records:
            print_json(json.loads(dump(record)))
        if page.more:
            hint(f"--from {page.more}")
    else:
        report_console().print(page.picture())
    sys.exit(0 if page.records else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which commissions are wanted: those that fit all of these. `older_than` in seconds."""

    part: str = ""
    ended: bool = False
    states: tuple[str, ...] = ()
    user: str = ""
    project: str = ""
    resource: str = ""
    serial: int | None = None
    older_than: float = 0.0
    decided: bool | None = None
    failing: bool = False
    error: bool = False
    limit: int = 100
    start: str = ""

    @property
    def place(self) -> Place:
        """Where to look: ended commissions are in no index."""
        return "all" if self.ended or not {State(each) for each in self.states} <= OPEN else "open"

    def sought(self, now: float) -> Sought:
        """Return what the server looks for."""
        texts = tuple(text for text in (self.user, self.project, self.resource) if text)
        fields = {"failing_since": self.failing, "error": self.error}
        return Sought(
            self.part,
            texts,
            tuple(name for name, wanted in fields.items() if wanted),
            now - self.older_than if self.older_than else None,
            frozenset(State(each) for each in self.states),
        )

    def fit(self, record: Record, now: float) -> bool:
        """Return whether a commission fits; `now` is the ledger's time."""
        provisions = record.request.provisions if record.request else ()
        holders = {holder for each in provisions for holder in (each.holder, each.source)}
        serials = {record.serial, *(twin.serial for twin in record.twins)}
        return (
            self.part in record.key
            and (not self.states or record.state in self.states)
            and (not self.user or f"user:{self.user}" in holders)
            and (not self.project or f"project:{self.project}" in holders)
            and (not self.resource or self.resource in {each.resource for each in provisions})
            and (self.serial is None or self.serial in serials)
            and (not self.older_than or now - record.created >= self.older_than)
            and (self.decided is None or self.decided == (record.decision is not None))
            and (not self.failing or record.failing_since is not None)
            and (not self.error or record.error is not None)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Commissions that were found. `more`: where the next page begins; "": there is none."""

    records: tuple[Record, ...]
    unreadable: tuple[str, ...]
    more: str
    now: float

    def picture(self) -> Group:
        """Return the page for a person."""
        table = Table("key", "state", "serial", "decision", "age", "project", "error", box=None)
        for record in self.records:
            error = record.error or {}
            values = (
                shown(record.key),
                record.state,
                "-" if record.serial is None else record.serial,
                record.decision.verb if record.decision else "-",
                duration(self.now - record.created),
                record.settles_with.removeprefix("project:") or "-",
                f"{error.get('class')}: {error.get('message')}" if error else "-",
            )
            table.add_row(*map(cell, values))
        parts: list[Any] = [table] if self.records else [cell("none was found")]
        parts += [cell(f"{shown(key)} cannot be read", "yellow") for key in self.unreadable]
        parts += [cell(f"more: the same with --from {self.more}")] if self.more else []
        return Group(*parts)


def of_serial(ledger: Ledger, lane: str, filters: Filters) -> Page:
    """Return the commission that has the serial, if it fits, open or ended: there is an index."""
    now, keys = ledger.clock.now(), ledger.find(lane, [filters.serial or 0]).values()
    entries = ledger.get(lane, keys)
    found = tuple(one.record for one in entries.values() if filters.fit(one.record, now))
    return Page(found, tuple(key for key in keys if key not in entries), "", now)


def find(search: RecordSearch, lane: str, filters: Filters, now: float) -> Page:
    """Return the first page of commissions that fit."""
    records: list[Record] = []
    unreadable: list[str] = []
    seen: set[str] = set()
    more = filters.start
    sought = filters.sought(now)

    def wanted() -> int:
        return filters.limit - len(records)

    for where, found in _looks(partial(search.look, lane, filters.place, sought), more, wanted):
        more = where
        for key, entry in found:
            if key in seen:  # SCAN may meet one twice
                continue
            seen.add(key)
            if entry is None:
                unreadable.append(key)
            elif filters.fit(entry.record, now):
                records.append(entry.record)
    return Page(tuple(records), tuple(unreadable), more, now)


def keys_with(part: str, service: str) -> list[str]:
    """Return the keys that have this part, open or ended, in order; no more than a page."""
    settings = Settings()
    search = RecordSearch(connect(settings.ledger_url, patience=_PATIENCE), settings.namespace)
    filters = Filters(part=part, ended=True)
    return sorted(record.key for record in find(search, service, filters, 0.0).records)


def _looks(
    look: Callable[..., tuple[str, Found]], start: str, wanted: Callable[[], int]
) -> Iterator[tuple[str, Found]]:
    """Yield where to go on and what each look found, while more are `wanted`."""
    while (most := wanted()) > 0:
        start, found = look(start, most=most)
        yield start, found
        if not start:
            return
