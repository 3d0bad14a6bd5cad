"""A training run in its folder: `train_run` begins one, `resume_run` goes on with one.

Both end in the same bits as a run that was never stopped, since a step depends on nothing but the
settings, the number of the step, and what a checkpoint holds. What they write is in
`minigan.runs.folder`.
"""

from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array, to_numpy
from ..data import Dataset
from ..loop import Record
from ..recipes import Setup
from . import settings as run_settings
from .checkpoint import Checkpoint, CheckpointPolicy, newest
from .config import OWN, Config
from .finite import Broken
from .folder import alone_in, expect_empty, expect_plain, new_folder, remove_leftovers
from .output import Output
from .parallel import Leader
from .progress import say
from .threads import blas_threads, limited_to
from .trainer import Trainer
from .versions import difference

Callback = Callable[[Record], object]


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    folder: Path
    data: str  # its name
    steps: int  # the step whose state was kept
    total: int
    taken: int  # steps that this process took
    seconds: float  # and how long that was
    filmed: bool  # whether a film was to be drawn at its end
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


def train_run(
    config: Config,
    data: Dataset | Array | None = None,
    *,
    setup: Setup | None = None,
    out: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    policy: CheckpointPolicy | None = None,
    leader: Leader | None = None,
    callback: Callback | None = None,
) -> Outcome:
    """Train, and write samples, curves, history, weights and settings into a folder.

    Ctrl-C and SIGTERM end the training after the step in hand; what there is by then is written.
    In a thread, which signals don't reach, the training goes on to its end.

    >>> train_run(Config(data="ring", steps=2000), out="runs/a-ring")     # doctest: +SKIP

    One's own networks, loss and data make a run too, with its samples, film and checkpoints::

        setup = Setup(G, D, NonSaturating(), Adam(1e-3), Adam(1e-3), steps=2000)
        train_run(Config(seed=1), x, setup=setup, out="runs/mine", callback=print)
        resume_run("runs/mine", data=x, setup=setup, steps=5000)
        Run.open("runs/mine").samples(9)

    with ``from minigan.recipes import Setup``, ``from minigan.runs.config import Config``, and the
    others from here and from `minigan.runs.run`.

    Parameters
    ----------
    config
        What is trained, on what, and for how long.
    data
        The data, if they are at hand, as an array (n, …) or a `minigan.data.Dataset`, which may
        have labels; else they are loaded.
    setup
        What is trained, instead of what a recipe makes; its networks are trained in place.
    out
        A folder that is new or empty; the first new one of runs/DATA-1, runs/DATA-2 … unless given.
    quiet
        Without a progress bar.
    policy
        How often checkpoints are written.
    leader
        Of the ranks that share the steps; all but this one call `minigan.runs.parallel.follow`.
    callback
        Called with the `minigan.loop.Record` of each step, when that is taken: again for those that
        are taken again, where a run is sent back.

    Raises
    ------
    ValueError, OSError
        For what doesn't fit together, or a folder that can't be written to; nothing is left behind
        if that is known before the training.
    """
    if setup is not None:
        config = replace(config, recipe=OWN)
    data = config.load_data() if data is None else _dataset(data)
    setup, task = config.set_up(data, setup)
    threads = blas_threads(setup, task)
    settings = run_settings.describe(config, setup, data, task) | {"threads": threads}
    with _no_warnings(), _interruptible() as signals, limited_to(threads, setup, task):
        trainer = Trainer(setup, data, task, settings, leader)
        # The first step shows that all fits, into memory too, before anything is written.
        trainer.try_first_step()
        folder = new_folder(out, data.name)
        with alone_in(folder):
            expect_empty(folder)  # still: another run may have begun in it meanwhile
            remove_leftovers(folder)
            run_settings.write(folder, settings)  # from here on it can be resumed
            say(
                f"training on {data.name}, {len(data.x):,} samples of shape {data.x.shape[1:]}, "
                f"with the recipe {settings['recipe']}: {trainer.total:,} steps of {setup.batch} "
                f"samples\nweights: G {setup.G.theta.size:,}, D {setup.D.theta.size:,}; "
                "Ctrl-C stops early and keeps all so far"
            )
            return _go(trainer, folder, None, policy, signals, quiet, callback)


