"""Two workers whose carriers are slow, hang or are killed: what they had in hand is done once.

One stack serves all tests; each begins and ends with both workers up and nothing to do.
"""

import pytest

from astakos_worker import Settings
from astakos_worker.local import LocalStack
from tests.integration.cluster.running import RunningSandbox
from tests.integration.cluster.until import until
from tests.integration.outages.places import Service, records


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    sandbox = RunningSandbox(tmp_path_factory.mktemp("astakos"))
    sandbox.start()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory, sandbox):
    variables = {
        "ASTAKOS_RECORDS_PER_CARRIER": "4",
        "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": sandbox.auth_url,
        "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": str(sandbox.token_file),
    }
    alone = {"workers": 2, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}
    with LocalStack(tmp_path_factory.mktemp("carriers"), **alone, env=variables) as stack:
        yield stack


@pytest.fixture
def service(stack, sandbox):
    urls = {"broker_url": stack.broker_url, "ledger_url": stack.ledger_url}
    settings = Settings(times="demo", records_per_carrier=4, **urls)
    service = Service("default", settings, sandbox)
    yield service
    sandbox.control.clear_faults()
    stack.wait_ready()
    until(lambda: service.ledger.lane("default").open == 0)


def fire(service, prefix, count):
    keys = [f"{prefix}-{number}" for number in range(count)]
    for key in keys:
        service.issue(key, accept=True)
    return keys


def was_adopted(record):
    return any(note.what.startswith("adopted") for note in record.history)


def test_a_killed_worker_leaves_a_run_a_carrier_in_doubt_and_is_soon_forgotten(
    service, stack, sandbox
):
    """F55, F65, F72: the other one takes over all the rest, and what was sent is found again."""
    sandbox.control.set_faults(
        {"kind": "delay-after", "route": "commissions.issue", "seconds": 1.0}
    )
    keys = fire(service, "killed", 300)
    limits = Settings(times="demo")
    until(lambda: len(service.events("killed")["issued"]) >= 12, every=0.01)
    stack.processes["commissions-1"].kill()
    stack.processes["commissions-2"].kill()
    left = records(service, keys).values()
    in_doubt = sum(record.state == "issuing" for record in left)
    assert 0 < in_doubt <= limits.carriers * limits.run
    assert sum(record.state == "queued" for record in left) >= 200
    sandbox.control.clear_faults()
    service.until_accepted(*keys)
    events = service.events("killed")
    assert events["issued"] == events["accepted"] == dict.fromkeys(keys, 1)
    after = records(service, keys).values()
    assert sum(record.doubts > 0 or was_adopted(record) for record in after) <= in_doubt
    assert all(record.twins == () for record in after)


def test_one_that_hangs_fails_none_that_is_carried_with_it(service, stack, sandbox):
    """F66: nobody else is sent a second time, or in doubt."""
    workers = [stack.processes[f"commissions-{number}"] for number in (1, 2)]
    for worker in workers:
        worker.pause()
    hangs = {"kind": "hang", "route": "commissions.issue", "count": 1, "skip": 3}
    sandbox.control.set_faults(hangs)
    before = service.requests()["commissions.issue"]
    keys = fire(service, "together", 8)
    for worker in workers:
        worker.resume()
    service.until_accepted(*keys)
    assert sum(was_adopted(record) for record in records(service, keys).values()) == 1
    assert service.events("together")["issued"] == dict.fromkeys(keys, 1)
    assert service.requests()["commissions.issue"] == before + 8


def test_nothing_is_sent_after_its_time_and_what_was_not_is_handed_back(service, sandbox):
    """F73: of a run that takes longer than a carry some are handed back, and sent by one alone."""
    sandbox.control.set_faults(
        {"kind": "delay", "route": "commissions.issue", "seconds": 1.2, "spread": 0.5}
    )
    before = service.requests()["commissions.issue"]
    keys = fire(service, "slow", 20)
    service.until_accepted(*keys)
    assert service.requests()["commissions.issue"] == before + 20
    assert service.events("slow")["issued"] == dict.fromkeys(keys, 1)
    marks = sum(record.marks for record in records(service, keys).values())
    assert marks > 20  # announced, not sent in time, handed back
