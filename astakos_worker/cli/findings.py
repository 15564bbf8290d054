"""How the commands show the judgement: the same lines in `status` and in `health`."""

from collections.abc import Iterable, Iterator
from typing import Final

from rich.text import Text

from astakos_worker.cli.terminal import cell
from astakos_worker.worker.health.judgement import Finding, Level

_STYLES: Final = {Level.RED: "bold red", Level.WARNING: "yellow", Level.UNKNOWN: "yellow"}
_COLOURS: Final = {"red": "bold red", "unknown": "yellow", "warning": "yellow", "green": "green"}


def lines(findings: Iterable[Finding]) -> Iterator[Text]:
    """Yield two lines for each finding: what is wrong, and what to do."""
    for one in findings:
        words = f"{one.level.value.upper()} {one.name} {one.about}: {one.reason}"
        yield cell(words, _STYLES[one.level])
        yield cell(f"    do: {one.remedy}")


def headline(level: str, findings: Iterable[Finding]) -> Text:
    """Return the first line of `status`: its level, and how many findings there are of each."""
    listed = list(findings)
    counts = {each: sum(one.level is each for one in listed) for each in Level}
    said = ", ".join(f"{n} {each.value}" for each, n in counts.items() if n) or "nothing is wrong"
    return cell(f"{level}: {said}", _COLOURS[level])
