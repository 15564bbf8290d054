"""Where the events of our modules go."""

import logging
import subprocess
import sys

from astakos_worker.configuration.event_log import EventLog

log = EventLog("astakos_worker.somewhere")

SERVICE = """
import logging, sys
from astakos_worker.configuration.event_log import EventLog

logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
log = EventLog("astakos_worker.somewhere")
log.info("answers_again", server="ledger")
log.warning("no_answer", server="ledger")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("wake_up_not_sent", task="t")
"""


def test_they_go_to_logging_and_not_to_the_output_of_the_program():
    done = subprocess.run(
        [sys.executable, "-c", SERVICE], capture_output=True, text=True, check=True, timeout=60
    )
    first, second, *traceback = done.stderr.splitlines()
    assert done.stdout == ""
    assert first == "WARNING astakos_worker.somewhere event='no_answer' server='ledger'"
    assert second == "ERROR astakos_worker.somewhere event='wake_up_not_sent' task='t'"
    assert traceback[-1] == "ZeroDivisionError: division by zero"


def test_the_lane_and_the_key_come_first_and_the_line_is_the_callers(caplog):
    caplog.set_level(logging.INFO)
    log.info("a", n=1, key="k", lane="l")
    [line] = caplog.records
    assert line.getMessage() == "event='a' lane='l' key='k' n=1"
    assert line.filename == "test_event_log.py"
    assert logging.getLogger("astakos_worker.somewhere").handlers == []
