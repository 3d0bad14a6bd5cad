"""The loop of a run in its folder: take steps, look whether all is well, write checkpoints.

Every `LOOK` steps the history is written and all numbers are looked at. What is finite is kept in
memory as the last good state, and written to a checkpoint every few seconds; what is not ends the
run, or sends it back. The warnings and the frames follow the history: where a run goes on, or is
sent back, they are what they were there.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import settings as run_settings
from ..plot.film import FEWEST, animate
from ..arrays import to_device
from ..files.atomic import replacing
from ..files.networks import save
from ..data import Dataset
from .finite import Broken, first_broken, is_finite
from ..plot.frames import Recorder, list_frames
from .history import History, Timings, read_history
from ..plot.stills import loss_curves
from .progress import Progress
from ..recipes import Setup, Task
from ..recipes.base import innermost
from .checkpoint import Checkpoint, Snapshot, checkpoints, remove_leftovers
from .run import Run, draw, has_picture
from ..optim.schedules import scaled
from .settings import Settings
from ..loop import Record, total_steps
from .watch import Watch

LOOK = 100  # steps from one look at whether all numbers are finite to the next
ANCHOR = 1000  # NaN sends a run back to a multiple of this many steps
RESTORES = 3  # so many times at most
SHARE = 0.01  # of the time that writing checkpoints may take
CURVE_POINTS = 10_000  # of a history in a picture
ON_NAN = ("stop", "restore")


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    folder: Path
    data: str  # its name
    steps: int  # the step whose state was kept
    total: int
    taken: int  # steps that this process took
    seconds: float  # and how long that was
    signal: int | None  # what interrupted it: SIGINT (Ctrl-C) or SIGTERM
    broken: Broken | None  # why it can't go on
    restores: int  # how often it was sent back before

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it."""
        return self.signal is not None

    @property
    def diverged(self) -> bool:
        """Whether NaN or infinity ended it."""
        return self.broken is not None


@dataclass(frozen=True)
class CheckpointPolicy:
    """How often a checkpoint of a run is written, and how many are kept.

    Parameters
    ----------
    seconds
        From one checkpoint to the next, ≥ 0; longer where writing would take more than `SHARE` of
        the time.
    last
        How many checkpoints are kept, ≥ 1. One may be damaged.
    """

    seconds: float = 10.0
    last: int = 2

    def __post_init__(self) -> None:
        """Raise unless both are possible."""
        if not 0 <= self.seconds < math.inf or self.last < 1:
            raise ValueError(
                f"CheckpointPolicy(seconds={self.seconds}, last={self.last}): expected seconds of at least "
                "0 and at least 1 checkpoint"
            )


