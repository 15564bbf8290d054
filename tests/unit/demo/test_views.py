"""What a run looks like: on a screen of 80 by 24, line by line, and as a report."""

import io
import json
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from astakos_worker.demo.lines import show_lines
from astakos_worker.demo.plan import CPU, GIB, RAM, VM, Accounts, Behaviour, PlannedCommission
from astakos_worker.demo.proof import (
    AstakosState,
    CallerView,
    Check,
    Discrepancy,
    Evidence,
    Usage,
    charges,
    prove,
)
from astakos_worker.demo.report import rows, show, summary
from astakos_worker.demo.run import PHASES, ProofResult
from astakos_worker.demo.run_state import Counts, RunMessage, RunState, Snapshot
from astakos_worker.demo.screen import picture

FULL = Snapshot(
    phase="fire",
    seconds=123.4,
    wanted=100_000,
    enqueued=99_999,
    keys=99_000,
    rate=1234.0,
    ends=Counter(dict.fromkeys(("accepted", "rejected", "refused", "cancelled", "dead"), 12_345)),
    retried=12_345,
    faults=Counter(dict.fromkeys(("foreign", "lost", "ghosts", "twins", "kill -9"), 10)),
    counts=Counts(99_999, 99_999, 99_999, 16, "the ledger is away", *[99_999] * 4),
    messages=tuple(RunMessage(n, f"{n} " + "long " * 40) for n in range(50)),
    flower="http://127.0.0.1:30000",
)
TAKEN = charges("u1", "p", {VM: 1, CPU: 2, RAM: 3 * GIB})


def drawn(snapshot):
    console = Console(width=80, height=24, file=io.StringIO(), color_system=None)
    console.print(picture(snapshot))
    return console.file.getvalue()


def result(after=None, killed=()):
    taken = {holding: Usage(n, n) for holding, n in TAKEN.items()}
    astakos = AstakosState({}, taken if after is None else after, {}, ())
    view = CallerView("k", TAKEN, frozenset({"accepted"}), "accepted", 1)
    accounts = Accounts({"user01": "u1"}, {"tiny1": "t1"}, "s", "c", ())
    evidence = Evidence([view], (), (), astakos, "default.default")
    found = [f for f in prove(evidence) if f.kind is Check.USAGE]
    return ProofResult(evidence, accounts, found, 12.3, list(killed))


def shown(one):
    console = Console(width=80, file=io.StringIO(), color_system=None)
    show(one, console)
    return console.file.getvalue()


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("snapshot", [Snapshot(), FULL])
def test_a_picture_fits_into_80_by_24(snapshot, phase):
    lines = drawn(replace(snapshot, phase=phase)).splitlines()
    assert len(lines) < 24
    assert {len(line) for line in lines} == {80}
    for label in ("Service", "Ended", "Ledger", "Astakos", "Faults", "Flower"):
        assert f"│ {label} " in drawn(snapshot)


def test_a_picture_has_progress_states_rate_the_last_happening_and_flower():
    picture = drawn(FULL)
    for words in (
        "99,999/100,000 calls, 1234/s",
        "accepted 12,345",
        "away",
        "49 long",
        FULL.flower,
    ):
        assert words in picture


def test_line_by_line_every_happening_is_told_once_and_in_order():
    stream, state = io.StringIO(), RunState()
    with show_lines(state, stream):
        state.say("first")
        state.enter("start", flower="http://127.0.0.1:5555")
        state.say("second", "bold red")
    said = stream.getvalue()
    assert [line[10:] for line in said.splitlines() if "Flower" not in line] == ["first", "second"]
    assert "Flower: http://127.0.0.1:5555\n" in said


def test_a_proof_says_so():
    said = shown(result(killed=["broker"]))
    assert "✗" not in said
    assert "Proven in 12 s, kill -9 of broker included." in said
    assert max(map(len, said.splitlines())) <= 80


def test_what_differs_is_named():
    """Under the check that it contradicts, and in the user's row."""
    wrong = result({**{h: Usage(n, n) for h, n in TAKEN.items()}, min(TAKEN, key=str): Usage()})
    [discrepancy] = wrong.discrepancies
    said = shown(wrong)
    assert "Not proven: 1 things differ." in said
    assert "✗ not so: all 6 holdings" in said
    assert discrepancy.text.split(":")[0] in " ".join(said.split())


def test_a_users_row_has_what_astakos_says_beside_what_was_accepted():
    first, second = rows(result({}))
    assert (first.user, first.accepted) == ("user01", 1)
    assert first.found == {VM: 0, CPU: 0, RAM: 0}
    assert first.added_up == {VM: 1, CPU: 2, RAM: 3 * GIB}
    assert second.added_up == {VM: 0, CPU: 0, RAM: 0}
    assert "0≠1" in shown(result({}))


def test_a_summary_is_json_with_every_finding():
    wrong = result({})
    read = json.loads(json.dumps(summary(wrong, FULL, "/somewhere")))
    assert read["proven"] is False and read["directory"] == "/somewhere"
    assert [Discrepancy(f["kind"], f["text"]) for f in read["findings"]] == wrong.discrepancies
    assert read["users"]["user01"]["usage"] != read["users"]["user01"]["added_up"]
    assert summary(result(), FULL, None)["proven"] is True


def test_a_board_counts_a_key_once_however_often_it_is_enqueued():
    state = RunState()
    planned = PlannedCommission(Behaviour.ORDINARY, "k", "u", "p", {VM: 1}, frozenset({"accepted"}))
    assert state.opened("k", planned) and not state.opened("k", planned)
    assert state.waiting
    state.ended("k", "accepted", 7)
    state.ended("k", "accepted", 7)
    snapshot = state.snapshot()
    assert (snapshot.enqueued, snapshot.keys, snapshot.ended) == (2, 1, 1)
    assert not state.waiting
    [view] = state.caller_views()
    assert (view.end, view.serial, view.charges) == ("accepted", 7, planned.charges)


def test_a_commission_whose_asking_failed_is_not_waited_for():
    state = RunState()
    state.opened(
        "k", PlannedCommission(Behaviour.ORDINARY, "k", "u", "p", {VM: 1}, frozenset({"accepted"}))
    )
    state.failed("k", "Unavailable: away")
    assert not state.waiting
    [view] = state.caller_views()
    assert (view.end, view.note) == (None, "Unavailable: away")


def test_an_expired_commission_may_be_rejected_and_not_accepted():
    state = RunState()
    state.opened(
        "k", PlannedCommission(Behaviour.HELD, "k", "u", "p", {VM: 1}, frozenset({"accepted"}))
    )
    state.given_up("k")
    [view] = state.caller_views()
    assert view.ends == {"rejected", "cancelled"}
