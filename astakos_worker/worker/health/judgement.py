"""The judgement: a pure function from what was read to findings.

Everything that says whether all is well shows these findings and adds none of its own: `status`,
the metrics, the workers' logs, and `health`. A finding has a reason, which names what is wrong and
for how long, and a remedy, which says what to do. What could not be read is *unknown*, never red.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from astakos_worker.configuration.names import COMMISSIONS, QUEUES, SWEEP
from astakos_worker.worker.health.observed import REMEMBERED, Away, Observed, Presence, Server
from astakos_worker.worker.health.remedies import REMEDIES, UNKNOWN_ALARM

#: Clocks may differ by so many seconds.
_CLOCKS: Final = 1.0
#: A replica says every second how far it is.
_REPLICA_LAG: Final = 5.0


class Level(StrEnum):
    """How bad a finding is. Only `RED` makes an exit status 1."""

    RED = "red"  # something is wrong, and a person has to act
    WARNING = "warning"  # nothing is wrong now
    UNKNOWN = "unknown"  # it could not be read


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `about` is a service, a worker, a queue or a server.

    `name` is one of a few stable words, for alerts and for `docs/operations.md`.
    """

    level: Level
    name: str
    about: str
    reason: str
    remedy: str


def judge(seen: Observed) -> list[Finding]:
    """Return all findings, the red ones first; none: all is well."""
    found = [finding for rule in _RULES for finding in rule(seen)]
    order = list(Level)
    return sorted(found, key=lambda one: order.index(one.level))


def overall(findings: Iterable[Finding]) -> str:
    """Return `red`, `unknown`, `warning` or `green`: the gravest of the levels."""
    levels = {finding.level for finding in findings}
    for level in (Level.RED, Level.UNKNOWN, Level.WARNING):
        if level in levels:
            return level.value
    return "green"


# --- The servers ------------------------------------------------------------------------------


def _servers(seen: Observed) -> Iterator[Finding]:
    for name, variable, server in (
        ("ledger", "ASTAKOS_LEDGER_URL", seen.ledger),
        ("broker", "ASTAKOS_BROKER_URL", seen.broker),
    ):
        if isinstance(server, Away):
            yield _red(
                f"{name}-away",
                name,
                f"the {name} does not answer: {server.why}",
                f"look at the server that {variable} names, and at the network between; "
                "workers go on by themselves when it answers",
            )
    if isinstance(seen.ledger, Server):
        yield from _ledgers_settings(seen.ledger)
        yield from _replicas(seen.ledger)
    if isinstance(seen.broker, Server) and seen.broker.evicts not in {None, "noeviction"}:
        yield Finding(
            Level.WARNING,
            "broker-evicts",
            "broker",
            f"the broker's server evicts keys (maxmemory-policy is {seen.broker.evicts}): "
            "a call that was sent by name may be lost",
            "set maxmemory-policy to noeviction on the broker's server",
        )


def _ledgers_settings(server: Server) -> Iterator[Finding]:
    """Yield what is wrong with the ledger's server; a value that is None is not wrong."""
    if server.evicts not in {None, "noeviction"}:
        yield _red(
            "ledger-evicts",
            "ledger",
            f"the ledger's server evicts keys (maxmemory-policy is {server.evicts}), and would "
            "lose commissions",
            "set maxmemory-policy to noeviction on the ledger's server",
        )
    if server.appendonly is False:
        yield _red(
            "ledger-appendonly",
            "ledger",
            "the ledger's server keeps no append-only file: a restart loses commissions",
            "set appendonly to yes on the ledger's server (CONFIG SET, and its file)",
        )
    if server.appendfsync not in {None, "always"}:
        yield _red(
            "ledger-appendfsync",
            "ledger",
            "the ledger's server acknowledges writes before they are on disk (appendfsync is "
            f"{server.appendfsync}): a crash of its host loses commissions",
            "set appendfsync to always on the ledger's server (CONFIG SET, and its file)",
        )
    if server.writes_fail:
        yield _red(
            "ledger-disk",
            "ledger",
            "the ledger's server cannot write its append-only file: it refuses all writes",
            "look at the disk and the log of the ledger's server",
        )
    if server.cluster:
        yield _red(
            "ledger-cluster",
            "ledger",
            "the ledger's server runs as a cluster, which is not supported",
            "name a single server in ASTAKOS_LEDGER_URL",
        )
    if server.replica_of:
        yield _red(
            "ledger-is-replica",
            "ledger",
            f"ASTAKOS_LEDGER_URL names a replica (of {server.replica_of}): it refuses all writes",
            "name the master, or use a sentinel:// URL",
        )
    if server.refused:
        yield Finding(
            Level.UNKNOWN,
            "ledger-settings",
            "ledger",
            f"the ledger's server refuses {' and '.join(server.refused)}: whether it keeps what it "
            "acknowledges is not known",
            "let the user of ASTAKOS_LEDGER_URL run INFO and CONFIG GET, or look there yourself",
        )


