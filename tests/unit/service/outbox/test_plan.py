"""Which rows go to the ledger together, and in which order: pure."""

from hypothesis import given
from hypothesis import strategies as st

from astakos_worker.configuration.settings import Settings
from astakos_worker.service import arguments, drafts
from astakos_worker.service.outbox import rows
from astakos_worker.service.outbox.plan import runs
from astakos_worker.service.outbox.rows import OutboxDecision, Row, read

SETTINGS = Settings.model_construct()


def said(*calls):
    """Rows as they are read: `issue a`, `accept a`, `reject a why`, `extend a`."""
    read_rows = []
    for number, call in enumerate(calls):
        kind, key, *reason = call.split()
        if kind == "issue":
            request = arguments.one("ada", "lab", {"cyclades.vm": 1})
            checked = drafts.check("compute", SETTINGS, request, key)
            new = rows.issue("compute", request, checked)
        else:
            deadline = 60.0 if kind == "extend" else 0.0
            new = rows.decision("compute", OutboxDecision(kind, key, " ".join(reason), deadline))
        row = Row(number, *new, 0.0)
        read_rows.append((row, read(row, SETTINGS, 100.0)))
    return read_rows


def shape(*calls):
    """The runs, each as its kind and what goes with it."""
    shown = []
    for run in runs(said(*calls)):
        issues = [f"{key}+accept" if one.accept else key for key, one in run.issues.items()]
        shown.append((run.kind, *issues, *run.decisions))
    return shown


def test_neighbours_of_a_kind_go_together():
    assert shape("issue a", "issue b", "reject c", "accept d", "issue e") == [
        ("issue", "a", "b"),
        ("decide", "c", "d"),
        ("issue", "e"),
    ]


def test_an_accept_joins_the_issue_of_its_key_past_other_issues():
    assert shape("issue a", "accept a", "issue b", "issue c", "accept b") == [
        ("issue", "a+accept", "b+accept", "c")
    ]
    [run] = runs(said("issue a", "accept a"))
    assert run.issues["a"].draft.record.decision.verb == "accept"


def test_an_accept_does_not_pass_another_decision():
    assert shape("issue a", "issue b", "reject b", "accept a") == [
        ("issue", "a", "b"),
        ("decide", "b", "a"),
    ]


def test_what_says_more_than_its_verb_joins_no_issue():
    assert shape("issue a", "accept a because") == [("issue", "a"), ("decide", "a")]
    assert shape("issue a", "reject a") == [("issue", "a"), ("decide", "a")]


def test_a_key_is_in_a_run_once():
    assert shape("issue a", "issue a") == [("issue", "a"), ("issue", "a")]
    assert shape("accept a", "reject a") == [("decide", "a"), ("decide", "a")]


def test_a_new_deadline_stands_between_decisions():
    assert shape("accept a", "extend b", "accept c") == [
        ("decide", "a"),
        ("extend", "b"),
        ("decide", "c"),
    ]


CALLS = st.lists(
    st.tuples(st.sampled_from(["issue", "accept", "reject", "extend"]), st.sampled_from("abc")),
    max_size=12,
)


@given(CALLS)
def test_every_row_is_in_one_run_and_rows_of_a_key_keep_their_order(calls):
    listed = said(*(" ".join(call) for call in calls))
    made = []
    for run in runs(listed):
        for issue in run.issues.values():
            made += [row.id for row in (issue.row, issue.accept) if row is not None]
        made += [row.id for row, _ in run.decisions.values()]
    assert sorted(made) == [row.id for row, _ in listed]
    place = {number: index for index, number in enumerate(made)}
    for key in "abc":
        ids = [row.id for row, _ in listed if row.key == key]
        assert ids == sorted(ids, key=place.__getitem__)


@given(CALLS)
def test_nothing_but_an_accept_of_an_earlier_issue_passes_an_older_row(calls):
    """An accept may come early, since it never makes a later commission fit less."""
    listed = said(*(" ".join(call) for call in calls))
    order = []
    for run in runs(listed):
        order += [one.row.id for one in run.issues.values()]
        order += [row.id for row, _ in run.decisions.values()]
    assert order == sorted(order)
