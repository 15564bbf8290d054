"""One sandbox: the stand-in Astakos, its faults and the cost of its work.

The application serves it, the control interface steers it. It knows neither HTTP nor sockets.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from astakos_worker.sandbox.astakos import Recorder, SandboxAstakos
from astakos_worker.sandbox.cost import FREE, CostModel, Servers
from astakos_worker.sandbox.database_json import dump_database, load_database
from astakos_worker.sandbox.errors import UnknownNameError
from astakos_worker.sandbox.faults import FaultPlan, Kind, Rule
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.seed import read_seed
from astakos_worker.sandbox.state_file import StateFile


class Sandbox:
    """A stand-in Astakos with faults, costs and snapshots."""

    def __init__(
        self,
        seed: Path | str | None = None,
        *,
        cost: CostModel = FREE,
        faults: Sequence[Rule] = (),
        fault_seed: int = 0,
        quirks: Iterable[Quirk] = (),
    ) -> None:
        self._seed = seed
        self._quirks = frozenset(quirks)
        self._first = (cost, tuple(faults), fault_seed)
        self._snapshots: dict[str, dict[str, object]] = {}
        self._found_by_rules: dict[str, object] = {}
        self.astakos = self._fresh(Recorder())
        self.faults = FaultPlan()
        self.servers = Servers()
        # Set by the server, which can close its socket for some seconds.
        self.begin_outage: Callable[[float], None] | None = None
        self._calm_down()

    def keep_in(self, file: StateFile) -> None:
        """Continue with the content of a state file, if any, and keep all changes there."""
        kept = file.read()
        if kept is not None:
            kept.quirks = self.astakos.quirks
            self.astakos = kept
        file.rewrite(self.astakos)
        self.astakos.recorder = file
        # A rule of kind `restore` goes back to the rows that are here now.
        self.set_faults(self.faults.rules, self.faults.seed)

    def set_faults(self, rules: Sequence[Rule], seed: int = 0) -> None:
        """Replace the fault rules; counts and times of the new ones begin now."""
        self.faults = FaultPlan(rules, seed=seed, now=time.monotonic())
        if any(rule.kind is Kind.RESTORE for rule in rules):
            self._found_by_rules = dump_database(self.astakos.database)

    def restore_what_rules_found(self) -> None:
        """Go back to the rows at the time when the fault rules were set, as a backup does."""
        self.astakos.database = load_database(self._found_by_rules)
        self.astakos.changed()

    def set_cost(self, model: CostModel) -> None:
        """Change the cost of work for requests that come from now on."""
        self.servers = Servers(model)

    def reset(self) -> None:
        """Go back to the seed and to the faults, costs and quirks of the start; empty the audit."""
        recorder = self.astakos.recorder
        # Requests under way still change the old Astakos. The state file must not keep that.
        self.astakos.recorder = Recorder()
        self.astakos = self._fresh(recorder)
        recorder.rewrite(self.astakos)
        self._calm_down()

    def take_snapshot(self, name: str) -> None:
        """Remember all rows under a name."""
        self._snapshots[name] = dump_database(self.astakos.database)

    def restore_snapshot(self, name: str) -> None:
        """Go back to a snapshot, as after a restored backup: serials come again.

        The audit is no part of Astakos and goes on. Raises `UnknownNameError`.
        """
        if name not in self._snapshots:
            known = ", ".join(sorted(self._snapshots)) or "none yet"
            raise UnknownNameError(f"there is no snapshot {name!r}; there is: {known}")
        self.astakos.database = load_database(self._snapshots[name])
        self.astakos.changed()

    def _fresh(self, recorder: Recorder) -> SandboxAstakos:
        seed = read_seed(self._seed)
        astakos = SandboxAstakos(seed.database, recorder=recorder)
        astakos.quirks = self._quirks | seed.quirks
        return astakos

    def _calm_down(self) -> None:
        cost, rules, seed = self._first
        self.set_cost(cost)
        self.set_faults(rules, seed)
