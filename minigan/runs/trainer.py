"""The loop of a run: take steps, look whether all is well, go back where it is not.

Every `LOOK` steps the history is written and all numbers are looked at. What is finite is kept in
memory as the last good state; what is not ends the run, or sends it back (`minigan.runs.recovery`).
What is written on the way is in `minigan.runs.output`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

from ..arrays import to_device
from ..data import Dataset
from ..loop import Record, total_steps
from ..recipes import Setup, Task
from .checkpoint import Checkpoint, Snapshot
from .finite import Broken, first_broken
from .metrics import Probe
from .output import Output
from .parallel import Leader
from .progress import Progress, say
from .recovery import RESTORES, Recovery, broken_arrays
from .settings import Settings
from .versions import versions

LOOK = 100  # steps from one look at whether all numbers are finite to the next


class Trainer:
    """A run from one step on, the first unless `go_on_from` is called.

    Parameters
    ----------
    setup, data, task, settings
        What is trained, on what, and its run.json: see `minigan.runs.settings`.
    leader
        Of the ranks that take the steps together, unless this process is alone.

    Attributes
    ----------
    step, taken, total
        Where the run is, how many steps were taken here, and how many the whole run has.
    recovery
        Where it goes back to when its numbers break.
    """

    def __init__(
        self,
        setup: Setup,
        data: Dataset,
        task: Task,
        settings: Settings,
        leader: Leader | None = None,
    ) -> None:
        self.setup, self.task, self.settings, self.leader = setup, task, settings, leader
        if leader is not None:
            leader.begin(settings, data)
        self.x, self.labels = to_device(data.x, task.device), data.labels
        self.total = total_steps(len(self.x), setup.batch, setup.d_steps, setup.steps, setup.epochs)
        self.probe = Probe.of(setup, self.x, data, task.seed)
        self.recovery = Recovery(setup, restores=settings["on_nan"] == "restore")
        self.step = self.taken = 0
        self.records = self._steps_behind(0)

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        """Bring all to where a checkpoint has it.

        Raises
        ------
        ValueError
            For a checkpoint that doesn't fit.
        """
        self.recovery.put_back(checkpoint)
        self.step = checkpoint.now.step
        self.records = self._steps_behind(self.step)

    def try_first_step(self) -> None:
        """Take the first step, if there is one left; its record comes first all the same."""
        if self.step < self.total:
            self.records = itertools.chain([next(self.records)], self.records)

    def train(self, output: Output, is_stopped: Callable[[], bool], quiet: bool) -> Broken | None:
        """Take the steps that are left, until it is stopped; return what has ended it else."""
        output.follow(self.step)
        broken = self._take_steps(output, is_stopped, quiet)
        while broken is not None and self._restores_from(broken, output):
            broken = self._take_steps(output, is_stopped, quiet)
        if broken is not None:
            self._go_back_to(self.recovery.to_good())
            output.cut_back(broken.step, to=self.step)
        if output.written != self.step:
            output.write(self._checkpoint())
        return broken

    def _take_steps(
        self, output: Output, is_stopped: Callable[[], bool], quiet: bool
    ) -> Broken | None:
        """Take steps until all are taken, it is stopped, or numbers break: then say which."""
        with Progress(self.total, self.setup.loss, quiet, done=self.step) as progress:
            for record in self.probe.watch(self.records):
                progress.show(record)
                self.step, self.taken = record.step, self.taken + 1
                output.add(record)
                is_last = self.step == self.total or is_stopped()
                is_time = output.is_time()
                if self.step % LOOK == 0 or is_last or is_time:
                    broken = self._look(output)
                    if broken is not None:
                        return broken
                    if is_time:
                        output.write(self._checkpoint())
                for line in output.warnings(record):
                    progress.say(line)
                if is_stopped():
                    break
        return None

    def _look(self, output: Output) -> Broken | None:
        """Look whether all numbers are finite; if not, find where that began."""
        output.history.flush()
        now = Snapshot.of(self.setup, self.step)
        bad = broken_arrays(now)
        if output.history.broken is None and not bad:
            # Other looks come when a clock or a signal says so, and a run must not depend on it.
            if self.step % LOOK == 0:
                self.recovery.keep(now)
            return None
        last = self.step
        self._go_back_to(self.recovery.to_good())
        nets = {"G": self.setup.G, "D": self.setup.D}
        # It finds nothing where only an optimiser's memory is broken; nor, perhaps, on a GPU, where
        # the same steps may have other bits.
        found = first_broken(self.records, nets, last)
        return found or Broken(last, ", ".join(bad) or "a loss or gradient", None)

    def _restores_from(self, broken: Broken, output: Output) -> bool:
        """Go back to the anchor, with half the learning rates, if that is wanted and still left."""
        anchor = self.recovery.to_anchor()
        if anchor is None:
            return False
        self._go_back_to(anchor)
        # The history last: no checkpoint that there is, at any moment, is ahead of it.
        output.write(self._checkpoint())
        output.cut_back(self.step, to=self.step)
        count = self.recovery.count
        say(
            f"{broken}; back to step {self.step:,}, and on with {0.5**count:g} of the "
            f"learning rates ({count} of {RESTORES} times)"
        )
        return True

    def _checkpoint(self) -> Checkpoint:
        """Return what the run needs to go on from this step."""
        recovery = self.recovery
        is_good = recovery.good.step == self.step
        now = recovery.good if is_good else Snapshot.of(self.setup, self.step)
        return Checkpoint(
            now, self.settings, recovery.good, recovery.anchor, recovery.count, self.versions()
        )

    def versions(self) -> dict[str, str | int]:
        """Return what the last bits of the steps taken here depend on."""
        return versions(1 if self.leader is None else self.leader.ranks.size)

    def _go_back_to(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot, which the set-up is at."""
        self.step = snapshot.step
        self.records = self._steps_behind(self.step)

    def _steps_behind(self, step: int) -> Iterator[Record]:
        """Return the records of the steps behind this one, which the set-up is at."""
        train = partial(self.setup.train, self.x, self.labels, self.task.seed, step)
        if self.leader is None:
            return train()
        return self.leader.steps(self.setup, step, self.total, self.recovery.count, train)
