"""docs/sweep.md and docs/configuration.md against the program: settings, defaults, metrics."""

import re
from pathlib import Path

import pytest

from astakos_worker.configuration.settings import DEMO_TIMES, Settings
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.worker.health.observed import Away, Observed
from astakos_worker.worker.metrics import Metrics

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "sweep.md").read_text()
CONFIGURATION = (DOCS / "configuration.md").read_text()


class _Clock:
    def now(self):
        return 1.0


def settings_of(page):
    """`{variable: default}` of the rows of a page's tables."""
    rows = re.findall(r"^\|([^|]*`ASTAKOS_[^|]*)\|([^|]*)\|", page, re.MULTILINE)
    return {
        name: default.strip()
        for names, defaults in rows
        for name, default in zip(
            re.findall(r"`ASTAKOS_(\w+)`", names), re.split(r", ?", defaults), strict=True
        )
    }


def shown(value):
    text = "" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)
    return {True: "true", False: "false"}.get(value, text) if isinstance(value, bool) else text


@pytest.mark.parametrize("page", [PAGE, CONFIGURATION], ids=["sweep", "configuration"])
def test_each_default_is_the_one_that_is_told(page):
    told = settings_of(page)
    assert len(told) > 10
    fields = Settings.model_fields
    defaults = {name: fields[name.lower()].get_default(call_default_factory=True) for name in told}
    defaults.pop("SERVICES", None)
    for name, value in defaults.items():
        assert told[name].strip("`") == shown(value), name


def test_every_setting_is_in_the_table():
    assert {name.lower() for name in settings_of(CONFIGURATION)} == set(Settings.model_fields)


def test_the_demos_times_are_the_ones_that_are_told():
    rows = re.findall(r"^\| `ASTAKOS_(\w+)` \|[^|]*\|([^|]*)\|", CONFIGURATION, re.MULTILINE)
    told = {name.lower(): demo.strip() for name, demo in rows if demo.strip()}
    assert told == {name: shown(value) for name, value in DEMO_TIMES.items()}


SEEN = Observed(ledger=Away("refused"), broker=Away("refused"))


def test_every_metric_is_explained():
    families = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in Metrics(MemoryLedger(_Clock()), lambda: SEEN).registry.collect()
    }
    assert len(families) > 20
    assert families == set(re.findall(r"`(astakos_\w+)`", PAGE[PAGE.index("## Metrics") :]))