def _replicas(server: Server) -> Iterator[Finding]:
    for replica in server.replicas or ():
        if replica.state != "online" or replica.lag > _REPLICA_LAG:
            yield _red(
                "replica-lags",
                replica.name,
                f"the ledger's replica {replica.name} is {replica.state}, and was heard last "
                f"{replica.lag:.0f} s ago: a fail-over to it would lose writes",
                "look at the replica, and at the network between it and its master",
            )


def _databases(seen: Observed) -> Iterator[Finding]:
    ledger, broker = seen.ledger, seen.broker
    if isinstance(ledger, Away) or isinstance(broker, Away):
        return
    same = ledger.run_id is not None and ledger.run_id == broker.run_id
    if same and ledger.database == broker.database:
        yield _red(
            "one-database",
            "ledger",
            f"broker and ledger are one database (number {ledger.database} of one server): "
            "a FLUSHDB of the broker would delete the ledger",
            "give ASTAKOS_BROKER_URL and ASTAKOS_LEDGER_URL different database numbers",
        )
    if seen.ledger_id is not None and seen.remembered_id not in {"", seen.ledger_id}:
        yield _red(
            "other-ledger",
            "ledger",
            "this is another ledger than the one that was used with this broker: its id is "
            f"{seen.ledger_id or 'none, as it is empty'}, and {seen.remembered_id} is remembered",
            "see whether ASTAKOS_LEDGER_URL is right here and for all workers and services; if the "
            "ledger was replaced on purpose, `astakos-worker ledger trust SERVICE`",
        )


def _clocks(seen: Observed) -> Iterator[Finding]:
    clocks = [("the ledger's server", 0.0, 0.0)]
    if isinstance(seen.ledger, Server) and isinstance(seen.broker, Server):
        clocks.append(("the broker's server", seen.broker.clock, seen.broker.clock_error))
    clocks += [(one.node, one.clock, one.clock_error) for one in _alive(seen)]
    _, low, low_error = slow = min(clocks, key=lambda one: one[1] + one[2])
    _, high, high_error = fast = max(clocks, key=lambda one: one[1] - one[2])
    apart = (high - high_error) - (low + low_error)
    if apart > _CLOCKS:
        yield _red(
            "clocks",
            fast[0] if abs(high) > abs(low) else slow[0],
            f"the clock of {fast[0]} is {apart:.1f} s ahead of that of {slow[0]}",
            "look at the time services of both machines (chrony, systemd-timesyncd)",
        )


# --- The workers ------------------------------------------------------------------------------


def _workers(seen: Observed) -> Iterator[Finding]:
    for one in seen.workers or ():
        if _is_silent(seen, one):
            yield _red(
                "worker-silent",
                one.node,
                f"{one.node} has not beaten for {one.age:.0f} s: it stands still, or it was killed",
                "look at its process and its host, and start it again; one that was removed on "
                f"purpose is forgotten after {REMEMBERED / 60:.0f} minutes",
            )
        elif _is_deaf(seen, one):
            yield _red(
                "not-consuming",
                one.node,
                f"{one.node} is alive, and has taken no message for {one.unanswered:.0f} s",
                "restart it; `astakos-worker health` tells a supervisor the same",
            )
        if one.age <= seen.bounds.silent:
            for service, fault in one.faults.items():
                yield _red(
                    "client",
                    service,
                    f"{one.node} cannot send requests for {service}: {fault}",
                    "mend the file or address that the text names, on that host; no restart is "
                    "needed",
                )


