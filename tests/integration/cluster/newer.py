"""The application as a newer version would be: records and messages have another schema.

A test starts a worker of it, or runs it to enqueue as a newer service would:

    python -m tests.integration.cluster.newer KEY USER
"""

import json
import sys

from astakos_worker.configuration import names
from astakos_worker.ledger import record, record_json
from astakos_worker.ledger.redis import store

assert store.SCHEMA == record.SCHEMA, "the ledger's modules are loaded, to be changed below"

SCHEMA = record.SCHEMA + 1
_dump, _load = record_json.dump, record_json.load


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


# Wherever a module of the ledger has taken the old ones to, and before others are imported.
for name, module in list(sys.modules.items()):
    if name.startswith("astakos_worker.ledger."):
        for attribute, newer in {"load": _newer_load, "dump": _newer_dump}.items():
            if getattr(module, attribute, None) in {_load, _dump}:
                setattr(module, attribute, newer)
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
