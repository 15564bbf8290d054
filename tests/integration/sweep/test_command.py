"""`astakos-worker reconcile`, and what `status` says of the last sweep: the operator's way in."""

import json
import os
import signal
import subprocess
import sys
from types import ModuleType

import pytest
from click.testing import CliRunner

from astakos_worker.cli import main
from astakos_worker.cli.reconcile_report import ShownFindings
from astakos_worker.cli.terminal import report_console
from astakos_worker.configuration import names
from astakos_worker.engine.sweep.findings import SweepFinding
from tests.integration.cluster.until import until


@pytest.fixture
def environment(cloud, monkeypatch):
    """What an operator's shell names, with the times of the other tests here."""
    named = {
        "ASTAKOS_LEDGER_URL": cloud.url,
        "ASTAKOS_BROKER_URL": cloud.url,
        "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": cloud.sandbox.auth_url,
        "ASTAKOS_SERVICES__DEFAULT__TOKEN": "sandbox-token-of-cyclades",
        "ASTAKOS_GRACE": "0.001",
        "ASTAKOS_QUARANTINE": "0.001",
        "ASTAKOS_PATIENCE": "10",
    }
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    return named


@pytest.fixture
def run(environment):
    """Runs the command as an operator does; returns its status and what it printed."""

    def run(*words):
        result = CliRunner().invoke(main, list(words))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.exit_code, result.stdout

    return run


@pytest.fixture
def asked(run):
    """Runs `reconcile --json`; returns its status, the findings and the report."""

    def asked(*words):
        status, printed = run("reconcile", "--json", *words)
        *found, report = [json.loads(line) for line in printed.splitlines()]
        return status, found, report["report"]

    return asked


def twin(cloud, key):
    """A second serial of a commission that is held; the serial."""
    cloud.held(key)
    return cloud.put(f"again {cloud.entry(key).record.tag('default.default')}")


def late(cloud, key, ago=0):
    return cloud.held(key, deadline=cloud.ledger.clock.now() - ago)


def test_an_operator_with_a_wrong_ledger_rejects_nothing_that_is_live(cloud, run, asked):
    """F101: a shell may name the right broker and another ledger. The workers' id tells."""
    live = cloud.orphan("live")
    cloud.server.set("astakos:default:ledger", "0123456789abcdef")
    _, _, report = asked("--fix")
    assert report["distrusted"] and report["rejected"] == {}
    assert "lost-writes" in cloud.alarms()
    assert live in cloud.pending()


def test_it_shows_what_it_would_do_and_why_and_changes_nothing(cloud, run, asked):
    serial, foreign = twin(cloud, "doubled"), cloud.put("somebody else's")
    status, found, report = asked()
    assert status == 1
    assert {(f["action"], f["serial"], f["key"], f["done"]) for f in found} == {
        ("twin", serial, "doubled", False),
        ("foreign", foreign, None, False),
    }
    assert (report["left"], report["listed"]) == (1, 3)
    status, printed = run("reconcile")
    assert status == 1
    assert "twin" in printed and "its key is pending with serial" in printed
    assert "nothing was changed; --fix does it" in printed
    cloud.carry()
    assert cloud.events("rejected") == []


def test_it_does_it_and_then_nothing_is_left(cloud, run, asked):
    serial = twin(cloud, "doubled")
    status, found, report = asked("--fix")
    assert (status, report["left"]) == (0, 0)
    assert [f["done"] for f in found] == [True]
    cloud.carry()
    assert cloud.events("rejected") == [serial]
    late(cloud, "late")
    status, printed = run("reconcile", "--fix")
    assert (status, "1 expired (done)" in printed) == (0, True)
    cloud.carry()
    status, printed = run("reconcile")
    assert status == 0
    assert "1 pending in Astakos" in printed and "nothing to do" in printed


@pytest.mark.parametrize("by", ["--key", "--serial"])
def test_it_is_narrowed_to_one_commission(cloud, asked, by):
    wanted, other = twin(cloud, "wanted"), twin(cloud, "other")
    status, found, _ = asked("--fix", by, "wanted" if by == "--key" else str(wanted))
    assert status == 0
    assert [f["serial"] for f in found] == [wanted]
    cloud.carry()
    assert cloud.events("rejected") == [wanted]
    assert other in cloud.pending()


