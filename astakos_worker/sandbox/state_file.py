"""A state file: the rows of Astakos outlive the sandbox, `kill -9` included.

One JSON object a line, written before the reply is sent: first the whole database, then each
change. A start reads the file and writes it again. Nothing is synced to the disk: a power cut may
lose the last moments. The death of the process loses nothing that was acknowledged.

Faults, costs, quirks and snapshots are not in the file: they belong to a run.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from astakos_worker.sandbox.astakos import MovableClock, Recorder, SandboxAstakos
from astakos_worker.sandbox.audit import JournalEntry
from astakos_worker.sandbox.database_json import dump_database, load_database
from astakos_worker.sandbox.errors import SandboxError, StateFileError
from astakos_worker.sandbox.quota import Commission

# When changes have added this many bytes, the file is written again.
_LONGEST_TAIL: Final = 128 << 20


class StateFile(Recorder):
    """The file, held by one sandbox at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tail = 0
        self._file = -1
        self._lock = self._take_lock()

    def read(self) -> SandboxAstakos | None:
        """Return what an earlier sandbox left, or None if there is nothing.

        A last line that was cut short is left out. Raises `StateFileError` for other mistakes.
        """
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise StateFileError(f"the state file {self._path} cannot be read: {cause}") from cause
        astakos: SandboxAstakos | None = None
        for number, line in enumerate(lines, 1):
            if number == len(lines) and not line.endswith(b"\n"):
                # Cut short by the end of the process, so it was never acknowledged.
                break
            try:
                astakos = _replay(astakos, json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, SandboxError) as cause:
                raise StateFileError(
                    f"{self._path}, line {number}, is no state of a sandbox ({cause!r}); "
                    f"give another file, or remove this one to begin with the seed"
                ) from cause
        return astakos

    def rewrite(self, astakos: SandboxAstakos) -> None:
        """Write the whole again, with the journal; the old file stays until that is done."""
        whole = {
            "database": dump_database(astakos.database),
            "journal": list(astakos.audit.journal),
            "last_sequence": astakos.audit.last_sequence,
            "ahead": astakos.clock.ahead,
        }
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            fresh.write_text(json.dumps(whole) + "\n", encoding="utf-8")
            fresh.replace(self._path)
            self._close_file()
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        except OSError as cause:
            raise StateFileError(
                f"the state file {self._path} cannot be written: {cause}"
            ) from cause
        self._tail = 0

    def issued(self, commission: Commission, *, auto_accept: bool) -> None:
        """Keep a commission that was issued."""
        self._add({"issued": msgspec.to_builtins(commission), "auto_accept": auto_accept})

    def resolved(
        self, component: str, accepted: Iterable[Commission], rejected: Iterable[Commission]
    ) -> None:
        """Keep the serials of commissions that were resolved."""
        self._add(
            {
                "component": component,
                "accepted": [commission.serial for commission in accepted],
                "rejected": [commission.serial for commission in rejected],
            }
        )

    def changed(self, astakos: SandboxAstakos, settled: Sequence[Commission] = ()) -> None:
        """Keep the whole database, since something other than a commission changed."""
        self._add(
            {
                "database": dump_database(astakos.database),
                "settled": msgspec.to_builtins(settled),
                "ahead": astakos.clock.ahead,
            }
        )
        if self._tail > _LONGEST_TAIL:
            self.rewrite(astakos)

    def close(self) -> None:
        """Close the file, so that another sandbox can use it."""
        self._close_file()
        os.close(self._lock)

    def _add(self, record: dict[str, object]) -> None:
        line = json.dumps(record).encode() + b"\n"
        # One write: after a `kill -9` a line is there completely or not at all.
        self._tail += os.write(self._file, line)

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _take_lock(self) -> int:
        name = self._path.with_name(self._path.name + ".lock")
        try:
            lock = os.open(name, os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as cause:
            raise StateFileError(
                f"the state file {self._path} cannot be used ({cause}); give a path in a folder "
                f"that is there and can be written to"
            ) from cause
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            os.close(lock)
            raise StateFileError(
                f"another sandbox is using the state file {self._path}; end it, or give another"
            ) from cause
        return lock


def _replay(astakos: SandboxAstakos | None, record: dict[str, Any]) -> SandboxAstakos:
    """Return the Astakos after one more line of the file."""
    if "database" in record:
        database = load_database(record["database"])
        astakos = astakos or SandboxAstakos(database)
        astakos.database = database
        if "journal" in record:
            entries = msgspec.convert(record["journal"], list[JournalEntry])
            astakos.audit.recall(entries, record["last_sequence"])
        astakos.note_settled(msgspec.convert(record.get("settled", []), list[Commission]))
        astakos.clock = MovableClock(record["ahead"])
        return astakos
    if astakos is None:
        raise StateFileError("the first line must be the whole")
    if "issued" in record:
        commission = msgspec.convert(record["issued"], Commission)
        astakos.database.book.next_serial = commission.serial
        # There was room for it when it was issued; the limits may be lower by now.
        astakos.issue(
            commission.component,
            commission.provisions,
            at=commission.issue_time,
            name=commission.name,
            force=True,
            auto_accept=record["auto_accept"],
        )
    else:
        astakos.resolve_many(record["component"], record["accepted"], record["rejected"])
    return astakos
