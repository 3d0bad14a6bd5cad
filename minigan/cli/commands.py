"""The commands besides ``minigan train``, each with its options above it."""

from __future__ import annotations

import argparse
import itertools
import math
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..arrays import Array, to_numpy
from ..evaluate.judge import SAMPLES
from ..files.atomic import replacing
from ..layers.base import Shape
from ..plot.film import animate
from ..plot.stills import ENDINGS, grid_size
from ..recipes import RECIPES
from ..runs import evaluation
from ..runs.compare import LAST, curves, read_histories, table
from ..runs.config import Config
from ..runs.run import COLUMNS, Run, export, has_picture, how_many, picture
from .options import add_settings, count

# --- minigan sample -----------------------------------------------------------------------------


def sample_options(parser: argparse.ArgumentParser) -> None:
    """Give the options of ``minigan sample``."""
    add = parser.add_argument
    add("folder", metavar="RUN", help="folder of a run, such as runs/digits-1")
    add("-n", type=count, help="how many samples (default: 100 images, or 2000 points)")
    add("--seed", type=int, default=0, help="another seed, other samples (default: 0)")
    add("--label", type=int, metavar="K", help="what a conditional generator is to draw")
    add("--interpolate", action="store_true", help="rows of samples from one to another")
    group = parser.add_argument_group("where")
    group.add_argument(
        "--out", help="FILE.png, or FILE.npz for numbers (default: in RUN, named after the seed)"
    )
    add_settings(group, "device")


def sample_command(options: argparse.Namespace) -> int:
    """Draw from a trained generator, into a picture or into an .npz file of numbers."""
    folder = Path(options.folder)
    if options.out is not None and Path(options.out).suffix.lower() not in (*ENDINGS, ".npz"):
        raise ValueError(
            f"--out: expected FILE.png, .svg, .pdf, or FILE.npz for numbers, got {options.out!r}"
        )
    run = Run.open(folder, getattr(options, "device", Config.device))
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
    asked = options.n, options.seed, options.label, options.interpolate
    n = options.n or how_many(run.shape)
    out.parent.mkdir(parents=True, exist_ok=True)
    if is_picture:
        caption = f"{folder.resolve().name} · seed {options.seed}"
        figure = picture(run.samples(*asked), classes=classes, caption=caption)
        with replacing(out) as path:
            figure.savefig(path)
    else:
        shape = (n, *run.shape)
        size, free = math.prod(shape) * run.G.theta.itemsize, shutil.disk_usage(out.parent).free
        if size > free:
            raise ValueError(
                f"{n:,} samples take {size / 1e9:,.1f} GB, and {out.parent} has {free / 1e9:,.1f} "
                "GB left; take fewer, or write to another disk"
            )
        _write_npz(out, shape, run.batches(*asked))
    print(f"{n:,} samples of {folder}, seed {options.seed}: {out}")
    return 0


