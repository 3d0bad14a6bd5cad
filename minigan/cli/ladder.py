"""``minigan ladder``: a file of changes, each trained with several seeds, and a table of them."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
from pathlib import Path

from ..evaluate.judge import SAMPLES
from ..files.outside import expect_file
from ..runs import evaluation
from ..runs.ladder import run_ladder
from .options import count
from .train import train_options


def ladder_options(parser: argparse.ArgumentParser) -> None:
    """Give the options of ``minigan ladder``."""
    add, cores = parser.add_argument, os.cpu_count() or 1
    add(
        "changes",
        metavar="CHANGES",
        help="text file, a line for each row of the table, NAME: OPTIONS; the options are those of "
        "minigan train, and a line of options alone is for all rows",
    )
    add("--seeds", type=count, default=5, metavar="N", help="runs of each row (default: 5)")
    add(
        "--jobs",
        type=count,
        default=cores,
        metavar="N",
        help="runs at a time (default: one a core)",
    )
    add("-n", type=count, default=SAMPLES, help=f"samples that are measured (default: {SAMPLES:,})")
    add("--out", default="ladder", metavar="FOLDER", help="folder to write to (default: ladder)")


def ladder_command(options: argparse.Namespace) -> int:
    """Train a set-up and changes of it, each with several seeds; measure and compare them.

    Given again, the command goes on where it was stopped.
    """
    changes, out = read_changes(Path(options.changes)), Path(options.out)
    means = run_ladder(changes, range(options.seeds), out, options.jobs, options.n)
    print(evaluation.table(means, shutil.get_terminal_size().columns))
    print(f"\ntable: {out / 'ladder.md'}, every run: {out / 'ladder.json'}, {out / 'ladder.png'}")
    return 0


def read_changes(path: Path) -> dict[str, list[str]]:
    """Return what the rows of a ladder are called, and the options of each.

    Raises
    ------
    FileNotFoundError, ValueError
        For a file that is missing, and for a line that can't be read.
    """
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    train_options(parser)
    shared: list[str] = []
    rows: dict[str, list[str]] = {}
    data: set[str] = set()
    expect_file(path, "a text file with a line for each row, NAME: OPTIONS")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text ({error}), expected lines NAME: OPTIONS") from error
    for number, line in enumerate(lines, 1):
        name, colon, text = ("", ":", line) if line.startswith("--") else line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        try:
            given, unknown = parser.parse_known_args(options := shlex.split(text))
            if unknown or "seed" in given or given.out or given.resume:
                raise ValueError(
                    "expected options of minigan train, without --seed, --out, --resume"
                )
            if len(data := data | {getattr(given, "data", None) or ""} - {""}) > 1:
                raise ValueError(
                    f"the rows of a table are compared with each other, on the same --data; "
                    f"{' and '.join(sorted(data))} came"
                )
            if not colon or name in rows or Path(name).name != name:
                raise ValueError("expected NAME: OPTIONS, every name once, and fit for a folder")
        except (ValueError, argparse.ArgumentError) as error:
            raise ValueError(f"{path}, line {number}: {line!r}: {error}") from error
        if name:
            rows[name] = options
        else:
            shared += options
    if not rows:
        raise ValueError(f"{path} has no row; expected lines such as r1: --penalty r1")
    return {name: [*shared, *options] for name, options in rows.items()}
