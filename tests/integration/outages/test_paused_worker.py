"""A worker that stands still for longer than the broker's patience, with a commission in hand."""

import pytest

from astakos_worker import Settings
from astakos_worker.local import LocalStack
from astakos_worker.service.inside import history
from tests.integration.cluster.running import RunningSandbox
from tests.integration.cluster.until import until
from tests.integration.outages.places import Service

#: Shorter than even a demonstration's, and in the same order.
TIMES = {
    "ASTAKOS_CONNECT_TIMEOUT": "0.5",
    "ASTAKOS_REQUEST_DEADLINE": "2",
    "ASTAKOS_CARRY_SECONDS": "1",
    "ASTAKOS_LONGEST_TASK": "5",
    "ASTAKOS_LEASE": "6",
    "ASTAKOS_VISIBILITY_TIMEOUT": "7",
}


@pytest.fixture
def sandbox(tmp_path):
    (tmp_path / "astakos").mkdir()
    sandbox = RunningSandbox(tmp_path / "astakos")
    sandbox.start()
    yield sandbox
    sandbox.close()


@pytest.fixture
def stack(tmp_path, sandbox):
    variables = {
        **TIMES,
        "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": sandbox.auth_url,
        "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": str(sandbox.token_file),
    }
    alone = {"workers": 2, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}
    with LocalStack(tmp_path / "stack", **alone, env=variables) as stack:
        yield stack


def test_its_message_is_delivered_again_and_its_commission_done_once(stack, sandbox):
    """F1, F17, F52: another adopts it meanwhile; then the first one comes back."""
    settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=stack.ledger_url)
    service = Service("default", settings, sandbox)
    slow = {"kind": "delay-after", "route": "commissions.issue", "seconds": 1.9, "count": 1}
    service.control.set_faults(slow)
    service.issue("held", accept=True)
    workers = [stack.processes[f"commissions-{number}"] for number in (1, 2)]
    [holder] = until(lambda: [one for one in workers if "issue[" in one.output()], every=0.01)
    until(lambda: service.events("held")["issued"], every=0.01)
    [other] = [one for one in workers if one is not holder]
    holder.pause()
    until(lambda: "event='redelivered'" in other.output(), within=40)
    service.until_accepted("held")
    holder.resume()
    until(lambda: "succeeded" in holder.output())
    record, _ = history(service.commissions, "held")
    assert any(note.what.startswith("adopted") for note in record.history)
    assert record.twins == ()
    events = service.events("held")
    assert events["issued"] == events["accepted"] == {"held": 1}
    assert service.used() == (1, 0)
