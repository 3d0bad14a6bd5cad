"""The command ``minigan``: train a GAN, draw from it, see how it learnt; check derivatives."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from typing import NoReturn

from .. import __version__
from ..files.modules import own_frames
from ..files.outside import did_you_mean
from ..recipes.named import unknown
from ..runs.ladder import DIVERGED
from ..runs.progress import say, silence
from .commands import (
    animate_command,
    animate_options,
    check_command,
    check_options,
    compare_command,
    compare_options,
    evaluate_command,
    evaluate_options,
    export_command,
    export_options,
    recipes_command,
    recipes_options,
    sample_command,
    sample_options,
)
from .ladder import ladder_command, ladder_options
from .train import train_command, train_options

__all__ = ["CAN_NOT", "DIVERGED", "INTERRUPTED", "main"]

CAN_NOT, INTERRUPTED = 2, 130  # exit codes; 130 is the shells' for Ctrl-C

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


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    _open_streams()
    options = _read(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:  # the reader has gone: minigan check | head
        silence(sys.stdout)
        return 0
    except (ValueError, TypeError, OSError, ImportError, RuntimeError, OverflowError) as error:
        if options.traceback:
            raise
        say(f"minigan: {error}{_where(error)}", sys.stderr)
        return CAN_NOT
    except MemoryError as error:
        if options.traceback:
            raise
        say(
            f"minigan: the memory does not suffice ({error}); take fewer samples, a smaller batch "
            "or smaller images",
            sys.stderr,
        )
        return CAN_NOT
    except KeyboardInterrupt:
        print("minigan: interrupted", file=sys.stderr)
        return INTERRUPTED


def _where(error: BaseException) -> str:
    """Return the line of a file of the user's, such as a recipe, in which an error arose."""
    own = own_frames(error)
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def _open_streams() -> None:
    """See to it that what is printed can be, and that it reaches no file of a run.

    A descriptor that is closed at the start is the next file's number: messages would land in it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this
    # Python has None for a stream whose descriptor was closed.
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a "→" that its encoding lacks becomes a "?"
            stream.reconfigure(errors="replace")


class _Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where the help is."""
        found = re.search(r"invalid choice: '?(.*?)'? \(choose from (.*)\)", message)
        if found:  # in words that are the same in all versions of Python
            given, choices = found[1], found[2].replace("'", "").split(", ")
            message = f"{message[: found.start()]}{unknown('choice', given, choices)}"
        self.exit(CAN_NOT, f"minigan: {message}; see {self.prog} --help\n")


def _read(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line; what is wrong with it ends the program."""
    options, rest = _parser().parse_known_args(arguments)
    if rest and rest[0].startswith("-"):
        known = [name for name in options.parser._option_string_actions if name.startswith("--")]
        name = rest[0].partition("=")[0]
        meant = did_you_mean(name, known).rstrip()
        options.parser.error(f"there is no option {name}{': ' + meant if meant else ''}")
    if rest:
        options.parser.error(f"{rest[0]!r} came besides, expected no more than options")
    return options


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _Parser(
        prog="minigan",
        description="Train generative adversarial networks: a generator G learns to make samples\n"
        "that a discriminator D can't tell from real ones.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"minigan {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for name, help, add_options, run in (
        ("train", "train a GAN and draw what it has learnt", train_options, train_command),
        ("sample", "draw from a trained generator", sample_options, sample_command),
        ("check", "check derivatives, the library's or your own", check_options, check_command),
        ("evaluate", "how good samples are, in numbers", evaluate_options, evaluate_command),
        ("export", "write weights for PyTorch", export_options, export_command),
        ("animate", "draw how a run has learnt, in a film", animate_options, animate_command),
        ("compare", "curves and last values of several runs", compare_options, compare_command),
        ("ladder", "a table of changes, several seeds each", ladder_options, ladder_command),
        ("recipes", "list the recipes, and where each is from", recipes_options, recipes_command),
    ):
        added = commands.add_parser(name, help=help, description=run.__doc__)
        add_options(added)
        added.add_argument(
            "--traceback", action="store_true", help="on an error, show where it arose"
        )
        added.set_defaults(run=run, parser=added)
    return parser
