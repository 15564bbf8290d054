"""The service's function is asked in a thread of its own, and never waited for too long."""

import sys
import threading

import pytest

from astakos_worker.configuration.service_settings import ServiceSettings
from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.sweep.owner import OwnerError, Unsettled
from astakos_worker.worker.owner_function import OwnerFunction
from astakos_worker.worker.sweep_setup import owner_of

HERE = __name__
ONE = Unsettled("svc", "k", 7, "a server", (), 1.0)
go_on = threading.Event()
calls = []


def good(commissions):
    calls.append(threading.current_thread().name)
    return ["accept"] * len(commissions)


def fails(_commissions):
    raise ZeroDivisionError("no rows")


def exits(_commissions):
    sys.exit(3)


def hangs(_commissions):
    calls.append("hangs")
    go_on.wait(60)
    return ["leave"]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, "an_owners_module", sys.modules[HERE])
    calls.clear()
    go_on.clear()
    yield
    go_on.set()


@pytest.mark.parametrize("path", ["an_owners_module:good", "an_owners_module.good"])
def test_the_function_behind_a_dotted_path_is_asked(path):
    assert OwnerFunction(path, 60)([ONE, ONE]) == ["accept", "accept"]
    assert calls == ["astakos-owner"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("an_owners_module:fails", "ZeroDivisionError: no rows"),
        ("an_owners_module:exits", "SystemExit: 3"),
        ("an_owners_module:nobody", "AttributeError"),
        ("no_such_module_anywhere:owner", "ModuleNotFoundError"),
    ],
)
def test_whatever_it_raises_is_said_with_its_path(path, said):
    with pytest.raises(OwnerError, match=path) as caught:
        OwnerFunction(path, 60)([ONE])
    assert said in str(caught.value)


def test_one_that_hangs_is_waited_for_once_and_not_asked_again_until_it_is_through():
    """Or each sweep would leave another thread behind."""
    function = OwnerFunction("an_owners_module:hangs", 0.05)
    with pytest.raises(OwnerError, match="did not answer within"):
        function([ONE])
    for _ in range(3):
        with pytest.raises(OwnerError, match="still at an earlier question"):
            function([ONE])
    assert calls == ["hangs"]
    go_on.set()
    function._asked.join(60)
    assert function([ONE]) == ["leave"]


def test_each_service_may_have_an_owner_of_its_own():
    here = {"auth_url": "https://a.example.org", "token": "x"}
    settings = Settings(
        owner="an_owners_module:good",
        services={
            "plain": ServiceSettings(**here),
            "own": ServiceSettings(**here, owner="an_owners_module:fails"),
            "none": ServiceSettings(**here, owner=""),
        },
    )
    assert owner_of(settings, "plain")([ONE]) == ["accept"]
    with pytest.raises(OwnerError, match="no rows"):
        owner_of(settings, "own")([ONE])
    assert owner_of(settings, "none") is None
    assert owner_of(Settings(), "plain") is None


@pytest.mark.parametrize("path", ["owner", "a b:c", "a:b:c", "a.:b", ":owner", "1a:b"])
def test_a_path_that_can_be_none_is_refused_when_a_process_starts(path):
    with pytest.raises(ValueError, match="owner"):
        Settings(owner=path)
