"""Dead letters on a real stack: how they come about, and what the operator's command does."""

import json
from types import SimpleNamespace

import pytest
from celery import Celery
from click.testing import CliRunner

from astakos_worker import Commissions, Settings
from astakos_worker.cli import main
from astakos_worker.configuration import names
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.service.connect import ledger_of
from tests.integration.cluster.until import until

VM = "cyclades.vm"
USER, OTHER = user_uuid("user01@example.org"), user_uuid("user02@example.org")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("dead")
    alone = {"workers": 1, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}
    # A second instead of minutes, for what may be a quota synchronisation.
    soon = {"ASTAKOS_REFUSAL_WINDOW": "1", "ASTAKOS_BACKOFF_CAP": "12"}
    with LocalStack(directory, **alone, env=soon) as stack:
        yield stack


@pytest.fixture(scope="module")
def commissions(stack):
    settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=stack.ledger_url)
    return Commissions(settings=settings)


@pytest.fixture(scope="module")
def dead(stack, commissions):
    """Three commissions that Astakos refused to accept for too long, and works again.

    It accepted another one meanwhile: else the trouble might be its own, and nothing would die.
    """
    control = ControlClient(stack.sandbox_url)
    ledger = ledger_of(Settings(times="demo", ledger_url=stack.ledger_url))
    keys = ["server-1", "server-2", "server-3"]
    for key in keys:
        commissions.issue(user=USER, project=USER, provisions={VM: 1}, key=key)
    for key in keys:
        commissions.outcome(key, 30)
    commissions.issue(user=OTHER, project=OTHER, provisions={VM: 1}, key="other").outcome(30)
    fails = {"kind": "error-before", "route": "commissions.batch", "status": 500}
    control.set_faults(fails)
    commissions.resolve(accept=keys)

    def all_wait():
        """Whether none of them is tried again within five seconds."""
        records = [entry.record for entry in ledger.get("default", keys).values()]
        now = ledger.clock.now()
        return all(one.failing_since and (one.due or 0) > now + 5 for one in records)

    until(all_wait, within=60)
    control.clear_faults()
    assert commissions.accept("other").outcome(5).state == "accepted"
    control.set_faults(fails)
    until(lambda: all(commissions.get(key).state == "dead" for key in keys), within=40)
    control.clear_faults()
    return control


@pytest.fixture
def run(stack, dead):
    """Run `astakos-worker dead`; without a terminal, as a script would."""

    def run(*words, answer=None):
        runner = CliRunner(env={**stack.env, "NO_COLOR": "1"})
        done = runner.invoke(main, ["dead", *words], input=answer)
        rows = [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "[{"]
        return SimpleNamespace(code=done.exit_code, out=done.stdout, err=done.stderr, rows=rows)

    return run


def usage(control):
    row = control.holding(f"user:{USER}", f"project:{USER}", VM)
    return row["usage_min"], row["usage_max"] - row["usage_min"]


def test_dead_letters_are_listed_shown_sent_again_and_discarded(run, dead, commissions, stack):
    """F27: one story, since each part needs the one before."""
    listed = run("list", "--json")
    assert (listed.code, sorted(row["key"] for row in listed.rows[0])) == (
        1,
        ["server-1", "server-2", "server-3"],
    )
    table = run("list")
    assert "server-2" in table.out and "AstakosClientException" in table.out
    status = CliRunner(env=stack.env).invoke(main, ["status", "--json"])
    told = json.loads(status.stdout)
    assert told["lanes"][0]["dead"] == 3
    assert "dead" in {one["name"] for one in told["findings"] if one["level"] == "red"}
    assert status.exit_code == 1

    shown = run("show", "server-1")
    assert shown.code == 0
    assert "accept sent, attempt" in shown.out
    assert "resend: sends its accept again" in shown.out
    assert "discard: rejects serial" in shown.out
    [record] = run("show", "server-1", "--json").rows
    assert (record["state"], record["resend"]) == ("dead", "sends its accept again")

    asked = run("resend", "server-1", answer="n\n")
    assert (asked.code, commissions.get("server-1").state) == (1, "dead")
    resent = run("resend", "server-1", "--yes", "--json")
    assert (resent.code, resent.rows[0]["state"]) == (0, "settling")
    assert commissions.outcome("server-1", 30).state == "accepted"

    gone = run("discard", "server-2", "--yes", "--reason", "it is gone")
    assert (gone.code, gone.out) == (0, "server-2 discarded\n")
    until(lambda: usage(dead) == (1, 1))

    again = run("resend", "--all", answer="y\n")
    assert (again.code, "server-3 settling" in again.out) == (0, True)
    assert commissions.outcome("server-3", 30).state == "accepted"
    until(lambda: usage(dead) == (2, 0))
    empty = run("list")
    assert (empty.code, empty.out) == (0, "default has no dead letters\n")

    for words in (["resend", "server-1", "--yes"], ["show", "server-1"], ["show", "unknown"]):
        wrong = run(*words)
        assert (wrong.code, wrong.out) == (1, "")
        assert "server-1" in wrong.err or "unknown" in wrong.err
    assert run("resend").code == 2
    assert run("discard", "--all", "server-1", "--yes").code == 2


def test_messages_that_nobody_can_read_are_listed_and_forgotten(run, stack):
    """F51: the reason, and nothing of what was in it."""
    app = Celery("somebody", broker=stack.broker_url, set_as_current=False)
    app.send_task("astakos.no_such", queue=names.COMMISSIONS, kwargs={"token": "a-secret"})
    app.close()
    [[one]] = until(lambda: [rows for rows in run("messages", "--json").rows if rows])
    assert (one["task"], one["queue"]) == ("astakos.no_such", names.COMMISSIONS)
    assert one["reason"] == "is for a task that these workers do not know"
    shown = run("messages")
    assert "astakos.no_such" in shown.out and "a-secret" not in shown.out
    assert run("messages", "--clear").out == "forgot 1\n"
    assert run("messages").out == "no dead messages\n"
