"""Pictures of a run. Each function returns a matplotlib figure; ``figure.savefig(path)`` keeps it.

Figures are made without pyplot, so nothing global is touched and no window is needed; a notebook
shows a figure that a cell ends with. What a user has set for matplotlib (LaTeX, fonts, a backend)
changes none of them.
"""

from __future__ import annotations

import io
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, to_numpy
from ..layers.base import Shape
from ..step import Loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Two colours that people with any colour vision tell apart (Okabe & Ito 2008).
D_COLOUR, G_COLOUR = "#0072B2", "#D55E00"
ENDINGS = (".png", ".svg", ".pdf")  # of the files that a figure can be saved as
IMAGE_SIZE = 72  # about so many pixels an image in a grid
GAP_COLOUR = 0.85  # of the gutters between images, light grey: neither ink nor paper
TEXT_LINE, TEXT_SIZE = 24, 7.5  # pixels of a line of text around images, and its size in points
NAN_COLOUR = 0.5  # of a pixel that is not a number
MOST_PIXELS, LONGEST_SIDE = 20_000_000, 30_000  # of a picture
SMOOTH_POINTS = 200  # a curve is averaged over windows, to about this many points
ABOVE: Any = {"loc": "lower right", "bbox_to_anchor": (1, 1), "frameon": False}  # hides no data
DPI = 128  # a power of two, so that pixels ↔ inches is exact


def import_matplotlib() -> Any:
    """Return the module matplotlib.

    Raises
    ------
    ImportError
        Without it.
    """
    if "matplotlib" not in sys.modules:
        # A backend that it doesn't know would stop its import. A figure without pyplot needs none.
        backend = os.environ.pop("MPLBACKEND", None)
        try:
            import matplotlib
        except ImportError as error:
            raise ImportError("plots need matplotlib: pip install matplotlib") from error
        finally:
            if backend is not None:
                os.environ["MPLBACKEND"] = backend
        if backend:
            with suppress(ValueError):
                matplotlib.rcParams["backend"] = backend
    return sys.modules["matplotlib"]


@contextmanager
def own_style() -> Iterator[None]:
    """Make and draw figures as matplotlib does by itself, whatever a user's matplotlibrc says.

    SVG files are the same bytes for the same figure.
    """
    import_matplotlib()
    import matplotlib.style

    with matplotlib.style.context(["default", {"svg.hashsalt": "minigan"}]):
        yield


def new_figure(width: int, height: int) -> Figure:
    """Return an empty figure of width × height pixels."""
    import_matplotlib()
    from matplotlib.figure import Figure

    class OwnFigure(Figure):
        def savefig(self, fname: Any, **settings: Any) -> None:
            """Write the figure to a file of the kind that its name ends in."""
            if str(settings.get("format", fname)).endswith("svg"):
                settings = {"metadata": {"Date": None}} | settings  # the same bytes tomorrow
            with own_style():
                super().savefig(fname, **settings)

        def _repr_png_(self) -> bytes:
            """Return the picture that a notebook shows."""
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return OwnFigure(figsize=(width / DPI, height / DPI), dpi=DPI)


def plain_text(text: object) -> str:
    """Return a text, such as a folder's name, without what can't be written as UTF-8."""
    return str(text).encode("utf-8", "replace").decode()


@own_style()
def sample_grid(
    images: Array,
    columns: int | None = None,
    *,
    labels: Sequence[object] | None = None,
    caption: str = "",
) -> Figure:
    """Draw images side by side, row by row, with a thin light gap between them.

    Parameters
    ----------
    images
        (n, h, w, c) in [−1, 1], c = 1 (grey) or 3 (RGB), on any device.
    columns
        Number of images in a row; as many as there are labels, or about √n, unless given.
    labels
        What stands above each column.
    caption
        A line under the images.

    Raises
    ------
    ValueError
        For arrays of another shape, and for a picture beyond `MOST_PIXELS` or `LONGEST_SIDE`.
    TypeError
        For what are no floats.
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
    if columns is None and labels is not None:
        columns = len(labels)
    if columns is not None and columns < 1:
        raise ValueError(f"sample_grid: columns must be at least 1, got {columns}")
    width, height = grid_size(images.shape, columns)
    tiled = sheet(images, columns)
    top, bottom = TEXT_LINE * bool(labels), TEXT_LINE * bool(caption)
    figure = new_figure(width, height + top + bottom)
    place = 0, bottom / (height + top + bottom), 1, height / (height + top + bottom)
    axes = figure.add_axes(place)
    axes.imshow(
        tiled.squeeze(-1) if tiled.shape[2] == 1 else tiled,
        cmap="gray",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        aspect="auto",
    )
    axes.set_axis_off()
    text: dict[str, Any] = {"fontsize": TEXT_SIZE, "color": "0.25", "parse_math": False}
    pitch = images.shape[2] + _gap(images.shape)
    for i, label in enumerate((labels or ())[: _columns(len(images), columns)]):
        middle = (pitch * (i + 0.5) + _gap(images.shape) / 2) / tiled.shape[1]
        height_above = 1 - top / 2 / (height + top + bottom)
        figure.text(middle, height_above, plain_text(label), ha="center", va="center", **text)
    if caption:
        middle_below = bottom / 2 / (height + top + bottom)
        figure.text(0.01, middle_below, plain_text(caption), va="center", **text)
    return figure


def grid_size(shape: Shape, columns: int | None = None) -> tuple[int, int]:
    """Return the width and height in pixels of the picture of images (n, h, w, c).

    Raises
    ------
    ValueError
        For a picture beyond `MOST_PIXELS` or `LONGEST_SIDE`.
    """
    n, h, w, _ = shape
    columns, gap = _columns(n, columns), _gap(shape)
    # A pixel of an image becomes a square of whole pixels, so that none is blurred.
    scale = max(1, round(IMAGE_SIZE / max(h, w)))
    width = scale * (gap + columns * (w + gap))
    height = scale * (gap + math.ceil(n / columns) * (h + gap))
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise ValueError(
            f"a picture of {n:,} images of {h} × {w} would have {width:,} × {height:,} pixels, "
            f"expected at most {MOST_PIXELS:,}, and {LONGEST_SIDE:,} on a side; take fewer, or "
            "write the numbers: minigan sample --out FILE.npz"
        )
    return width, height


def sheet(images: Array, columns: int | None = None) -> Array:
    """Return images (n, h, w, c) side by side, row by row, as one image in [0, 1]."""
    n, h, w, c = images.shape
    columns, gap = _columns(n, columns), _gap(images.shape)
    rows = math.ceil(n / columns)
    tiled = np.full((gap + rows * (h + gap), gap + columns * (w + gap), c), GAP_COLOUR)
    for i, image in enumerate(images):
        top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        tiled[top : top + h, left : left + w] = np.clip((image + 1) / 2, 0, 1)
    return np.where(np.isnan(tiled), NAN_COLOUR, tiled)  # what a diverged G makes


def _columns(n: int, columns: int | None) -> int:
    return min(n, columns or math.ceil(math.sqrt(n)))


def _gap(shape: Shape) -> int:
    """Return how many of an image's pixels lie between images (n, h, w, c)."""
    return max(1, min(shape[1:3]) // 32)


@own_style()
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
    if window > 1:
        steps = f"{few[1] - few[0]:,.0f} steps"
        figure.suptitle(f"thick lines are means over {steps} each", fontsize=9, x=0.99, ha="right")
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
