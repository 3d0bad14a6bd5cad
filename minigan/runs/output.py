"""What a run writes into its folder while it goes on, and at its end (see `minigan.runs.folder`).

The warnings and the frames follow the history: where a run goes on, or is sent back, they are what
they were there. No checkpoint is ahead of the history or of a frame, at any moment.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from ..arrays import Array
from ..files.atomic import replacing
from ..files.networks import save
from ..loop import Record
from ..plot.film import FEWEST, animate
from ..plot.frames import Recorder, list_frames
from ..plot.stills import loss_curves
from ..recipes import Setup, Task
from . import folder as names
from .checkpoint import Checkpoint, CheckpointPolicy, checkpoints
from .history import History, read_history
from .progress import say
from .run import Run, has_picture, picture
from .settings import Settings
from .watch import Watch

SHARE = 0.01  # of the time that writing checkpoints may take
CURVE_POINTS = 10_000  # of a history in a picture


class Output:
    """The files of a run that goes on: the history, and what follows it.

    Parameters
    ----------
    folder
        Of the run.
    setup, task, settings
        As the run has them.
    x
        The data, where the networks live.
    total, done
        Steps of the whole run, and of those the ones that were taken before.
    policy
        How often a checkpoint is written.
    callback
        Called with each record.

    Attributes
    ----------
    written
        The step of the newest checkpoint that was written here or gone on from; None without one.
    """

    def __init__(
        self,
        folder: Path,
        setup: Setup,
        task: Task,
        settings: Settings,
        x: Array,
        *,
        total: int,
        done: int,
        written: int | None,
        policy: CheckpointPolicy,
        callback: Callable[[Record], object] | None = None,
    ) -> None:
        self.folder, self.setup, self.task, self.settings, self.x = folder, setup, task, settings, x
        self.total, self.written, self.policy, self.callback = total, written, policy, callback
        self.history = History(folder / names.HISTORY, after=done)
        self._next_write = time.monotonic() + policy.seconds
        self._recorder: Recorder | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is waiting, and close the history."""
        self.history.__exit__(kind, error, trace)

    def follow(self, step: int) -> None:
        """Bring the warnings and frames to this step, where the history ends."""
        self._watch = Watch(self.setup.loss, self.folder / names.WARNINGS)
        self._watch.recall(self.folder / names.HISTORY)
        if has_picture(self.task.shape):
            self._recorder = Recorder(
                self.folder / names.FRAMES,
                self.setup.sampler,
                self.setup.D,
                self.setup.loss,
                self.x,
                noise=self.setup.noise,
                total=self.total,
                done=step,
                seed=self.task.seed,
                classes=self.settings["classes"],
            )

    def add(self, record: Record) -> None:
        """Take a record; take a frame if its step is to have one."""
        self.history.add(record)
        if self.callback is not None:
            self.callback(record)
        if self._recorder is not None:
            self._recorder.look(record.step)  # so that no checkpoint is ahead of its frame

    def warnings(self, record: Record) -> list[str]:
        """Return what is to be said of the run at this step, for the first time."""
        return self._watch.look(record)

    def cut_back(self, step: int, to: int) -> None:
        """Remove the rows behind a step; the state that the run is at is of the step `to`."""
        self.history.cut_back(step)
        self.follow(to)

    def is_time(self) -> bool:
        """Return whether a checkpoint is due."""
        return time.monotonic() >= self._next_write

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; remove the oldest, and what is undone."""
        began = time.monotonic()
        self.history.sync()  # first, so that no checkpoint is ahead of the history
        checkpoint.write(self.folder)
        self.written = step = checkpoint.now.step
        there = checkpoints(self.folder)
        undone = [path for at, path in there.items() if at > step]
        old = [path for at, path in there.items() if at <= step][self.policy.last :]
        for path in (*undone, *old):
            if path.is_symlink() or not path.is_dir():
                path.unlink()
        now = time.monotonic()
        self._next_write = now + max(self.policy.seconds, (now - began) / SHARE)

    def write_results(self, step: int, with_film: bool) -> None:
        """Write the weights and the pictures that are of this step, the moving one if asked for.

        Where the pictures can't be drawn the rest is there all the same, and a line says why.
        """
        save(self.folder / names.G, self.setup.sampler())
        save(self.folder / names.D, self.setup.D)
        try:
            self._draw(step, with_film)
        except OSError:  # a full disk is no matter of drawing
            raise
        except Exception as error:
            say(
                f"the pictures could not be drawn ({type(error).__name__}: {error}); the weights "
                "and the history are whole",
                sys.stderr,
            )

    def _draw(self, step: int, with_film: bool) -> None:
        """Write the pictures."""
        setup, folder = self.setup, self.folder
        with replacing(folder / names.LOSSES) as path:
            history = read_history(folder / names.HISTORY, most=CURVE_POINTS)
            loss_curves(history, setup.loss).savefig(path)
        if has_picture(self.task.shape):
            run = Run.open(folder, self.task.device)
            caption = f"{folder.name} · step {step:,} · seed {self.task.seed}"
            as_D_sees = replace(run, mean=None, scale=None).samples()  # as self.x is, too
            figure = picture(as_D_sees, self.x, setup.D, setup.loss, run.classes, caption)
            with replacing(folder / names.SAMPLES) as path:
                figure.savefig(path)
            if with_film and len(list_frames(folder / names.FRAMES)) >= FEWEST:
                animate(folder)
