"""Runs, and samples of another origin, measured: table, figure, and the file evaluation.json."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..arrays import Array, stream, to_numpy
from ..data import SHA256, Dataset
from ..data import load as load_data
from ..evaluate.estimate import Estimate
from ..evaluate.judge import MEASURES, SAMPLES, Judge
from ..files.atomic import replacing
from ..plot.stills import new_figure, own_style
from .compare import COLOURS, COLUMNS, shortened, side_by_side
from .folder import EVALUATION, RUN
from .run import Run
from .settings import read as read_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN = ("ring", "grid", "swissroll")  # data of which more can be drawn
BLOCK = 500  # samples that pass through G at a time
NAME = 40  # letters of a run's name in the figure


@dataclass(frozen=True)
class Evaluation:
    """What has been measured of one set of samples.

    Parameters
    ----------
    name
        Of the run, the file or the folder.
    data
        What the samples are compared with.
    samples
        How many were compared with as many real ones.
    seed
        Of the samples.
    measures, best
        By the names of `minigan.evaluate.judge.MEASURES`: of the samples, and of real ones.
    class_shares
        Share of each class among the samples, if the data have classes.
    """

    name: str
    data: str
    samples: int
    seed: int
    measures: dict[str, Estimate]
    best: dict[str, Estimate]
    class_shares: list[float] | None = None


def evaluate(
    targets: Sequence[Path], data: str | None = None, n: int = SAMPLES, seed: int = 0
) -> list[Evaluation]:
    """Measure the samples of runs, or of .npz files and folders of images.

    All sets have one size, since many measures are biased for few samples. What is measured of a
    run is also written into its folder.

    Parameters
    ----------
    targets
        Folders of runs; .npz files and folders of images, as `minigan.data.load` reads them.
    data
        What they are compared with, a name or a path for `minigan.data.load`. Unless given it is
        what the runs were trained on.
    n
        How many samples of each; fewer where there are fewer, or fewer real ones.
    seed
        Of the samples drawn.

    Raises
    ------
    FileNotFoundError, ValueError
        For a target that is neither, for runs of different data, for samples of another shape.
    """
    for path in targets:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist, expected a run, .npz file or folder")
    runs = {path: read_settings(path) for path in targets if (path / RUN).is_file()}
    known = {(s.get("path") or s["data"], s["seed"]) for s in runs.values()}
    if data is None and len(known) != 1:
        names = ", ".join(sorted(f"{name} (seed {seed})" for name, seed in known)) or "no run"
        raise ValueError(
            "expected runs that were trained on the same data, or the data that all are to be "
            f"compared with (--data), got {names}"
        )
    name, data_seed = (data, 0) if data is not None else known.pop()
    real = load_data(name, seed=data_seed)
    files = {path: _samples_of_file(path, real) for path in targets if path not in runs}
    judge = Judge(real, unseen_part(name, data_seed), min([n, *map(len, files.values())]))
    best = judge.best(seed)
    found = []
    for path in targets:
        samples = files[path] if path in files else _samples_of_run(path, real, judge.size, seed)
        shares = judge.class_shares(samples)
        found.append(
            Evaluation(
                str(path),
                real.name,
                judge.size,
                seed,
                judge.measure(samples, seed),
                best,
                None if shares is None else shares.tolist(),
            )
        )
    for path, evaluation in zip(targets, found, strict=True):
        if path in runs:
            write(path, evaluation)
    return found


def unseen_part(name: str, seed: int) -> Array | None:
    """Return real samples that are not in the data of this name and seed; None if there are none.

    They are the test part of mnist and fashion-mnist, and other points of what is drawn.
    """
    if name in SHA256:
        return load_data(name, split="test").x
    return load_data(name, seed=seed + 1).x if name in DRAWN else None


def _samples_of_run(path: Path, real: Dataset, n: int, seed: int) -> Array:
    """Draw from a run's generator, as many at a time as memory holds."""
    run = Run.open(path)
    parts = []
    for start in range(0, n, BLOCK):
        block_seed = int(stream(seed, "evaluate", start).integers(2**32))
        parts.append(to_numpy(run.samples(min(BLOCK, n - start), block_seed)))
    return _scaled(np.concatenate(parts), real)


def _samples_of_file(path: Path, real: Dataset) -> Array:
    """Read samples that lie in an .npz file, or in a folder of images."""
    return _scaled(load_data(path, standardise=False).x, real)


def _scaled(samples: Array, real: Dataset) -> Array:
    """Return samples on the scale of `real.x`, which may be standardised points."""
    if real.mean is None or real.scale is None or samples.shape[1:] != real.mean.shape:
        return samples
    return (samples - real.mean) / real.scale


# --- the file -----------------------------------------------------------------------------------