def resume_run(
    folder: str | os.PathLike[str],
    steps: int | None = None,
    epochs: int | None = None,
    quiet: bool = False,
    on_nan: str | None = None,
    policy: CheckpointPolicy | None = None,
    leader: Leader | None = None,
    *,
    recipe: str | None = None,
    setup: Setup | None = None,
    data: Dataset | Array | None = None,
    callback: Callback | None = None,
) -> Outcome:
    """Go on with a run from its newest checkpoint, to the bits that it would have ended in.

    Parameters
    ----------
    folder
        Of the run.
    steps, epochs
        Another length, counted from the beginning of the run.
    quiet, policy, callback, leader
        As for `train_run`; there may be another number of ranks than before, or this one alone.
    recipe
        The file of the recipe, if it was one's own.
    setup, data
        What the run was begun with in Python, if it was; the weights come from the checkpoint.
    on_nan
        As it was, unless given.

    Raises
    ------
    FileNotFoundError
        For a folder that holds no run.
    ValueError
        For a run that is damaged, whose data or recipe have changed, whose schedules depend on a
        length that is to change, that is longer already, or that is going on elsewhere; for a
        folder with links in it, through which the run would write elsewhere.
    """
    folder = Path(folder)
    old = run_settings.read(folder)
    expect_plain(folder)
    config, setup, data, task = run_settings.make_again(
        folder,
        old,
        steps,
        epochs,
        recipe=recipe,
        own=setup,
        data=None if data is None else _dataset(data),
    )
    config = replace(config, on_nan=on_nan or config.on_nan)
    threads = blas_threads(setup, task, old.get("threads"))
    # The data and the recipe are called what they were called then.
    kept = {"path": old["path"], "recipe": old["recipe"], "threads": threads}
    settings = run_settings.describe(config, setup, data, task) | kept

    def put_back(checkpoint: Checkpoint) -> None:
        if differs := run_settings.differing(checkpoint.settings, settings):
            raise ValueError(
                f"the checkpoint is of another run: its {differs}; put back the files that belong "
                "together"
            )
        trainer.go_on_from(checkpoint)

    with (
        _no_warnings(),
        _interruptible() as signals,
        alone_in(folder),
        limited_to(threads, setup, task),
    ):
        trainer = Trainer(setup, data, task, settings, leader)
        checkpoint, troubles = newest(folder, put_back)
        for trouble in troubles:
            say(f"{trouble}; the one before it is taken")
        if trainer.step > trainer.total:
            raise ValueError(
                f"{folder} has taken {trainer.step:,} steps already, which is more than "
                f"{trainer.total:,}; give a larger --steps or --epochs"
            )
        if checkpoint is not None:
            if differs := difference(checkpoint.versions or {}, trainer.versions()):
                say(f"note: {differs}: the last bits may differ from those of a run in one go")
        trainer.try_first_step()
        say(
            f"resuming {folder} at step {trainer.step:,} of {trainer.total:,}: "
            f"{data.name}, with the recipe {config.recipe}"
        )
        written = None if checkpoint is None else trainer.step
        return _go(trainer, folder, written, policy, signals, quiet, callback)


def _go(
    trainer: Trainer,
    folder: Path,
    written: int | None,
    policy: CheckpointPolicy | None,
    signals: list[int],
    quiet: bool,
    callback: Callback | None,
) -> Outcome:
    """Take the steps that are left, and write all there is to write."""
    if trainer.leader is not None:
        n = trainer.leader.ranks.size
        say(
            f"{n} ranks share each batch. If one of them dies all end; to go on, with any number,\n"
            f"  mpiexec -n {n} minigan train --resume {shlex.quote(str(folder))}"
        )
    began = time.monotonic()
    output = None
    try:
        with Output(
            folder,
            trainer.setup,
            trainer.task,
            trainer.settings,
            trainer.x,
            total=trainer.total,
            done=trainer.step,
            written=written,
            policy=policy or CheckpointPolicy(),
            callback=callback,
        ) as output:
            remove_leftovers(folder)
            run_settings.write(folder, trainer.settings)  # with the length that it now has
            broken = trainer.train(output, lambda: bool(signals), quiet)
        seconds = time.monotonic() - began
        filmed = not signals
        output.write_results(trainer.step, with_film=filmed)
    except OSError as error:
        written = written if output is None else output.written
        last = (
            "there is no checkpoint yet"
            if written is None
            else f"its checkpoint of step {written:,} is whole"
        )
        raise OSError(
            f"the run in {folder} stopped, {last}: {error.strerror or error}; see to it that "
            "the folder can be written to, and go on with --resume"
        ) from error
    return Outcome(
        folder,
        trainer.settings["data"],
        trainer.step,
        trainer.total,
        trainer.taken,
        seconds,
        filmed,
        signals[0] if signals else None,
        broken,
        trainer.recovery.count,
    )


def _dataset(data: Dataset | Array) -> Dataset:
    """Return samples (n, …) that somebody has at hand as a data set."""
    return data if isinstance(data, Dataset) else Dataset("own", to_numpy(data))


def _no_warnings() -> Any:
    """Keep NumPy's warnings off: a run that breaks says so itself."""
    return np.errstate(over="ignore", invalid="ignore")


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Give a list that Ctrl-C and SIGTERM add to, so that the step in hand is finished.

    A second signal does what it always does: it stops at once. In another thread than the main one,
    where signals can't be caught, the list stays empty.
    """
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return

    def note(number: int, frame: Any) -> None:
        signals.append(number)
        give_back()
        try:  # not print: the signal may come in the middle of one
            os.write(2, b"\nfinishing this step and writing all; Ctrl-C again stops at once\n")
        except OSError:
            pass  # nobody reads it

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        give_back()
