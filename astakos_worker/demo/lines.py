"""The view for logs and pipes: a line for each message, and a line of progress every 2 seconds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from astakos_worker.cli.terminal import visible
from astakos_worker.demo.run_state import RunState, Snapshot

_LOOK = 0.2
#: Seconds between two lines of progress.
_EVERY = 2.0


@contextmanager
def show_lines(state: RunState, stream: IO[str]) -> Iterator[None]:
    """Write lines while the block runs. Every message of the block is written."""
    over = threading.Event()
    thread = threading.Thread(target=_write, args=(state, stream, over), name="view", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _write(state: RunState, stream: IO[str], over: threading.Event) -> None:
    seen, due, flower = 0, _EVERY, False
    while True:
        last = over.wait(_LOOK)
        snapshot = state.snapshot()
        if snapshot.flower and not flower:
            flower = True
            stream.write(f"{snapshot.seconds:6.1f} s  Flower: {snapshot.flower}\n")
        new = snapshot.messages_so_far - seen
        seen = snapshot.messages_so_far
        happened = snapshot.messages[-new:] if new else ()
        stream.writelines(f"{one.at:6.1f} s  {visible(one.text)}\n" for one in happened)
        if snapshot.seconds >= due and snapshot.phase != "start":
            due = snapshot.seconds + _EVERY
            stream.write(f"{snapshot.seconds:6.1f} s  {progress(snapshot)}\n")
        stream.flush()
        if last:
            return


def progress(snapshot: Snapshot) -> str:
    """Return the progress as one line."""
    ends = ", ".join(f"{count} {end}" for end, count in snapshot.ends.most_common())
    counts = snapshot.counts
    return (
        f"{snapshot.phase}: {snapshot.enqueued}/{snapshot.wanted} calls ({snapshot.rate:.0f}/s), "
        f"{snapshot.ended}/{snapshot.keys} ended ({ends or 'none yet'}), "
        f"ledger {counts.open} open, Astakos {counts.pending} pending"
    )
