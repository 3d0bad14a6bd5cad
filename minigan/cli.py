"""The command ``minigan``: train a GAN, draw from it, see how it learnt; check derivatives."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .animate import animate
from .arguments import CAN_NOT, parser_for
from .arrays import to_numpy
from .checkpoint import replacing
from .compare import LAST, curves, read_histories, table
from .data import load as load_data
from .loop import Keeping, Outcome
from .recipes import RECIPES, Task, recipe_for
from .runs import Run, draw, export, has_picture
from .training import resume_run, train_run

CHANGES = ("loss", "lr_G", "lr_D", "batch", "d_steps", "steps", "epochs")  # of a recipe's set-up
DIVERGED, INTERRUPTED = 3, 130  # exit codes; 130 is the shells' for Ctrl-C
# With --resume these are as they were.
FIXED = (
    *("data", "seed", "recipe", "batch", "d_steps", "lr_G", "lr_D", "loss", "logits"),
    *("out", "device"),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "train": train_command,
        "sample": sample_command,
        "check": check_command,
        "export": export_command,
        "animate": animate_command,
        "compare": compare_command,
        "recipes": recipes_command,
    }
    options = parser_for(commands).parse_args(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:  # the reader has gone: minigan check | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
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

    seconds, last, on_nan = options.save_every, options.keep, options.on_nan
    keeping = Keeping(seconds, last)
    if options.resume is not None:
        values = {name: getattr(options, name) for name in FIXED}
        given = [name for name, value in values.items() if value is not None and value is not False]
        if given:
            raise ValueError(
                f"--resume goes on with the settings of {options.resume}; leave out "
                + ", ".join(f"--{name.replace('_', '-').lower()}" for name in given)
            )
        outcome = resume_run(
            Path(options.resume), options.steps, options.epochs, options.quiet, on_nan, keeping
        )
        return _tell(outcome)

    recipe = RECIPES.get(options.recipe)
    seed = options.seed or 0
    data = load_data(options.data or (recipe.data if recipe else "digits"), seed=seed)
    recipe = recipe or RECIPES[recipe_for(data)]
    task = Task(
        shape=data.x.shape[1:],
        classes=0 if data.labels is None else len(np.unique(data.labels)),
        seed=seed,
        device=options.device or "cpu",
        logits=options.logits,
    )
    setup = recipe.set_up(task)
    setup.change(**{name: getattr(options, name) for name in CHANGES})
    outcome = train_run(
        recipe, setup, data, task, options.out, options.quiet, on_nan or "stop", keeping
    )
    return _tell(outcome)


def _tell(outcome: Outcome) -> int:
    """Say how a run has ended, what is in its folder and how to go on; return the exit code."""
    folder, quoted = outcome.folder, shlex.quote(str(outcome.folder))
    how = "done" if outcome.steps == outcome.total else "interrupted"
    if outcome.broken:
        how = "stopped"
        print(f"{outcome.broken}\nwhat follows is of step {outcome.steps:,}, the last good one")
    pace = f", {1000 * outcome.seconds / outcome.taken:.2f} ms a step" if outcome.taken else ""
    print(f"{how}: {outcome.taken:,} steps in {outcome.seconds:.1f} s{pace}")
    if (folder / "samples.png").is_file():
        print(f"  {folder}/samples.png     what G draws now")
    if (folder / "film.html").is_file() and not outcome.interrupted:  # else it is of another time
        print(f"  {folder}/film.html       how it has learnt that, for a browser; or film.gif")
    print(
        f"  {folder}/losses.png      both losses, and what D says\n"
        f"  {folder}/history.csv     every number, a row a step\n"
        f"  {folder}/G.safetensors   G's weights, and D's in D.safetensors: minigan.load(path)"
    )
    if (folder / "warnings.txt").is_file():
        print(f"  {folder}/warnings.txt    what went wrong, and what usually helps")
    if outcome.broken and outcome.restores:
        print(
            f"training diverged, after {outcome.restores} restores too; train again with smaller "
            "--lr-g and --lr-d"
        )
    elif outcome.broken:
        print(
            "training diverged. Train again with smaller --lr-g and --lr-d, or go on from there "
            "with half the rates\n"
            f"  {_command()} train --resume {quoted} --on-nan restore"
        )
    elif outcome.steps < outcome.total:
        print(
            f"{outcome.steps:,} of {outcome.total:,} steps are taken; to go on,\n"
            f"  {_command()} train --resume {quoted}"
        )
    else:
        print(
            "next, try\n"
            f"  {_command()} sample {quoted} --seed 1\n"
            f"  {_command()} train --data {'ring' if outcome.data == 'digits' else 'digits'}\n"
            f"  {_command()} recipes"
        )
    if outcome.signal is not None:
        return 128 + outcome.signal
    return DIVERGED if outcome.broken else 0


# --- minigan sample -----------------------------------------------------------------------------


def sample_command(options: argparse.Namespace) -> int:
    """Draw from a trained generator, into a picture or into an .npz file of numbers."""
    folder = Path(options.folder)
    if options.out is not None and Path(options.out).suffix.lower() not in (".png", ".npz"):
        raise ValueError(f"--out: {options.out!r} came, expected FILE.png, or FILE.npz for numbers")
    run = Run.open(folder, options.device or "cpu")
    kind = "png" if has_picture(run.shape) else "npz"
    name = f"samples-seed{options.seed}"
    name += "" if options.label is None else f"-label{options.label}"
    name += "-walk" if options.interpolate else ""
    out = Path(options.out or folder / f"{name}.{kind}")
    is_picture = out.suffix.lower() == ".png"
    if is_picture and not has_picture(run.shape):
        raise ValueError(
            f"samples of shape {run.shape} make no picture; write numbers, --out FILE.npz"
        )
    drawn = run.samples(options.n, options.seed, options.label, options.interpolate)
    if is_picture:
        draw(out, drawn)
    else:
        with replacing(out) as path, path.open("wb") as file:
            np.savez_compressed(file, x=to_numpy(drawn))
    print(f"{len(drawn):,} samples of {folder}, seed {options.seed}: {out}")
    return 0


# --- minigan export -----------------------------------------------------------------------------


def export_command(options: argparse.Namespace) -> int:
    """Write the weights of a run's networks as another library takes them."""
    for path, source in export(Path(options.folder), options.out):
        print(f"{path}: the state_dict of\n{source}\n")
    print(
        "in PyTorch:  net.load_state_dict(safetensors.torch.load_file(path)); net.eval()\n"
        "images have their channels first there: x.transpose(0, 3, 1, 2) of ours"
    )
    return 0


