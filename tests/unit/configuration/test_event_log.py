"""Where the events of our modules go."""

import logging
import subprocess
import sys

from structlog.testing import capture_logs

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
print("structlog" in sys.modules)
"""


def test_in_a_process_without_structlog_they_go_to_logging_and_not_to_its_output():
    done = subprocess.run(
        [sys.executable, "-c", SERVICE], capture_output=True, text=True, check=True, timeout=60
    )
    first, second, *traceback = done.stderr.splitlines()
    assert done.stdout == "False\n"
    assert first == "WARNING astakos_worker.somewhere event='no_answer' server='ledger'"
    assert second == "ERROR astakos_worker.somewhere event='wake_up_not_sent' task='t'"
    assert traceback[-1] == "ZeroDivisionError: division by zero"


def test_where_structlog_is_configured_they_go_there():
    with capture_logs() as lines:
        log.info("a", n=1)
        log.error("b")
    assert lines == [
        {"event": "a", "n": 1, "log_level": "info"},
        {"event": "b", "log_level": "error"},
    ]
    assert logging.getLogger("astakos_worker.somewhere").handlers == []
