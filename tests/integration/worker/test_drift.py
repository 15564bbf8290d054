"""`astakos-worker reconcile usage`: usage that has drifted is found, and repaired by commissions.

One stack serves all of it; each test has a user of its own.
"""

import json

import pytest
from click.testing import CliRunner

from astakos_worker import Commissions, Settings
from astakos_worker.cli import main
from astakos_worker.local import LocalStack
from astakos_worker.service.inside import history
from tests.integration.cluster.until import until
from tests.integration.worker import counting
from tests.integration.worker.drifting import COUNTING, VM, Drifting, LiveService


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    alone = {"workers": 1, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}
    # Nothing here waits for one of these times to pass; a busy machine may need them.
    patient = {"ASTAKOS_TIMES": "production", "ASTAKOS_PATIENCE": "10"}
    with LocalStack(tmp_path_factory.mktemp("drift"), env=patient, **alone) as stack:
        yield stack


@pytest.fixture
def drifting(stack, monkeypatch):
    for name, value in stack.worker_env.items():
        monkeypatch.setenv(name, value)
    drifting = Drifting(stack)
    yield drifting
    drifting.nothing_pending()
    drifting.client.close()


def test_where_both_agree_there_is_nothing_to_say(drifting):
    drifting.use(3)
    drifting.counts(3)
    assert drifting.compare() == (
        0,
        {
            "service": "default",
            "compared": 2,
            "repaired": 0,
            "left": 0,
            "stopped": "",
            "rows": [],
        },
    )


@pytest.mark.parametrize(("counted", "missing"), [(5, 2), (1, -2), (None, -3)])
def test_what_differs_is_shown_and_only_then_repaired(drifting, counted, missing):
    """More than Astakos knows, less, and nothing at all any more (negative drift)."""
    drifting.use(3)
    drifting.counts(counted)
    status, said = drifting.compare()
    assert (status, said["differs"], said["left"]) == (1, 2, 2)
    assert [row["missing"] for row in said["rows"]] == [missing, missing]
    assert [row["agreement"] for row in said["rows"]] == ["differs", "differs"]
    assert drifting.used() == [(3, 3), (3, 3)]

    status, said = drifting.compare("--fix")
    assert (status, said["repaired"], said["left"]) == (0, 2, 0)
    own = counted or 0
    assert drifting.used() == [(own, own), (own, own)]
    assert drifting.states(said) == ["accepted", "accepted"]
    assert drifting.compare()[0] == 0


def test_the_repair_is_a_commission_that_the_ledger_can_tell_of(drifting):
    drifting.counts(2)
    _, said = drifting.compare("--fix")
    keys = [row["key"] for row in said["rows"]]
    assert keys[0].startswith(f"usage/{VM}/project/{drifting.user}/")
    assert keys[1].startswith(f"usage/{VM}/{drifting.user}/{drifting.user}/")
    record, _ = history(drifting.commissions, keys[1])
    assert record.request.name == "repair of usage: 2 here, 0 in Astakos"
    assert record.deadline is not None


def test_over_the_limit_only_force_repairs(drifting):
    drifting.use(3)
    drifting.limit(4)
    drifting.counts(6)
    status, said = drifting.compare("--fix")
    assert (status, said["repaired"]) == (1, 0)
    assert all("over its limit of 4; --force" in row["why"] for row in said["rows"])
    assert drifting.used() == [(3, 3), (3, 3)]
    status, said = drifting.compare("--fix", "--force")
    assert (status, said["repaired"]) == (0, 2)
    assert drifting.used() == [(6, 6), (6, 6)]


def test_a_release_needs_no_force_however_low_the_limit(drifting):
    drifting.use(9)
    drifting.limit(0)
    drifting.counts(4)
    assert drifting.compare("--fix")[0] == 0
    assert drifting.used() == [(4, 4), (4, 4)]


def test_as_much_as_64_bits_hold_is_repaired_in_one_go(drifting):
    most = 2**63 - 1
    drifting.counts(most)
    assert drifting.compare("--fix", "--force")[0] == 0
    assert drifting.used() == [(most, most)] * 2
    drifting.counts(0)
    assert drifting.compare("--fix")[0] == 0
    assert drifting.used() == [(0, 0)] * 2


