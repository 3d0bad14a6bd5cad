"""Pictures of a run. Each function returns a matplotlib figure; ``figure.savefig(path)`` keeps it.

Figures are made without pyplot, so nothing global is touched and no window is needed; a notebook
shows a figure that a cell ends with.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, array_module, to_numpy
from ..layers.base import Layer
from ..step import Loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Two colours that people with any colour vision tell apart (Okabe & Ito 2008).
D_COLOUR, G_COLOUR = "#0072B2", "#D55E00"
D_TINT, G_TINT = "#99C7E0", "#EEBF99"  # the same, light
IMAGE_SIZE = 72  # about so many pixels an image in a grid
GAP_COLOUR = 0.35  # between images, dark grey: neither ink nor paper
SMOOTH_POINTS = 200  # a curve is averaged over windows, to about this many points
ABOVE: Any = {"loc": "lower right", "bbox_to_anchor": (1, 1), "frameon": False}  # hides no data
DPI = 128  # a power of two, so that pixels ↔ inches is exact


def new_figure(width: int, height: int) -> Figure:
    """Return an empty figure of width × height pixels."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install matplotlib") from error

    class NotebookFigure(Figure):
        def _repr_png_(self) -> bytes:
            """Return the picture that a notebook shows."""
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return NotebookFigure(figsize=(width / DPI, height / DPI), dpi=DPI)


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
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.size == 0:
        raise ValueError(
            f"sample_grid: images have shape {images.shape}, expected (n, h, w, 1) or (n, h, w, 3) "
            "with no 0 in it; grey images get their last axis by images[..., None]"
        )
    if images.dtype.kind != "f":
        raise TypeError(
            f"sample_grid: images are {images.dtype}, expected floats in [-1, 1]; of bytes make "
            "them by images / 127.5 - 1"
        )
    _, h, w, c = images.shape
    if columns is not None and columns < 1:
        raise ValueError(f"sample_grid: columns must be at least 1, got {columns}")
    tiled = sheet(images, columns)
    # A pixel of an image becomes a square of whole pixels, so that none is blurred.
    scale = max(1, round(IMAGE_SIZE / max(h, w)))
    figure = new_figure(scale * tiled.shape[1], scale * tiled.shape[0])
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(
        tiled.squeeze(-1) if c == 1 else tiled,
        cmap="gray",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        aspect="auto",
    )
    axes.set_axis_off()
    return figure


