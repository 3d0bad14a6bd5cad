"""A training run and its folder: what is written there, and how samples are drawn from it again."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .animate import FEWEST, animate
from .arrays import Array, as_like, to_device, to_numpy
from .checkpoint import load, replacing, save
from .data import Dataset
from .frames import Recorder, list_frames
from .history import History, read_history
from .layers.base import Layer, Shape
from .network import Sequential
from .plot import loss_curves, points, sample_grid
from .progress import Progress
from .recipes import Recipe, Setup, Task
from .recipes.base import innermost
from .sampling import NOISES, sample, walk
from .train import Loss, total_steps
from .views import Joined
from .watch import Watch

COLUMNS = 10  # images in a row of a picture


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    folder: Path
    steps: int
    total: int
    seconds: float
    interrupted: bool
    diverged: bool


def train_run(
    recipe: Recipe,
    setup: Setup,
    data: Dataset,
    task: Task,
    out: str | None = None,
    quiet: bool = False,
) -> Outcome:
    """Train, and write samples, curves, history, weights and settings into a folder.

    Ctrl-C ends the training after the step in hand; what there is by then is written.

    Parameters
    ----------
    recipe, setup, data, task
        What is trained, on what; see `minigan.recipes`.
    out
        A folder that is new or empty; the first new one of runs/DATA-1, runs/DATA-2 … unless given.
    quiet
        Without a progress bar.

    Raises
    ------
    ValueError, OSError
        For what doesn't fit together, or a folder that can't be written to; nothing is left behind.
    """
    x = to_device(data.x, task.device)
    records = setup.train(x, data.labels, task.seed)
    total = total_steps(len(x), setup.batch, setup.d_steps, setup.steps, setup.epochs)
    # NumPy's warnings are off: a run that diverges says so at its end.
    with np.errstate(over="ignore", invalid="ignore"):
        started, steps = time.monotonic(), 0
        # The first step shows that all fits, into memory too, before anything is written.
        records = setup.probe(x, data, task.seed).watch(itertools.chain([next(records)], records))
        with _interruptible() as interrupted:
            folder = _new_folder(out, data.name)
            _write_settings(folder, recipe, setup, data, task)
            print(
                f"training on {data.name}, {len(x):,} samples of shape {x.shape[1:]}, with the "
                f"recipe {recipe.name}: {total:,} steps of {setup.batch} samples\n"
                f"weights: G {setup.G.theta.size:,}, D {setup.D.theta.size:,}; "
                "Ctrl-C stops early and keeps all so far",
                flush=True,
            )
            watch = Watch(setup.loss, folder / "warnings.txt")
            recorder = _recorder(folder, setup, x, task, total)
            with (
                History(folder / "history.csv") as history,
                Progress(total, setup.loss, quiet) as progress,
            ):
                for record in records:
                    history.add(record)
                    steps = record.step
                    progress.show(record)
                    for line in watch.look(record):
                        progress.say(line)
                    if recorder is not None:
                        recorder.look(steps)
                    if interrupted:
                        break
            seconds = time.monotonic() - started
            G = setup.sampler()
            save(folder / "G.safetensors", G)
            save(folder / "D.safetensors", setup.D)
            with replacing(folder / "losses.png") as path:
                loss_curves(read_history(folder / "history.csv"), setup.loss).savefig(path)
            diverged = not all(np.isfinite(to_numpy(net.theta)).all() for net in (G, setup.D))
            if has_picture(task.shape) and not diverged:
                run = Run.open(folder, task.device)
                draw(folder / "samples.png", run.samples(), real=x, D=setup.D, loss=setup.loss)
                if len(list_frames(folder / "frames")) >= FEWEST and not interrupted:
                    animate(folder)
    return Outcome(folder, steps, total, seconds, bool(interrupted), diverged)


@dataclass(frozen=True)
class Run:
    """A folder that `train_run` has written: its generator, and what that was trained on."""

    G: Sequential
    noise: str
    shape: Shape
    classes: int  # labels that G is told, 0 if none

    @staticmethod
    def open(folder: Path, device: str = "cpu") -> Run:
        """Read the settings and the generator of a run.

        Raises
        ------
        FileNotFoundError
            For a folder that holds no run.
        ValueError
            For damaged settings or weights, and for a run that diverged.
        """
        settings = _read_settings(folder)
        path = folder / "G.safetensors"
        G = load(path).to(device)
        shape, classes = tuple(settings["shape"]), settings["classes"]
        takes_noise = G.in_shape is not None and len(G.in_shape) == 1 and G.in_shape[0] > classes
        # A G that is told labels makes rows, which `samples` gives their shape.
        if not takes_noise or math.prod(G.output_shape(G.in_shape)) != math.prod(shape):
            raise ValueError(f"{path} holds no generator of this run, it holds {G!r}")
        if not np.isfinite(to_numpy(G.theta)).all():
            raise ValueError(
                f"{folder} is a run that diverged: G's weights are not finite; train again, "
                "with smaller --lr-g and --lr-d"
            )
        return Run(G, settings["noise"], shape, classes)

    def samples(
        self,
        n: int | None = None,
        seed: int = 0,
        label: int | None = None,
        interpolate: bool = False,
    ) -> Array:
        """Return samples of the shape of the data.

        Parameters
        ----------
        n
            How many: 100 images or 2,000 points unless given.
        seed
            Another seed, other samples.
        label
            What a conditional G is to draw; all labels in turn unless given.
        interpolate
            Rows of `COLUMNS` images each, from one sample to another.
        """
        n = n or how_many(self.shape)
        if label is not None and not 0 <= label < self.classes:
            known = f"0 to {self.classes - 1}" if self.classes else "none: G is not conditional"
            raise ValueError(f"label is {label}, the labels of this run are {known}")
        rows = -(-n // COLUMNS) if interpolate else n
        G: Layer = self.G
        if self.classes:
            labels = np.arange(rows) % self.classes if label is None else np.full(rows, label)
            labels = labels.repeat(COLUMNS) if interpolate else labels
            G = Joined(G, as_like(np.eye(self.classes)[labels], G.theta))
        if interpolate:
            if self.noise != "normal":
                raise ValueError(f"a walk needs normal noise; this run has {self.noise} noise")
            drawn = walk(G, rows, COLUMNS, seed)[:n]
        else:
            drawn = sample(G, n, seed, self.noise)
        return drawn.reshape(len(drawn), *self.shape)


def has_picture(shape: Shape) -> bool:
    """Return whether such samples can be drawn: grey or RGB images, points in the plane."""
    return shape == (2,) or (len(shape) == 3 and shape[2] in (1, 3))


def how_many(shape: Shape) -> int:
    """Return the number of samples that make a good picture."""
    return 100 if len(shape) == 3 else 2000


def draw(
    path: Path,
    samples: Array,
    real: Array | None = None,
    D: Layer | None = None,
    loss: Loss | None = None,
) -> None:
    """Write a picture of samples of a shape that has one."""
    is_images = samples.ndim == 4
    figure = sample_grid(samples, COLUMNS) if is_images else points(samples, real, D, loss)
    with replacing(path) as temporary:
        figure.savefig(temporary)


def _write_settings(folder: Path, recipe: Recipe, setup: Setup, data: Dataset, task: Task) -> None:
    settings = {
        "minigan": __version__,
        "recipe": recipe.name,
        "data": data.name,
        "shape": task.shape,
        "classes": task.classes if setup.conditional else 0,
        "seed": task.seed,
        "device": task.device,
        "loss": repr(setup.loss),
        "penalties": [repr(penalty) for penalty in setup.penalties],
    }
    for name in ("noise", "order", "batch", "d_steps", "steps", "epochs"):
        settings[name] = getattr(setup, name)
    for player, optimiser in (("G", setup.optimiser_G), ("D", setup.optimiser_D)):
        lr = innermost(optimiser).lr
        settings[f"lr_{player}"] = "a schedule" if callable(lr) else lr
    with replacing(folder / "run.json") as path:
        path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _read_settings(folder: Path) -> dict[str, Any]:
    """Read what `_write_settings` has written, as far as samples ask for it."""
    path = folder / "run.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no run: there is no {path}; expected a folder that minigan train has "
            "written, such as runs/digits-1"
        )
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if settings["noise"] not in NOISES:
            raise ValueError(f"unknown noise {settings['noise']!r}, expected {' or '.join(NOISES)}")
        if not all(isinstance(n, int) and n > 0 for n in settings["shape"]):
            raise ValueError(f"shape is {settings['shape']!r}, expected whole numbers")
        if not (isinstance(settings["classes"], int) and settings["classes"] >= 0):
            raise ValueError(f"classes is {settings['classes']!r}, expected a whole number")
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {error}), expected the settings of a run; "
            "train again"
        ) from error
    return settings


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
        with tempfile.TemporaryFile(dir=folder):
            pass  # the folder can be written to: better known now than after the training
    except OSError as error:
        raise OSError(
            f"can't write to the folder {folder} ({error.strerror}); name another with --out"
        ) from error
    return folder


def _recorder(folder: Path, setup: Setup, x: Array, task: Task, total: int) -> Recorder | None:
    """Return what takes the frames of a run, if its samples can be drawn."""
    if not has_picture(task.shape):
        return None
    return Recorder(
        folder / "frames",
        setup.sampler,
        setup.D,
        setup.loss,
        x,
        noise=setup.noise,
        total=total,
        seed=task.seed,
        classes=task.classes if setup.conditional else 0,
    )


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Give a list that Ctrl-C adds to, so that all is finished and written; a second one stops."""
    interrupted: list[int] = []

    def note(number: int, frame: Any) -> None:
        interrupted.append(number)
        signal.signal(signal.SIGINT, before)
        # Not print: the signal may come in the middle of one.
        os.write(2, b"\nfinishing this step and writing all; Ctrl-C again stops at once\n")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
