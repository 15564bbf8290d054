"""Beat orders the sweeps; two beats at once are harmless."""

import os

import pytest

from astakos_worker.configuration import names
from astakos_worker.local import commands
from astakos_worker.local.process import Process
from tests.integration.cluster.until import until


@pytest.fixture
def extra_environment():
    return {"ASTAKOS_SWEEP": "0.5"}


@pytest.fixture
def beats(environment, tmp_path, processes):
    for number in (1, 2):
        log = tmp_path / f"beat-{number}.log"
        log.touch()
        beat = Process(
            f"beat-{number}",
            commands.beat(),
            log,
            environment={**os.environ, **environment},
            ready=lambda log=log: "beat: Starting" in log.read_text(),
        )
        processes.append(beat)
        beat.start()


@pytest.mark.parametrize("worker_queues", [[names.SWEEP, names.SWEEP]])
def test_of_two_beats_sweeps_one_is_at_work_at_a_time(service, beats):
    """F41: each list is in the way of the next order, and of the other beat's."""
    slow = {"kind": "delay", "route": "commissions.list", "seconds": 0.6}
    service.control.set_faults(slow)

    def lists():
        return sum(service.control.audit()["requests"].get("commissions.list", {}).values())

    def told_to_wait():
        return sum(
            "another sweep is at work" in worker.logs() for worker in service.cluster.workers
        )

    until(lambda: lists() >= 4 and told_to_wait())
    assert service.control.audit()["most_in_flight"]["commissions.list"] == 1
