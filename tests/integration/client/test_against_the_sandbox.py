"""The client and the sandbox together: what one sends, the other understands."""

import dataclasses
import threading
import time

import pytest

from astakos_worker.sandbox.server import SandboxServer
from astakosclient import (
    AstakosClientException,
    ConnectionError,  # noqa: A004 - the protocol's name
    NotFound,
    NoUserName,
    NoUUID,
    Outcome,
    QuotaLimit,
    Unauthorized,
    parse_endpoints,
)

ISSUE = "commissions.issue"
VM = "cyclades.vm"


def failure_of(call, *args, **options):
    with pytest.raises(AstakosClientException) as caught:
        call(*args, **options)
    return caught.value


@pytest.fixture
def service(cloud):
    return cloud.client(use_pool=True)


@pytest.fixture
def user(cloud):
    return cloud.client("user01", use_pool=True)


def test_the_first_snippet_of_the_manual_runs_with_a_bare_host(cloud):
    client = cloud.client("user01", auth_url=cloud.server.url)
    user_info = client.authenticate()
    assert user_info["access"]["user"]["id"] == cloud.user
    assert client.get_username(cloud.user) == "user01@example.org"


def test_the_catalog_is_found_and_parsed(cloud, service):
    (entry,) = parse_endpoints(service.get_endpoints(), ep_name="astakos_account")
    assert entry["endpoints"][0]["publicURL"] == f"{cloud.server.url}/account/v1.0"


def test_c19_names_and_uuids_are_found_and_strangers_are_not(cloud, service, user):
    names = {cloud.user: "user01@example.org"}
    for many in (service.service_get_usernames, user.get_usernames):
        assert many([cloud.user, "a stranger"]) == names
    assert service.service_get_uuids(["user01@example.org"]) == {"user01@example.org": cloud.user}
    for one in (service.service_get_username, user.get_username):
        assert isinstance(failure_of(one, "a stranger"), NoUserName)
    for one in (service.service_get_uuid, user.get_uuid):
        assert isinstance(failure_of(one, "a stranger"), NoUUID)


def test_c20_a_name_is_found_in_upper_case(cloud, service, user):
    assert user.get_uuid("USER01@EXAMPLE.ORG") == cloud.user
    assert service.service_get_uuid("User01@example.ORG") == cloud.user


def test_quotas_resources_and_services_have_their_shapes(cloud, service, user):
    assert service.get_resources()[VM]["service"] == "cyclades_compute"
    assert {one["name"] for one in service.get_services()} >= {"astakos", "cyclades", "pithos"}
    assert user.get_quotas()[cloud.user][VM]["limit"] == 100_000
    quotas = service.service_get_quotas(user=[cloud.user], project_id=cloud.shared)
    assert quotas[cloud.user][cloud.shared][VM]["project_limit"] == 1_000_000
    projects = service.service_get_project_quotas((cloud.shared,))
    assert projects[cloud.shared][VM]["project_usage"] == 0
    assert isinstance(failure_of(service.service_get_quotas, "a stranger"), NotFound)


def test_c43_a_commission_is_issued_seen_and_accepted(cloud, service):
    serial = service.issue_one_commission(
        cloud.user, cloud.shared, {VM: 2, "cyclades.cpu": 4}, name="two machines"
    )
    assert serial in service.get_pending_commissions()
    info = service.get_commission_info(serial)
    assert (info["serial"], info["name"], len(info["provisions"])) == (serial, "two machines", 4)
    member = (f"user:{cloud.user}", f"project:{cloud.shared}")
    assert cloud.counters(*member) == (0, 2)
    service.accept_commission(serial)
    assert cloud.counters(*member) == cloud.counters(f"project:{cloud.shared}", None) == (2, 2)
    again = failure_of(service.accept_commission, serial)
    assert isinstance(again, NotFound)
    assert (again.outcome, again.response) == (Outcome.REFUSED, "")


