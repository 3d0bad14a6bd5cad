"""The command ``minigan``: train a GAN, draw from a trained one, list the recipes."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import itertools
import json
import math
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import __version__
from .arrays import Array, to_device, to_numpy
from .checkpoint import load, replacing, save
from .data import NAMES
from .data import load as load_data
from .history import History, read_history
from .layers.base import Shape
from .network import Sequential
from .plot import loss_curves, points, sample_grid
from .recipes import LOSSES, RECIPES, recipe_for
from .train import NOISES, Loss, Record, sample, total_steps

OVERRIDES = ("loss", "lr_G", "lr_D", "batch", "d_steps", "steps", "epochs")  # of a recipe
CAN_NOT, DIVERGED, INTERRUPTED = 2, 3, 130  # exit codes; 130 is the shells' for Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ValueError, TypeError, OSError, ImportError, RuntimeError, OverflowError) as error:
        if options.traceback:
            raise
        print(f"minigan: {error}", file=sys.stderr)
        return CAN_NOT
    except MemoryError as error:
        if options.traceback:
            raise
        print(
            f"minigan: the memory does not suffice ({error}); take fewer samples, a smaller batch "
            "or smaller images",
            file=sys.stderr,
        )
        return CAN_NOT
    except KeyboardInterrupt:
        print("minigan: interrupted", file=sys.stderr)
        return INTERRUPTED


# --- minigan train ------------------------------------------------------------------------------


def train_command(options: argparse.Namespace) -> int:
    """Train a GAN on a data set; write what it has learnt, how it went, and its weights."""
    # Better known before the training than after it.
    for module in ("matplotlib", "safetensors") + (() if options.quiet else ("tqdm",)):
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"minigan train needs {module}: pip install {module}")

    data = load_data(options.data, seed=options.seed)
    recipe = RECIPES[options.recipe or recipe_for(data)]
    given = {key: getattr(options, key) for key in OVERRIDES if getattr(options, key) is not None}
    if "steps" in given or "epochs" in given:
        given = {"steps": None, "epochs": None} | given
    recipe = dataclasses.replace(recipe, **given)
    x = to_device(data.x, options.device)
    G, D, loss, records = recipe.start(x, options.seed)
    total = total_steps(len(x), recipe.batch, recipe.d_steps, recipe.steps, recipe.epochs)

    # NumPy's warnings are off: a run that diverges says so at its end.
    with np.errstate(over="ignore", invalid="ignore"):
        started = time.monotonic()
        # The first step shows that all fits, into memory too, before anything is written.
        records = itertools.chain([next(records)], records)
        with _interruptible() as interrupted:
            folder = _new_folder(options.out, data.name)
            settings = {"recipe": recipe.name} | vars(recipe)
            for key in ("name", "about", "networks", "samples"):
                del settings[key]
            settings |= {"data": options.data, "seed": options.seed, "device": options.device}
            settings |= {"minigan": __version__}
            with replacing(folder / "run.json") as path:
                path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
            print(
                f"training on {data.name}, {len(x):,} samples of shape {x.shape[1:]}, with the "
                f"recipe {recipe.name}: {total:,} steps of {recipe.batch} samples\n"
                f"weights: G {G.theta.size:,}, D {D.theta.size:,}; "
                "Ctrl-C stops early and keeps all so far",
                flush=True,
            )
            steps = 0
            with History(folder / "history.csv") as history:
                for record in _watched(records, total, options.quiet):
                    history.add(record)
                    steps = record.step
                    if interrupted:
                        break
            seconds = time.monotonic() - started

            save(folder / "G.safetensors", G)
            save(folder / "D.safetensors", D)
            with replacing(folder / "losses.png") as path:
                loss_curves(read_history(folder / "history.csv")).savefig(path)
            if _has_picture(x.shape[1:]):
                drawn = sample(G, _how_many(x.shape[1:]), noise=recipe.noise)
                _draw(folder / "samples.png", drawn, real=x, D=D, loss=loss)

    print(
        f"{'done' if steps == total else 'interrupted'}: {steps:,} steps in {seconds:.1f} s, "
        f"{1000 * seconds / steps:.2f} ms a step"
    )
    if _has_picture(x.shape[1:]):
        print(f"  {folder}/samples.png     what G draws now")
    print(
        f"  {folder}/losses.png      both losses, and what D says\n"
        f"  {folder}/history.csv     every number, a row a step\n"
        f"  {folder}/G.safetensors   G's weights, and D's in D.safetensors: minigan.load(path)"
    )
    diverged = not all(np.isfinite(to_numpy(net.theta)).all() for net in (G, D))
    again = f"{_command()} train --data"
    if diverged:
        print(
            "but the weights are not finite: training diverged. Try smaller learning rates\n"
            f"  {again} {shlex.quote(options.data)} --lr-g {min(recipe.lr_G / 10, 1e-4):g} "
            f"--lr-d {min(recipe.lr_D / 10, 1e-4):g}"
        )
    else:
        print(
            "next, try\n"
            f"  {_command()} sample {shlex.quote(str(folder))} --seed 1\n"
            f"  {again} {'ring' if data.name == 'digits' else 'digits'}\n"
            f"  {_command()} train --help"
        )
    return INTERRUPTED if interrupted else DIVERGED if diverged else 0


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


def _watched(records: Iterator[Record], total: int, quiet: bool) -> Iterator[Record]:
    """Pass the records on, under a bar with both losses and D's mean outputs."""
    if quiet:
        yield from records
        return
    from tqdm import tqdm

    # disable=None: no bar where the output is not a terminal.
    with tqdm(total=total, unit="step", disable=None) as bar:
        for record in records:
            # Reading a number waits for the GPU, so only where the bar is drawn anew.
            if bar.update() or record.step in (1, total):
                bar.set_postfix_str(
                    f"loss D {record['loss_D']:.3f} G {record['loss_G']:.3f}, "
                    f"D(real) {record['D_real']:.2f} D(fake) {record['D_fake']:.2f}"
                )
            yield record


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