def test_what_is_pending_is_left_alone(drifting):
    serial = drifting.issue(2)
    drifting.counts(7)
    status, said = drifting.compare("--fix")
    assert (status, said["busy"], said["repaired"]) == (0, 2, 0)
    assert all(row["why"] == "2 pending in Astakos" for row in said["rows"])
    drifting.client.reject_commission(serial)


def test_what_changes_between_the_looks_is_left_alone(drifting):
    """The protocol, section 5.3, item 9."""
    drifting.counts(5, 6)
    status, said = drifting.compare("--fix")
    assert (status, said["busy"], said["repaired"]) == (0, 2, 0)
    assert drifting.used() == [(0, 0), (0, 0)]


@pytest.mark.parametrize("then", ["the service counts another", "somebody issues another"])
def test_usage_that_changes_before_the_accept_rejects_the_repair(drifting, then):
    """The race of the protocol, section 5.3, item 9: its figures are not true any more."""
    theirs = []

    def meanwhile():
        if then == "the service counts another":
            return 6
        theirs.append(drifting.issue(1))
        return 5

    drifting.use(3)
    drifting.counts(5, 5, meanwhile)
    status, said = drifting.compare("--fix")
    assert (status, said["repaired"], said["left"]) == (1, 0, 2)
    assert drifting.states(said) == ["rejected", "rejected"]
    for serial in theirs:
        drifting.client.reject_commission(serial)
    assert drifting.used() == [(3, 3), (3, 3)]


def test_only_the_holding_that_changed_is_left(drifting):
    drifting.use(3)
    rows = [*drifting.rows(5), (None, drifting.user, VM, 5)]
    changed = [*drifting.rows(5), (None, drifting.user, VM, 6)]
    counting.ANSWERS[:] = [rows, rows, changed]
    status, said = drifting.compare("--fix")
    assert (status, said["repaired"], said["left"]) == (1, 1, 1)
    assert drifting.used() == [(5, 5), (3, 3)]


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, 130), (OSError("no table"), 1)])
def test_who_is_interrupted_while_repairs_are_pending_rejects_them(drifting, error, status):
    """Undecided, they would keep quota from the user until their deadline."""

    def fails():
        assert [pending for _, pending in drifting.used()] == [5, 5]
        raise error

    drifting.use(3)
    drifting.counts(5, 5, fails)
    words = ["reconcile", "usage", "--from", COUNTING, "--project", drifting.user]
    result = CliRunner().invoke(main, [*words, "--apart", "0", "--fix"])
    assert result.exit_code == status
    assert ("interrupted" if status == 130 else "no table") in result.output
    drifting.nothing_pending()
    assert drifting.used() == [(3, 3), (3, 3)]


def test_without_a_worker_repairs_are_given_up(drifting, stack, monkeypatch):
    monkeypatch.setenv("ASTAKOS_SERVICES__NOBODY__AUTH_URL", stack.auth_url)
    monkeypatch.setenv("ASTAKOS_SERVICES__NOBODY__TOKEN_FILE", str(stack.token_file))
    drifting.counts(2)
    status, said = drifting.compare("--fix", "--service", "nobody", "--timeout", "1")
    assert (status, said["repaired"]) == (1, 0)
    assert all("do workers run?" in row["why"] for row in said["rows"])
    nobodys = Commissions("nobody", settings=Settings())
    assert [nobodys.get(row["key"]).state for row in said["rows"]] == ["cancelled", "cancelled"]


def test_several_services_are_compared_one_after_the_other(drifting, stack, monkeypatch):
    monkeypatch.setenv("ASTAKOS_SERVICES__OTHER__AUTH_URL", stack.auth_url)
    monkeypatch.setenv("ASTAKOS_SERVICES__OTHER__TOKEN_FILE", str(stack.token_file))
    drifting.counts(0, 2)
    words = ["reconcile", "usage", "--from", COUNTING, "--project", drifting.user, "--json"]
    words += ["--resource", VM, "--apart", "0", "--service", "default", "--service", "other"]
    result = CliRunner().invoke(main, words)
    said = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["service"], one["left"]) for one in said] == [("default", 0), ("other", 2)]
    assert result.exit_code == 1


