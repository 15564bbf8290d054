"""A live service beside a sweep every second: every orphan finds its end, and nothing else does.

`LIVE_SECONDS=120 pytest tests/integration/worker/test_live.py` runs it for two minutes.
"""

import os
import time

import pytest

from astakos_worker.configuration import names
from astakos_worker.engine.sweep.sweep import last_report
from astakos_worker.local import commands
from astakos_worker.local.process import Process
from tests.integration.cluster.until import until
from tests.integration.worker.live import (
    PLANTED,
    RAM,
    Book,
    Foreigner,
    Handlers,
    Mishaps,
    stop,
)

SECONDS = float(os.environ.get("LIVE_SECONDS", "25"))


@pytest.fixture
def extra_environment():
    return {"ASTAKOS_SWEEP": "1", "ASTAKOS_GRACE": "2", "ASTAKOS_QUARANTINE": "4"}


@pytest.fixture
def beat(environment, tmp_path, processes):
    log = tmp_path / "beat.log"
    log.touch()
    beat = Process(
        "beat",
        commands.beat(),
        log,
        environment={**os.environ, **environment},
        ready=lambda: "beat: Starting" in log.read_text(),
    )
    processes.append(beat)
    beat.start()


@pytest.fixture
def cloud(service):
    """Room for everything, and a network that loses answers."""
    holder, source = f"user:{service.user}", f"project:{service.user}"
    service.control.set_limit(holder, source, RAM, 10**9)
    service.control.set_limit(source, None, RAM, 10**9)
    service.control.set_faults(
        {"kind": "cut-after", "route": "commissions.issue", "probability": 0.03}
    )
    return service


@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.parametrize("worker_queues", [[names.COMMISSIONS, names.SWEEP]])
def test_nothing_live_and_nothing_foreign_is_touched_and_every_orphan_is_gone(cloud, beat):
    """F33 to F38, F70, F71: by what Astakos says that happened, commission by commission."""
    handlers = [Handlers(f"handler{number}", number, cloud) for number in range(6)]
    foreigners = [Foreigner(f"foreigner{number}", number, cloud) for number in range(2)]
    actors = [*handlers, *foreigners, Mishaps("mishaps", 1, cloud, handlers[0])]
    for actor in actors:
        actor.start()
    end = time.monotonic() + SECONDS
    until(lambda: time.monotonic() > end or not all(a.is_alive() for a in actors), SECONDS + 5)
    stop(actors)

    wanted = {key: verb for each in handlers for key, verb in each.wanted.items()}
    did = {serial: event for each in foreigners for serial, event in each.did.items()}
    until(lambda: not book(cloud).left(), within=90, every=0.5)
    until(lambda: not unsettled(cloud, wanted), within=90, every=0.5)
    told = book(cloud)
    assert all(told.planted[kind] for kind in PLANTED)
    for serials in told.planted.values():
        assert {tuple(told.events[n]) for n in serials} == {("rejected",)}
    for serial in told.foreign:
        event = did.get(serial)
        assert told.events[serial] == ([event] if event else []), serial
    assert set(did.values()) == {None, "accepted", "rejected"}
    assert told.live.keys() <= wanted.keys()
    for key, verb in wanted.items():
        serials = told.live[key]
        if verb == "reject" and not serials:
            continue  # it was cancelled before it was sent
        became = [told.events[n] for n in serials]
        assert ([f"{verb}ed"] if verb else []) in became, (key, verb, became)
        became.remove([f"{verb}ed"] if verb else [])
        # On a machine that stands still a request may be executed beyond the quiet horizon.
        assert all(twin == ["rejected"] for twin in became), (key, verb, became)
    assert set(wanted.values()) == {None, "accept", "reject"}
    until(lambda: at_rest(cloud), within=60, every=0.5)
    figures = {kind: len(serials) for kind, serials in told.planted.items()}
    done = f"{len(wanted)} live, {len(told.foreign)} foreign, {cloud.requests('list')} lists"
    print(f"{done}, planted: {figures}")  # noqa: T201  # with -s: what the two minutes came to


def at_rest(service):
    last = last_report(service.ledger, "default")
    return last.ended and not (last.stopped or last.left or last.alarms or service.alarms())


def book(service):
    return Book(service.events("issued", "accepted", "rejected"))


def unsettled(service, wanted):
    decided = {key for key, verb in wanted.items() if verb}
    done = {"accepted", "rejected", "cancelled"}
    return {key for key in decided if service.state(key) not in done}
