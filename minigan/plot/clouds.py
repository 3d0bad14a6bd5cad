"""Points of the plane: generated ones, real ones, and behind them a map of what D says there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, array_module, to_numpy
from ..layers import Pack
from ..layers.base import Layer
from ..network import Sequential
from ..step import Loss
from .stills import ABOVE, D_COLOUR, G_COLOUR, import_matplotlib, new_figure, own_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLOUD, RINGS = 2000, 200  # generated points that are drawn, and real ones: rings in a heap hide all
HEAT_COLOURS = ("#FFFFFF", "#97D3BA")  # where D says 0, and 1: so pale that all points stand out
HEAT = {
    True: "D: probability of being real",
    False: "output of the critic; the middle is its median",
}


@own_style()
def points(
    fake: Array, real: Array | None = None, D: Layer | None = None, loss: Loss | None = None
) -> Figure:
    """Draw generated and real points of a 2-D data set over what D thinks of every place.

    Generated ones are dots; real ones open rings above them, so that neither hides the other.

    Parameters
    ----------
    fake, real
        (n, 2), on any device; the first `CLOUD` of each are drawn. The real ones, if there are any,
        set the frame. Generated ones that are not finite are left out.
    D, loss
        The discriminator, whose outputs make the background, and the loss, which says whether they
        are probabilities; no background without them.

    Raises
    ------
    ValueError
        For other shapes, and where what sets the frame is not finite.
    """
    fake, real = to_numpy(fake)[:CLOUD], None if real is None else to_numpy(real)[:CLOUD]
    for label, cloud in (("generated", fake), ("real", real)):
        if cloud is not None and (cloud.ndim != 2 or cloud.shape[1] != 2 or len(cloud) == 0):
            raise ValueError(
                f"points: the {label} ones have shape {cloud.shape}, expected (n, 2), n at least 1"
            )
    if real is not None and not np.isfinite(real).all():
        raise ValueError("points: the real ones are not all finite: no frame holds them")
    fake = fake[np.isfinite(fake).all(axis=1)]
    frame = fake if real is None else real  # G's may lie far out at first
    if len(frame) == 0:
        raise ValueError("points: the generated ones are not finite: no frame holds them")
    centre, reach = frame_around(frame)
    figure = new_figure(832, 704)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    if D is not None and loss is not None:
        places = pixel_middles(centre, reach, 200)
        with np.errstate(over="ignore", invalid="ignore"):  # D at places beyond its numbers
            x = array_module(D.theta).asarray(places.reshape(-1, 2).astype(D.theta.dtype))
            p = to_numpy(loss.probability(judged(D, x))).reshape(200, 200)
        draw_heat(axes, p, centre, reach, loss.is_critic)
    draw_clouds(axes, fake, real)
    axes.set_xlim(centre[0] - reach, centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)
    axes.set_aspect("equal")
    axes.legend(**ABOVE, ncols=2, markerscale=2)
    return figure


def judged(D: Layer, x: Array) -> Array:
    """Return D's outputs for x (n, …), (n, 1); a D of packs sees packs of the same sample."""
    return D.forward(x.repeat(packs_of(D), axis=0), train=False)[0]


def packs_of(D: Layer) -> int:
    """Return how many samples D judges together."""
    first = D.layers[0] if isinstance(D, Sequential) else D
    return first.m if isinstance(first, Pack) else 1


def draw_clouds(axes: Any, fake: Array, real: Array | None = None) -> Any:
    """Draw generated points as dots, real ones as rings above; return the collection of dots."""
    if real is not None:
        axes.scatter(
            *real[:RINGS].T,
            s=20,
            facecolors="none",
            edgecolors=D_COLOUR,
            linewidths=0.8,
            alpha=0.8,
            zorder=4,
            label="real",
        )
    return axes.scatter(
        *fake.T, s=7, color=G_COLOUR, alpha=0.8, linewidths=0, zorder=3, label="generated"
    )


def draw_heat(
    axes: Any, p: Array, centre: Array, reach: float, is_critic: bool, bar: Any = None
) -> Any:
    """Draw D's outputs (n, n), the lowest row first, over a square, with a labelled bar beside it.

    A probability has the whole map, from 0 to 1; for a critic's outputs see `critic_range`. The bar
    takes its room from `axes`, unless axes of its own are given. Returns the image.
    """
    low, high = critic_range(p) if is_critic else (0.0, 1.0)
    heat = axes.imshow(
        p,
        extent=(centre[0] - reach, centre[0] + reach, centre[1] - reach, centre[1] + reach),
        origin="lower",
        cmap=heat_colours(),
        vmin=low,
        vmax=high,
    )
    ends = "both" if is_critic else "neither"
    axes.figure.colorbar(
        heat, cax=bar, ax=None if bar else axes, label=HEAT[not is_critic], extend=ends
    )
    return heat


def critic_range(outputs: Array) -> tuple[float, float]:
    """Return the two ends of a critic's map: its median in the middle, 98 % of outputs between.

    A critic's outputs have no zero that means something, nor a scale.
    """
    outputs = outputs[np.isfinite(outputs)].astype(np.float64)
    if len(outputs) == 0:
        return -1.0, 1.0
    middle = float(np.median(outputs))
    half = float(np.quantile(abs(outputs - middle), 0.98))
    half = half or max(1.0, abs(middle))  # one value everywhere
    return middle - half, middle + half


def frame_around(cloud: Array) -> tuple[Array, float]:
    """Return the centre (2,) and half the side of a square with room around points (n, 2)."""
    cloud = np.asarray(cloud, np.float64)  # a side may be longer than float32 can say
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    return (low + high) / 2, 0.65 * float((high - low).max()) or 1.0  # 1 around a single point


def pixel_middles(centre: Array, reach: float, n: int) -> Array:
    """Return the middles (n, n, 2) of n × n pixels over such a square, the lowest row first."""
    ticks = reach * (np.arange(1 - n, n, 2) / n)
    return np.stack(np.meshgrid(centre[0] + ticks, centre[1] + ticks), axis=-1)


def heat_colours() -> Any:
    """Return the map of D's outputs: one pale hue, from white where D says 0 to green at 1."""
    import_matplotlib()
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("D", HEAT_COLOURS)
