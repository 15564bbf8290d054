"""Small runs of the demonstration: the whole takes half a minute and is run by `make demo`."""

import os
import subprocess
import sys

DEMO = [sys.executable, "-m", "astakos_worker.cli", "demo"]
SMALL = ["--commissions", "150", "--no-flower"]
#: What a developer's shell may name must not reach a demonstration.
STRAY = {"ASTAKOS_BROKER_URL": "redis://127.0.0.1:1/0", "ASTAKOS_TIMES": "production"}


def demo(*words, **environment):
    return subprocess.run(
        [*DEMO, *SMALL, *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **STRAY, **environment},
        check=False,
    )
