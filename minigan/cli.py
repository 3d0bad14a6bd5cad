"""The command ``minigan``: train a GAN, draw from it, see how it learnt, list the recipes."""

from __future__ import annotations

import argparse
import importlib.util
import math
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import __version__
from .animate import animate
from .arrays import to_numpy
from .checkpoint import replacing
from .compare import LAST, curves, read_histories, table
from .data import NAMES
from .data import load as load_data
from .recipes import LOSSES, RECIPES, Task, recipe_for
from .runs import Run, draw, has_picture, train_run

CHANGES = ("loss", "lr_G", "lr_D", "batch", "d_steps", "steps", "epochs")  # of a recipe's set-up
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

    recipe = RECIPES.get(options.recipe)
    data = load_data(options.data or (recipe.data if recipe else "digits"), seed=options.seed)
    recipe = recipe or RECIPES[recipe_for(data)]
    task = Task(
        shape=data.x.shape[1:],
        classes=0 if data.labels is None else len(np.unique(data.labels)),
        seed=options.seed,
        device=options.device,
        logits=options.logits,
    )
    setup = recipe.set_up(task)
    setup.change(**{name: getattr(options, name) for name in CHANGES})
    outcome = train_run(recipe, setup, data, task, options.out, options.quiet)

    folder, again = outcome.folder, f"{_command()} train"
    print(
        f"{'done' if outcome.steps == outcome.total else 'interrupted'}: {outcome.steps:,} steps "
        f"in {outcome.seconds:.1f} s, {1000 * outcome.seconds / outcome.steps:.2f} ms a step"
    )
    if has_picture(task.shape) and not outcome.diverged:
        print(f"  {folder}/samples.png     what G draws now")
    if (folder / "film.html").is_file():
        print(f"  {folder}/film.html       how it has learnt that, for a browser; or film.gif")
    print(
        f"  {folder}/losses.png      both losses, and what D says\n"
        f"  {folder}/history.csv     every number, a row a step\n"
        f"  {folder}/G.safetensors   G's weights, and D's in D.safetensors: minigan.load(path)"
    )
    if (folder / "warnings.txt").is_file():
        print(f"  {folder}/warnings.txt    what went wrong, and what usually helps")
    if outcome.diverged:
        print(
            "but the weights are not finite: training diverged. Try smaller learning rates\n"
            f"  {again} --recipe {recipe.name} --data {shlex.quote(data.name)} --lr-g 1e-5 "
            "--lr-d 1e-5"
        )
    else:
        print(
            "next, try\n"
            f"  {_command()} sample {shlex.quote(str(folder))} --seed 1\n"
            f"  {again} --data {'ring' if data.name == 'digits' else 'digits'}\n"
            f"  {_command()} recipes"
        )
    return INTERRUPTED if outcome.interrupted else DIVERGED if outcome.diverged else 0


# --- minigan sample -----------------------------------------------------------------------------


def sample_command(options: argparse.Namespace) -> int:
    """Draw from a trained generator, into a picture or into an .npz file of numbers."""
    folder = Path(options.folder)
    if options.out is not None and Path(options.out).suffix.lower() not in (".png", ".npz"):
        raise ValueError(f"--out: {options.out!r} came, expected FILE.png, or FILE.npz for numbers")
    run = Run.open(folder, options.device)
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
        help=f"{', '.join(NAMES)}, or your own FILE.npz or FOLDER of images (default: the data "
        "that the recipe is made for; without a recipe digits, which lie in the package)",
    )
    add("--seed", type=int, default=0, help="another seed, another run (default: 0)")

    settings = train.add_argument_group("how (what you don't give is as in the recipe)")
    add = settings.add_argument
    add(
        "--recipe",
        choices=RECIPES,
        metavar="NAME",
        help="set-up, one of those that minigan recipes lists (default: the one for the data)",
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
    add(
        "--logits",
        action="store_true",
        help="where D ends in a sigmoid: leave that out, and take the stable form of the loss",
    )

    sampling = command("sample", sample_command, "draw from a trained generator")
    add = sampling.add_argument
    add("folder", metavar="RUN", help="folder of a run, such as runs/digits-1")
    add("-n", type=_count, help="how many samples (default: 100 images, or 2000 points)")
    add("--seed", type=int, default=0, help="another seed, other samples (default: 0)")
    add("--label", type=int, metavar="K", help="what a conditional generator is to draw")
    add("--interpolate", action="store_true", help="rows of samples from one to another")

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

    film = command("animate", animate_command, "draw how a run has learnt, as a moving picture")
    film.add_argument("folder", metavar="RUN", help="folder of a run, such as runs/digits-1")

    comparing = command("compare", compare_command, "curves and last values of several runs")
    add = comparing.add_argument
    add("folders", metavar="RUN", nargs="+", help="folders of runs, such as runs/digits-1")
    add("--out", default="compare.png", metavar="FILE.png", help="(default: compare.png)")
    for added in (film, comparing):
        added.add_argument(
            "--traceback", action="store_true", help="on an error, show where it arose"
        )

    listing = command("recipes", recipes_command, "list the recipes, and where each is from")
    listing.set_defaults(traceback=False)
    return parser


def _command() -> str:
    """How the user can call this command: by its name if the shell finds it, else by its path."""
    if shutil.which("minigan"):
        return "minigan"
    return "python -m minigan" if sys.argv[0].endswith(".py") else shlex.quote(sys.argv[0])