# --- minigan sample -----------------------------------------------------------------------------


def sample_command(options: argparse.Namespace) -> int:
    """Draw from a trained generator, into a picture or into an .npz file of numbers."""
    folder = Path(options.folder)
    noise = _noise_of(folder)
    if options.out is not None and Path(options.out).suffix.lower() not in (".png", ".npz"):
        raise ValueError(f"--out: {options.out!r} came, expected FILE.png, or FILE.npz for numbers")
    G = load(folder / "G.safetensors").to(options.device)
    if not np.isfinite(to_numpy(G.theta)).all():
        raise ValueError(
            f"{folder} is a run that diverged: G's weights are not finite; train again, "
            "with smaller --lr-g and --lr-d"
        )
    if G.in_shape is None:
        raise ValueError(f"{folder / 'G.safetensors'} holds no generator, it holds {G!r}")
    shape = G.output_shape(G.in_shape)
    n = options.n or _how_many(shape)
    kind = "png" if _has_picture(shape) else "npz"
    out = Path(options.out or folder / f"samples-seed{options.seed}.{kind}")
    is_picture = out.suffix.lower() == ".png"
    if is_picture and not _has_picture(shape):
        raise ValueError(f"samples of shape {shape} make no picture; write numbers, --out FILE.npz")
    drawn = sample(G, n, options.seed, noise)
    if is_picture:
        _draw(out, drawn)
    else:
        with replacing(out) as path, path.open("wb") as file:
            np.savez_compressed(file, x=to_numpy(drawn))
    print(f"{n:,} samples of {folder}, seed {options.seed}: {out}")
    return 0


def _noise_of(folder: Path) -> str:
    """Read, from a run's settings, which noise its G was trained on."""
    path = folder / "run.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no run: there is no {path}; expected a folder that minigan train has "
            "written, such as runs/digits-1"
        )
    try:
        noise = json.loads(path.read_text(encoding="utf-8"))["noise"]
        if noise not in NOISES:
            raise ValueError(f"unknown noise {noise!r}, expected one of {', '.join(NOISES)}")
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {error}), expected the settings of a run; "
            "train again"
        ) from error
    return str(noise)


def _has_picture(shape: Shape) -> bool:
    """Whether samples of this shape can be drawn: grey or RGB images, points in the plane."""
    return shape == (2,) or (len(shape) == 3 and shape[2] in (1, 3))


def _how_many(shape: Shape) -> int:
    """Return the number of samples that make a good picture."""
    return 100 if len(shape) == 3 else 2000


def _draw(
    path: Path,
    samples: Array,
    real: Array | None = None,
    D: Sequential | None = None,
    loss: Loss | None = None,
) -> None:
    """Write a picture of samples of a shape that has one."""
    figure = sample_grid(samples) if samples.ndim == 4 else points(samples, real, D, loss)
    with replacing(path) as temporary:
        figure.savefig(temporary)


