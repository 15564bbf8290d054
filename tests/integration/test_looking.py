"""Both sides of a service's usage, read from a real Astakos in an order that hides nothing."""

import pytest

from astakos_worker.engine.drift.compare import Agreement, Figure, Holding, again, compare
from astakos_worker.engine.drift.snapshot import Scope, SnapshotReader
from astakos_worker.ledger import states
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.request import Provision, Request
from astakos_worker.sandbox.seed import project_uuid, user_uuid
from astakos_worker.sandbox.server import SandboxServer
from astakosclient import AstakosClient
from astakosclient.errors import AstakosClientException, NotFound

VM, DISK = "cyclades.vm", "cyclades.disk"
ADA, BOB = user_uuid("user01@example.org"), user_uuid("user02@example.org")
SHARED = project_uuid("shared.example.org")
LANE = "default"


class Clock:
    def now(self):
        return 1_700_000_000.0


@pytest.fixture(scope="module")
def server():
    with SandboxServer() as server:
        yield server


@pytest.fixture
def control(server):
    server.reset()
    return server.control


@pytest.fixture
def client(server, control):
    client = AstakosClient(server.token("cyclades"), server.auth_url)
    yield client
    client.close()


@pytest.fixture
def ledger():
    return MemoryLedger(Clock())


class Counter:
    """A service's function: what it counts now, and what happens while it is asked."""

    def __init__(self):
        self.rows = []
        self.asked = []
        self.meanwhile = lambda: None

    def __call__(self, projects):
        self.asked.append(projects)
        self.meanwhile()
        return self.rows


@pytest.fixture
def counter():
    return Counter()


@pytest.fixture
def reader(client, ledger, counter):
    return SnapshotReader(client, ledger, counter, LANE)


def used(client, quantity, user=ADA, project=ADA, resource=VM):
    """Use so much for good, as a service does."""
    serial = client.issue_one_commission(user, project, {resource: quantity})
    client.accept_commission(serial)


def queued(ledger, *provisions):
    record = states.queued("k", LANE, "0a1b2c3d", Request(provisions), now=ledger.clock.now())
    [written] = ledger.cas([Write(record, 0)])
    assert written.done


def test_all_that_astakos_counts_is_compared_though_the_service_knows_nothing_of_it(
    client, reader, counter
):
    """A user that the service has forgotten, and a project of which nobody is left."""
    used(client, 2, BOB, SHARED)
    counter.rows = [(ADA, ADA, VM, 1)]
    found = {f.holding: f.missing for f in compare(reader.survey(Scope()))}
    assert found == {
        Holding(ADA, ADA, VM): 1,
        Holding(None, ADA, VM): 1,
        Holding(BOB, SHARED, VM): -2,
        Holding(None, SHARED, VM): -2,
    }
    assert counter.asked == [None]


def test_it_is_narrowed_to_users_to_projects_and_to_resources(client, reader, counter):
    used(client, 2, BOB, SHARED)
    used(client, 3, ADA, SHARED, DISK)
    counter.rows = [(ADA, ADA, VM, 1)]

    def found(**scope):
        wanted = {name: frozenset(values) for name, values in scope.items()}
        return {f.holding[:2] for f in compare(reader.survey(Scope(**wanted)))}

    assert found(users=[BOB], resources=[VM]) == {(BOB, SHARED)}
    assert found(projects=[SHARED], resources=[VM]) == {(BOB, SHARED), (None, SHARED)}
    assert found(resources=[DISK]) == {(ADA, SHARED), (None, SHARED)}
    assert counter.asked[1] == {SHARED}


def test_more_than_one_request_holds_is_asked_for_in_parts(control, client, reader, counter):
    users = [control.add_user(f"many{n}@example.org") for n in range(120)]
    counter.rows = [(user["uuid"], user["uuid"], VM, 1) for user in users]
    steps = []
    reader.step = lambda: steps.append(1)
    look = reader.survey(Scope())
    assert sum(f.missing for f in compare(look)) == 240
    asked = control.audit()["requests"]
    assert sum(asked["service.quotas"].values()) >= 3
    assert len(steps) >= 7
    assert again(compare(look), reader.inspect(compare(look))) == compare(look)


def test_holdings_that_astakos_does_not_have_are_said_to_be_unknown(reader, counter):
    counter.rows = [("nobody", "nowhere", VM, 1)]
    found = compare(reader.survey(Scope()))
    assert {f.agreement for f in found} == {Agreement.UNKNOWN} and len(found) == 2
    assert {f.agreement for f in again(found, reader.inspect(found))} == {Agreement.UNKNOWN}


def test_a_proxys_page_is_not_taken_for_nobody_known(control, reader, counter):
    control.set_faults({"kind": "proxy-page", "route": "service.quotas", "status": 404})
    counter.rows = [(ADA, ADA, VM, 1)]
    with pytest.raises(NotFound):
        reader.survey(Scope())


def test_what_begins_and_ends_while_the_service_is_asked_is_seen(client, reader, counter):
    """The protocol, section 5.3, item 9: a request between the reads looks like drift."""
    counter.rows = [(ADA, ADA, VM, 1)]
    found = compare(reader.survey(Scope()))
    counter.meanwhile = lambda: used(client, 1)
    now = again(found, reader.inspect(found))
    assert {f.agreement for f in now} == {Agreement.BUSY}


def test_what_is_pending_while_the_service_is_asked_is_seen(client, reader, counter):
    counter.rows = [(ADA, ADA, VM, 1)]
    found = compare(reader.survey(Scope()))
    counter.meanwhile = lambda: client.issue_one_commission(ADA, ADA, {VM: 1})
    assert {f.agreement for f in again(found, reader.inspect(found))} == {Agreement.BUSY}


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_what_is_in_the_ledger_and_not_yet_in_astakos_is_seen(ledger, reader, counter, moment):
    """Services here go on before Astakos has heard of it."""
    counter.rows = [(ADA, SHARED, VM, 1)]
    found = compare(reader.survey(Scope()))
    provisions = (
        Provision(f"user:{ADA}", f"project:{SHARED}", VM, 1),
        Provision(f"project:{SHARED}", None, VM, 1),
    )
    if moment == "before":
        queued(ledger, *provisions)
    else:
        counter.meanwhile = lambda: queued(ledger, *provisions)
    assert {f.agreement for f in again(found, reader.inspect(found))} == {Agreement.BUSY}


def test_a_close_look_takes_only_what_it_is_about(client, reader, counter):
    used(client, 2, BOB, SHARED)
    counter.rows = [(ADA, ADA, VM, 1)]
    mine = [f for f in compare(reader.survey(Scope())) if f.holding.user == ADA]
    snapshot = reader.inspect(mine)
    assert snapshot.before == {
        Holding(ADA, ADA, VM): Figure(0, 0, snapshot.before[mine[0].holding].limit)
    }
    assert counter.asked[1] == {ADA}


def test_astakos_away_is_an_error_and_no_drift(control, reader, counter):
    counter.rows = [(ADA, ADA, VM, 1)]
    control.set_faults({"kind": "error-before", "status": 503})
    with pytest.raises(AstakosClientException):
        reader.survey(Scope())
