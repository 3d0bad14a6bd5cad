"""Several runs side by side: their curves on one figure, and a table of how they ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..plot.stills import SMOOTH_POINTS, new_figure, window_means
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
COLUMNS = 3  # panels in a row
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


def curves(histories: Mapping[str, History]) -> Figure:
    """Draw a panel for each number that a run has, with a curve for each run that has it.

    Curves are averages over windows, as in `minigan.plot.stills.loss_curves`.
    """
    names = [name for name in PANELS if any(_has(h, name) for h in histories.values())]
    rows = math.ceil(len(names) / COLUMNS)
    figure = new_figure(1400, 330 * rows + 40 * math.ceil(len(histories) / 4))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        for i, (run, history) in enumerate(histories.items()):
            if not _has(history, name):
                continue
            there = ~np.isnan(history[name])
            step, column = history["step"][there], history[name][there]
            window = max(1, len(step) // SMOOTH_POINTS)
            axes.plot(
                window_means(step, window),
                window_means(column, window),
                color=COLOURS[i % len(COLOURS)],
                linestyle=STYLES[i // len(COLOURS) % len(STYLES)],
                marker="o" if len(step) < 2 else "",
                linewidth=1.4,
                label=run,
            )
        axes.set_title(_title(name, histories), fontsize=10)
        axes.grid(alpha=0.2)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(names) - COLUMNS) : len(names)]:
        axes.set_xlabel("step")
    # Every run has both losses.
    lines, labels = panels[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure


def table(histories: Mapping[str, History]) -> str:
    """Return the last values as text: a column for each run, a row for each number.

    They are means of the last `LAST` steps; of what is computed now and then, the last value.
    """
    rows = [["", *histories], ["steps", *(f"{h['step'][-1]:,.0f}" for h in histories.values())]]
    for name in PANELS:
        if any(_has(h, name) for h in histories.values()):
            numbers = (_last(h, name) for h in histories.values())
            rows.append(
                [_title(name, histories), *("" if x is None else f"{x:.4g}" for x in numbers)]
            )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
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