# --- minigan recipes ----------------------------------------------------------------------------


def recipes_command(options: argparse.Namespace) -> int:
    """List the recipes, and what each sets."""
    for r in RECIPES.values():
        length = f"{r.epochs} epochs" if r.steps is None else f"{r.steps:,} steps"
        print(
            f"{r.name:<10} {r.about}\n"
            f"{'':<10} {length}, batch {r.batch}, {r.d_steps} of D for one of G, {r.loss} loss, "
            f"Adam: G {r.lr_G:g}, D {r.lr_D:g}"
        )
    return 0


# --- the command line ---------------------------------------------------------------------------

EXAMPLES = """\
examples:
  minigan train                             learn to draw digits, from the data in the package
  minigan train --data ring                 points on a ring, drawn over what D thinks
  minigan train --data mnist --epochs 20    downloads MNIST once
  minigan sample runs/digits-1 --seed 1     100 new digits from the first run
  minigan train --help                      all that can be set
"""


class _Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where the help is."""
        self.exit(CAN_NOT, f"minigan: {message}; see {self.prog} --help\n")


def _count(text: str) -> int:
    """Read a whole number, 1 or more."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} came, expected a whole number, 1 or more")
    return number


def _rate(text: str) -> float:
    """Read a learning rate."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} came, expected a number > 0, such as 0.0002")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="minigan",
        description="Train generative adversarial networks: a generator G learns to make samples\n"
        "that a discriminator D can't tell from real ones.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"minigan {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def command(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=run.__doc__)
        added.set_defaults(run=run)
        return added

    train = command("train", train_command, "train a GAN and draw what it has learnt")
    add = train.add_argument_group("what to learn").add_argument
    add(
        "--data",
        default="digits",
        help=f"{', '.join(NAMES)}, or your own FILE.npz or FOLDER of images (default: digits, "
        "which lie in the package)",
    )
    add("--seed", type=int, default=0, help="another seed, another run (default: 0)")

    settings = train.add_argument_group("how (what you don't give is as in the recipe)")
    add = settings.add_argument
    add(
        "--recipe",
        choices=RECIPES,
        metavar="NAME",
        help=f"{', '.join(RECIPES)} (default: the one for the data); see minigan recipes",
    )
    length = settings.add_mutually_exclusive_group()
    length.add_argument("--steps", type=_count, metavar="N", help="how long to train, in steps")
    length.add_argument(
        "--epochs", type=_count, metavar="N", help="or in passes of the data through D"
    )
    add("--batch", type=_count, metavar="N", help="samples in a batch")
    add("--d-steps", type=_count, metavar="N", help="steps of D for one step of G")
    add("--lr-g", dest="lr_G", type=_rate, metavar="RATE", help="learning rate of G")
    add("--lr-d", dest="lr_D", type=_rate, metavar="RATE", help="learning rate of D")
    add(
        "--loss",
        choices=LOSSES,
        metavar="NAME",
        help=f"what the two play for: {', '.join(LOSSES)}",
    )

    sampling = command("sample", sample_command, "draw from a trained generator")
    add = sampling.add_argument
    add("folder", metavar="RUN", help="folder of a run, such as runs/digits-1")
    add("-n", type=_count, help="how many samples (default: 100 images, or 2000 points)")
    add("--seed", type=int, default=0, help="another seed, other samples (default: 0)")

    for added, out in (
        (train, "folder to write to (default: the first new one of runs/DATA-1, runs/DATA-2 ...)"),
        (sampling, "FILE.png, or FILE.npz for numbers (default: in RUN, named after the seed)"),
    ):
        add = added.add_argument_group("where").add_argument
        add("--out", help=out)
        add(
            "--device",
            choices=("cpu", "gpu"),
            default="cpu",
            metavar="NAME",
            help="cpu or gpu (default: cpu); a GPU needs CuPy",
        )
        add("--traceback", action="store_true", help="on an error, show where it arose")
    train.add_argument("--quiet", action="store_true", help="no progress bar")

    listing = command("recipes", recipes_command, "list the recipes, and what each sets")
    listing.set_defaults(traceback=False)
    return parser


def _command() -> str:
    """How the user can call this command: by its name if the shell finds it, else by its path."""
    if shutil.which("minigan"):
        return "minigan"
    return "python -m minigan.cli" if sys.argv[0].endswith(".py") else shlex.quote(sys.argv[0])


if __name__ == "__main__":
    sys.exit(main())
