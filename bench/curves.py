"""Measures throughput while one thing varies: Astakos' delay, concurrency, backlog, the pool."""

from bench.lifecycles import turns
from bench.rivals.queued import Ours, Plain

DELAYS = (0, 5, 20, 50, 100)
CONCURRENCY = (1, 2, 4, 8, 16, 32)
BACKLOGS = (10, 30, 100, 300, 1000)
POOLS = ("threads", "prefork", "solo")
#: Carriers as many as plain Celery has threads.
MANY = 32
#: As many servers as anybody sends requests at once: then only the delay counts.
ENOUGH = 64


def rates(found, at) -> dict[str, dict[str, list[float]]]:
    return {name: {str(at): rows["a second"]} for name, rows in found.items()}


def merged(*parts) -> dict[str, dict[str, list[float]]]:
    out: dict[str, dict[str, list[float]]] = {}
    for part in parts:
        for name, rows in part.items():
            out.setdefault(name, {}).update(rows)
    return out


def by_delay(cast, delays, number: int, rounds: int):
    """Where Astakos is slow without work, what counts is how many requests it is sent at once."""
    parts = []
    database = cast.stage.database()
    wide = Ours(cast.stage.ours(database=database, carriers=MANY, threads=MANY))
    wide.name = f"ours, {MANY} carriers"
    rivals = [cast.plain, cast.batched, cast.ours, wide]
    try:
        for delay in delays:
            with cast.cost(issue_ms=delay, resolve_ms=delay, servers=ENOUGH):
                parts.append(rates(turns(cast.stage, rivals, number, rounds), delay))
    finally:
        cast.stage.end(wide.workers)
    return merged(*parts)


def by_concurrency(cast, concurrency, number: int, rounds: int):
    """Ours by its carriers, plain Celery by its threads, in two processes each."""
    parts = []
    for each in concurrency:
        database = cast.stage.database()
        ours = cast.stage.ours(threads=each + 1, carriers=each, database=database)
        plain = cast.stage.plain(threads=max(1, each // 2), queue=f"by{each}")
        rivals = [Plain(plain, f"by{each}"), Ours(ours)]
        try:
            with cast.cost(issue_ms=20, resolve_ms=20, servers=ENOUGH):
                parts.append(rates(turns(cast.stage, rivals, number, rounds), each))
        finally:
            cast.stage.end(ours)
            cast.stage.end(plain)
    return merged(*parts)


def by_backlog(cast, backlogs, rounds: int):
    parts = []
    for number in backlogs:
        with cast.cost(preset="real"):
            rivals = [cast.plain, cast.batched, cast.ours]
            parts.append(rates(turns(cast.stage, rivals, number, rounds), number))
    return merged(*parts)


def by_pool(stage, pools, number: int, rounds: int):
    found = {}
    for pool in pools:
        ours = stage.ours(pool=pool, database=stage.database())
        try:
            stage.astakos.cost("real")
            rival = Ours(ours)
            rival.name = f"ours, {pool}"
            found |= turns(stage, [rival], number, rounds)
        finally:
            stage.astakos.cost()
            stage.end(ours)
    return found