def test_so_many_differences_are_doubted_first(drifting):
    """A service that counts wrong must not have all that Astakos knows overwritten."""
    users = [drifting.control.add_user(f"doubted{n}@example.org")["uuid"] for n in range(30)]
    counting.ANSWERS[:] = [[(user, user, VM, 1) for user in users]]
    words = ["reconcile", "usage", "--from", COUNTING, "--resource", VM, "--apart", "0", "--json"]
    words += [word for user in users for word in ("--project", user)]
    stopped = CliRunner().invoke(main, [*words, "--fix"])
    said = json.loads(stopped.stdout)
    assert (stopped.exit_code, said["differs"], said["repaired"]) == (1, 60, 0)
    assert "60 of 60 holdings differ" in said["stopped"] and "--however-many" in said["stopped"]
    forced = CliRunner().invoke(main, [*words, "--fix", "--however-many"])
    assert (forced.exit_code, json.loads(forced.stdout)["repaired"]) == (0, 60)


def test_a_person_reads_a_table_of_as_many_rows_as_wanted(drifting):
    drifting.counts(2)
    words = ["reconcile", "usage", "--from", COUNTING, "--project", drifting.user, "--apart", "0"]
    result = CliRunner().invoke(main, [*words, "--rows", "1"])
    assert result.exit_code == 1
    assert "Astakos counts 2 less than it uses" in result.stdout
    assert "... and 1 more: --rows 0 or --json shows all" in result.stdout
    assert (
        "default: 2 holdings compared: 2 differ (nothing was changed; --fix repairs)"
        in result.stdout
    )


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "--from or in ASTAKOS_USAGE"),
        ("no.such.module", "cannot be imported"),
        (f"{counting.__name__}.ANSWERS", "is no function"),
    ],
)
def test_a_function_that_is_none_is_a_usage_error(drifting, path, said):
    words = ["--from", path] if path else []
    result = CliRunner().invoke(main, ["reconcile", "usage", *words])
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_function_is_found_by_the_environment_of_its_service(drifting, monkeypatch):
    monkeypatch.setenv("ASTAKOS_SERVICES__DEFAULT__USAGE", COUNTING)
    drifting.counts(1)
    result = CliRunner().invoke(
        main, ["reconcile", "usage", "--apart", "0", "--project", drifting.user]
    )
    assert "2 holdings compared" in result.stdout


def test_no_live_commission_is_taken_for_drift_and_what_is_drift_is_repaired(drifting):
    """The protocol, section 5.3, item 9: upstream's command introduces errors here."""
    control = drifting.control
    service = LiveService(control, users=5)
    counting.ANSWERS[:] = [service.counts]
    drifted, planted = service.users[0], 3
    service.there_is(drifted, planted)  # behind Astakos' back

    def used(user):
        row = control.holding(f"user:{user}", f"project:{user}", VM)
        assert row["usage_min"] == row["usage_max"]
        return row["usage_max"]

    def compared():
        words = ["reconcile", "usage", "--from", COUNTING, "--apart", "0", "--fix", "--json"]
        words += [word for user in service.users for word in ("--project", user)]
        return json.loads(CliRunner().invoke(main, words).stdout)

    runs, repaired = 0, []
    for _ in service.works(50):
        runs += 1
        repaired += [row for row in compared()["rows"] if row["repaired"]]
    until(lambda: not control.commissions("cyclades"))
    repaired += [row for row in compared()["rows"] if row["repaired"]]

    assert runs > 1
    assert {(row["user"] or row["project"], row["missing"]) for row in repaired} == {
        (drifted, planted)
    }
    assert len(repaired) == 2  # the member's holding, and the project's; each once
    assert {user: used(user) for user in service.users} == {
        user: n for user, _, _, n in service.counts()
    }
