"""Measures the cost of many records, commissions and pending serials, and of a worker's start."""

import resource
import time

import psutil

from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.events import Issued, Marked
from astakos_worker.ledger.request import wire_name
from astakos_worker.ledger.states import queued, transition
from astakos_worker.service.arguments import one
from astakos_worker.service.connect import ledger_of
from astakos_worker.worker.process import WorkerProcess
from bench.lifecycles import turns
from bench.rivals.floor import Floor
from bench.rivals.queued import Ours
from bench.stage import Stage

CHUNK = 500
#: Serials from here on are larger than any that Astakos gives in a run.
FAR = 10**12


def fill(ledger, jobs, serials) -> None:
    """Write pending, undecided commissions as if they had been issued."""
    records = list(zip(jobs, serials, strict=True))
    for start in range(0, len(records), CHUNK):
        now = ledger.clock.now()
        writes = []
        for job, serial in records[start : start + CHUNK]:
            record = new_record(job, now)
            record = transition(record, Marked(now, now), now)
            writes.append(Write(transition(record, Issued(serial), now), 0))
        if not all(written.done for written in ledger.cas(writes)):
            raise RuntimeError("the ledger has one of these commissions already")


def new_record(job, now: float):
    request = one(job.user, job.project, job.provisions, name=job.name)
    return queued(job.key, "default", "0a1b2c3d", request, now=now)


def growth(stage: Stage, sizes, number: int, rounds: int):
    """Measure lifecycles a second with many other open commissions in the ledger."""
    rivals = []
    for size in sizes:
        workers = stage.ours(database=stage.database())
        ledger = ledger_of(workers.settings, patience=30)
        fill(ledger, stage.astakos.jobs(size), range(FAR, FAR + size))
        rival = Ours(workers)
        rival.name = f"{size:,} open"
        rivals.append(rival)
    try:
        return turns(stage, rivals, number, rounds)
    finally:
        for rival in rivals:
            stage.end(rival.workers)


def memory(stage: Stage, ours, counts):
    """Measure the memory, in MB, of the larger worker after many commissions."""
    found, done = {}, 0
    for count in counts:
        while done < count:
            some = min(5_000, count - done)
            turns(stage, [ours], some, 1)
            done += some
        found[f"after {count:,}"] = {"MB": [ours.workers.memory()]}
    return found


def sweep(stage: Stage, sizes):
    """Measure one sweep over many pending commissions that the ledger knows."""
    found = {}
    for size in sizes:
        settings = stage.settings(
            stage.database(),
            services={
                "default": {"auth_url": stage.astakos.auth_url, "token_file": stage.token_file}
            },
        )
        process = WorkerProcess(settings)
        jobs, now = stage.astakos.jobs(size), time.time()
        floor = Floor(stage.astakos)
        tagged = [
            wire_name(job.name, new_record(job, now).tag(f"{settings.namespace}.default"))
            for job in jobs
        ]
        serials = [floor.only_issue(job, name) for job, name in zip(jobs, tagged, strict=True)]
        fill(process.ledger, jobs, serials)
        before, requests = psutil.Process().memory_info().rss, stage.astakos.requests()
        began = time.perf_counter()
        report = process.sweep("default", "bench")
        took = time.perf_counter() - began
        if report.stopped:
            raise RuntimeError(report.stopped)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        found[f"{size:,} pending"] = {
            "seconds": [took],
            "HTTP requests": [float(stage.astakos.requests() - requests)],
            "MB more at most": [max(0, peak - before) / 2**20],
        }
        for start in range(0, size, 5_000):
            floor.reject(serials[start : start + 5_000])
    return found


def start(stage: Stage, rounds: int):
    """Measure the seconds until a new worker process answers, and its memory then."""
    found = {name: {"seconds": [], "MB": []} for name in ("ours", "plain")}
    for _ in range(rounds):
        for name, make in (("ours", stage.ours), ("plain", stage.plain)):
            began = time.perf_counter()
            workers = make(count=1)
            found[name]["seconds"].append(time.perf_counter() - began)
            found[name]["MB"].append(workers.memory())
            stage.end(workers)
    return found
