"""`python -m tests.mutation`: change one thing at a time, and see whether a test notices.

Prints each survivor, and the score of each file. Status 0: every mutant that is not known to be
equivalent was noticed, or the score is at least the aim; 1: it is not.
"""

import sys
import time

# Slow to import, and none of it ours: a fork has it already.
import celery  # noqa: F401
import click
import msgspec  # noqa: F401
import redis  # noqa: F401

from tests.mutation.mutants import of_lua, of_python
from tests.mutation.subjects import MODULES, SCRIPTS, Subject, equivalent
from tests.mutation.trying import is_caught

#: Of those that are not equivalent so many must be noticed.
AIM = 0.97
#: A mutant may take so many times as long as no change does, and so many seconds more.
_TIMES, _MORE = 4, 60.0


def mutants_of(subject: Subject) -> list:
    """Return the mutants of a file."""
    make = of_lua if subject.file.suffix == ".lua" else of_python
    return list(make(subject.file.read_text(encoding="utf-8")))


@click.command("mutation")
@click.option("--file", "names", multiple=True, help="Only files whose path has this in it.")
@click.option("--every", default=1, show_default=True, help="Only each so-many-th mutant.")
@click.option("--first", default=0, show_default=True, help="Of these, begin with this one.")
def main(names: tuple[str, ...], every: int, first: int) -> None:
    """Try the mutants of the pure modules, and of the ledger's scripts."""
    known, noticed, tried = equivalent(), 0, 0
    for subject in [*MODULES, *SCRIPTS]:
        if names and not any(name in subject.name for name in names):
            continue
        began, caught, same = time.monotonic(), 0, 0
        mutants = mutants_of(subject)[first::every]
        source = subject.file.read_text(encoding="utf-8")
        if mutants and is_caught(subject.file, source, subject.tests, subject.cases):
            raise click.ClickException(f"{subject.name}: the tests fail without any change")
        patience = _TIMES * (time.monotonic() - began) + _MORE
        for mutant in mutants:
            change = mutant.what.partition(": ")[2]
            if f"{subject.name} {change}" in known:
                same += 1
            elif is_caught(subject.file, mutant.source, subject.tests, subject.cases, patience):
                caught += 1
            else:
                click.echo(f"SURVIVES {subject.name}:{mutant.what}")
        noticed, tried = noticed + caught, tried + len(mutants) - same
        click.echo(
            f"{subject.name}: {caught} of {len(mutants) - same} noticed, {same} equivalent, "
            f"{time.monotonic() - began:.0f} s"
        )
    if not tried:
        raise click.UsageError("there is no such file")
    click.echo(f"{noticed} of {tried} noticed: {noticed / tried:.1%} (aim: {AIM:.0%})")
    sys.exit(noticed < AIM * tried)


if __name__ == "__main__":
    main()
