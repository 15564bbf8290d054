"""`ASTAKOS_LEDGER_URL=memory://`: a service is tested as it is, with nothing patched."""

import logging
import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from astakos_worker import Commissions, Lookups, OutcomeTimeout, QuotaLimit, Settings
from tests.unit.testing.in_memory.conftest import ONE_VM, VM

pytest_plugins = ["astakos_worker.testing"]


@pytest.fixture
def cloud(astakos_in_memory):
    return astakos_in_memory


def test_what_a_service_makes_by_itself_works_on_the_cloud_of_the_test(cloud):
    cloud.reset(limits={VM: 1})
    assert Commissions().issue(**ONE_VM, key="a", accept=True).outcome(5).state == "accepted"
    assert cloud.astakos.quota("ada", "lab", VM)["usage"] == 1
    with pytest.raises(QuotaLimit):
        Commissions().issue(**ONE_VM, key="b").outcome(5)
    ada = cloud.lookups.add_user("ada@example.org")
    assert Lookups().uuid("ada@example.org") == ada


def test_objects_that_were_made_before_a_reset_go_on_with_the_empty_cloud(cloud):
    commissions, lookups = Commissions(), Lookups()
    commissions.issue(**ONE_VM, key="a").outcome(5)
    cloud.lookups.add_user("ada@example.org")
    assert lookups.uuids(["ada@example.org"])
    cloud.reset()
    assert commissions.issue(**ONE_VM, key="a").outcome(5).serial == 1
    assert lookups.uuids(["ada@example.org"]) == {}


def test_services_have_lanes_of_their_own_and_time_passes_for_all(cloud):
    for service in ("cyclades", "pithos"):
        Commissions(service).issue(**ONE_VM, key="a", deadline=100)
    cloud.advance(300)
    assert Commissions("cyclades").get("a").reason == "expired"
    assert Commissions("pithos").get("a").reason == "expired"
    assert cloud.astakos.pending == []


def test_workers_that_are_away_leave_the_work(cloud):
    cloud.workers().away = True
    commission = Commissions().issue(**ONE_VM)
    with pytest.raises(OutcomeTimeout):
        commission.outcome(timeout=10)
    cloud.workers().away = False
    assert commission.outcome(timeout=10).state == "pending"


def test_a_service_is_warned_when_it_starts(cloud, caplog):
    caplog.set_level(logging.WARNING)
    Commissions()
    assert "event='ledger_in_memory'" in caplog.text


def test_workers_and_commands_refuse_it(cloud):
    with pytest.raises(ValidationError, match="for the tests of a service"):
        Settings()


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "astakos_worker.cli", "status"],
        ["-m", "astakos_worker.cli", "serve"],
        ["-m", "astakos_worker.cli", "relay", "--database", "sqlite:///none.db"],
        ["-m", "celery", "-A", "astakos_worker.app", "worker"],
    ],
    ids=lambda words: words[-1],
)
def test_each_program_says_that_it_needs_a_server(words):
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "ASTAKOS_LEDGER_URL": "memory://"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "ASTAKOS_LEDGER_URL: memory:// is for the tests of a service" in (
        done.stdout + done.stderr
    )