def test_c43_a_reassignment_moves_usage_from_project_to_project(cloud, service):
    own, shared = f"project:{cloud.user}", f"project:{cloud.shared}"
    service.accept_commission(service.issue_one_commission(cloud.user, cloud.user, {VM: 3}))
    moved = service.issue_resource_reassignment(cloud.user, {(cloud.user, cloud.shared, VM): 3})
    service.accept_commission(moved)
    assert cloud.counters(f"user:{cloud.user}", own) == cloud.counters(own, None) == (0, 0)
    assert cloud.counters(f"user:{cloud.user}", shared) == cloud.counters(shared, None) == (3, 3)


def test_c43_a_generic_commission_charges_only_what_it_names(cloud, service):
    service.issue_commission_generic({(cloud.user, cloud.shared, VM): 5}, {}, auto_accept=True)
    assert cloud.counters(f"user:{cloud.user}", f"project:{cloud.shared}") == (5, 5)
    assert cloud.counters(f"project:{cloud.shared}", None) == (0, 0)
    assert service.get_pending_commissions() == []


def test_c44_both_forms_make_the_same_commission(cloud, service):
    documented = service.issue_one_commission(cloud.user, cloud.shared, {VM: 1}, "n")
    later = service.issue_one_commission(cloud.user, {(cloud.shared, VM): 1}, "n")
    first, second = map(service.get_commission_info, (documented, later))
    assert first["provisions"] == second["provisions"]
    assert first["name"] == second["name"] == "n"


def test_a_batch_is_resolved_with_pairs_for_what_failed(cloud, service):
    serials = [service.issue_one_commission(cloud.user, cloud.user, {VM: 1}) for _ in range(3)]
    first, second, third = serials
    reply = service.resolve_commissions([first, second], [second, third, 99_999])
    assert (reply["accepted"], reply["rejected"]) == ([first], [third])
    assert [serial for serial, _ in reply["failed"]] == [99_999, second]
    assert service.get_pending_commissions() == [second]


def test_c45_a_members_limit_is_told_with_its_figures(cloud, service):
    error = failure_of(service.issue_one_commission, cloud.tiny, cloud.tiny, {VM: 3})
    assert isinstance(error, QuotaLimit)
    assert (error.status, error.outcome, error.case) == (413, Outcome.REFUSED, "member")
    assert (error.holder, error.limit, error.usage) == (f"user:{cloud.tiny}", 2, 0)
    assert error.details == "Virtual Machine: available 2, requested 3"
    assert '"overLimit"' in error.response


def test_c45_a_projects_limit_is_told_as_the_projects(cloud, service):
    error = failure_of(service.issue_provisions, [
        {
            "holder": f"project:{cloud.crowded}",
            "source": None,
            "resource": VM,
            "quantity": 11,
        }
    ])  # fmt: skip
    assert (error.case, error.limit) == ("project", 10)


def test_c45_a_release_beyond_usage_is_told_as_such(cloud, service):
    error = failure_of(service.issue_one_commission, cloud.user, {(cloud.user, VM): -1})
    assert (error.case, error.limit, error.usage, error.quantity) == ("release", 0, 0, -1)


def test_c45_stale_figures_are_not_reported(cloud, service):
    """The protocol, section 10.1."""
    cloud.control.set_faults({"kind": "stale-data", "route": ISSUE})
    error = failure_of(service.issue_one_commission, cloud.tiny, cloud.tiny, {VM: 3})
    assert isinstance(error, QuotaLimit)
    assert error.outcome is Outcome.REFUSED
    assert (error.case, error.holder, error.limit, error.quantity) == (None,) * 4
    assert '"usage": 2' in error.response


def test_a_holding_that_is_not_there_is_a_refusal(cloud, service):
    error = failure_of(service.issue_one_commission, "nobody", cloud.shared, {VM: 1})
    assert isinstance(error, NotFound)
    assert error.outcome is Outcome.REFUSED


def test_a_token_that_does_not_work_is_a_refusal(cloud):
    for whose in ("user01", "nobody"):
        error = failure_of(cloud.client(whose).get_pending_commissions)
        assert isinstance(error, Unauthorized)
        assert error.outcome is Outcome.REFUSED


