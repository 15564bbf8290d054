"""What workers write into their logs."""

import logging

from celery.app.trace import LOG_SUCCESS

from astakos_worker.configuration.logs import configure_logs


def line_of(result, caplog):
    told = {
        "name": "t",
        "id": "1",
        "runtime": 0.1,
        "return_value": result,
        "args": (),
        "kwargs": {},
    }
    with caplog.at_level(logging.INFO, "celery.app.trace"):
        logging.getLogger("celery.app.trace").info(LOG_SUCCESS, told)
    return caplog.messages[-1]


def test_a_result_that_names_fifty_commissions_does_not_fill_the_log(caplog):
    """Flower has all of it; Celery would log it as it is."""
    configure_logs()
    assert len(line_of("x" * 16_000, caplog)) < 500
    assert line_of("a short one", caplog).endswith("a short one")
