"""Names asked for at the same time share one request, and each caller has its own answer."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from astakos_worker.service import gather
from astakos_worker.service.gather import Gather
from astakosclient import errors
from astakosclient.errors import AstakosClientException, BadRequest, Unauthorized
from tests.integration.cluster.until import until

USERS = {f"u{number}": f"user {number}" for number in range(50)}


class Astakos:
    """Answers from a table; a request waits until the test releases it."""

    def __init__(self, same=str):
        self.same = same
        self.requests = []
        self.refuses = {}
        self.gate = threading.Event()
        self.gate.set()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def fetch(self, names, timeout=None):
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

    def __init__(self, astakos, asks, timeout=None):
        self.astakos = astakos
        self.asks = asks
        self.timeout = timeout
        self.pool = ThreadPoolExecutor(64)

    def ask(self, first, *others):
        self.astakos.gate.clear()
        asked = [self.pool.submit(self.asks.ask, first, self.timeout)]
        until(lambda: self.astakos.requests, every=0.005)
        for number, names in enumerate(others, start=1):
            asked.append(self.pool.submit(self.asks.ask, names, self.timeout))
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
    assert {repr(one.exception()) for one in asked[1:]} == {repr(away)}
    assert len(astakos.requests) == 2


@pytest.mark.parametrize(
    "poison", [BadRequest("what?"), AstakosClientException("oops", response="oops")]
)
def test_one_that_astakos_chokes_on_fails_alone(astakos, callers, poison):
    """F64: the others that went with it are asked for again, each by itself."""
    astakos.refuses = {"u2": poison}
    asked = callers.ask(["u0"], ["u1"], ["u2"], ["u3"])
    assert repr(asked[2].exception()) == repr(poison)
    assert [asked[n].result() for n in (1, 3)] == [{"u1": "user 1"}, {"u3": "user 3"}]
    assert astakos.requests[2:] == [["u1"], ["u2"], ["u3"]]


def test_after_an_error_of_any_kind_nobody_waits_and_the_next_is_fine(astakos, callers):
    """The callers of a question that fails by a bug do not wait for ever."""
    astakos.refuses = {"u1": KeyError("a bug")}
    asked = callers.ask(["u0"], ["u1"], ["u2"])
    assert [type(one.exception()) for one in asked[1:]] == [KeyError, KeyError]
    assert callers.asks.ask(["u2"]) == {"u2": "user 2"}


def test_no_request_grows_without_bound(astakos, callers, monkeypatch):
    monkeypatch.setattr(gather, "MOST", 10)
    asked = callers.ask(["u0"], ["u1"] * 4, ["u2"] * 6, ["u3"], ["u4"] * 11, ["u5"])
    assert [len(one.result()) for one in asked] == [1] * 6
    assert [len(names) for names in astakos.requests] == [1, 2, 1, 1, 1]


def test_so_many_questions_at_a_time_as_are_allowed_and_the_rest_gathers(astakos):
    """A question without an answer does not hold up all the others."""
    asks = Gather(astakos.fetch, leads=4)
    astakos.gate.clear()
    with ThreadPoolExecutor(32) as pool:
        asked = []
        for number in range(4):
            asked.append(pool.submit(asks.ask, [f"u{number}"]))
            until(lambda n=number: len(astakos.requests) == n + 1, every=0.005)
        asked += [pool.submit(asks.ask, [f"u{number}"]) for number in range(4, 32)]
        until(lambda: len(asks._waiting) == 28, every=0.005)
        astakos.gate.set()
        assert [one.result(30) for one in asked] == [
            {uuid: USERS[uuid]} for uuid in list(USERS)[:32]
        ]
    assert [len(names) for names in astakos.requests] == [1, 1, 1, 1, 28]
    assert astakos.most_at_once == 4


def test_nobody_waits_longer_than_it_said_and_the_others_wait_on(astakos):
    """A waiting caller whose time is over gives up; nobody asks for its name."""
    asks = Gather(astakos.fetch)
    astakos.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(asks.ask, ["u0"], 60)
        until(lambda: astakos.requests, every=0.005)
        patient = pool.submit(asks.ask, ["u1"], 60)
        until(lambda: len(asks._waiting) == 1, every=0.005)
        with pytest.raises(TimeoutError):
            asks.ask(["u2"], 0.05)
        astakos.gate.set()
        assert (first.result(30), patient.result(30)) == ({"u0": "user 0"}, {"u1": "user 1"})
    assert astakos.requests == [["u0"], ["u1"]]


def test_one_that_was_taken_along_leaves_when_its_time_is_up(astakos):
    """Its question goes on, for those that still wait."""
    asks, short = Gather(astakos.fetch), gather._Asked(["u2"], 0.05)
    asks._waiting.append(short)
    astakos.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(asks.ask, ["u1"], 60)
        until(lambda: astakos.requests == [["u2", "u1"]], every=0.005)
        assert asks._lead_or_wait(short) == []
        with pytest.raises(TimeoutError):
            short.answer()
        astakos.gate.set()
        assert patient.result(30) == {"u1": "user 1"}
    assert asks.ask(["u2"]) == {"u2": "user 2"}


def test_a_leader_whose_time_is_up_leaves_the_others_to_ask_again(astakos):
    """The caller whose time was over gave up alone."""
    late = [TimeoutError("no answer")]

    def fetch(names, timeout):
        assert 0 < timeout <= 60
        if len(names) == 2 and late:
            raise late.pop()
        return astakos.fetch(names)

    callers = Callers(astakos, Gather(fetch), timeout=60)
    first, *others = callers.ask(["u0"], ["u1"], ["u2"])
    assert first.result() == {"u0": "user 0"}
    [gave_up] = [one for one in others if isinstance(one.exception(), TimeoutError)]
    [answered] = [one.result() for one in others if one is not gave_up]
    assert answered in ({"u1": "user 1"}, {"u2": "user 2"})
    callers.pool.shutdown()
