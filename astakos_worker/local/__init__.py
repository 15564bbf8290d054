"""Runs the whole stack on one machine: `LocalStack`, without root and without Docker.

Runs in the process that starts the stack: `astakos-worker up`, the demonstration, or the tests.
Must never be imported by services or workers, and never imports `engine`, `service` or `demo`.
"""

from astakos_worker.local.process import ComponentError, Process, StackError
from astakos_worker.local.stack import LocalStack

__all__ = ["ComponentError", "LocalStack", "Process", "StackError"]
