"""The application as a newer version would be: records and messages have another schema.

A test starts a worker of it, or runs it to enqueue as a newer service would:

    python -m tests.integration.cluster.newer KEY USER
"""

import json
import sys

from astakos_worker import names
from astakos_worker.ledger import record, store

SCHEMA = record.SCHEMA + 1
_dump, _load = record.dump, record.load


def _newer_dump(one):
    return _text({**json.loads(_dump(one)), "schema": SCHEMA, "lately": "added"})


def _newer_load(text):
    raw = json.loads(text)
    if raw["schema"] != SCHEMA:
        return _load(text)
    del raw["lately"]
    return _load(_text({**raw, "schema": SCHEMA - 1}))


def _text(raw):
    return json.dumps({"schema": raw.pop("schema"), **raw}, separators=(",", ":"))


# Before anything else of ours is imported and remembers the old ones.
record.load = store.load = _newer_load
record.dump = store.dump = _newer_dump
store.SCHEMA = SCHEMA
names.MESSAGES += 1

from astakos_worker import Commissions  # noqa: E402
from astakos_worker.app import app  # noqa: E402

__all__ = ["app"]

if __name__ == "__main__":
    key, user = sys.argv[1:]
    Commissions().issue(
        user=user, project=user, provisions={"cyclades.vm": 1}, key=key, accept=True
    )
