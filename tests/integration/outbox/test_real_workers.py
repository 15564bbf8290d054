"""From the service's commit to Astakos' sums, with real workers, kills and lost answers."""

import signal
import uuid

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from astakos_worker import Commissions
from tests.integration.cluster.until import until
from tests.integration.outbox import kills
from tests.integration.outbox.conftest import ON_POSTGRES

VM = "cyclades.vm"


@pytest.fixture
def settings(shared_cluster):
    return shared_cluster.settings


@pytest.fixture
def user(shared_cluster):
    return shared_cluster.sandbox.control.add_user(f"{uuid.uuid4().hex}@example.org")["uuid"]


@pytest.fixture
def used(shared_cluster, user):
    """What Astakos says the user has for good, and what is pending."""

    def figures():
        holding = (f"user:{user}", f"project:{user}", VM)
        row = shared_cluster.sandbox.control.holding(*holding)
        return row["usage_min"], row["usage_max"] - row["usage_min"]

    return figures


@pytest.mark.parametrize("kind", [ON_POSTGRES], indirect=True)
def test_the_sums_are_exact_after_kills_of_the_service_and_lost_answers(  # noqa: PLR0917
    shared_cluster, url, settings, user, used, monkeypatch
):
    """F96: what Astakos holds in the end is what the service's own table says."""
    monkeypatch.setattr(kills, "SERVICE", "default")
    monkeypatch.setattr(kills, "ONE", {"user": user, "project": user, "provisions": {VM: 1}})
    kills.prepare(url)
    lost = {"kind": "cut-after", "route": "commissions.issue", "count": 2}
    shared_cluster.sandbox.control.set_faults(lost)
    for moment in kills.OF_THE_SERVICE:
        dying = kills.dying(moment, 1 if moment in kills.OF_THE_RELAY else 2)
        seed = f"{user[:8]}-{moment.replace(' ', '-')}"
        status = kills.ended(kills.child(kills.serve, url, settings, seed, dying))
        assert status == -signal.SIGKILL
    kills.drain(url, settings)
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        verbs = {row.key: row.verb for row in connection.execute(select(kills.calls))}
    commissions = Commissions(settings=settings)
    wanted = {"accept": {"accepted"}, "reject": {"rejected", "cancelled"}, "": {"pending"}}

    def settled():
        return all(commissions.get(key).state in wanted[verb] for key, verb in verbs.items())

    until(settled, within=90)
    said = list(verbs.values())
    until(lambda: used() == (said.count("accept"), said.count("")), within=60)
    assert len(said) > 3
    commissions.resolve(reject=[key for key, verb in verbs.items() if not verb])
    until(lambda: used() == (said.count("accept"), 0), within=60)