def sheet(images: Array, columns: int | None = None) -> Array:
    """Return images (n, h, w, c) side by side, row by row, as one image in [0, 1]."""
    n, h, w, c = images.shape
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    rows = math.ceil(n / columns)
    gap = max(1, min(h, w) // 12)
    tiled = np.full((gap + rows * (h + gap), gap + columns * (w + gap), c), GAP_COLOUR)
    for i, image in enumerate(images):
        top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        tiled[top : top + h, left : left + w] = np.clip((image + 1) / 2, 0, 1)
    return np.where(np.isnan(tiled), GAP_COLOUR, tiled)  # what a diverged G makes


def loss_curves(history: Mapping[str, Array], loss: Loss | None = None) -> Figure:
    """Draw both losses, and D's mean outputs, over the steps.

    Thin lines are the numbers, thick lines their averages over windows. Where D's outputs are
    probabilities, dotted lines are what they and D's loss are when D can't tell the two apart: ½
    and 2·log 2. The outputs of a critic have no such marks.

    Parameters
    ----------
    history
        Columns by name, as `minigan.runs.history.read_history` gives them.
    loss
        The loss that was trained with, which says whether D is a critic. Without it D's outputs are
        taken for probabilities if all lie in [0, 1].
    """
    names = ("step", "loss_D", "loss_G", "D_real", "D_fake")
    missing = [name for name in names if name not in history]
    if missing:
        raise ValueError(
            f"loss_curves: the history lacks {', '.join(missing)}, expected columns "
            f"{', '.join(names)}, as minigan.runs.history.read_history gives them"
        )
    columns = {name: np.asarray(history[name], np.float64) for name in names}
    step = columns["step"]
    window = max(1, len(step) // SMOOTH_POINTS)
    few = window_means(step, window)
    figure = new_figure(1024, 768)
    figure.set_layout_engine("constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    for axes, name, label, colour in (
        (top, "loss_D", "D's loss", D_COLOUR),
        (top, "loss_G", "G's loss", G_COLOUR),
        (bottom, "D_real", "D of real samples", D_COLOUR),
        (bottom, "D_fake", "D of generated samples", G_COLOUR),
    ):
        if 1 < window <= 20:  # with more of them they would be one grey band
            axes.plot(step, columns[name], color=colour, alpha=0.25, linewidth=0.5)
        # A line through one point can't be seen.
        marker = "o" if len(step) < 2 else ""
        mean = window_means(columns[name], window)
        axes.plot(few, mean, color=colour, linewidth=1.8, marker=marker, label=label)
    outputs = np.concatenate([columns["D_real"], columns["D_fake"]])
    outside = (outputs < 0) | (outputs > 1)  # NaN is neither
    if outside.any() if loss is None else loss.is_critic:
        bottom.set_ylabel("mean output of the critic")
    else:
        dotted = {"color": "black", "linestyle": ":", "linewidth": 1}
        top.axhline(2 * math.log(2), **dotted, label="D's loss if it can't tell: 2·log 2")
        bottom.axhline(0.5, **dotted, label="D can't tell: ½")
        bottom.set_ylabel("mean probability of being real")
        bottom.set_ylim(-0.02, 1.02)
    top.set_ylabel("loss")
    bottom.set_xlabel("step")
    bottom.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    for axes in (top, bottom):
        axes.legend(**ABOVE, ncols=3)
        axes.grid(alpha=0.2)
    return figure


def window_means(column: Array, window: int) -> Array:
    """Return the means of a column over consecutive windows, without an incomplete last one."""
    whole = len(column) // window * window
    return column[:whole].reshape(-1, window).mean(axis=1)


HEAT = {True: "D: probability of being real", False: "output of the critic"}


def points(
    fake: Array, real: Array | None = None, D: Layer | None = None, loss: Loss | None = None
) -> Figure:
    """Draw generated and real points of a 2-D data set over what D thinks of every place.

    Parameters
    ----------
    fake, real
        (n, 2), on any device; the first 2,000 of each are drawn. The real ones, if there are any,
        set the frame.
    D, loss
        The discriminator, whose outputs make the background, and the loss, which says whether they
        are probabilities; no background without them.
    """
    clouds = [("generated", to_numpy(fake)[:2000], G_COLOUR)]
    if real is not None:
        clouds.insert(0, ("real", to_numpy(real)[:2000], D_COLOUR))
    for label, cloud, _ in clouds:
        if cloud.ndim != 2 or cloud.shape[1] != 2 or len(cloud) == 0:
            raise ValueError(
                f"points: the {label} ones have shape {cloud.shape}, expected (n, 2), n at least 1"
            )
    frame = clouds[0][1]  # the real ones if there are any: G's may lie far out at first
    if not np.isfinite(frame).all():
        raise ValueError(f"points: the {clouds[0][0]} ones are not all finite: no frame holds them")
    centre, reach = frame_around(frame)
    figure = new_figure(832, 704)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    if D is not None and loss is not None:
        extent = centre[0] - reach, centre[0] + reach, centre[1] - reach, centre[1] + reach
        places = pixel_middles(centre, reach, 200)
        x = array_module(D.theta).asarray(places.reshape(-1, 2).astype(D.theta.dtype))
        p = to_numpy(loss.probability(D.forward(x, train=False)[0])).reshape(200, 200)
        low, high = (p.min(), p.max()) if loss.is_critic else (0, 1)
        tints = heat_colours()
        heat = axes.imshow(p, extent=extent, origin="lower", cmap=tints, vmin=low, vmax=high)
        figure.colorbar(heat, ax=axes, label=HEAT[not loss.is_critic])
    for label, cloud, colour in clouds:
        axes.scatter(
            cloud[:, 0], cloud[:, 1], s=6, color=colour, alpha=0.7, linewidths=0, label=label
        )
    axes.set_xlim(centre[0] - reach, centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)
    axes.set_aspect("equal")
    axes.legend(**ABOVE, ncols=2, markerscale=3)
    return figure


def frame_around(cloud: Array) -> tuple[Array, float]:
    """Return the centre (2,) and half the side of a square with room around points (n, 2)."""
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    return (low + high) / 2, 0.65 * float((high - low).max()) or 1.0  # 1 around a single point


def pixel_middles(centre: Array, reach: float, n: int) -> Array:
    """Return the middles (n, n, 2) of n × n pixels over such a square, the lowest row first."""
    ticks = reach * (np.arange(1 - n, n, 2) / n)
    return np.stack(np.meshgrid(centre[0] + ticks, centre[1] + ticks), axis=-1)


def heat_colours() -> Any:
    """Return the points' own colours, light: D takes bluish places for real, reddish for not."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("D", [G_TINT, "white", D_TINT])
