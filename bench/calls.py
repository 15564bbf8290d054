"""The waits of a request handler: the time of one call, and the time until the result is known.

Calls of rivals alternate one by one, so a disturbance of the machine disturbs all rivals.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from bench.lifecycles import check, finish
from bench.stage import Stage

#: Seconds between two calls of a quiet lane, and of a busy one.
QUIET, BUSY = 0.03, 0.01
#: Calls of one rival on a busy lane before the turn of the other.
TURN = 100
#: How many callers wait for results in one turn on a busy lane.
ASKED = 10
PATIENCE = 60


def timed(times: list[float], call, *arguments, **options):
    """Make a call, add its milliseconds to `times`, and return its result."""
    began = time.perf_counter()
    result = call(*arguments, **options)
    times.append((time.perf_counter() - began) * 1000)
    return result


def quiet(stage: Stage, plain, ours, direct, number: int) -> dict[str, dict[str, list[float]]]:
    """Measure single calls, in turn. The work of each is done before the next call."""
    astakos = stage.astakos
    accepted, (used, _) = astakos.accepted(), astakos.usage()
    times: dict[str, list[float]] = {"issue()": [], "delay()": [], "accept()": []}
    for mine, its in pairs(astakos.jobs(2 * number)):
        timed(times["issue()"], ours.issue, mine)
        time.sleep(QUIET)
        timed(times["delay()"], plain.enqueue, its)
        time.sleep(QUIET)
        timed(times["accept()"], ours.accept, mine)
        time.sleep(QUIET)
    total = 2 * number
    if direct:
        each = times["direct"] = []
        serials = [timed(each, direct.issue, job) for job in astakos.jobs(number)]
        direct.client.resolve_commissions(serials, [])
        total += number
    finish(astakos, plain, accepted + total)
    check(astakos, used + total)
    return {name: {"ms": each} for name, each in times.items()}


def busy(stage: Stage, plain, ours, number: int, backlog: int) -> dict[str, dict[str, list[float]]]:
    """Measure calls while a backlog keeps Astakos and the workers busy, at one pace for both.

    The turns are short, so a moment in which the disk is slow does not hit one rival alone.
    """
    found: dict[str, dict[str, list[float]]] = {name: {"ms": []} for name in ("delay()", "issue()")}
    rivals = [(plain, "delay()", plain.enqueue), (ours, "issue()", ours.issue)]
    calls = min(number, TURN)
    for turn in range(number // calls):
        for rival, name, call in rivals if turn % 2 else rivals[::-1]:
            accepted, (used, _) = stage.astakos.accepted(), stage.astakos.usage()
            rival.produce(stage.astakos.jobs(backlog))
            jobs = stage.astakos.jobs(calls)
            paced(found[name]["ms"], call, jobs)
            if rival is ours:
                for job in jobs:
                    ours.accept(job)
            finish(stage.astakos, rival, accepted + backlog + calls)
            check(stage.astakos, used + backlog + calls)
    return found


def paced(times: list[float], call, jobs) -> None:
    """Make a call for each job, one every `BUSY` seconds."""
    due = time.perf_counter()
    for job in jobs:
        timed(times, call, job)
        due += BUSY
        time.sleep(max(0.0, due - time.perf_counter()))


def away(stage: Stage, ours, number: int) -> dict[str, dict[str, list[float]]]:
    """Measure calls while the broker is away: they succeed, and a wake-up is sent later."""
    astakos = stage.astakos
    accepted, (used, _) = astakos.accepted(), astakos.usage()
    times: dict[str, list[float]] = {"issue()": [], "accept()": []}
    jobs = astakos.jobs(number)
    for job in jobs:
        timed(times["issue()"], ours.issue, job)
    for job in jobs:
        timed(times["accept()"], ours.accept, job)
    finish(astakos, ours, accepted + number)
    check(astakos, used + number)
    return {name: {"ms": each} for name, each in times.items()}


def answers(stage: Stage, plain, ours, number: int) -> dict[str, dict[str, list[float]]]:
    """Measure the time until the caller knows the serial, and until it knows the accept is done."""
    used, _ = stage.astakos.usage()
    serial, settled = "to the serial, ms", "to settled, ms"
    found: dict[str, dict[str, list[float]]] = {
        name: {serial: [], settled: []} for name in ("ours", "plain")
    }
    tasks = plain.tasks
    for mine, its in pairs(stage.astakos.jobs(2 * number)):
        timed(found["ours"][serial], lambda job=mine: ours.issue(job).outcome(PATIENCE))
        time.sleep(QUIET)
        number_ = timed(
            found["plain"][serial],
            lambda job=its: tasks.issue.delay(*job.arguments).get(PATIENCE),
        )
        time.sleep(QUIET)
        timed(found["ours"][settled], lambda job=mine: ours.accept(job).outcome(PATIENCE))
        time.sleep(QUIET)
        timed(found["plain"][settled], lambda n=number_: tasks.accept.delay(n).get(PATIENCE))
        time.sleep(QUIET)
    check(stage.astakos, used + 2 * number)
    return found


def answers_busy(stage: Stage, plain, ours, number: int, backlog: int):
    """Measure the same for callers that come all at once behind a backlog, in short turns."""
    serial, settled = "to the serial, ms", "to settled, ms"
    found: dict[str, dict[str, list[float]]] = {
        name: {serial: [], settled: []} for name in ("ours", "plain")
    }
    tasks = plain.tasks

    def ask_ours(job) -> None:
        timed(found["ours"][serial], lambda: ours.issue(job).outcome(PATIENCE))
        timed(found["ours"][settled], lambda: ours.accept(job).outcome(PATIENCE))

    def ask_plain(job) -> None:
        n = timed(found["plain"][serial], lambda: tasks.issue.delay(*job.arguments).get(PATIENCE))
        timed(found["plain"][settled], lambda: tasks.accept.delay(n).get(PATIENCE))

    rivals = [(plain, ask_plain), (ours, ask_ours)]
    for turn in range(number // ASKED):
        for rival, ask in rivals if turn % 2 else rivals[::-1]:
            accepted, (used, _) = stage.astakos.accepted(), stage.astakos.usage()
            rival.produce(stage.astakos.jobs(backlog))
            with ThreadPoolExecutor(ASKED) as callers:
                list(callers.map(ask, stage.astakos.jobs(ASKED)))
            finish(stage.astakos, rival, accepted + backlog + ASKED)
            check(stage.astakos, used + backlog + ASKED)
    return found


def settles(stage: Stage, plain, ours, number: int, rounds: int):
    """Measure accepts alone: the workers are paused until all commissions are decided."""
    astakos = stage.astakos
    found: dict[str, dict[str, list[float]]] = {
        rival.name: {"a second": []} for rival in (plain, ours)
    }
    for _ in range(rounds):
        for rival, prepare in ((plain, serials_of_plain), (ours, handles_of_ours)):
            accepted, (used, _) = astakos.accepted(), astakos.usage()
            accepts = prepare(rival, astakos.jobs(number))
            rival.workers.pause()
            for accept in accepts:
                accept()
            began = time.perf_counter()
            rival.workers.resume()
            finish(astakos, rival, accepted + number)
            found[rival.name]["a second"].append(number / (time.perf_counter() - began))
            check(astakos, used + number)
    return found


def serials_of_plain(plain, jobs):
    """Issue them; return how each is accepted."""
    issued = [plain.tasks.issue.delay(*job.arguments) for job in jobs]
    serials = [result.get(PATIENCE) for result in issued]
    return [lambda n=serial: plain.tasks.accept.delay(n) for serial in serials]


def handles_of_ours(ours, jobs):
    """Issue them; return how each is accepted."""
    handles = [ours.issue(job) for job in jobs]
    for handle in handles:
        handle.outcome(PATIENCE)
    return [handle.accept for handle in handles]


def pairs(jobs):
    return zip(jobs[::2], jobs[1::2], strict=True)
