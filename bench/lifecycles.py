"""Measures lifecycles a second of each rival, in turn on one Astakos, and the CPU that it used."""

import time
from collections.abc import Sequence

from astakos_worker.service.connect import ledger_of
from bench.astakos import Job
from bench.stage import Stage, wait_until


class LostWorkError(Exception):
    """Raised when a rival lost work or did it twice."""


def run(stage: Stage, rival, jobs: Sequence[Job]) -> dict[str, float]:
    """Return the figures of one run; the users' holdings are checked at its end."""
    astakos = stage.astakos
    accepted, requests, number = astakos.accepted(), astakos.requests(), len(jobs)
    used, _ = astakos.usage()
    messages, commands, cpu = stage.messages(), stage.commands(), cpu_of(stage, rival)
    began = time.perf_counter()
    rival.produce(jobs)
    produced = time.process_time()
    # A rival that batches by hand has a last, incomplete batch, which must be sent too.
    finish(astakos, rival, accepted + number)
    took = time.perf_counter() - began
    if settings := getattr(rival, "settings", None):
        ledger = ledger_of(settings)
        wait_until(lambda: not ledger.lane(settings.service).due, every=0.05)
    _, workers, server = (b - a for a, b in zip(cpu, cpu_of(stage, rival), strict=True))
    figures = {
        "a second": number / took,
        "CPU ms": (produced - cpu[0] + workers + server) / number * 1000,
        "producer": (produced - cpu[0]) / number * 1000,
        "workers": workers / number * 1000,
        "server": server / number * 1000,
        "messages": (stage.messages() - messages) / number,
        "commands": (stage.commands() - commands) / number,
    }
    if requests is not None:
        figures["HTTP"] = (astakos.requests() - requests) / number
    check(astakos, used + number)
    return figures


def finish(astakos, rival, target: int) -> None:
    last, since = -1, time.monotonic()
    while (now := astakos.accepted()) < target:
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 60:
            raise LostWorkError(f"{rival.name}: {target - now} were not accepted within a minute")
        if target - now < 50:
            rival.finish()
        time.sleep(0.02)


def check(astakos, expected: int) -> None:
    """Raise `LostWorkError` unless the holdings are what was accepted, with nothing pending."""
    used, pending = astakos.usage()
    if (used, pending) != (expected, 0):
        raise LostWorkError(
            f"{used} are used and {pending} pending; {expected} and none were expected"
        )


def cpu_of(stage: Stage, rival) -> tuple[float, float, float]:
    workers = rival.workers.cpu() if rival.workers else 0.0
    return time.process_time(), workers, stage.server_cpu()


def turns(stage: Stage, rivals, number: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return `{rival: {figure: [of each round]}}`; every round begins with another rival."""
    found: dict[str, dict[str, list[float]]] = {rival.name: {} for rival in rivals}
    for n in range(rounds):
        first = n % len(rivals)
        for rival in rivals[first:] + rivals[:first]:
            for name, value in run(stage, rival, stage.astakos.jobs(number)).items():
                found[rival.name].setdefault(name, []).append(value)
    return found
