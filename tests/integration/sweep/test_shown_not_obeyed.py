"""Whatever a name, a reason or a server's answer holds: a command shows it, no terminal obeys it.

Every text that comes from outside is hostile here: it moves the cursor, sets the title, reverses
the direction of writing and forges a line.
"""

import subprocess
import sys
from types import ModuleType

import pytest
from click.testing import CliRunner

from astakos_worker.cli import main
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.events import Decided, Died
from astakos_worker.ledger.record import Decision
from astakos_worker.ledger.request import Request
from astakos_worker.ledger.states import queued, transition
from astakos_worker.worker.dead_messages import dead_messages_of

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eEVIL\u2066\nFORGED line"
SHOWN = r"\x1b]0;title\x07\x1b[2J\x9b31m\u202eEVIL\u2066\nFORGED line"
#: An error of several lines keeps them; each later line is indented.
FIRST_LINE = SHOWN.partition(r"\nFORGED")[0]
AS_JSON = r"\u001b]0;title\u0007\u001b[2J\u009b31m\u202eEVIL\u2066\nFORGED line"


@pytest.fixture
def run(cloud, monkeypatch):
    """Run a command on a ledger and an Astakos full of hostile texts; return all its output."""
    for name, value in {
        "ASTAKOS_LEDGER_URL": cloud.url,
        "ASTAKOS_BROKER_URL": cloud.url,
        "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": cloud.sandbox.auth_url,
        "ASTAKOS_SERVICES__DEFAULT__TOKEN": "sandbox-token-of-cyclades",
        "ASTAKOS_PATIENCE": "10",
    }.items():
        monkeypatch.setenv(name, value)
    make_hostile(cloud)

    def run(*words):
        result = CliRunner().invoke(main, list(words))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.output

    return run


def make_hostile(cloud):
    now = cloud.ledger.clock.now()
    request = Request(cloud.record("plain").record.request.provisions, EVIL)
    record = queued("hostile", "default", "0" * 8, request, now=now)
    fault = {"class": "ServerError", "message": EVIL, "details": EVIL, "outcome": "ambiguous"}
    dead = transition(
        transition(record, Decided(Decision("accept", EVIL, now)), now), Died(fault), now
    )
    [written] = cloud.ledger.cas([Write(dead, 0)])
    assert written.done
    cloud.ledger.alarm("default", "proxy", EVIL)
    cloud.ledger.rest("default", 600, EVIL)
    dead_messages_of(Settings()).add(EVIL, task=EVIL, id_=EVIL, queue=EVIL)
    cloud.put(EVIL)
    cloud.server.hset("astakos:default:default:unreadable", EVIL, EVIL)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["show", "hostile"], SHOWN),
        (["show", "hostile", "--json"], AS_JSON),
        (["show", EVIL], SHOWN),
        (["dead", "list"], SHOWN),
        (["dead", "list", "--json"], AS_JSON),
        (["dead", "show", "hostile"], SHOWN),
        (["dead", "show", "hostile", "--json"], AS_JSON),
        (["dead", "show", EVIL], SHOWN),
        (["dead", "resend", EVIL, "--yes"], SHOWN),
        (["dead", "discard", "hostile", "--reason", EVIL, "--yes"], "hostile"),
        (["dead", "messages"], SHOWN),
        (["dead", "messages", "--json"], AS_JSON),
        (["status"], SHOWN),
        (["status", "--json"], AS_JSON),
        (["status", "--service", EVIL], "EVIL"),
        (["ledger", "check"], "memory"),
        (["ledger", "check", "--json"], "memory"),
        (["ledger", "trust", EVIL, "--yes"], SHOWN),
        (["ledger", "unreadable", "default"], SHOWN),
        (["ledger", "unreadable", "default", "--json"], AS_JSON),
        (["reconcile"], "foreign"),
        (["reconcile", "--json"], "foreign"),
        (["reconcile", "--last"], "default"),
        (["reconcile", "--service", EVIL, "--last"], "EVIL"),
        (["reconcile", "--older-than", EVIL], "EVIL"),
        (["reconcile", "usage", "--from", "hostile_service.usage"], FIRST_LINE),
        (["reconcile", "usage", "--from", EVIL], "EVIL"),
        (["--debug", "reconcile", "usage", "--from", "hostile_service.usage"], FIRST_LINE),
        ([EVIL], "EVIL"),
        ([f"--{EVIL}"], "EVIL"),
    ],
    ids=lambda value: " ".join(value).replace(EVIL, "EVIL") if isinstance(value, list) else "",
)
def test_nothing_that_is_printed_acts(run, monkeypatch, words, shown):
    def usage(_projects):
        raise RuntimeError(EVIL)

    service = ModuleType("hostile_service")
    service.usage = usage
    monkeypatch.setitem(sys.modules, "hostile_service", service)
    check(run(*words), shown)


def test_health_prints_the_alarms_and_nothing_acts(run):
    """In a process of its own: the application reads the environment when it is imported."""
    words = [sys.executable, "-m", "astakos_worker.cli", "health", "--timeout", "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    check(done.stdout + done.stderr, SHOWN)


def test_a_record_that_was_set_aside_is_shown_as_it_is_stored(run, cloud):
    """F86."""
    cloud.ledger.end_rest("default")
    cloud.record("spoilt")
    cloud.server.hset("astakos:default:default:r:spoilt", "body", EVIL)
    cloud.carry()
    check(run("show", "spoilt"), SHOWN)
    check(run("ledger", "unreadable", "default"), SHOWN)
    check(run("ledger", "unreadable", "default", "--json"), AS_JSON)
    assert "cannot be read" in run("show", "spoilt")


def check(printed, shown):
    assert [c for c in printed if not c.isprintable() and c != "\n"] == []
    assert not any(line.startswith("FORGED") for line in printed.splitlines())
    assert shown in printed.replace("\n", "") or shown in printed
