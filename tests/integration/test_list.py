"""`astakos-worker list`, and `show` with a part of a key: what is found, and how it is printed."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from astakos_worker.cli import main
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Asked, Write
from astakos_worker.ledger.record import Decision, HistoryLine, Record, State, Twin
from astakos_worker.ledger.request import Provision, Request
from astakos_worker.service.connect import ledger_of

ACCEPT = Decision("accept", "", 1.0)
#: A name that would clear the screen and forge a line.
EVIL = "\x1b[2Jgone\nkey  forged"


@pytest.fixture
def environment(redis_url, monkeypatch):
    variables = {"ASTAKOS_LEDGER_URL": redis_url, "ASTAKOS_BROKER_URL": redis_url}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def ledger(environment):
    del environment
    return ledger_of(Settings(), patience=10)


@pytest.fixture
def put(ledger):
    def put(key, state=State.PENDING, *, user="u1", age=0.0, name="a server", **more):
        now = ledger.clock.now()
        provision = Provision(f"user:{user}", f"project:p-{user}", "cyclades.vm", 1)
        closed = None if state in {State.PENDING, State.QUEUED} else now
        if state is State.QUEUED:
            more["due"] = now
        record = Record(
            key,
            "default",
            "0a1b2c3d",
            state,
            now - age,
            Request((provision,), name),
            closed=closed,
            history=(HistoryLine(now, "queued"),),
            **more,
        )
        [written] = ledger.cas([Write(record, 0)])
        assert written.done

    return put


def run(*words):
    done = CliRunner().invoke(main, list(words))
    return done.exit_code, done.stdout, done.stderr


def keys(*words):
    """The keys that are listed, over all pages."""
    found, start = [], []
    while True:
        _, printed, said = run("list", *words, *start, "--json")
        found += [json.loads(line)["key"] for line in printed.splitlines()]
        if not said:
            return found
        start = said.split()


@pytest.fixture
def some(put):
    put("server-1/create", serial=11, user="u1")
    put("server-12/create", serial=12, user="u2", decision=ACCEPT, error={"class": "E"})
    put("disk-12/create", State.QUEUED, user="u1", failing_since=5.0, age=7200)
    put("server-120/old", State.ACCEPTED, serial=13, decision=ACCEPT)
    put("server-3/old", State.REFUSED, user="u3", error={"class": "QuotaLimit", "message": "no"})
    put("twin/create", serial=14, twins=(Twin(57),))


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], {"server-1/create", "server-12/create", "disk-12/create", "twin/create"}),
        (["12"], {"server-12/create", "disk-12/create"}),
        (["12", "--ended"], {"server-12/create", "disk-12/create", "server-120/old"}),
        (["--state", "queued"], {"disk-12/create"}),
        (["--state", "refused"], {"server-3/old"}),
        (["--state", "accepted", "--state", "refused"], {"server-120/old", "server-3/old"}),
        (["--user", "u2"], {"server-12/create"}),
        (["--user", "u"], set()),
        (["--project", "p-u3", "--ended"], {"server-3/old"}),
        (["--resource", "cyclades.ram"], set()),
        (["--serial", "12"], {"server-12/create"}),
        (["--serial", "57"], {"twin/create"}),
        (["--serial", "1"], set()),
        (["--older-than", "1h"], {"disk-12/create"}),
        (["--decided"], {"server-12/create"}),
        (["--undecided"], {"server-1/create", "disk-12/create", "twin/create"}),
        (["--failing"], {"disk-12/create"}),
        (["--error", "--ended"], {"server-12/create", "server-3/old"}),
        (["*"], set()),
        (["[12]"], set()),
        (["nothing-of-the-kind"], set()),
    ],
)
def test_each_filter_finds_what_fits_and_nothing_else(words, found):
    assert sorted(keys(*words)) == sorted(found)


@pytest.mark.usefixtures("some")
def test_nothing_found_is_exit_status_1():
    assert run("list", "nothing-of-the-kind") == (1, "none was found\n", "")
    assert run("list", "server-1/")[0] == 0


def test_a_state_is_the_one_that_a_reader_sees(put, ledger):
    """A claim leaves a mark beside the record: stored it is queued, and it is being issued."""
    put("claimed", State.QUEUED)
    put("waiting", State.QUEUED)
    claim, _ = ledger.claim(Asked("default", "carrier", 60, issues=1, own="claimed"))
    assert [entry.record.key for entry in claim.entries] == ["claimed"]
    assert keys("--state", "issuing") == ["claimed"]
    assert keys("--state", "queued") == ["waiting"]


@pytest.mark.parametrize("more", [[], ["--ended"]])
def test_pages_hold_all_and_open_ones_come_once_and_in_order(put, more):
    wanted = [f"key-{number:04}" for number in range(250)]
    for key in wanted:
        put(key)
    assert run("list", "--limit", "40")[1].count("key-") == 40
    found = keys("--limit", "40", *more)
    assert sorted(set(found)) == wanted
    assert more or found == wanted


def test_a_page_that_is_filtered_goes_on_where_it_ended(put):
    for number in range(300):
        put(f"key-{number:04}", user="even" if number % 2 == 0 else "odd")
    found = keys("--user", "odd", "--limit", "7")
    assert found == [f"key-{number:04}" for number in range(1, 300, 2)]


def test_odd_keys_and_names_are_found_and_shown_as_escapes(put):
    put("a*b?[c]\\d")
    put("Ωmega", name=EVIL)
    assert keys("*b?[c]\\") == ["a*b?[c]\\d"] == keys("*b?[c]\\", "--ended")
    assert keys("Ωme") == ["Ωmega"] == keys("Ωme", "--ended")
    _, shown, _ = run("show", "Ωmega")
    assert "\x1b" not in shown and "\\x1b[2Jgone\\nkey  forged" in shown


@pytest.mark.usefixtures("some")
def test_a_record_that_cannot_be_read_is_named_and_hides_no_other(ledger):
    ledger._server.hset("astakos:default:default:r:server-1/create", "body", '{"schema":1}')
    _, printed, _ = run("list")
    assert "server-1/create cannot be read" in printed and "server-12/create" in printed


@pytest.mark.usefixtures("some")
def test_show_takes_a_part_of_a_key_where_only_one_has_it():
    status, shown, _ = run("show", "disk")
    assert (status, "disk-12/create" in shown) == (0, True)
    status, shown, said = run("show", "server-12")
    assert (status, shown) == (1, "")
    assert "it is a part of server-12/create, server-120/old" in said
    status, _, said = run("show", "nowhere")
    assert (status, "nowhere" in said) == (1, True)


@pytest.mark.usefixtures("some")
def test_times_have_a_zone_and_records_a_blank_line_between_them():
    _, shown, _ = run("show", "disk-12/create", "server-1/create")
    first, second = shown.split("\n\n")
    assert "disk-12/create" in first and "server-1/create" in second
    assert all("Z  queued" in each for each in (first, second))


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_any_locale_prints_what_it_can(put, environment, locale):
    put("Ωmega-Ψ")
    words = [sys.executable, "-m", "astakos_worker.cli", "list"]
    encoding = {"PYTHONIOENCODING": "latin-1"} if "ISO" in locale else {}
    done = subprocess.run(
        words,
        env={**os.environ, **environment, "LC_ALL": locale, **encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u03a9mega" in done.stdout or "Ωmega".encode() in done.stdout


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_pipe_that_is_closed_early_is_no_error(put, environment, more):
    for number in range(2000):
        put(f"key-{number:04}")
    words = [sys.executable, "-m", "astakos_worker.cli", "list", "--limit", "2000", *more]
    with subprocess.Popen(
        words,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert (process.wait(timeout=60), said) == (0, b"")


@pytest.mark.usefixtures("some")
def test_watching_shows_a_new_picture_every_two_seconds(environment, put):
    words = [sys.executable, "-m", "astakos_worker.cli", "list", "--watch"]
    with subprocess.Popen(
        words, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    ) as process:
        lines = iter(process.stdout.readline, "")
        assert any("twin/create" in line for line in lines)
        put("late/create")
        assert any("late/create" in line for line in lines)
        process.terminate()