# --- minigan animate, minigan compare -------------------------------------------------------------


def animate_command(options: argparse.Namespace) -> int:
    """Draw how a run has learnt, step by step: a GIF, and a page with controls for a browser."""
    for path in animate(Path(options.folder)):
        print(path)
    return 0


def compare_command(options: argparse.Namespace) -> int:
    """Lay several runs side by side: curves on one figure, and a table of their last values."""
    if Path(options.out).suffix.lower() != ".png":
        raise ValueError(f"--out: {options.out!r} came, expected FILE.png")
    histories = read_histories([Path(folder) for folder in options.folders])
    with replacing(options.out) as path:
        curves(histories).savefig(path)
    print(f"{table(histories)}\n\n(means of the last {LAST} steps) curves: {options.out}")
    return 0


# --- minigan recipes ----------------------------------------------------------------------------


def recipes_command(options: argparse.Namespace) -> int:
    """List the recipes: what each makes, the data it is made for, and where it is from."""
    for recipe in RECIPES.values():
        print(f"{recipe.name:<24} {recipe.about}\n{'':<24} {recipe.data}; {recipe.source}")
    return 0


# --- minigan check ------------------------------------------------------------------------------


def check_command(options: argparse.Namespace) -> int:
    """Hold derivatives against finite differences and complex step, and name what is wrong.

    Without a TARGET the library itself is checked. A TARGET is a file, a module, or one thing in
    it; shapes are drawn from signatures, or given in the file: CHECK = {"MyDense": dict(p=3, q=2,
    x=(5, 3))}.
    """
    from .check.command import run

    return run(options.targets, options.seed, options.seeds, options.full)


def _command() -> str:
    """How the user can call this command: by its name if the shell finds it, else by its path."""
    if shutil.which("minigan"):
        return "minigan"
    return "python -m minigan" if sys.argv[0].endswith(".py") else shlex.quote(sys.argv[0])
