"""What a run looks like: on a screen of 80 by 24, line by line, and as a report."""

import io
import json
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from astakos_worker.demo.board import Board, Happening, Scene, Standing
from astakos_worker.demo.course import PHASES, Verdict
from astakos_worker.demo.plain import plain
from astakos_worker.demo.plan import CPU, GIB, RAM, VM, Course, Intent, Places
from astakos_worker.demo.proof import Books, Case, Finding, Kind, Told, Usage, charges, prove
from astakos_worker.demo.report import rows, show, summary
from astakos_worker.demo.screen import picture

FULL = Scene(
    phase="fire",
    seconds=123.4,
    wanted=100_000,
    enqueued=99_999,
    keys=99_000,
    rate=1234.0,
    ends=Counter(dict.fromkeys(("accepted", "rejected", "refused", "cancelled", "dead"), 12_345)),
    retried=12_345,
    mischief=Counter(dict.fromkeys(("foreign", "lost", "ghosts", "twins", "kill -9"), 10)),
    standing=Standing(99_999, 99_999, 99_999, 16, "the ledger is away", *[99_999] * 4),
    happenings=tuple(Happening(n, f"{n} " + "long " * 40) for n in range(50)),
    flower="http://127.0.0.1:30000",
)
TAKEN = charges("u1", "p", {VM: 1, CPU: 2, RAM: 3 * GIB})


def drawn(scene):
    console = Console(width=80, height=24, file=io.StringIO(), color_system=None)
    console.print(picture(scene))
    return console.file.getvalue()


def verdict(after=None, killed=()):
    taken = {holding: Usage(n, n) for holding, n in TAKEN.items()}
    books = Books({}, taken if after is None else after, {}, ())
    told = Told("k", TAKEN, frozenset({"accepted"}), "accepted", 1)
    places = Places({"user01": "u1"}, {"tiny1": "t1"}, "s", "c", ())
    case = Case([told], (), (), books, "default.default")
    found = [f for f in prove(case) if f.kind is Kind.USAGE]
    return Verdict(case, places, found, 12.3, list(killed))


def shown(one):
    console = Console(width=80, file=io.StringIO(), color_system=None)
    show(one, console)
    return console.file.getvalue()


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("scene", [Scene(), FULL])
def test_a_picture_fits_into_80_by_24(scene, phase):
    lines = drawn(replace(scene, phase=phase)).splitlines()
    assert len(lines) < 24
    assert {len(line) for line in lines} == {80}
    for label in ("Service", "Told", "Ledger", "Astakos", "Trouble", "Flower"):
        assert f"│ {label} " in drawn(scene)


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
    stream, board = io.StringIO(), Board()
    with plain(board, stream):
        board.say("first")
        board.enter("start", flower="http://127.0.0.1:5555")
        board.say("second", "bold red")
    said = stream.getvalue()
    assert [line[10:] for line in said.splitlines() if "Flower" not in line] == ["first", "second"]
    assert "Flower: http://127.0.0.1:5555\n" in said


def test_a_proof_says_so():
    said = shown(verdict(killed=["broker"]))
    assert "✗" not in said
    assert "Proven in 12 s, kill -9 of broker included." in said
    assert max(map(len, said.splitlines())) <= 80


def test_what_differs_is_named():
    """Under the check that it contradicts, and in the user's row."""
    wrong = verdict({**{h: Usage(n, n) for h, n in TAKEN.items()}, min(TAKEN, key=str): Usage()})
    [finding] = wrong.findings
    said = shown(wrong)
    assert "Not proven: 1 things differ." in said
    assert "✗ not so: all 6 holdings" in said
    assert finding.text.split(":")[0] in " ".join(said.split())


def test_a_users_row_has_what_astakos_says_beside_what_was_accepted():
    first, second = rows(verdict({}))
    assert (first.user, first.accepted) == ("user01", 1)
    assert first.found == {VM: 0, CPU: 0, RAM: 0}
    assert first.added_up == {VM: 1, CPU: 2, RAM: 3 * GIB}
    assert second.added_up == {VM: 0, CPU: 0, RAM: 0}
    assert "0≠1" in shown(verdict({}))


def test_a_summary_is_json_with_every_finding():
    wrong = verdict({})
    read = json.loads(json.dumps(summary(wrong, FULL, "/somewhere")))
    assert read["proven"] is False and read["directory"] == "/somewhere"
    assert [Finding(f["kind"], f["text"]) for f in read["findings"]] == wrong.findings
    assert read["users"]["user01"]["usage"] != read["users"]["user01"]["added_up"]
    assert summary(verdict(), FULL, None)["proven"] is True


def test_a_board_counts_a_key_once_however_often_it_is_enqueued():
    board = Board()
    intent = Intent(Course.ORDINARY, "k", "u", "p", {VM: 1}, frozenset({"accepted"}))
    assert board.opened("k", intent) and not board.opened("k", intent)
    assert board.waiting
    board.ended("k", "accepted", 7)
    board.ended("k", "accepted", 7)
    scene = board.scene()
    assert (scene.enqueued, scene.keys, scene.told) == (2, 1, 1)
    assert not board.waiting
    [told] = board.told()
    assert (told.end, told.serial, told.charges) == ("accepted", 7, intent.charges)


def test_a_commission_whose_asking_failed_is_not_waited_for():
    board = Board()
    board.opened("k", Intent(Course.ORDINARY, "k", "u", "p", {VM: 1}, frozenset({"accepted"})))
    board.failed("k", "Unavailable: away")
    assert not board.waiting
    [told] = board.told()
    assert (told.end, told.note) == (None, "Unavailable: away")


def test_an_expired_commission_may_be_rejected_and_not_accepted():
    board = Board()
    board.opened("k", Intent(Course.HELD, "k", "u", "p", {VM: 1}, frozenset({"accepted"})))
    board.given_up("k")
    [told] = board.told()
    assert told.ends == {"rejected", "cancelled"}
