"""Names asked for at the same time share one request, and each caller has its own answer."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from astakos_worker.engine import gather
from astakos_worker.engine.gather import Gather
from astakosclient import errors
from astakosclient.errors import AstakosClientException, BadRequest, Unauthorized
from tests.integration.cluster.until import until

USERS = {f"u{number}": f"user {number}" for number in range(50)}


class Astakos:
    """Answers from a table; a request stands still until the test lets it go."""

    def __init__(self, same=str):
        self.same = same
        self.requests = []
        self.refuses = {}
        self.gate = threading.Event()
        self.gate.set()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def fetch(self, names):
        with self.lock:
            self.requests.append(list(names))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            assert self.gate.wait(30)
            for name, error in self.refuses.items():
                if name in names:
                    raise error
            return {name: USERS[self.same(name)] for name in names if self.same(name) in USERS}
        finally:
            with self.lock:
                self.at_once -= 1


class Callers:
    """Threads that ask; the first one's request is held up until the others have gathered."""

    def __init__(self, astakos, asks):
        self.astakos = astakos
        self.asks = asks
        self.pool = ThreadPoolExecutor(64)

    def ask(self, first, *others):
        self.astakos.gate.clear()
        asked = [self.pool.submit(self.asks.ask, first)]
        until(lambda: self.astakos.requests, every=0.005)
        for number, names in enumerate(others, start=1):
            asked.append(self.pool.submit(self.asks.ask, names))
            until(lambda n=number: len(self.asks._waiting) == n, every=0.005)
        self.astakos.gate.set()
        wait(asked, timeout=30)
        return asked


@pytest.fixture
def astakos():
    return Astakos()


@pytest.fixture
def callers(astakos):
    callers = Callers(astakos, Gather(astakos.fetch))
    yield callers
    callers.pool.shutdown()


def test_one_that_is_alone_goes_at_once_and_by_itself(astakos):
    asks = Gather(astakos.fetch)
    assert asks.ask(["u1", "u2", "stranger"]) == {"u1": "user 1", "u2": "user 2"}
    assert asks.ask(["u3"]) == {"u3": "user 3"}
    assert astakos.requests == [["u1", "u2", "stranger"], ["u3"]]


def test_what_gathers_during_a_request_goes_with_the_next(astakos, callers):
    """F64: each its own answer, one request for forty-nine."""
    asked = callers.ask(["u0"], *([f"u{number}", "stranger"] for number in range(1, 50)))
    assert [one.result() for one in asked] == [{uuid: name} for uuid, name in USERS.items()]
    assert astakos.requests == [["u0"], ["u1", "stranger", *(f"u{n}" for n in range(2, 50))]]


def test_one_request_at_a_time(astakos):
    asks = Gather(astakos.fetch)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: asks.ask([f"u{n % 50}"]), range(400)))
    assert answers == [{f"u{n % 50}": f"user {n % 50}"} for n in range(400)]
    assert astakos.most_at_once == 1


def test_what_one_asked_is_not_told_to_another(callers):
    first, second, third = callers.ask(["u0"], ["u1"], ["stranger"])
    assert (second.result(), third.result()) == ({"u1": "user 1"}, {})
    assert first.result() == {"u0": "user 0"}


def test_every_caller_has_its_own_spelling():
    """The protocol, section 3.5: of two spellings in one request only one comes back."""
    astakos = Astakos(same=str.lower)
    callers = Callers(astakos, Gather(astakos.fetch, str.lower))
    asked = callers.ask(["u0"], ["u1"], ["U1", "u1"])
    assert [one.result() for one in asked[1:]] == [
        {"u1": "user 1"},
        {"U1": "user 1", "u1": "user 1"},
    ]
    assert astakos.requests[1:] == [["u1"]]
    callers.pool.shutdown()


@pytest.mark.parametrize(
    "away",
    [
        errors.ConnectionError(OSError("away")),
        Unauthorized("who?"),
        AstakosClientException("no", "", 503),
    ],
)
def test_an_astakos_that_is_away_is_away_for_all_and_asked_once(astakos, callers, away):
    astakos.refuses = {"u1": away}
    asked = callers.ask(["u0"], ["u1"], ["u2"], ["u3"])
    assert asked[0].result() == {"u0": "user 0"}
    assert all(one.exception() is away for one in asked[1:])
    assert len(astakos.requests) == 2


@pytest.mark.parametrize(
    "poison", [BadRequest("what?"), AstakosClientException("oops", response="oops")]
)
def test_one_that_astakos_chokes_on_fails_alone(astakos, callers, poison):
    """F64: the others that went with it are asked for again, each by itself."""
    astakos.refuses = {"u2": poison}
    asked = callers.ask(["u0"], ["u1"], ["u2"], ["u3"])
    assert asked[2].exception() is poison
    assert [asked[n].result() for n in (1, 3)] == [{"u1": "user 1"}, {"u3": "user 3"}]
    assert astakos.requests[2:] == [["u1"], ["u2"], ["u3"]]


def test_after_an_error_of_any_kind_nobody_waits_and_the_next_is_fine(astakos, callers):
    """A leader that dies of a bug takes nobody along for ever."""
    astakos.refuses = {"u1": KeyError("a bug")}
    asked = callers.ask(["u0"], ["u1"], ["u2"])
    assert [type(one.exception()) for one in asked[1:]] == [KeyError, KeyError]
    assert callers.asks.ask(["u2"]) == {"u2": "user 2"}


def test_no_request_grows_without_bound(astakos, callers, monkeypatch):
    monkeypatch.setattr(gather, "MOST", 10)
    asked = callers.ask(["u0"], ["u1"] * 4, ["u2"] * 6, ["u3"], ["u4"] * 11, ["u5"])
    assert [len(one.result()) for one in asked] == [1] * 6
    assert [len(names) for names in astakos.requests] == [1, 2, 1, 1, 1]