def write(folder: Path, evaluation: Evaluation) -> None:
    """Write evaluation.json; an end of an interval that is not known is null there."""

    def numbers(measures: dict[str, Estimate]) -> dict[str, list[float | None]]:
        return {
            name: [x if math.isfinite(x) else None for x in found]
            for name, found in measures.items()
        }

    text = json.dumps(
        {
            "minigan": __version__,
            "data": evaluation.data,
            "samples": evaluation.samples,
            "seed": evaluation.seed,
            "measures": numbers(evaluation.measures),
            "best": numbers(evaluation.best),
            "class_shares": evaluation.class_shares,
        },
        indent=1,
    )
    with replacing(folder / EVALUATION) as path:
        path.write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> Evaluation | None:
    """Read what `write` has written; None for a folder without it.

    Raises
    ------
    ValueError
        For a damaged file.
    """
    path = folder / EVALUATION
    if not path.is_file():
        return None

    def estimates(found: Any) -> dict[str, Estimate]:
        return {
            name: Estimate(*(math.nan if x is None else float(x) for x in numbers))
            for name, numbers in found.items()
            if name in MEASURES
        }

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Evaluation(
            str(folder),
            str(found["data"]),
            int(found["samples"]),
            int(found["seed"]),
            estimates(found["measures"]),
            estimates(found["best"]),
            found["class_shares"],
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {error}), expected what minigan evaluate "
            "writes; evaluate the run again"
        ) from error


# --- what a person reads --------------------------------------------------------------------------


def table(evaluations: Sequence[Evaluation], width: int = 80) -> str:
    """Return the measures as text: a row for each, a column for real samples and for each target.

    Below are the share of each class, if there are classes, and what the numbers can be compared
    with.
    """
    first = evaluations[0]
    names = [name for name in MEASURES if any(name in e.measures for e in evaluations)]
    # All samples are finite, usually: then it needs no row.
    if all(e.measures["finite"].value == 1 for e in evaluations):
        names.remove("finite")
    titles = ["", *("{} ({})".format(*MEASURES[name]) for name in names)]
    columns = [["real data", *(cell(first.best, name) for name in names)]]
    columns += [[e.name, *(cell(e.measures, name) for name in names)] for e in evaluations]
    text = [side_by_side(titles, columns, width)]
    if first.class_shares is not None:
        text.append("share of each class, in %")
        text += [
            "  ".join(f"{100 * share:4.1f}" for share in e.class_shares or ()) + f"  {e.name}"
            for e in evaluations
        ]
    text.append(
        f"\n{first.samples:,} samples of each are compared with as many of {first.data}.\nIn "
        "brackets: what is good; after ±: half of a 95 % interval. The features of images are "
        "those\nof a classifier of this library: no number is comparable with Inception's."
    )
    return "\n".join(text)


def rows(folders: Sequence[Path]) -> dict[str, dict[str, str]]:
    """Return what has been measured of runs, for `minigan.runs.compare.table`."""
    found = {str(folder): read(folder) for folder in folders}
    return {
        title: {run: cell(e.measures, name) for run, e in found.items() if e}
        for name, (title, _) in MEASURES.items()
        if name != "finite" and any(e and name in e.measures for e in found.values())
    }


def cell(measures: dict[str, Estimate], name: str) -> str:
    """Return what a table says of a measure: nothing, if it is not there."""
    return str(measures[name]) if name in measures else ""


@own_style()
def figure(evaluations: Sequence[Evaluation]) -> Figure:
    """Draw a panel for each measure, with a point and its interval for each target.

    The dashed line is what real samples reach.
    """
    names = [name for name in MEASURES if any(name in e.measures for e in evaluations)]
    rows = math.ceil(len(names) / COLUMNS)
    drawn = new_figure(1400, rows * (120 + 24 * len(evaluations)))
    drawn.set_layout_engine("constrained")
    panels = drawn.subplots(rows, COLUMNS, squeeze=False, sharey=True)
    places = np.arange(len(evaluations))[::-1]
    for axes, name in zip(panels.ravel(), names, strict=False):
        for i, (place, evaluation) in enumerate(zip(places, evaluations, strict=True)):
            found = evaluation.measures.get(name)
            if found is None or not math.isfinite(found.value):
                continue
            colour = COLOURS[i % len(COLOURS)]
            axes.plot(found.value, place, "o", color=colour)
            if math.isfinite(found.low) and math.isfinite(found.high):
                axes.hlines(place, found.low, found.high, color=colour)
        best = evaluations[0].best.get(name)
        if best is not None and math.isfinite(best.value):
            axes.axvline(best.value, color="black", linestyle="--", linewidth=1)
        axes.set_title("{} ({})".format(*MEASURES[name]), fontsize=10)
        axes.set_ylim(-0.7, len(evaluations) - 0.3)
        axes.grid(alpha=0.2)
    for axes in panels.ravel()[len(names) :]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        labels = [shortened(e.name, NAME) for e in evaluations]
        axes.set_yticks(places, labels, fontsize=8, parse_math=False)
    return drawn
