"""A name that is misspelt is told within seconds, by real workers, while they try again."""

import json
import re
import time

import pytest
from click.testing import CliRunner
from redis import Redis

from astakos_worker import Commissions, Lookups, OutcomeTimeout, Unavailable
from astakos_worker.cli import main
from astakos_worker.configuration import names
from astakosclient import NotFound
from tests.integration.cluster.until import until


@pytest.fixture
def cluster(shared_cluster):
    return shared_cluster


def misspelt(service, key, **more):
    provisions = {"cyclades.vmm": 1}
    return service.commissions.issue(
        user=service.user, project=service.user, provisions=provisions, key=key, **more
    )


@pytest.fixture
def run(cluster):
    """Runs an operator's command; returns its status and what it printed."""

    def run(*words):
        settings = cluster.settings
        env = {
            "ASTAKOS_LEDGER_URL": settings.ledger_url,
            "ASTAKOS_BROKER_URL": settings.broker_url,
            "COLUMNS": "400",
        }
        done = CliRunner(env=env).invoke(main, [*words])
        return done.exit_code, done.output

    return run


TEXT = r"no resource 'cyclades.vmm'; the nearest known name is 'cyclades.vm'"


def test_a_misspelt_resource_is_in_the_outcome_at_once_and_refused_after_the_window(service):
    """F14: it is tried again for the refusal window, which is 6 s here."""
    began = time.monotonic()
    commission = misspelt(service, "misspelt")
    outcome = until(lambda: (one := commission.get()).last_error and one, within=5)
    assert outcome.state in {"queued", "issuing"} and re.search(TEXT, outcome.why)
    with pytest.raises(OutcomeTimeout, match=TEXT):
        commission.outcome(timeout=0.5)
    with pytest.raises(NotFound, match=TEXT):
        commission.outcome(timeout=30)
    assert time.monotonic() - began > service.cluster.settings.refusal_window
    assert service.used() == (0, 0)


def test_the_log_of_the_worker_and_show_say_it(service, cluster, run):
    misspelt(service, "logged")
    until(lambda: service.commissions.get("logged").last_error, within=5)
    until(lambda: re.search(f"declined.*logged.*{TEXT}", cluster.worker.logs()), within=5)
    assert re.search(TEXT, run("show", "logged")[1])


def test_workers_say_what_they_serve(service, cluster):
    there = until(service.ledger.served, within=10)
    assert {(one.namespace, one.service, one.queue) for one in there} == {
        ("default", "default", names.COMMISSIONS)
    }


def test_a_namespace_that_no_worker_serves_is_told_in_the_time_out(service, cluster):
    until(service.ledger.served, within=10)
    other = Commissions(settings=cluster.settings.model_copy(update={"namespace": "defualt"}))
    one = other.issue(user=service.user, project=service.user, provisions={"cyclades.vm": 1})
    text = r"no worker serves the namespace 'defualt'.*nearest known name is 'default'"
    with pytest.raises(OutcomeTimeout, match=text):
        one.outcome(timeout=0.5)


def test_a_look_up_says_that_no_worker_reads_its_queue(service, cluster):
    """The workers of this module read the queue of commissions alone."""
    until(service.ledger.served, within=10)
    lookups = Lookups(settings=cluster.settings, timeout=1)
    with pytest.raises(Unavailable, match=r"no worker reads the queue astakos\.lookups"):
        lookups.quotas(user=service.user)
    with Redis.from_url(cluster.server.url(0)) as broker:
        broker.delete(names.LOOKUPS)  # nobody reads the question


def test_status_names_each_queue_that_no_worker_reads_and_is_red_if_messages_wait(
    service, cluster, run
):
    until(service.ledger.served, within=10)
    service.issue("seen").outcome(timeout=20)
    _, said = run("status", "--json", "--service", "default")
    findings = json.loads(said)["findings"]
    assert [one["about"] for one in findings if one["name"] == "no-worker"] == [
        names.LOOKUPS,
        names.SWEEP,
    ]
    with Redis.from_url(cluster.server.url(0)) as broker:
        broker.lpush(names.LOOKUPS, "a question")
        status, said = run("status")
        broker.delete(names.LOOKUPS)
    assert status == 1
    assert f"RED no-worker {names.LOOKUPS}: " in said and "1 messages wait in it" in said
