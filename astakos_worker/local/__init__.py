"""Runs the whole stack on one machine, without root, Docker or a server installed beforehand.

`LocalStack` is the door; `astakos-worker up`, the demonstration and the tests go through it.
"""

from astakos_worker.local.process import ComponentError, Process, StackError
from astakos_worker.local.stack import LocalStack

__all__ = ["ComponentError", "LocalStack", "Process", "StackError"]