@pytest.mark.parametrize("use_pool", [False, True])
def test_c47_an_issue_cut_after_the_work_is_sent_once_and_found_by_its_name(cloud, use_pool):
    client = cloud.client(retry=3, use_pool=use_pool)
    other = client.issue_one_commission(cloud.user, cloud.user, {VM: 1}, name="another")
    cloud.control.set_faults({"kind": "cut-after", "route": ISSUE, "count": 1})
    error = failure_of(
        client.issue_one_commission, cloud.user, cloud.user, {VM: 1}, name="create [tag-7]"
    )
    assert isinstance(error, ConnectionError)
    assert error.ambiguous
    assert cloud.requests_for(ISSUE) == 2
    (found,) = client.recover_commission("[tag-7]")
    assert found["serial"] != other
    assert client.recover_commission("[tag-8]") == []


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut-before"},
        {"kind": "cut-after"},
        {"kind": "error-before", "status": 503},
        {"kind": "error-after", "status": 500},
        {"kind": "error-after", "status": 502},
        {"kind": "proxy-page", "status": 404},
        {"kind": "proxy-page", "status": 413},
        {"kind": "truncate"},
        {"kind": "garble"},
        {"kind": "hang"},
        {"kind": "hang-before"},
        {"kind": "trickle", "seconds": 0.05},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_every_fault_leaves_an_issue_ambiguous_and_sent_once(cloud, fault):
    client = cloud.client(retry=3, use_pool=True)
    client.get_resources()
    hasty = dataclasses.replace(client._limits, total_timeout=0.6)
    client._limits = client._transport.limits = hasty
    cloud.control.set_faults({"route": ISSUE, **fault})
    began = time.monotonic()
    error = failure_of(client.issue_one_commission, cloud.user, cloud.user, {VM: 1})
    assert error.outcome is Outcome.AMBIGUOUS
    assert time.monotonic() - began < 5
    wait_until(lambda: cloud.requests_for(ISSUE) == 1)


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


def test_c48_a_read_outlives_passing_troubles(cloud):
    client = cloud.client(retry=3)
    cloud.control.set_faults(
        {"kind": "error-before", "status": 503, "route": "commissions.list", "count": 1},
        {"kind": "cut-after", "route": "commissions.list", "count": 1},
    )
    assert client.get_pending_commissions() == []
    assert cloud.requests_for("commissions.list") == 3


def test_c48_a_restart_of_astakos_costs_an_issue_nothing_but_time(cloud):
    client = cloud.client(retry=100, use_pool=True)
    client.get_resources()
    cloud.control.outage(0.5)
    serial = None
    while serial is None:
        try:
            serial = client.issue_one_commission(cloud.user, cloud.user, {VM: 1}, name="mine")
        except ConnectionError as error:
            if not error.ambiguous:
                raise
            # Cut while it was answered: only a look shows whether it was done.
            found = client.recover_commission("mine")
            serial = found[0]["serial"] if found else None
    assert client.get_pending_commissions() == [serial]


def test_f74_a_fresh_issue_survives_a_server_that_drops_idle_connections(cloud_of):
    """The server closes kept connections after a second, and so may do so in any moment."""
    with SandboxServer(keep_alive=1) as server:
        cloud = cloud_of(server)
        client = cloud.client(use_pool=True, fresh_within=0.2)
        provision = {
            "holder": f"user:{cloud.user}",
            "source": f"project:{cloud.user}",
            "resource": VM,
            "quantity": 1,
        }
        for pause in (0, 0.1, 0.98, 1.0, 1.02):
            time.sleep(pause)  # idle for about as long as the server keeps a connection
            client.issue_provisions([provision], fresh=True)
        assert len(client.get_pending_commissions()) == 5


def test_64_threads_share_a_client_without_mixing_answers(cloud):
    client = cloud.client(use_pool=True, pool_size=8)
    barrier, mistakes = threading.Barrier(64), []

    def work(number):
        barrier.wait(30)
        name = f"thread {number}"
        serial = client.issue_one_commission(cloud.user, cloud.user, {VM: 1}, name=name)
        if client.get_commission_info(serial)["name"] != name:
            mistakes.append(number)
        client.accept_commission(serial)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert mistakes == []
    assert cloud.counters(f"user:{cloud.user}", f"project:{cloud.user}") == (64, 64)
    assert client.get_pending_commissions() == []
