"""Several runs side by side: their curves on one figure, and a table of how they ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array
from ..plot.stills import SMOOTH_POINTS, new_figure, own_style, plain_text, window_means
from .folder import HISTORY
from .history import MEASURED, read_history
from .metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAST = 100  # steps over which a table's numbers are averaged
PANELS = {
    "loss_D": "D's loss",
    "loss_G": "G's loss",
    "D_real": "D of real samples",
    "D_fake": "D of generated samples",
    "grad_D": "norm of D's gradient",
    "grad_G": "norm of G's gradient",
    "accuracy": "D's accuracy",
    "saturated": "share of saturated logits",
    "diversity": "diversity (of the data: 1)",
    "modes": "modes found",
    "high_quality": "share within 3σ of a mode",
    "reverse_KL": "reverse KL over the modes",
}
# Numbers of which ratios matter, and how many times what is usual the largest may be before the
# axis is logarithmic: else one outlier would flatten all the rest.
RATIOS, FAR = ("loss_D", "loss_G", "D_real", "D_fake", "grad_D", "grad_G"), 20
COLUMNS = 3  # panels in a row
WIDTH = 1400  # pixels of the figure
LETTER = 15  # pixels of the widest letter in the legend
LONGEST_NAME = 85  # letters of a run's name that are shown
# Colours that people with any colour vision tell apart (Okabe & Ito 2008), without the yellow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLES = ("-", "--", ":", "-.")  # when the colours are used up

History = Mapping[str, Array]


def read_histories(folders: list[Path]) -> dict[str, History]:
    """Read the histories of runs, by the names of their folders as they are given.

    Raises
    ------
    FileNotFoundError
        For a folder without a history.
    ValueError
        For a history that is damaged or has no steps, and for a folder that is given twice.
    """
    histories: dict[str, History] = {}
    for folder in folders:
        path = folder / HISTORY
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} holds no run: there is no {path}; expected a folder that minigan train "
                "has written, such as runs/digits-1"
            )
        if str(folder) in histories:
            raise ValueError(f"{folder} came twice; name each run once")
        histories[str(folder)] = history = read_history(path)
        missing = [name for name in MEASURED if name not in history]
        if missing:
            raise ValueError(
                f"{path} lacks the columns {', '.join(missing)}, expected those that minigan train "
                "writes"
            )
        if not len(history["step"]):
            raise ValueError(f"{path} has no steps yet; wait until the run has written some")
    return histories


@own_style()
def curves(histories: Mapping[str, History]) -> Figure:
    """Draw a panel for each number that a run has, with a curve for each run that has it.

    Curves are averages over windows, as in `minigan.plot.stills.loss_curves`.
    """
    names = [name for name in PANELS if any(_has(h, name) for h in histories.values())]
    rows = math.ceil(len(names) / COLUMNS)
    runs = [shortened(run, LONGEST_NAME) for run in histories]
    in_a_row = max(1, min(4, WIDTH // (LETTER * max(map(len, runs)) + 60)))
    figure = new_figure(WIDTH, 330 * rows + 30 * math.ceil(len(runs) / in_a_row))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        drawn = []
        for i, (run, history) in enumerate(histories.items()):
            if not _has(history, name):
                continue
            there = ~np.isnan(history[name])
            step, column = history["step"][there], history[name][there]
            window = max(1, len(step) // SMOOTH_POINTS)
            drawn.append(window_means(column, window))
            axes.plot(
                window_means(step, window),
                drawn[-1],
                color=COLOURS[i % len(COLOURS)],
                linestyle=STYLES[i // len(COLOURS) % len(STYLES)],
                marker="o" if len(step) < 2 else "",
                linewidth=1.4,
                label=run,
            )
        if name in RATIOS:
            _scale_by_ratios(axes, np.concatenate(drawn))
        axes.set_title(_title(name, histories), fontsize=10)
        axes.grid(alpha=0.2)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(names) - COLUMNS) : len(names)]:
        axes.set_xlabel("step")
    # Every run has both losses. A legend leaves out what begins with "_", and reads what is between
    # two "$" as mathematics; so the names are put into it afterwards.
    lines = panels[0].get_lines()
    numbers = [str(i) for i in range(len(lines))]
    legend = figure.legend(
        *(lines, numbers),
        loc="outside upper center",
        ncols=in_a_row,
        frameon=False,
        fontsize=8,
    )
    for text, run in zip(legend.get_texts(), runs, strict=True):
        text.set_parse_math(False)
        text.set_text(run)
    return figure


def _scale_by_ratios(axes: Any, values: Array) -> None:
    """Make the axis of values logarithmic where the largest would flatten the usual ones."""
    sizes = abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes) or sizes.max() <= FAR * np.median(sizes):
        return
    if (values > 0).all():
        axes.set_yscale("log")
    else:  # linear around zero
        axes.set_yscale("symlog", linthresh=float(np.median(sizes)))


def shortened(name: str, most: int) -> str:
    """Return a name without its middle where it has more letters than these."""
    name = plain_text(name)
    return name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[-(most - most // 2) :]}"


def table(
    histories: Mapping[str, History],
    width: int = 80,
    measured: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """Return the last values as text: a column for each run, a row for each number.

    They are means of the last `LAST` steps; of what is computed now and then, the last value.
    Runs that find no room in lines of `width` letters have a table of their own, below.

    Parameters
    ----------
    histories
        By the names of the runs.
    width
        Letters of a line.
    measured
        More rows, by what they are called: what stands there for a run.
    """
    first = ["", "steps"]
    columns = [[run, f"{h['step'][-1]:,.0f}"] for run, h in histories.items()]
    for name in PANELS:
        if any(_has(h, name) for h in histories.values()):
            first.append(_title(name, histories))
            for column, history in zip(columns, histories.values(), strict=True):
                number = _last(history, name)
                column.append("" if number is None else f"{number:.4g}")
    for title, cells in (measured or {}).items():
        first.append(title)
        for column in columns:
            column.append(cells.get(column[0], ""))
    return side_by_side(first, columns, width)


def side_by_side(first: list[str], columns: list[list[str]], width: int) -> str:
    """Return rows of text, what they are called and then a cell of each column.

    The first cell of a column is its name, of which the middle is left out where it is too long.
    Columns that find no room in lines of `width` letters have a table of their own, below.
    """
    room = width - max(map(len, first))
    tables: list[list[list[str]]] = [[]]
    used = 0
    for name, *cells in columns:
        column = [shortened(name, max(room - 2, 10)), *cells]
        wide = 2 + max(map(len, column))
        if tables[-1] and used + wide > room:
            tables.append([])
            used = 0
        tables[-1].append(column)
        used += wide
    return "\n\n".join(_rows(first, some) for some in tables)


def _rows(first: list[str], columns: list[list[str]]) -> str:
    """Return columns as lines of text, the first one flush left, the others right."""
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for head, *cells in zip(first, *columns, strict=True):
        padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        lines.append("  ".join([head.ljust(max(map(len, first))), *padded]).rstrip())
    return "\n".join(lines)


def _has(history: History, name: str) -> bool:
    return name in history and not np.isnan(history[name]).all()


def _last(history: History, name: str) -> float | None:
    """Return the value that a run ended with; None if it has none."""
    if not _has(history, name):
        return None
    column = history[name]
    if name in METRICS:
        return float(column[~np.isnan(column)][-1])
    return float(column[-LAST:].mean())


def _title(name: str, histories: Mapping[str, History]) -> str:
    """Return what a number is called; a critic's outputs are said to be such."""
    if name not in ("D_real", "D_fake"):
        return PANELS[name]
    outputs = np.concatenate([h[key] for h in histories.values() for key in ("D_real", "D_fake")])
    critic = ((outputs < 0) | (outputs > 1)).any()  # NaN is neither
    return PANELS[name] + (" (a critic: mean output)" if critic else "")
