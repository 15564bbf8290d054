"""The example services on both kinds of database: what each commits, and what its owner answers.

The workers are in memory here; `worker/test_owned_services.py` has real ones.
"""

import pytest
from click import ClickException
from sqlalchemy import create_engine, select

from astakos_worker import Commissions
from astakos_worker.owners import Unsettled
from astakosclient import QuotaLimit
from examples import cyclades, pithos
from tests.integration.cluster.postgres import Postgres

VM, CPU, SPACE = cyclades.VM, cyclades.CPU, pithos.SPACE
LONG, SHORT = cyclades.DEADLINE + 1, 1.0


class PowerCut(BaseException):
    """The process is no more."""


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres_server)],
)
def database(request, tmp_path):
    """An empty database."""
    kind = request.param
    url = (
        f"sqlite:///{tmp_path}/db" if kind == "sqlite" else request.getfixturevalue("postgres").url
    )
    engine = create_engine(url)
    yield engine
    for metadata in (cyclades.metadata, pithos.metadata):
        metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def commissions():
    return Commissions.in_memory(limits={VM: 2, CPU: 4, SPACE: 100})


@pytest.fixture
def dies(monkeypatch):
    """Ends a service where it stands."""

    def die(_):
        raise PowerCut

    monkeypatch.setattr("os._exit", die)


def figures(commissions, resource):
    """(usage, pending) of Ada in her project."""
    quota = commissions.astakos.quota("ada", "lab", resource)
    return quota["usage"], quota["pending"]


def asked(key, age, serial=7):
    return Unsettled("s", key, serial, "", (), age)


def keys(database, table):
    with database.connect() as connection:
        return list(connection.execute(select(table.c.key)).scalars())


# --- Cyclades ---------------------------------------------------------------------------------


@pytest.fixture
def compute(database, commissions):
    return cyclades.Cyclades(database, commissions)


def test_a_servers_life_is_charged_and_given_back(compute, commissions):
    compute.create("web", "ada", "lab")
    assert figures(commissions, VM) == (1, 0)
    compute.start("web")
    assert figures(commissions, CPU) == (2, 2)
    compute.job_ended("web", well=False)
    assert figures(commissions, CPU) == (0, 0)
    compute.start("web")
    compute.job_ended("web", well=True)
    assert figures(commissions, CPU) == (2, 0)
    assert list(cyclades.counted(compute.database, None)) == [
        ("ada", "lab", VM, 1),
        ("ada", "lab", CPU, 2),
    ]
    assert list(cyclades.counted(compute.database, frozenset({"other"}))) == []


def test_a_server_that_quota_refuses_is_not_there(compute, commissions):
    for name in ("one", "two"):
        compute.create(name, "ada", "lab")
    with pytest.raises(QuotaLimit):
        compute.create("three", "ada", "lab")
    assert len(list(cyclades.counted(compute.database, None))) == 4
    compute.delete("one")
    assert figures(commissions, VM) == (1, 0)


@pytest.mark.parametrize("doing", ["stopped", "starting", "started"])
def test_a_server_can_be_deleted_whatever_it_does(compute, commissions, doing):
    """The protocol, check 68: what is undecided is rejected, what was accepted is given back."""
    compute.create("web", "ada", "lab")
    if doing != "stopped":
        compute.start("web")
    if doing == "started":
        compute.job_ended("web", well=True)
    compute.delete("web")
    assert (figures(commissions, VM), figures(commissions, CPU)) == ((0, 0), (0, 0))
    assert list(cyclades.counted(compute.database, None)) == []
    compute.job_ended("web", well=True)  # its back end has not heard of it
    assert list(cyclades.counted(compute.database, None)) == []
    with pytest.raises(ClickException, match="no server"):
        compute.delete("web")


def test_while_a_job_is_under_way_no_other_is_ordered(compute, commissions):
    compute.create("web", "ada", "lab")
    compute.start("web")
    issued = keys(compute.database, cyclades.quota)
    with pytest.raises(ClickException, match="no stopped server"):
        compute.start("web")
    assert keys(compute.database, cyclades.quota) == issued
    assert len(commissions.astakos.pending) == 1


def test_the_owner_answers_by_the_row_as_it_was_committed(compute):
    compute.create("web", "ada", "lab")
    compute.start("web")
    created, started = sorted(keys(compute.database, cyclades.quota))
    unknown = asked("web/create/other", LONG)
    questions = [asked(created, SHORT), asked(started, LONG), unknown, asked(None, LONG)]
    assert cyclades.answers(compute.database, questions) == ["accept", "leave", "reject", "reject"]
    compute.job_ended("web", well=False)
    assert cyclades.answers(compute.database, [asked(started, SHORT)]) == ["reject"]


def test_a_transaction_that_may_be_under_way_is_left_alone(compute):
    """The protocol, section 5.3, item 2: no row yet is not no row ever."""
    assert cyclades.answers(compute.database, [asked("web/create/1", SHORT)]) == ["leave"]


