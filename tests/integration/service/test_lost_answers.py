"""F81 on a real server: the answer of a write is lost, and the same script is sent again."""

from itertools import count
from urllib.parse import urlsplit

import pytest

from astakos_worker import Commissions, Unavailable
from astakos_worker.service.tokens import Token
from tests.integration.cluster.servers import BOTH_SERVERS
from tests.integration.cluster.until import until
from tests.integration.service.breaking_proxy import BreakingProxy
from tests.unit.service.conftest import VM

AGAIN = {**VM, "key": "k", "reuse": True, "accept": True}
#: What the script has in it that writes a new commission.
NEW = b'"state":"queued"'


@pytest.fixture
def proxy(server):
    proxy = BreakingProxy(urlsplit(server.url()).port)
    yield proxy
    proxy.close()


@pytest.fixture
def behind(settings, proxy):
    """A service that reaches its ledger through the proxy, and is patient."""
    through = {"ledger_url": proxy.url(), "patience": 5.0}
    return Commissions(settings=settings.model_copy(update=through))


@pytest.fixture
def serials():
    return count(57)


@pytest.fixture
def ends(worker, serials):
    """Let a worker carry the commission to its end, if it is open."""

    def ends():
        if worker.entry("k").record.is_open:
            worker.issues("k", next(serials))
            worker.settles("k")

    return ends


@BOTH_SERVERS
def test_a_script_that_is_sent_again_over_a_new_connection_makes_one_commission(
    behind, proxy, ends, serials
):
    """F81: a worker has accepted the new commission before the script comes a second time."""
    first = behind.issue(**VM, key="k", accept=True)
    ends()
    proxy.lose_answer(NEW, meanwhile=ends)
    handle = behind.issue(**AGAIN)  # the library has sent the script again
    ends()
    assert proxy.lost == 1
    assert handle.incarnation != first.incarnation
    assert (handle.get().state, handle.serial) == ("accepted", 58)
    assert next(serials) == 59  # one serial for each call


def test_a_server_that_is_paused_in_the_middle_makes_one_commission(
    commissions, server, ends, serials
):
    commissions.issue(**VM, key="k", accept=True)
    ends()
    server.process.pause()
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**AGAIN)
    server.process.resume()
    token = caught.value.token
    for _ in range(3):
        handle = until(lambda: _again(commissions, token))
        ends()
    assert handle.incarnation == Token.read(token).incarnation
    assert next(serials) == 59


def _again(commissions, token=None):
    """Make the call; repeat it with the token of its error, as a service does."""
    while True:
        try:
            return commissions.issue(**AGAIN, token=token)
        except Unavailable as error:
            token = error.token
