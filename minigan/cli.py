"""The command ``minigan``: train a GAN, draw from it, see how it learnt; check derivatives."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np

from . import __version__
from .arrays import to_numpy
from .data import NAMES
from .data import load as load_data
from .files.atomic import replacing
from .plot.film import animate
from .plot.stills import ENDINGS, grid_size
from .recipes import LOSSES, RECIPES, Task, recipe_for
from .runs.compare import LAST, curves, read_histories, table
from .runs.run import COLUMNS, Run, draw, export, has_picture
from .runs.trainer import ON_NAN, CheckpointPolicy, Outcome
from .runs.training import resume_run, train_run

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
    keeping = CheckpointPolicy(seconds, last)
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
    default = recipe.data if recipe else "digits"
    data = load_data(default if options.data is None else options.data, seed=seed)
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
    if options.out is not None and Path(options.out).suffix.lower() not in (*ENDINGS, ".npz"):
        raise ValueError(
            f"--out: {options.out!r} came, expected FILE.png, .svg, .pdf, or FILE.npz for numbers"
        )
    run = Run.open(folder, options.device or "cpu")
    kind = "png" if has_picture(run.shape) else "npz"
    name = f"samples-seed{options.seed}"
    name += "" if options.label is None else f"-label{options.label}"
    name += "-walk" if options.interpolate else ""
    out = Path(options.out or folder / f"{name}.{kind}")
    is_picture = out.suffix.lower() in ENDINGS
    if is_picture and not has_picture(run.shape):
        raise ValueError(
            f"samples of shape {run.shape} make no picture; write numbers, --out FILE.npz"
        )
    classes = 0 if options.interpolate or options.label is not None else run.classes
    if is_picture and len(run.shape) == 3 and options.n is not None:
        grid_size((options.n, *run.shape), COLUMNS)  # better known before than after
    drawn = run.samples(options.n, options.seed, options.label, options.interpolate)
    if is_picture:
        draw(out, drawn, classes=classes, caption=f"{folder.resolve().name} · seed {options.seed}")
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
    if Path(options.out).suffix.lower() not in ENDINGS:
        raise ValueError(f"--out: {options.out!r} came, expected FILE.png, FILE.svg or FILE.pdf")
    histories = read_histories([Path(folder) for folder in options.folders])
    with replacing(options.out) as path:
        curves(histories).savefig(path)
    columns = shutil.get_terminal_size().columns
    print(f"{table(histories, columns)}\n\n(means of the last {LAST} steps) curves: {options.out}")
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
    The exit code is 0 if all is right, 1 if anything is wrong, 2 if a TARGET can't be read, and 3
    if nothing is wrong but something was not checked; it is listed with the reason.
    """
    from .check.find.command import run

    return run(options.targets, options.seed, options.seeds, options.full)


def _command() -> str:
    """How the user can call this command: by its name if the shell finds it, else by its path."""
    if shutil.which("minigan"):
        return "minigan"
    return "python -m minigan" if sys.argv[0].endswith(".py") else shlex.quote(sys.argv[0])


CAN_NOT = 2  # exit code

EXAMPLES = """\
examples:
  minigan train                             learn to draw digits, from the data in the package
  minigan train --data ring                 points on a ring, drawn over what D thinks
  minigan train --data mnist --epochs 20    downloads MNIST once
  minigan train --resume runs/digits-1      go on with a run that was stopped
  minigan sample runs/digits-1 --seed 1     100 new digits from the first run
  minigan check my_layers.py                are the derivatives in this file right?
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


def _seconds(text: str) -> float:
    """Read a time in seconds."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} came, expected a number of seconds, 0 or more")
    return number


def parser_for(runs: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """Return the parser of the command line; `runs` says what each command runs."""
    parser = _Parser(
        prog="minigan",
        description="Train generative adversarial networks: a generator G learns to make samples\n"
        "that a discriminator D can't tell from real ones.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"minigan {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def command(name: str, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=runs[name].__doc__)
        added.set_defaults(run=runs[name])
        return added

    train = command("train", "train a GAN and draw what it has learnt")
    add = train.add_argument_group("what to learn").add_argument
    add(
        "--data",
        help=f"{', '.join(NAMES)}, or your own FILE.npz or FOLDER of images (default: the data "
        "that the recipe is made for; without a recipe digits, which lie in the package)",
    )
    add("--seed", type=int, help="another seed, another run (default: 0)")
    add(
        "--resume",
        metavar="RUN",
        help="go on with a run, whatever has stopped it, such as runs/digits-1; only --steps or "
        "--epochs can be changed, counted from its beginning",
    )

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

    add = train.add_argument_group("when it breaks").add_argument
    add(
        "--on-nan",
        choices=ON_NAN,
        help="on NaN or infinity: stop, or restore an earlier state and go on with half the "
        "learning rates, three times at most (default: stop)",
    )
    add(
        "--save-every",
        type=_seconds,
        default=CheckpointPolicy.seconds,
        metavar="SECONDS",
        help="how often a checkpoint is written, from which --resume goes on (default: "
        f"{CheckpointPolicy.seconds:g}; less often where it would take more than 1%% of the time)",
    )
    add(
        "--keep",
        type=_count,
        default=CheckpointPolicy.last,
        metavar="K",
        help=f"how many checkpoints are kept (default: {CheckpointPolicy.last})",
    )

    sampling = command("sample", "draw from a trained generator")
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
            metavar="NAME",
            help="cpu or gpu (default: cpu); a GPU needs CuPy",
        )
        add("--traceback", action="store_true", help="on an error, show where it arose")
    train.add_argument("--quiet", action="store_true", help="no progress bar")

    checking = command("check", "check derivatives, the library's or your own")
    add = checking.add_argument
    help = (
        "FILE.py, a module, or FILE.py:Name; all that can be checked in it (default: the library)"
    )
    add("targets", nargs="*", metavar="TARGET", help=help)
    add("--seed", type=int, default=0, help="other points, other weights (default: 0)")
    add("--seeds", type=_count, default=1, metavar="N", help="check with N seeds, from --seed on")
    add("--full", action="store_true", help="print the whole report of what is right, too")
    add("--traceback", action="store_true", help="on an error, show where it arose")

    exporting = command("export", "write weights for PyTorch")
    add = exporting.add_argument
    add("folder", metavar="RUN", help="folder of a run, such as runs/digits-1")
    add(
        "--format",
        required=True,
        choices=("pytorch-state-dict",),
        help="safetensors files that torch.nn.Sequential.load_state_dict takes",
    )
    add("--out", metavar="FOLDER", help="folder to write to (default: RUN)")
    add("--traceback", action="store_true", help="on an error, show where it arose")
    film = command("animate", "draw how a run has learnt, as a moving picture")
    film.add_argument("folder", metavar="RUN", help="folder of a run, such as runs/digits-1")

    comparing = command("compare", "curves and last values of several runs")
    add = comparing.add_argument
    add("folders", metavar="RUN", nargs="+", help="folders of runs, such as runs/digits-1")
    add("--out", default="compare.png", metavar="FILE", help=".png, .svg, .pdf (compare.png)")
    for added in (film, comparing):
        added.add_argument(
            "--traceback", action="store_true", help="on an error, show where it arose"
        )

    listing = command("recipes", "list the recipes, and where each is from")
    listing.set_defaults(traceback=False)
    return parser