def _write_npz(out: Path, shape: Shape, batches: Iterator[Array]) -> None:
    """Write batches of samples as the array x of an .npz file, without holding them all."""
    first = to_numpy(next(batches))
    header = {"descr": first.dtype.str, "fortran_order": False, "shape": shape}
    with (
        replacing(out) as path,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for batch in itertools.chain([first], batches):
            file.write(np.ascontiguousarray(to_numpy(batch), first.dtype).tobytes())


# --- minigan check ------------------------------------------------------------------------------


def check_options(parser: argparse.ArgumentParser) -> None:
    """Give the options of ``minigan check``."""
    add = parser.add_argument
    help = (
        "FILE.py, a module, or FILE.py:Name; all that can be checked in it (default: the library)"
    )
    add("targets", nargs="*", metavar="TARGET", help=help)
    add("--seed", type=int, default=0, help="other points, other weights (default: 0)")
    add("--seeds", type=count, default=1, metavar="N", help="check with N seeds, from --seed on")
    add("--full", action="store_true", help="print the whole report of what is right, too")
    add("--json", action="store_true", help="print one JSON object, for a program that reads it")


def check_command(options: argparse.Namespace) -> int:
    """Hold derivatives against finite differences and complex step, and name what is wrong.

    Without a TARGET the library itself is checked. A TARGET is a file, a module, or one thing in
    it; shapes are drawn from signatures, or given in the file: CHECK = {"MyDense": dict(p=3, q=2,
    x=(5, 3))}.
    The exit code is 0 if all is right, 1 if anything is wrong, 2 if a TARGET can't be read, and 3
    if nothing is wrong but something was not checked; it is listed with the reason.
    """
    from ..check.find.command import run

    return run(options.targets, options.seed, options.seeds, options.full, options.json)


# --- minigan evaluate ---------------------------------------------------------------------------


def evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Give the options of ``minigan evaluate``."""
    add = parser.add_argument
    add(
        "targets",
        metavar="TARGET",
        nargs="+",
        help="RUN, or FILE.npz or FOLDER of images with somebody's samples",
    )
    add("--data", help="what samples are compared with (default: what the runs were trained on)")
    add(
        "-n",
        type=count,
        default=SAMPLES,
        help=f"how many samples at most (default: {SAMPLES:,})",
    )
    add("--seed", type=int, default=0, help="another seed, other samples (default: 0)")
    add(
        "--out",
        default="evaluate.png",
        metavar="FILE",
        help="figure of several targets: .png, .svg, .pdf (evaluate.png)",
    )


def evaluate_command(options: argparse.Namespace) -> int:
    """Measure how good samples are, beside the best possible values: those of real data.

    A RUN gets the numbers as evaluation.json. The first time, a classifier of the data is trained.
    """
    if Path(options.out).suffix.lower() not in ENDINGS:
        raise ValueError(f"--out: expected FILE.png, FILE.svg or FILE.pdf, got {options.out!r}")
    targets = [Path(target) for target in options.targets]
    found = evaluation.evaluate(targets, options.data, options.n, options.seed)
    print(evaluation.table(found, shutil.get_terminal_size().columns))
    if len(found) > 1:
        with replacing(options.out) as path:
            evaluation.figure(found).savefig(path)
        print(f"figure: {options.out}")
    return 0


# --- minigan export, animate, compare, recipes --------------------------------------------------


def export_options(parser: argparse.ArgumentParser) -> None:
    """Give the options of ``minigan export``."""
    add = parser.add_argument
    add("folder", metavar="RUN", help="folder of a run, such as runs/digits-1")
    add(
        "--format",
        required=True,
        choices=("pytorch-state-dict",),
        help="safetensors files that torch.nn.Sequential.load_state_dict takes",
    )
    add("--out", metavar="FOLDER", help="folder to write to (default: RUN)")


def export_command(options: argparse.Namespace) -> int:
    """Write the weights of a run's networks as another library takes them."""
    for path, source in export(Path(options.folder), options.out):
        print(f"{path}: the state_dict of\n{source}\n")
    print(
        "in PyTorch:  net.load_state_dict(safetensors.torch.load_file(path)); net.eval()\n"
        "images have their channels first there: x.transpose(0, 3, 1, 2) of ours"
    )
    return 0


def animate_options(parser: argparse.ArgumentParser) -> None:
    """Give the options of ``minigan animate``."""
    parser.add_argument("folder", metavar="RUN", help="folder of a run, such as runs/digits-1")


def animate_command(options: argparse.Namespace) -> int:
    """Draw how a run has learnt, step by step: a GIF, and a page with controls for a browser."""
    for path in animate(Path(options.folder)):
        print(path)
    return 0


def compare_options(parser: argparse.ArgumentParser) -> None:
    """Give the options of ``minigan compare``."""
    add = parser.add_argument
    add("folders", metavar="RUN", nargs="+", help="folders of runs, such as runs/digits-1")
    add("--out", default="compare.png", metavar="FILE", help=".png, .svg, .pdf (compare.png)")


def compare_command(options: argparse.Namespace) -> int:
    """Lay several runs side by side: curves on one figure, and a table of their last values."""
    if Path(options.out).suffix.lower() not in ENDINGS:
        raise ValueError(f"--out: expected FILE.png, FILE.svg or FILE.pdf, got {options.out!r}")
    histories = read_histories([Path(folder) for folder in options.folders])
    measured = evaluation.rows([Path(folder) for folder in options.folders])
    with replacing(options.out) as path:
        curves(histories).savefig(path)
    columns = shutil.get_terminal_size().columns
    print(table(histories, columns, measured))
    print(f"\n(means of the last {LAST} steps) curves: {options.out}")
    return 0


def recipes_options(parser: argparse.ArgumentParser) -> None:
    """Give the options of ``minigan recipes``: none."""


def recipes_command(options: argparse.Namespace) -> int:
    """List the recipes: what each makes, the data it is made for, and where it is from."""
    for recipe in RECIPES.values():
        print(f"{recipe.name:<24} {recipe.about}\n{'':<24} {recipe.data}; {recipe.source}")
    return 0
