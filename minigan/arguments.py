"""What the command ``minigan`` can be given: its commands and their options."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from typing import NoReturn

from . import __version__
from .data import NAMES
from .loop import ON_NAN, Keeping
from .recipes import LOSSES, RECIPES

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
        default=Keeping.seconds,
        metavar="SECONDS",
        help="how often a checkpoint is written, from which --resume goes on (default: "
        f"{Keeping.seconds:g}; less often where it would take more than 1%% of the time)",
    )
    add(
        "--keep",
        type=_count,
        default=Keeping.last,
        metavar="K",
        help=f"how many checkpoints are kept (default: {Keeping.last})",
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
    add("--out", default="compare.png", metavar="FILE.png", help="(default: compare.png)")
    for added in (film, comparing):
        added.add_argument(
            "--traceback", action="store_true", help="on an error, show where it arose"
        )

    listing = command("recipes", "list the recipes, and where each is from")
    listing.set_defaults(traceback=False)
    return parser
