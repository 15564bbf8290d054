"""Imports inside calls, for modules that a service needs late or never: Celery, above all.

In the child of a fork during another thread's import, the module that the thread was loading would
stay locked for ever. So a fork waits for an import inside `LOADING`.
"""

import os
import threading
from typing import Final

LOADING: Final = threading.RLock()

os.register_at_fork(
    before=LOADING.acquire, after_in_parent=LOADING.release, after_in_child=LOADING.release
)