def test_what_died_before_its_commit_left_an_orphan_that_the_owner_rejects(
    compute, commissions, dies
):
    compute.die_at = "before the commit"
    with pytest.raises(PowerCut):
        compute.create("web", "ada", "lab")
    assert figures(commissions, VM) == (1, 1)
    assert keys(compute.database, cyclades.quota) == []
    commissions.workers.owner = lambda asked: cyclades.answers(compute.database, asked)
    commissions.advance(LONG + 60)
    assert figures(commissions, VM) == (0, 0)


def test_a_job_outlives_its_deadline_while_the_owner_says_leave(compute, commissions):
    commissions.workers.owner = lambda asked: cyclades.answers(compute.database, asked)
    compute.create("web", "ada", "lab")
    compute.start("web")
    commissions.advance(LONG + 60)
    assert figures(commissions, CPU) == (2, 2)
    compute.job_ended("web", well=True)
    assert figures(commissions, CPU) == (2, 0)


def test_what_died_after_its_commit_is_handed_over_by_the_next(compute, commissions, dies):
    compute.die_at = "after the commit"
    with pytest.raises(PowerCut):
        compute.create("web", "ada", "lab")
    assert figures(commissions, VM) == (1, 1)
    cyclades.Cyclades(compute.database, commissions).publish()
    assert figures(commissions, VM) == (1, 0)
    with compute.database.connect() as connection:
        assert list(connection.execute(select(cyclades.quota.c.resolved)).scalars()) == [True]


def test_a_decision_that_could_not_be_handed_over_is_tried_again(compute, commissions):
    """Somebody has rejected it meanwhile: it stays unresolved, for a person to see."""
    compute.create("web", "ada", "lab")
    compute.start("web")
    [started] = [key for key in keys(compute.database, cyclades.quota) if "/start/" in key]
    commissions.reject(started)
    compute.job_ended("web", well=True)
    with compute.database.connect() as connection:
        left = select(cyclades.quota.c.key).where(~cyclades.quota.c.resolved)
        assert list(connection.execute(left).scalars()) == [started]


# --- Pithos -----------------------------------------------------------------------------------


@pytest.fixture
def storage(database, commissions):
    return pithos.Pithos(database, commissions)


def test_files_are_charged_by_what_they_change(storage, commissions):
    storage.upload("ada", "lab", "/a", 40)
    storage.upload("ada", "lab", "/a", 60)
    storage.upload("ada", "lab", "/b", 10)
    storage.upload("ada", "lab", "/b", 10)
    assert figures(commissions, SPACE) == (70, 0)
    assert list(pithos.counted(storage.database, None)) == [("ada", "lab", SPACE, 70)]
    storage.move("/a", "attic")
    storage.remove("/b")
    assert figures(commissions, SPACE) == (0, 0)
    assert list(pithos.counted(storage.database, frozenset({"attic"}))) == [
        ("ada", "attic", SPACE, 60)
    ]


def test_a_file_that_quota_refuses_is_as_it_was(storage, commissions):
    storage.upload("ada", "lab", "/a", 90)
    with pytest.raises(QuotaLimit):
        storage.upload("ada", "lab", "/a", 120)
    assert list(pithos.counted(storage.database, None)) == [("ada", "lab", SPACE, 90)]
    assert figures(commissions, SPACE) == (90, 0)


def test_a_request_that_fails_rejects_what_it_issued(storage, commissions, monkeypatch):
    def full(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr(storage, "_die", full)
    with pytest.raises(OSError, match="full"):
        storage.upload("ada", "lab", "/a", 50)
    assert figures(commissions, SPACE) == (0, 0)
    assert list(pithos.counted(storage.database, None)) == []


@pytest.mark.parametrize(
    ("moment", "answer", "used"),
    [("before the commit", "reject", 0), ("after the commit", "accept", 50)],
)
def test_a_key_that_is_committed_means_accept(storage, commissions, dies, moment, answer, used):  # noqa: PLR0917  # fixtures
    storage.die_at = moment
    with pytest.raises(PowerCut):
        storage.upload("ada", "lab", "/a", 50)
    [serial] = commissions.astakos.pending
    key = commissions.get(serial).key
    assert pithos.answers(storage.database, [asked(key, LONG)]) == [answer]
    assert sum(row[-1] for row in pithos.counted(storage.database, None)) == used


def test_a_key_goes_only_when_astakos_has_confirmed(storage, commissions, monkeypatch):
    """Until then, with the ledger lost, there would be nobody else to ask."""

    def goes_away(moment):
        commissions.astakos.away = moment == "after the commit"

    monkeypatch.setattr(storage, "_die", goes_away)
    storage.upload("ada", "lab", "/a", 50)
    [key] = keys(storage.database, pithos.unconfirmed)
    assert commissions.get(key).decision == "accept"
    commissions.astakos.away = False
    commissions.advance(200)
    storage.publish()
    assert keys(storage.database, pithos.unconfirmed) == []
    assert figures(commissions, SPACE) == (50, 0)