def _queues(seen: Observed) -> Iterator[Finding]:
    """Yield the queues that no worker reads: red if something is asked of them."""
    if seen.workers is None:
        return
    for queue in QUEUES:
        of_queue = [one for one in seen.workers if queue in one.queues]
        if any(_works(seen, one) for one in of_queue):
            continue
        waiting = (seen.queues or {}).get(queue, 0)
        why = f"none of its {len(of_queue)} workers takes messages" if of_queue else "none reads it"
        yield Finding(
            Level.RED if waiting or queue == COMMISSIONS else Level.WARNING,
            "no-worker",
            queue,
            f"no worker for the queue {queue}: {why}, and {waiting} messages wait in it",
            f"start a worker with `celery -A astakos_worker.app worker -Q {queue}`, or all with "
            "`astakos-worker serve`; if workers run, compare their ASTAKOS_LEDGER_URL and "
            "ASTAKOS_NAMESPACE with those here",
        )


def _services(seen: Observed) -> Iterator[Finding]:
    workers = [one for one in _alive(seen) if COMMISSIONS in one.queues]
    if not workers:
        return  # `no-worker` says more
    served = {service for one in workers for service in one.services}
    used = {lane.name: lane.open for lane in seen.lanes if lane.open or lane.due}
    for service in sorted({*used, *seen.services} - served):
        yield _red(
            "unserved",
            service,
            f"no worker serves {service}, which has {used.get(service, 0)} open commissions",
            f"set ASTAKOS_SERVICES__{service.upper()}__AUTH_URL and its TOKEN_FILE for the "
            "workers, or correct the name in the service (ASTAKOS_SERVICE)",
        )


def _namespaces(seen: Observed) -> Iterator[Finding]:
    for namespace, opened in sorted(seen.others.items()):
        yield _red(
            "namespace-unserved",
            namespace,
            f"the namespace {namespace} of this ledger has {opened} open commissions, and no "
            "worker",
            f"start workers with ASTAKOS_NAMESPACE={namespace}, or correct the name in the service",
        )


# --- The work ---------------------------------------------------------------------------------


def _lanes(seen: Observed) -> Iterator[Finding]:
    for lane in seen.lanes:
        if lane.due and lane.oldest_due > seen.bounds.overdue:
            yield _red(
                "overdue",
                lane.name,
                f"{lane.due} commissions of {lane.name} are due, the first for "
                f"{lane.oldest_due:.0f} s (ASTAKOS_OVERDUE is {seen.bounds.overdue:g} s)",
                "see the other findings; if there are none, start more workers",
            )
        if lane.dead:
            yield _red(
                "dead",
                lane.name,
                f"{lane.dead} commissions of {lane.name} cannot go on without a person",
                f"run `astakos-worker dead list --service {lane.name}`",
            )
        for name, text in sorted(lane.alarms.items()):
            yield _red(name, lane.name, text, REMEDIES.get(name, UNKNOWN_ALARM))


def _sweeps(seen: Observed) -> Iterator[Finding]:
    bound = seen.bounds.sweep_late
    up = max((one.up for one in _alive(seen)), default=0.0)
    wanted = {service for one in _alive(seen) for service in one.services}
    wanted |= {lane.name for lane in seen.lanes if lane.open}
    # A sweep that stops of itself (`sweep`, `brake`) has raised an alarm with the same text.
    alarms = {lane.name: set(lane.alarms.values()) for lane in seen.lanes}
    for service in sorted(wanted):
        last = seen.sweeps.get(service)
        if last is None and up > bound:
            yield _late(seen, service, "was never swept")
        elif last is not None and last.age > bound:
            yield _late(seen, service, f"was swept last {last.age:.0f} s ago")
        elif last is not None and last.stopped not in {"", *alarms.get(service, ())}:
            yield _red(
                "sweep-fails",
                service,
                f"the last sweep of {service} stopped: {last.stopped}",
                "mend what the text says: Astakos, the way there, or the token",
            )


