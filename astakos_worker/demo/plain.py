"""The plain view: a line for whatever happens and for the progress, for logs and pipes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from astakos_worker.demo.board import Board, Scene

_LOOK = 0.2
#: Seconds between two lines of progress.
_EVERY = 2.0


@contextmanager
def plain(board: Board, stream: IO[str]) -> Iterator[None]:
    """Write lines until the end; what has happened until then is written in any case."""
    over = threading.Event()
    thread = threading.Thread(target=_write, args=(board, stream, over), name="view", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _write(board: Board, stream: IO[str], over: threading.Event) -> None:
    seen, due, flower = 0, _EVERY, False
    while True:
        last = over.wait(_LOOK)
        scene = board.scene()
        if scene.flower and not flower:
            flower = True
            stream.write(f"{scene.seconds:6.1f} s  Flower: {scene.flower}\n")
        new = scene.told_of - seen
        seen = scene.told_of
        happened = scene.happenings[-new:] if new else ()
        stream.writelines(f"{one.at:6.1f} s  {one.text}\n" for one in happened)
        if scene.seconds >= due and scene.phase != "start":
            due = scene.seconds + _EVERY
            stream.write(f"{scene.seconds:6.1f} s  {progress(scene)}\n")
        stream.flush()
        if last:
            return


def progress(scene: Scene) -> str:
    """Return one line of how it goes."""
    ends = ", ".join(f"{count} {end}" for end, count in scene.ends.most_common())
    standing = scene.standing
    return (
        f"{scene.phase}: {scene.enqueued}/{scene.wanted} calls ({scene.rate:.0f}/s), "
        f"{scene.told}/{scene.keys} told ({ends or 'none yet'}), "
        f"ledger {standing.open} open, Astakos {standing.pending} pending"
    )
