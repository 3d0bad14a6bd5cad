"""The command ``minigan``: train a GAN, draw from a trained one, list the recipes."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .arrays import Array, to_device, to_numpy
from .checkpoint import load, replacing, save
from .data import NAMES
from .data import load as load_data
from .history import History, read_history
from .network import Sequential
from .plot import loss_curves, points, sample_grid
from .recipes import LOSSES, RECIPES, look_up, recipe_for
from .train import Loss, Record, sample, total_steps

OVERRIDES = ("loss", "lr_G", "lr_D", "batch", "d_steps", "steps", "epochs")  # of a recipe
CAN_NOT, DIVERGED, INTERRUPTED = 2, 3, 130  # exit codes; 130 is the shells' for Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if options.traceback:
            raise
        print(f"minigan: {error}", file=sys.stderr)
        return CAN_NOT
    except KeyboardInterrupt:
        print("minigan: interrupted", file=sys.stderr)
        return INTERRUPTED


# --- minigan train ------------------------------------------------------------------------------


def train_command(options: argparse.Namespace) -> int:
    """Train, and write samples, curves, history and weights into a folder."""
    data = load_data(options.data, seed=options.seed)
    recipe = look_up("recipe", options.recipe or recipe_for(data), RECIPES)
    given = {key: getattr(options, key) for key in OVERRIDES if getattr(options, key) is not None}
    if "steps" in given or "epochs" in given:
        given = {"steps": None, "epochs": None} | given
    recipe = dataclasses.replace(recipe, **given)

    x = to_device(data.x, options.device)
    G, D, loss, records = recipe.start(x, options.seed)
    total = total_steps(len(x), recipe.batch, recipe.d_steps, recipe.steps, recipe.epochs)

    folder = _new_folder(options.out, data.name)
    settings = {k: v for k, v in vars(recipe).items() if k not in ("about", "networks")}
    settings |= {"minigan": __version__, "data": options.data, "seed": options.seed}
    with replacing(folder / "run.json") as path:
        path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    print(
        f"training on {data.name}, {len(x):,} samples of shape {x.shape[1:]}, with the recipe "
        f"{recipe.name}: {total:,} steps of {recipe.batch} samples\n"
        f"weights: G {G.theta.size:,}, D {D.theta.size:,}; Ctrl-C stops early and keeps all so far",
        flush=True,
    )
    started, steps = time.monotonic(), 0
    with _interruptible() as interrupted, History(folder / "history.csv") as history:
        for record in _watched(records, total, options.quiet):
            history.add(record)
            steps = record.step
            if interrupted:
                break
    seconds = time.monotonic() - started

    save(folder / "G.safetensors", G)
    save(folder / "D.safetensors", D)
    drawn = sample(G, 100 if data.is_images else 2000, noise=recipe.noise)
    has_picture = _draw(folder / "samples.png", drawn, real=x, D=D, loss=loss)
    with replacing(folder / "losses.png") as path:
        loss_curves(read_history(folder / "history.csv")).savefig(path)

    print(
        f"{'interrupted' if interrupted else 'done'}: {steps:,} steps in {seconds:.1f} s, "
        f"{1000 * seconds / max(1, steps):.2f} ms a step"
    )
    if not np.isfinite(to_numpy(G.theta)).all():
        print(f"but G's weights are not finite: training diverged, see {folder}/losses.png")
        return DIVERGED
    if has_picture:
        print(f"  {folder}/samples.png     what G draws now")
    print(
        f"  {folder}/losses.png      both losses, and what D says\n"
        f"  {folder}/history.csv     every number, a row a step\n"
        f"  {folder}/G.safetensors   G's weights, and D's in D.safetensors: minigan.load(path)\n"
        f"next, try\n"
        f"  {_command()} sample {folder} --seed 1\n"
        f"  {_command()} train --data {'mnist' if data.name == 'digits' else 'digits'}\n"
        f"  {_command()} train --help"
    )
    return INTERRUPTED if interrupted else 0


def _new_folder(out: str | None, name: str) -> Path:
    """Make the folder of a run: `out`, or the first of runs/NAME-1, runs/NAME-2, … not there."""
    if out is None:
        runs = (Path("runs") / f"{Path(name).stem}-{i}" for i in itertools.count(1))
        folder = next(run for run in runs if not run.exists())
    else:
        folder = Path(out)
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise ValueError(f"--out: {out} exists already; name a folder that is new or empty")
    try:
        folder.mkdir(parents=True, exist_ok=out is not None)
        with tempfile.TemporaryFile(dir=folder):
            pass  # the folder can be written to: better known before the training than after it
    except OSError as error:
        raise OSError(
            f"can't write to the folder {folder} ({error.strerror}); name another with --out"
        ) from error
    return folder


def _watched(records: Iterator[Record], total: int, quiet: bool) -> Iterator[Record]:
    """Pass the records on, under a bar with both losses and D's mean outputs."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError("the progress bar needs tqdm: pip install tqdm") from error
    # disable=None: no bar where the output is not a terminal.
    with tqdm(total=total, unit="step", disable=True if quiet else None) as bar:
        for record in records:
            # Reading a number waits for the GPU, so only where the bar is drawn anew.
            if bar.update():
                bar.set_postfix_str(
                    f"loss D {record['loss_D']:.3f} G {record['loss_G']:.3f}, "
                    f"D(real) {record['D_real']:.2f} D(fake) {record['D_fake']:.2f}"
                )
            yield record


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Give a list that Ctrl-C adds to, so that the step in hand is finished; a second one stops."""
    interrupted: list[int] = []

    def note(number: int, frame: Any) -> None:
        interrupted.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


# --- minigan sample -----------------------------------------------------------------------------


def sample_command(options: argparse.Namespace) -> int:
    """Draw from a trained generator into a picture or an .npz file."""
    folder = Path(options.folder)
    if not (folder / "run.json").is_file():
        raise FileNotFoundError(f"{folder} holds no run: there is no {folder / 'run.json'}")
    settings = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    G = load(folder / "G.safetensors").to(options.device)
    drawn = sample(G, options.n, options.seed, settings["noise"])
    out = Path(options.out or folder / f"samples-seed{options.seed}.png")
    if out.suffix == ".npz":
        with replacing(out) as path:
            np.savez_compressed(path, x=to_numpy(drawn))
    elif not _draw(out, drawn):
        raise ValueError(f"samples of shape {drawn.shape[1:]} make no picture; --out FILE.npz")
    print(f"{options.n} samples of {folder}, seed {options.seed}: {out}")
    return 0


def _draw(
    path: Path,
    samples: Array,
    real: Array | None = None,
    D: Sequential | None = None,
    loss: Loss | None = None,
) -> bool:
    """Write a picture of samples, if they are of a kind that has one; say whether they are."""
    if samples.ndim == 4:
        figure = sample_grid(samples)
    elif samples.shape[1:] == (2,):
        figure = points(samples, real, D, loss)
    else:
        return False
    with replacing(path) as temporary:
        figure.savefig(temporary)
    return True


# --- minigan recipes ----------------------------------------------------------------------------


def recipes_command(options: argparse.Namespace) -> int:
    """List the recipes."""
    for recipe in RECIPES.values():
        print(f"{recipe.name:<12} {recipe.about}")
    return 0


# --- the command line ---------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="minigan",
        description="Train a generative adversarial network, every derivative by hand.",
        epilog=f"Start with: {_command()} train",
    )
    parser.add_argument("--version", action="version", version=f"minigan {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=help, description=run.__doc__, formatter_class=argparse.HelpFormatter
        )
        added.set_defaults(run=run)
        added.add_argument("--traceback", action="store_true", help="show where an error arose")
        return added

    add = command("train", train_command, "train a GAN and draw what it has learnt").add_argument
    add(
        "--data",
        default="digits",
        help=f"what to learn: {', '.join(NAMES)}, or your own FILE.npz or FOLDER of images "
        "(default: digits, which lie in the package; mnist is downloaded once)",
    )
    add("--recipe", help=f"set-up: {', '.join(RECIPES)} (default: the one for the data)")
    add("--steps", type=int, help="how long to train, in steps")
    add("--epochs", type=int, help="how long to train, in passes of the data through D")
    add("--batch", type=int, help="samples in a batch")
    add("--d-steps", type=int, help="steps of the discriminator D for one of the generator G")
    add("--lr-g", dest="lr_G", type=float, help="learning rate of G")
    add("--lr-d", dest="lr_D", type=float, help="learning rate of D")
    add("--loss", help=f"what the two play for: {', '.join(LOSSES)}")
    add("--seed", type=int, default=0, help="another seed, another run (default: 0)")
    add("--device", default="cpu", help="cpu or gpu (default: cpu)")
    add("--out", help="folder to write to (default: runs/DATA-1, -2, …)")
    add("--quiet", action="store_true", help="no progress bar")

    add = command("sample", sample_command, "draw from a trained generator").add_argument
    add("folder", metavar="RUN", help="folder of a run, such as runs/digits-1")
    add("-n", type=int, default=100, help="how many (default: 100)")
    add("--seed", type=int, default=0, help="another seed, other samples (default: 0)")
    add("--device", default="cpu", help="cpu or gpu (default: cpu)")
    add("--out", help="FILE.png, or FILE.npz for the numbers (default: RUN/samples-seedSEED.png)")

    command("recipes", recipes_command, "list the recipes")
    return parser


def _command() -> str:
    """How the user can call this command: by its name if the shell finds it, else by its path."""
    return "minigan" if shutil.which("minigan") else sys.argv[0]
