"""Kills a worker, or the broker with the ledger, at many moments of the demonstration (F55).

Run on request, since it takes half a minute a moment:

    python tests/integration/kill_moments.py commissions-1 broker
    python tests/integration/kill_moments.py broker --moments 20 --until 18 --seed 7

Each run has another seed and another moment, evenly spread with some jitter over the seconds
after the first call. The verdict must hold in every one; the directory of one that does not is
kept, and named. Status 0 only if all are proven.
"""

import json
import random
import subprocess
import sys
import time

import click

LONGEST = 240


def run(what, moment, seed, commissions):
    """Run one demonstration and return its status, its summary, and what it said."""
    words = [sys.executable, "-m", "astakos_worker.cli", "demo", "--plain", "--json", "--no-flower"]
    words += ["--kill-what", what, "--kill-at", f"{moment:.2f}"]
    words += ["--seed", str(seed), "--commissions", str(commissions)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


@click.command(help=__doc__)
@click.argument("victims", nargs=-1, required=True)
@click.option("--moments", default=10, show_default=True)
@click.option("--until", default=18.0, show_default=True, help="Seconds after the first call.")
@click.option("--seed", default=100, show_default=True)
@click.option("--commissions", default=1200, show_default=True)
def main(victims, moments, until, seed, commissions):
    draw = random.Random(seed)
    failed = 0
    for what in victims:
        for number in range(moments):
            moment = until * (number + draw.random()) / moments
            began = time.monotonic()
            status, summary, said = run(what, moment, seed + number, commissions)
            took = time.monotonic() - began
            verdict = "proven" if status == 0 else f"FAILED ({status})"
            again = summary["calls_made_again"] if summary else "?"
            killed = "" if summary and summary["killed"] else "  (over before the kill)"
            click.echo(
                f"{what:15} at {moment:5.2f} s  seed {seed + number}  {verdict}  "
                f"{took:5.1f} s  calls made again: {again}{killed}"
            )
            if status:
                failed += 1
                click.echo("\n".join(said.splitlines()[-40:]))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
