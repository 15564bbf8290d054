"""A text from outside begins no line of a log, and moves no cursor of a terminal."""

import io
import logging

import pytest

from astakos_worker.configuration.logs import configure_logs, escaped

FORGED = "id\n[2026-01-01 00:00:00,000: INFO/MainProcess] all is well\x1b[2J\x1b]0;title\x07"


@pytest.fixture
def log():
    """A logger as Celery has one, and what it wrote."""
    before, out = logging.getLogRecordFactory(), io.StringIO()
    configure_logs()
    logger, handler = logging.getLogger("tests.escaped"), logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, out
    logger.removeHandler(handler)
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    "arguments",
    [(FORGED,), ({"id": FORGED},)],
    ids=["by position", "by name"],
)
def test_an_argument_with_a_line_break_stays_on_its_line(log, arguments):
    logger, out = log
    text = "Task %(id)s received" if isinstance(arguments[0], dict) else "Task %s received"
    logger.warning(text, *arguments)
    [line] = out.getvalue().splitlines()
    assert line.startswith("[WARNING] Task id\\n[2026-01-01")
    assert "\x1b" not in line and "\x07" not in line


def test_a_traceback_keeps_its_lines_and_none_of_them_looks_like_a_record(log):
    logger, out = log
    try:
        int(FORGED)
    except ValueError as error:
        error.args = (FORGED,)
        logger.exception("it failed")
    first, *rest = out.getvalue().splitlines()
    assert first == "[ERROR] it failed" and len(rest) >= 4
    assert all(line.startswith("    ") for line in rest)
    assert "\x1b" not in out.getvalue()


def test_a_traceback_that_celery_puts_into_the_message_is_indented_too(log):
    logger, out = log
    logger.error("Task raised: %(traceback)s", {"traceback": f"Traceback\n{FORGED}"})
    assert [line[:4] for line in out.getvalue().splitlines()[1:]] == ["    "] * 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u2603 \u00e9 \U0001f600 \t", "plain \u2603 \u00e9 \U0001f600 \t"),
        ("a\nb\r\x00\x7f\x9b", "a\\nb\\r\\x00\\x7f\\x9b"),
        ("line\u2028separator\u202eback", "line\\u2028separator\\u202eback"),
    ],
)
def test_control_characters_are_shown_and_other_text_is_left_alone(text, shown):
    assert escaped(text) == shown