def test_it_is_narrowed_to_what_is_old(cloud, asked):
    late(cloud, "late")
    assert asked("--older-than", "1h")[:2] == (0, [])
    status, found, _ = asked("--older-than", "0s")
    assert (status, [f["action"] for f in found]) == (1, ["expired"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--older-than", "3w"], "is not a time such as 90s, 10m, 2h or 1d"),
        (["--serial", "0"], "--serial"),
        (["--by-beat"], "--list-is-right, --however-many"),
        (["--service", "a", "--all-services"], "either --service or --all-services"),
        (["--fix", "usage"], "put --fix after usage"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(environment, words, said):
    result = CliRunner().invoke(main, ["reconcile", *words])
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--service", "nobody"],
        ["status", "--service", "default", "--service", "nobody"],
        ["reconcile", "--last", "--service", "nobody"],
        ["dead", "list", "--service", "nobody"],
        ["reconcile", "--by-beat", "--however-many", "--service", "nobody"],
    ],
)
def test_a_misspelt_service_is_no_service_at_rest(run, environment, words):
    """A check that asks for it would be green for ever, and `status` would list it from then on."""
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "knows no service nobody (there are: " in result.stderr
    assert "nobody" not in run("status")[1]


def test_a_configured_service_is_known_before_its_first_commission(run, monkeypatch):
    monkeypatch.setenv("ASTAKOS_SERVICES__NEW__AUTH_URL", "http://127.0.0.1:1/identity/v2.0")
    monkeypatch.setenv("ASTAKOS_SERVICES__NEW__TOKEN", "new")
    _, printed = run("status", "--service", "new")
    assert any(line.split()[:3] == ["new", "0", "-"] for line in printed.splitlines())


def test_the_brake_stops_it_until_the_operator_says_that_it_is_right(cloud, run, asked):
    lost = {cloud.orphan(f"lost-{number}") for number in range(21)}
    asked()  # the first sight
    status, found, report = asked("--fix")
    assert (status, report["left"], any(f["done"] for f in found)) == (1, 21, False)
    assert "21 commissions would be rejected" in report["stopped"]
    status, _, report = asked("--fix", "--however-many")
    assert (status, report["left"]) == (0, 0)
    cloud.carry()
    assert not cloud.pending() & lost


def test_beats_next_sweep_is_let_past_a_stop_without_a_token(cloud, run, monkeypatch):
    lost = {cloud.orphan(f"lost-{number}") for number in range(2)}
    assert cloud.sweep(brake_floor=1).stopped
    monkeypatch.delenv("ASTAKOS_SERVICES__DEFAULT__AUTH_URL")
    monkeypatch.delenv("ASTAKOS_SERVICES__DEFAULT__TOKEN")
    status, printed = run("reconcile", "--by-beat", "--however-many")
    assert (status, printed) == (0, "default: the next sweep of beat passes its brake once\n")
    assert not cloud.swept(brake_floor=1).stopped
    assert not cloud.pending() & lost


def test_a_list_that_cannot_be_right_stops_it_and_the_operator_knows_better(cloud, asked):
    """F42."""
    for number in range(21):
        cloud.held(f"held-{number}")
    twin(cloud, "doubled")
    cloud.control.set_faults({"kind": "empty-list", "route": "commissions.list"})
    status, found, report = asked("--fix")
    assert (status, found) == (1, [])
    assert "is the token another component's?" in report["stopped"]
    status, found, report = asked("--list-is-right")
    assert "stopped" not in report
    # Their names say that they are pending, whatever the list says: nothing has vanished.
    assert (status, found) == (0, [])


def test_the_owner_is_asked_here_too(cloud, run, asked, monkeypatch):
    """F35, F37: what is shown is what it says."""
    monkeypatch.setenv("ASTAKOS_OWNER", "tests.integration.sweep.owning:accepts")
    serial = late(cloud, "late")
    status, found, _ = asked()
    assert (status, [f["action"] for f in found]) == (1, ["accept"])
    assert "the owner says accept" in found[0]["why"]
    status, found, _ = asked("--fix")
    assert (status, [f["done"] for f in found]) == (0, [True])
    cloud.carry()
    assert cloud.events("accepted") == [serial]


def test_several_services_are_swept_one_after_the_other(cloud, asked, run, monkeypatch):
    monkeypatch.setenv("ASTAKOS_SERVICES__PITHOS__AUTH_URL", cloud.sandbox.auth_url)
    monkeypatch.setenv("ASTAKOS_SERVICES__PITHOS__TOKEN", "sandbox-token-of-pithos")
    serial = twin(cloud, "doubled")
    status, printed = run("reconcile", "--all-services", "--json")
    told = [json.loads(line) for line in printed.splitlines()]
    assert [(line["service"], line.get("serial")) for line in told] == [
        ("default", serial),
        ("default", None),
        ("pithos", None),
    ]
    assert status == 1
    assert run("reconcile", "--service", "pithos")[0] == 0
    status, printed = run("reconcile", "--service", "nobody")
    assert status == 1


def test_astakos_away_is_told_with_what_was_found_until_then(cloud, asked):
    late(cloud, "late")
    cloud.control.set_faults({"kind": "error-before", "route": "commissions.list", "status": 503})
    status, found, report = asked()
    assert status == 1
    assert [f["action"] for f in found] == ["expired"]
    assert report["stopped"].startswith("Astakos: ")


def test_what_the_last_sweep_did_can_be_asked(cloud, run, monkeypatch):
    assert run("reconcile", "--last")[0] == 1
    cloud.record("queued")
    cloud.ledger.serve(["default"], names.QUEUES, 300)  # without workers there would be an alarm
    assert "never" in run("status")[1]
    serial = twin(cloud, "doubled")
    cloud.sweep()
    monkeypatch.delenv("ASTAKOS_SERVICES__DEFAULT__AUTH_URL")
    monkeypatch.delenv("ASTAKOS_SERVICES__DEFAULT__TOKEN")
    status, printed = run("reconcile", "--last")
    assert status == 0
    assert "default: the last sweep began" in printed and "1 twin" in printed
    [told] = [json.loads(line) for line in run("reconcile", "--last", "--json")[1].splitlines()]
    assert told["report"]["rows"][0]["serial"] == serial
    _, printed = run("status")
    assert ("s ago" in printed, "stopped" in printed) == (True, False)
    [lane] = json.loads(run("status", "--json")[1])["lanes"]
    assert (lane["sweep"]["twin"], lane["sweep"]["left"]) == (1, 0)


def test_a_sweep_that_stopped_shows_in_status_and_in_last(cloud, run):
    for number in range(2):
        cloud.orphan(f"lost-{number}")
    cloud.sweep(brake_floor=1)
    status, printed = run("reconcile", "--last")
    assert (status, "Stopped: " in printed) == (1, True)
    status, printed = run("status")
    assert (status, "RED brake default: " in printed) == (1, True)


def test_an_alarm_that_nothing_ends_is_ended_by_who_has_seen_to_it(cloud, run):
    for lane in ("default", "pithos"):
        cloud.ledger.alarm(lane, "vanished", "somebody else settled it")
    cloud.ledger.alarm("default", "conflict", "another")
    _, printed = run("status", "--acknowledge", "vanished", "--service", "pithos")
    assert "RED vanished" not in printed and "RED conflict" not in printed
    assert cloud.alarms("pithos") == {}
    assert set(cloud.alarms()) == {"vanished", "conflict"}
    status, printed = run("status", "--acknowledge", "vanished")
    assert (status, "RED vanished" in printed) == (1, False)
    assert "RED conflict default: another" in printed
    assert set(cloud.alarms()) == {"conflict"}
    result = CliRunner().invoke(main, ["status", "--acknowledge", "vanished"])
    assert result.exit_code == 2
    assert "there is no alarm vanished" in result.stderr


def test_an_alarm_that_ends_by_itself_is_not_ended_by_saying_so(cloud, environment):
    """Lanes stay as they are: to end the alarm alone would only hide it."""
    cloud.ledger.alarm("default", "lost-writes", "the ledger has forgotten")
    result = CliRunner().invoke(main, ["status", "--acknowledge", "lost-writes"])
    assert result.exit_code == 2
    assert set(cloud.alarms()) == {"lost-writes"}


def test_ctrl_c_ends_it_at_once_and_leaves_the_next_one_free(cloud, environment):
    cloud.held("held")
    cloud.control.set_faults({"kind": "delay", "route": "commissions.list", "seconds": 10})
    command = [sys.executable, "-m", "astakos_worker.cli", "reconcile", "--fix"]
    process = subprocess.Popen(command, env={**os.environ}, stdout=subprocess.PIPE, text=True)
    until(lambda: not cloud.ledger.take_lease("sweep:default", "another", 0.001))
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the next sweep goes on" in printed
    assert cloud.ledger.take_lease("sweep:default", "another", 1)


def test_a_hundred_thousand_findings_are_counted_and_a_few_shown(capsys):
    """F46: what is to be done comes first, wherever it was found."""
    kept = ShownFindings(5)
    for serial in range(100_000):
        kept.add(SweepFinding("foreign", serial, None, "not of this ledger", 90.0))
    kept.add(SweepFinding("twin", 7, "doubled", "its key has another", 3 * 86400 + 7200.0))
    kept.show(report_console(), fix=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert lines[1].split()[:3] == ["twin", "7", "doubled"]
    assert "3 d 2 h" in lines[1] and "1 min 30 s" in lines[2]
    assert lines[-1] == "... and 99996 more: --rows 0 or --json shows all"
    assert len(kept._at_rest) == 5


def counts_until_its_database_fails(projects):
    yield "ada", "lab", "cyclades.vm", 1
    raise RuntimeError("no such table: servers")


def test_a_function_that_cannot_count_is_named(environment, monkeypatch):
    """Its error alone would look like one of this program's."""
    module = ModuleType("a_service_of_the_test")
    module.usage = counts_until_its_database_fails
    monkeypatch.setitem(sys.modules, module.__name__, module)
    words = ["reconcile", "usage", "--from", f"{module.__name__}:usage"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    said = "a_service_of_the_test:usage failed: RuntimeError: no such table: servers"
    assert said in result.stderr
