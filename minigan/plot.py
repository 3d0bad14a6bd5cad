"""Pictures of a run. Each function returns a matplotlib figure; ``figure.savefig(path)`` keeps it.

Figures are made without pyplot, so nothing global is touched and no window is needed; a notebook
shows a figure that a cell ends with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .arrays import Array, array_module, to_numpy
from .layers.base import Layer
from .train import Loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Two colours that people with any colour vision tell apart (Okabe & Ito 2008).
D_COLOUR, G_COLOUR = "#0072B2", "#D55E00"
SMOOTH_POINTS = 200  # a curve is averaged over windows, to about this many points


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install matplotlib") from error
    return Figure(figsize=(width, height), layout="constrained")


def sample_grid(images: Array, columns: int | None = None) -> Figure:
    """Draw images side by side, row by row, with a gap between them.

    Parameters
    ----------
    images
        (n, h, w, c) in [−1, 1], c = 1 (grey) or 3 (RGB), on any device.
    columns
        Number of images in a row; about √n unless given.
    """
    images = to_numpy(images)
    if images.ndim != 4 or images.shape[3] not in (1, 3) or len(images) == 0:
        raise ValueError(
            f"sample_grid: images have shape {images.shape}, expected (n, h, w, 1) or (n, h, w, 3)"
        )
    n, h, w, c = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    gap = max(1, h // 12)
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, c), np.nan)
    for i, image in enumerate(images):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        sheet[top : top + h, left : left + w] = np.clip((image + 1) / 2, 0, 1)
    blank = np.isnan(sheet[..., :1])
    sheet = np.where(blank, 0.35, sheet)  # dark grey: neither ink nor paper
    figure = _figure(0.6 * columns, 0.6 * rows)
    axes = figure.subplots()
    axes.imshow(sheet.squeeze(-1) if c == 1 else sheet, cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    return figure


def loss_curves(history: Mapping[str, Array]) -> Figure:
    """Draw both losses, and D's mean outputs, over the steps.

    Thin lines are the numbers, thick lines their averages over windows. The dotted lines are the
    values where D can't tell the two apart: D's loss 2·log 2, both mean outputs ½.

    Parameters
    ----------
    history
        Columns by name, as `minigan.history.read_history` gives them.
    """
    figure = _figure(8, 6)
    top, bottom = figure.subplots(2, 1, sharex=True)
    for axes, name, label, colour in (
        (top, "loss_D", "D's loss", D_COLOUR),
        (top, "loss_G", "G's loss", G_COLOUR),
        (bottom, "D_real", "D of real samples", D_COLOUR),
        (bottom, "D_fake", "D of generated samples", G_COLOUR),
    ):
        step, value = history["step"], history[name]
        window = max(1, len(step) // SMOOTH_POINTS)
        few, mean = (_means(column, window) for column in (step, value))
        if len(step) <= 20 * SMOOTH_POINTS:
            axes.plot(step, value, color=colour, alpha=0.25, linewidth=0.5)
        axes.plot(few, mean, color=colour, linewidth=1.8, label=label)
    top.axhline(2 * math.log(2), color="black", linestyle=":", linewidth=1)
    bottom.axhline(0.5, color="black", linestyle=":", linewidth=1)
    top.set_ylabel("loss")
    bottom.set_ylabel("mean probability of being real")
    bottom.set_ylim(-0.02, 1.02)
    bottom.set_xlabel("step")
    for axes in (top, bottom):
        axes.legend(loc="upper right")
        axes.grid(alpha=0.2)
    return figure


def _means(column: Array, window: int) -> Array:
    """Return the means of a column over consecutive windows, without an incomplete last one."""
    whole = len(column) // window * window
    return column[:whole].reshape(-1, window).mean(axis=1)


def points(
    fake: Array, real: Array | None = None, D: Layer | None = None, loss: Loss | None = None
) -> Figure:
    """Draw generated and real points of a 2-D data set over what D thinks of every place.

    Parameters
    ----------
    fake, real
        (n, 2), on any device; the first 2,000 of each are drawn.
    D, loss
        The discriminator, whose probabilities make the background, and the loss that says how its
        outputs become probabilities; no background without them.
    """
    clouds = [("generated", to_numpy(fake)[:2000], G_COLOUR)]
    if real is not None:
        clouds.insert(0, ("real", to_numpy(real)[:2000], D_COLOUR))
    for label, cloud, _ in clouds:
        if cloud.ndim != 2 or cloud.shape[1] != 2:
            raise ValueError(f"points: the {label} ones have shape {cloud.shape}, expected (n, 2)")
    frame = clouds[0][1]  # the real ones if there are any: G's may lie far out at first
    low, high = frame.min(axis=0), frame.max(axis=0)
    centre, reach = (low + high) / 2, float((high - low).max()) * 0.65
    figure = _figure(6.8, 6)
    axes = figure.subplots()
    if D is not None and loss is not None:
        extent = centre[0] - reach, centre[0] + reach, centre[1] - reach, centre[1] + reach
        ticks = np.linspace(-reach, reach, 200)
        places = np.stack(np.meshgrid(centre[0] + ticks, centre[1] + ticks), axis=-1)
        x = array_module(D.theta).asarray(places.reshape(-1, 2).astype(D.theta.dtype))
        p = to_numpy(loss.probability(D.forward(x, train=False)[0])).reshape(200, 200)
        heat = axes.imshow(
            p, extent=extent, origin="lower", cmap="PuOr_r", vmin=0, vmax=1, alpha=0.6
        )
        figure.colorbar(heat, ax=axes, label="D: probability of being real")
    for label, cloud, colour in clouds:
        axes.scatter(
            cloud[:, 0], cloud[:, 1], s=5, color=colour, alpha=0.6, linewidths=0, label=label
        )
    axes.set_xlim(centre[0] - reach, centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)
    axes.set_aspect("equal")
    axes.legend(loc="upper right", markerscale=3)
    return figure
