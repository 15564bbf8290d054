"""The shipped `celeryconfig.py`, for workers whose round trips to the ledger are counted.

Each appends a byte to a file, so that several processes count together and nothing is lost with
one of them. The heartbeat's are left out: it beats once a second, whatever there is to do.
"""

import os
import threading
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.client import Pipeline

FILE = "COUNTED_ROUND_TRIPS"
LEDGER = 1
# This file is executed wherever the settings are read, and counts once all the same.
_SEND = getattr(redis.Redis.execute_command, "counts", redis.Redis.execute_command)
_EXECUTE = getattr(Pipeline.execute, "counts", Pipeline.execute)
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT


def _counting(send, file):
    def counted(self, *args, **kwargs):
        to = self.connection_pool.connection_kwargs.get("db")
        if to == LEDGER and threading.current_thread().name != "astakos-heartbeat":
            os.write(file, b".")
        return send(self, *args, **kwargs)

    counted.counts = send
    return counted


def _count(path):
    file = os.open(path, _FLAGS)
    redis.Redis.execute_command = _counting(_SEND, file)
    Pipeline.execute = _counting(_EXECUTE, file)
    return file


@contextmanager
def counted(path):
    """Count what this process sends, too."""
    file = _count(path)
    try:
        yield
    finally:
        redis.Redis.execute_command, Pipeline.execute = _SEND, _EXECUTE
        os.close(file)


if FILE in os.environ:
    _count(os.environ[FILE])
    _SHIPPED = Path(__file__).parents[3] / "celeryconfig.py"
    exec(compile(_SHIPPED.read_text(), _SHIPPED, "exec"))