def _late(seen: Observed, service: str, when: str) -> Finding:
    workers = [one for one in seen.workers or () if SWEEP in one.queues and _works(seen, one)]
    why = "" if workers or seen.workers is None else ", and no worker reads astakos.sweep"
    if seen.beat is None:
        why += ", and beat has not been seen"
    return _red(
        "sweep-late",
        service,
        f"{service} {when} (ASTAKOS_SWEEP is {seen.bounds.sweep:g} s){why}",
        "run beat (`celery -A astakos_worker.app beat`) and a worker with `-Q astakos.sweep`",
    )


def _beat(seen: Observed) -> Iterator[Finding]:
    if seen.beat is not None and seen.bounds.beat_late < seen.beat.age < REMEMBERED:
        yield _red(
            "beat-late",
            seen.beat.node,
            f"beat has ordered no sweep for {seen.beat.age:.0f} s (ASTAKOS_SWEEP is "
            f"{seen.bounds.sweep:g} s)",
            "look at beat's process and its log, and start it again",
        )


def _outbox(seen: Observed) -> Iterator[Finding]:
    if isinstance(seen.outbox, Away):
        yield Finding(
            Level.UNKNOWN,
            "outbox-rows",
            "outbox",
            f"the outbox cannot be read: {seen.outbox.why}",
            "look at the database that ASTAKOS_OUTBOX_DATABASE names",
        )
    elif seen.outbox is not None and seen.outbox.oldest > seen.bounds.overdue:
        yield _red(
            "outbox-waits",
            "outbox",
            f"{seen.outbox.waiting} rows of the outbox wait, the oldest for "
            f"{seen.outbox.oldest:.0f} s",
            "run `astakos-worker relay`; its log says why a row is not sent",
        )


def _messages(seen: Observed) -> Iterator[Finding]:
    if seen.dead_messages:
        yield Finding(
            Level.WARNING,
            "dead-messages",
            "broker",
            f"{seen.dead_messages} messages could not be read, and were thrown away",
            "run `astakos-worker dead messages`; when you have dealt with them, with --clear",
        )


def _unread(seen: Observed) -> Iterator[Finding]:
    for what, why in sorted(seen.unread.items()):
        yield Finding(
            Level.UNKNOWN,
            "unread",
            what,
            f"{what} cannot be read: {why}",
            "mend what the text says; until then nothing is known about it",
        )


_RULES: Final[tuple[Callable[[Observed], Iterator[Finding]], ...]] = (
    *(_servers, _databases, _queues, _workers, _services, _namespaces),
    *(_lanes, _sweeps, _beat, _outbox, _clocks, _messages, _unread),
)


# --- Inside -----------------------------------------------------------------------------------


def _red(name: str, about: str, reason: str, remedy: str) -> Finding:
    return Finding(Level.RED, name, about, reason, remedy)


def _alive(seen: Observed) -> list[Presence]:
    return [one for one in seen.workers or () if one.age <= seen.bounds.silent]


def _is_silent(seen: Observed, one: Presence) -> bool:
    return seen.bounds.silent < one.age < REMEMBERED


def _is_deaf(seen: Observed, one: Presence) -> bool:
    """Return whether a worker does not take messages although the broker answers."""
    if isinstance(seen.broker, Away):
        return False  # then no worker can
    patience = seen.bounds.silent + (seen.bounds.longest_task if one.busy else 0.0)
    return one.unanswered > patience


def _works(seen: Observed, one: Presence) -> bool:
    return one.age <= seen.bounds.silent and not _is_deaf(seen, one)