class Loop:
    """A run from one step on: takes steps, looks whether all is well, writes checkpoints."""

    def __init__(
        self,
        setup: Setup,
        data: Dataset,
        task: Task,
        settings: Settings,
        checkpoint: Checkpoint | None,
        keeping: CheckpointPolicy,
    ) -> None:
        self.setup, self.task, self.settings, self.keeping = setup, task, settings, keeping
        if settings["on_nan"] not in ON_NAN:
            raise ValueError(f"on_nan is {settings['on_nan']!r}, expected {' or '.join(ON_NAN)}")
        self.x, self.labels = to_device(data.x, task.device), data.labels
        self.total = total_steps(len(self.x), setup.batch, setup.d_steps, setup.steps, setup.epochs)
        self.probe = setup.probe(self.x, data, task.seed)
        self.optimisers = innermost(setup.optimiser_G), innermost(setup.optimiser_D)
        self.rates = [optimiser.lr for optimiser in self.optimisers]
        self.restores = self.taken = 0
        if checkpoint is None:
            self.good = self.anchor = Snapshot.of(setup, 0)
        else:
            _check_same_run(checkpoint.settings, settings)
            self.good, self.anchor = checkpoint.now, checkpoint.anchor or checkpoint.now
            self.restores = checkpoint.restores
        self.go_back_to(self.good)
        self.written = None if checkpoint is None else checkpoint.now.step
        self.next_write = time.monotonic() + keeping.seconds

    def go_back_to(self, snapshot: Snapshot) -> None:
        """Make the set-up what it was, with the learning rates that it has by now."""
        snapshot.put_back(self.setup)
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            optimiser.lr = scaled(rate, 0.5**self.restores)
        self.good, self.step = snapshot, snapshot.step
        self.records = self.steps_from(snapshot)

    def steps_from(self, snapshot: Snapshot) -> Iterator[Record]:
        """Return the records of the steps behind a snapshot that the set-up is at."""
        return self.setup.train(self.x, self.labels, self.task.seed, snapshot.step)

    def try_first_step(self) -> None:
        """Take the first step, if there is one left; its record comes first all the same."""
        if self.step < self.total:
            self.records = itertools.chain([next(self.records)], self.records)

    def go(self, folder: Path, signals: list[int], quiet: bool) -> Outcome:
        """Take the steps that are left, and write all there is to write."""
        self.folder = folder
        began = time.monotonic()
        try:
            with (
                _alone_in(folder),
                History(folder / "history.csv", after=self.step) as self.history,
                Timings(folder / "timings.csv", self.step) as self.timings,
            ):
                remove_leftovers(folder)
                run_settings.write(folder, self.settings)  # with the length that it now has
                self.watch_from_here()
                broken = self.take_steps(signals, quiet)
                while broken is not None and self.restores_from(broken):
                    broken = self.take_steps(signals, quiet)
                if broken is not None:
                    self.go_back_to(self.good)
                    self.history.cut_back(broken.step)
                    self.watch_from_here()
                if self.written != self.step:
                    self.write()
            seconds = time.monotonic() - began
            self.write_results(with_film=not signals)
        except OSError as error:
            last = (
                "there is no checkpoint yet"
                if self.written is None
                else (f"its checkpoint of step {self.written:,} is whole")
            )
            raise OSError(
                f"the run in {folder} stopped, {last}: {error.strerror or error}; see to it that "
                "the folder can be written to, and go on with --resume"
            ) from error
        return Outcome(
            folder,
            self.settings["data"],
            self.step,
            self.total,
            self.taken,
            seconds,
            signals[0] if signals else None,
            broken,
            self.restores,
        )

    def watch_from_here(self) -> None:
        """Bring the warnings and frames in the folder to where the history ends."""
        self.watch = Watch(self.setup.loss, self.folder / "warnings.txt")
        self.watch.recall(self.folder / "history.csv")
        self.recorder = None
        if has_picture(self.task.shape):
            self.recorder = Recorder(
                self.folder / "frames",
                self.setup.sampler,
                self.setup.D,
                self.setup.loss,
                self.x,
                noise=self.setup.noise,
                total=self.total,
                done=self.step,
                seed=self.task.seed,
                classes=self.settings["classes"],
            )

    def take_steps(self, signals: list[int], quiet: bool) -> Broken | None:
        """Take steps until all are taken, a signal comes, or numbers break: then say which."""
        with Progress(self.total, self.setup.loss, quiet, done=self.step) as progress:
            for record in self.probe.watch(self.records):
                progress.show(record)
                self.history.add(record)
                self.step, self.taken = record.step, self.taken + 1
                if self.recorder is not None:
                    self.recorder.look(self.step)  # so that no checkpoint is ahead of its frame
                is_last = self.step == self.total or bool(signals)
                is_time = time.monotonic() >= self.next_write
                if self.step % LOOK == 0 or is_last or is_time:
                    broken = self.look()
                    if broken is not None:
                        return broken
                    if is_time:
                        self.write()
                for line in self.watch.look(record):
                    progress.say(line)
                if signals:
                    break
        return None

    def look(self) -> Broken | None:
        """Look whether all numbers are finite; if not, find where that began."""
        self.history.flush()
        self.timings.note(self.step)
        snapshot = Snapshot.of(self.setup, self.step)
        if self.history.broken is None and snapshot.is_finite():
            self.good = snapshot
            if self.step % ANCHOR == 0:
                self.anchor = snapshot
            return None
        last, bad = self.step, [n for n, a in snapshot.arrays.items() if not is_finite(a)]
        self.go_back_to(self.good)
        nets = {"G": self.setup.G, "D": self.setup.D}
        # It finds nothing where only an optimiser's memory is broken; nor, perhaps, on a GPU, where
        # the same steps may have other bits.
        found = first_broken(self.records, nets, last)
        return found or Broken(last, ", ".join(bad) or "a loss or gradient", None)

    def restores_from(self, broken: Broken) -> bool:
        """Go back to the anchor, with half the learning rates, if that is wanted and still left."""
        if self.settings["on_nan"] != "restore" or self.restores == RESTORES:
            return False
        self.restores += 1
        self.go_back_to(self.anchor)
        # The history last: no checkpoint that there is, at any moment, is ahead of it.
        self.write()
        self.history.cut_back(self.step)
        self.watch_from_here()
        print(
            f"{broken}; back to step {self.step:,}, and on with {0.5**self.restores:g} of the "
            f"learning rates ({self.restores} of {RESTORES} times)",
            flush=True,
        )
        return True

    def write(self) -> None:
        """Write a checkpoint of the last good state; remove the oldest, and what is undone."""
        began = time.monotonic()
        self.history.sync()  # first, so that no checkpoint is ahead of the history
        anchor = self.anchor if self.settings["on_nan"] == "restore" else None
        Checkpoint(self.good, self.settings, anchor, self.restores).write(self.folder)
        self.written = self.good.step
        there = checkpoints(self.folder)
        undone = [path for step, path in there.items() if step > self.written]
        old = [path for step, path in there.items() if step <= self.written][self.keeping.last :]
        for path in (*undone, *old):
            path.unlink()
        now = time.monotonic()
        self.next_write = now + max(self.keeping.seconds, (now - began) / SHARE)

    def write_results(self, with_film: bool) -> None:
        """Write the weights and the pictures, the moving one if there is time for it."""
        setup, folder = self.setup, self.folder
        save(folder / "G.safetensors", setup.sampler())
        save(folder / "D.safetensors", setup.D)
        with replacing(folder / "losses.png") as path:
            history = read_history(folder / "history.csv", most=CURVE_POINTS)
            loss_curves(history, setup.loss).savefig(path)
        if has_picture(self.task.shape):
            run = Run.open(folder, self.task.device)
            caption = f"{folder.name} · step {self.step:,} · seed {self.task.seed}"
            draw(
                *(folder / "samples.png", run.samples(), self.x, setup.D, setup.loss),
                classes=run.classes,
                caption=caption,
            )
            if with_film and len(list_frames(folder / "frames")) >= FEWEST:
                animate(folder)


def _check_same_run(then: Settings, now: Settings) -> None:
    """Raise unless a checkpoint and the settings are of the same run."""
    for name in ("recipe", "data", "checksum", "seed", "shape", "logits", "batch", "d_steps"):
        if then.get(name) != now[name]:
            raise ValueError(
                f"the checkpoint is of another run: its {name} is {then.get(name)!r}, that of the "
                f"settings {now[name]!r}; put back the files that belong together"
            )


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder of a run, so that no other process trains in it; not on Windows.

    The system lets go of it when the process ends, however that is.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process is training in {folder}; wait for its end, or stop it with Ctrl-C"
            ) from None
        except OSError:
            pass  # a file system that holds nothing for anybody
        yield
    finally:
        os.close(descriptor)
