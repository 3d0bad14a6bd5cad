"""A training run in its folder: written while it goes on, so that nothing that stops it is a loss.

    run.json          the settings
    history.csv       every number, a row a step
    timings.csv       when it was at which step
    warnings.txt      what went wrong, in plain words
    frames/           moments of it, for the moving picture
    checkpoints/      all that the next step depends on, for the last few times that it was written
    G.safetensors …   the weights and pictures, when the run ends or is interrupted

`train_run` begins a run and `resume_run` goes on with one, whatever has stopped it. Both end in the
same bits as a run that was never stopped, since a step depends on nothing but the settings, the
number of the step, and what a checkpoint holds.
"""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from . import settings as run_settings
from ..files.atomic import sync_folder
from ..data import Dataset
from .trainer import CheckpointPolicy, Loop, Outcome
from ..recipes import Recipe, Setup, Task
from .checkpoint import newest
from .versions import difference, versions


def train_run(
    recipe: Recipe,
    setup: Setup,
    data: Dataset,
    task: Task,
    out: str | None = None,
    quiet: bool = False,
    on_nan: str = "stop",
    keeping: CheckpointPolicy | None = None,
) -> Outcome:
    """Train, and write samples, curves, history, weights and settings into a folder.

    Ctrl-C and SIGTERM end the training after the step in hand; what there is by then is written.

    Parameters
    ----------
    recipe, setup, data, task
        What is trained, on what; see `minigan.recipes`.
    out
        A folder that is new or empty; the first new one of runs/DATA-1, runs/DATA-2 … unless given.
    quiet
        Without a progress bar.
    on_nan
        On NaN or infinity ``"stop"``, or ``"restore"``: go back to the last multiple of 1,000
        steps, and on from there with half the learning rates, at most three times.
    keeping
        How often checkpoints are written.

    Raises
    ------
    ValueError, OSError
        For what doesn't fit together, or a folder that can't be written to; nothing is left behind
        if that is known before the training.
    """
    settings = run_settings.describe(recipe, setup, data, task, on_nan)
    loop = Loop(setup, data, task, settings, None, keeping or CheckpointPolicy())
    with _no_warnings(), _interruptible() as signals:
        # The first step shows that all fits, into memory too, before anything is written.
        loop.try_first_step()
        folder = _new_folder(out, data.name)
        run_settings.write(folder, settings)  # from here on it can be resumed
        print(
            f"training on {data.name}, {len(data.x):,} samples of shape {data.x.shape[1:]}, with "
            f"the recipe {recipe.name}: {loop.total:,} steps of {setup.batch} samples\n"
            f"weights: G {setup.G.theta.size:,}, D {setup.D.theta.size:,}; "
            "Ctrl-C stops early and keeps all so far",
            flush=True,
        )
        return loop.go(folder, signals, quiet)


def resume_run(
    folder: Path,
    steps: int | None = None,
    epochs: int | None = None,
    quiet: bool = False,
    on_nan: str | None = None,
    keeping: CheckpointPolicy | None = None,
) -> Outcome:
    """Go on with a run from its newest checkpoint, to the bits that it would have ended in.

    Parameters
    ----------
    folder
        Of the run.
    steps, epochs
        Another length, counted from the beginning of the run.
    quiet, on_nan, keeping
        As for `train_run`; `on_nan` is as it was unless given.

    Raises
    ------
    FileNotFoundError
        For a folder that holds no run.
    ValueError
        For a run that is damaged, whose data or recipe have changed, whose schedules depend on a
        length that is to change, that is longer already, or that is going on elsewhere.
    """
    old = run_settings.read(folder)
    recipe, setup, data, task, settings = run_settings.make_again(folder, old, steps, epochs)
    settings["on_nan"] = on_nan or settings["on_nan"]
    checkpoint, troubles = newest(folder)
    for trouble in troubles:
        print(f"{trouble}; the one before it is taken")
    loop = Loop(setup, data, task, settings, checkpoint, keeping or CheckpointPolicy())
    with _no_warnings(), _interruptible() as signals:
        if loop.step > loop.total:
            raise ValueError(
                f"{folder} has taken {loop.step:,} steps already, which is more than "
                f"{loop.total:,}; give a larger --steps or --epochs"
            )
        if checkpoint is not None:
            if differs := difference(dict(checkpoint.versions or {}), versions()):
                print(f"note: {differs}: the last bits may differ from those of a run in one go")
        loop.try_first_step()
        print(
            f"resuming {folder} at step {loop.step:,} of {loop.total:,}: "
            f"{data.name}, with the recipe {recipe.name}",
            flush=True,
        )
        return loop.go(folder, signals, quiet)


def _new_folder(out: str | None, name: str) -> Path:
    """Make the folder of a run: `out`, or the first of runs/NAME-1, runs/NAME-2, … not there."""
    try:
        if out is not None:
            folder = Path(out)
            if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
                kind = "a file" if folder.is_file() else "a folder that is not empty"
                raise ValueError(f"--out: {folder} is {kind}; name a folder that is new or empty")
            folder.mkdir(parents=True, exist_ok=True)
        else:
            for i in itertools.count(1):
                folder = Path("runs") / f"{Path(name).resolve().stem}-{i}"
                try:
                    folder.mkdir(parents=True)  # fails if another run has just made it
                    break
                except FileExistsError:
                    continue
        sync_folder(folder.parent)
        with tempfile.TemporaryFile(dir=folder):
            pass  # the folder can be written to: better known now than after the training
    except OSError as error:
        raise OSError(
            f"can't write to the folder {folder} ({error.strerror}); name another with --out"
        ) from error
    return folder


def _no_warnings() -> Any:
    """Keep NumPy's warnings off: a run that breaks says so itself."""
    return np.errstate(over="ignore", invalid="ignore")


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Give a list that Ctrl-C and SIGTERM add to, so that the step in hand is finished.

    A second signal does what it always does: it stops at once.
    """
    signals: list[int] = []

    def note(number: int, frame: Any) -> None:
        signals.append(number)
        give_back()
        # Not print: the signal may come in the middle of one.
        os.write(2, b"\nfinishing this step and writing all; Ctrl-C again stops at once\n")

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        give_back()
