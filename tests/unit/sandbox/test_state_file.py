"""A state file gives back exactly what was acknowledged, however the sandbox ended."""

from __future__ import annotations

import json

import pytest

from astakos_worker.sandbox.audit import CommissionEvent
from astakos_worker.sandbox.database_json import dump_database
from astakos_worker.sandbox.errors import StateFileError
from astakos_worker.sandbox.projects import applications, memberships
from astakos_worker.sandbox.projects.application_body import read_application
from astakos_worker.sandbox.projects.applications import ApplicationAction
from astakos_worker.sandbox.projects.state_changes import ProjectAction, change_state
from astakos_worker.sandbox.quota import Provision, member_holding
from astakos_worker.sandbox.sandbox import Sandbox
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.sandbox.state_file import StateFile

USER = user_uuid("user01@example.org")
VM = member_holding(USER, USER, "cyclades.vm")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def start(path):
    """Start a sandbox on the file; the one before is dropped as `kill -9` would drop it."""
    files = []

    def start():
        for file in files:
            file.close()
        files[:] = [StateFile(path)]
        sandbox = Sandbox()
        sandbox.keep_in(files[0])
        return sandbox

    yield start
    for file in files:
        file.close()


def issue(sandbox, quantity, **options):
    return sandbox.astakos.issue("cyclades", [Provision(*VM, quantity)], **options).serial


def everything(sandbox):
    return dump_database(sandbox.astakos.database)


def test_commissions_survive_with_their_names_times_and_counters(start):
    sandbox = start()
    kept, accepted, rejected = (issue(sandbox, n, name=f"ἀ {n}") for n in (1, 2, 4))
    sandbox.astakos.resolve("cyclades", accepted, accept=True)
    sandbox.astakos.resolve_many("cyclades", [], [rejected])
    issue(sandbox, 8, auto_accept=True)
    before = everything(sandbox)
    after = start()
    assert everything(after) == before
    assert after.astakos.database.book.pending("cyclades") == [kept]
    assert issue(after, 1) == 5


def test_it_survives_a_second_restart_as_well(start):
    sandbox = start()
    issue(sandbox, 1)
    start()
    assert everything(start()) == everything(sandbox)


def test_the_journal_goes_on_where_it_was(start):
    sandbox = start()
    serial = issue(sandbox, 1, name="n")
    again = start()
    again.astakos.resolve("cyclades", serial, accept=False)
    final = start().astakos.audit
    assert [(entry.sequence, entry.event, entry.serial) for entry in final.journal] == [
        (1, CommissionEvent.ISSUED, 1),
        (2, CommissionEvent.REJECTED, 1),
    ]
    assert final.events == {CommissionEvent.ISSUED: 1, CommissionEvent.REJECTED: 1}


def test_a_commission_issued_below_an_old_limit_survives_a_lower_one(start):
    sandbox = start()
    issue(sandbox, 50)
    sandbox.astakos.database.book.change_limit(VM, 10)
    sandbox.astakos.changed()
    before = everything(sandbox)
    assert everything(start()) == before


def test_a_forced_commission_survives_though_it_is_beyond_the_limit(start):
    sandbox = start()
    issue(sandbox, 10**9, force=True)
    before = everything(sandbox)
    assert everything(start()) == before


def test_serials_go_on_after_the_last_even_if_nothing_is_pending(start):
    sandbox = start()
    issue(sandbox, 1, auto_accept=True)
    start()
    assert issue(start(), 1) == 2


def test_a_gap_in_the_serials_stays_a_gap(start):
    sandbox = start()
    sandbox.astakos.database.book.next_serial = 7
    assert issue(sandbox, 1) == 7
    assert start().astakos.database.book.pending("cyclades") == [7]


def test_a_reset_is_kept_too(start):
    sandbox = start()
    issue(sandbox, 1)
    sandbox.reset()
    after = start()
    assert everything(after) == everything(Sandbox())
    assert not after.astakos.audit.journal


def test_a_snapshot_brings_back_serials_and_the_file_follows(start):
    sandbox = start()
    first = issue(sandbox, 1)
    sandbox.take_snapshot("early")
    assert issue(sandbox, 1) == first + 1
    sandbox.restore_snapshot("early")
    assert issue(start(), 1) == first + 1


def test_projects_memberships_applications_and_oauth_survive(start):
    sandbox = start()
    astakos = sandbox.astakos
    database = astakos.database
    owner, admin = database.user("user01@example.org"), database.user("admin@example.org")
    specs = {"name": "lab.example.org", "end_date": "2090-01-31T10:00:00.5+00:00"}
    specs["resources"] = {"cyclades.vm": {"project_capacity": 9, "member_capacity": 3}}
    applied = applications.apply(astakos, owner, read_application(specs))
    applications.decide(astakos, admin, applied.project, applied.id, ApplicationAction.APPROVE)
    applications.modify(astakos, owner, applied.project, read_application({"private": True}))
    memberships.join(astakos, database.user("user02@example.org"), applied.project)
    memberships.enroll(astakos, owner, applied.project, "user03@example.org")
    change_state(astakos, admin, applied.project, ProjectAction.SUSPEND)
    now = astakos.clock.now()
    database.oauth.add_code("sandbox-client", USER, "https://client.example.org/back", "s", now)
    database.oauth.add_token("sandbox-client", USER, "s", now)
    astakos.clock.advance(3600)
    astakos.changed()
    before = everything(sandbox)
    after = start()
    assert everything(after) == before
    assert after.astakos.clock.ahead == 3600
    # They are rows again, not what JSON made of them.
    assert after.astakos.database.projects == database.projects
    assert after.astakos.database.applications == database.applications
    assert after.astakos.database.memberships == database.memberships
    assert after.astakos.database.oauth.tokens == database.oauth.tokens
    # The charges of applications are commissions, and in the journal.
    assert list(after.astakos.audit.journal) == list(astakos.audit.journal)
    assert len(after.astakos.audit.journal) == 6


def test_a_last_line_that_was_cut_short_was_never_acknowledged(start, path):
    sandbox = start()
    issue(sandbox, 1)
    before = everything(sandbox)
    with path.open("ab") as file:
        file.write(b'{"issued": {"serial": 2, "comp')
    assert everything(start()) == before


@pytest.mark.parametrize(
    "damage",
    ["no JSON\n", "[]\n", "{}\n", '{"accepted": [7]}\n', '{"database": {"version": 99}}\n'],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_line(start, path, damage):
    start()
    with path.open("a") as file:
        file.write(damage + damage)
    with pytest.raises(StateFileError, match=r"line 2, is no state of a sandbox.*remove this one"):
        start()


def test_a_file_that_does_not_begin_with_the_whole_is_refused(start, path):
    path.write_text(json.dumps({"component": "c", "accepted": [], "rejected": []}) + "\n")
    with pytest.raises(StateFileError, match="line 1"):
        start()


def test_two_sandboxes_cannot_use_one_file(start, path):
    start()
    with pytest.raises(StateFileError, match="another sandbox is using"):
        StateFile(path)


def test_a_file_in_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(StateFileError, match="folder that is there"):
        StateFile(tmp_path / "nowhere" / "state")
