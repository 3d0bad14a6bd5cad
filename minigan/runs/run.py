"""A run that has been trained: what its folder says, and samples from its generator."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array, array_module, as_like, stream, to_numpy
from ..expect import expect_integer
from ..files.arrays import write_arrays
from ..files.networks import load
from ..files.pytorch import describe, state_dict
from ..layers.base import Layer, Shape
from ..network import Sequential
from ..plot.clouds import points
from ..plot.stills import sample_grid
from ..plot.walk import walk
from ..sampling import draw_noise
from ..step import Loss
from ..views import Conditional
from .folder import D as D_FILE
from .folder import G as G_FILE
from .settings import read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 10  # images in a row of a picture
AT_ONCE = 1000  # samples that are drawn together


@dataclass(frozen=True)
class Run:
    """A folder that `minigan train` has written: its generator, and what that was trained on."""

    G: Sequential
    noise: str
    shape: Shape
    classes: int  # labels that G is told, 0 if none
    mean: Array | None = None  # of data that were standardised; samples are scaled back by them
    scale: Array | None = None

    @staticmethod
    def open(folder: str | os.PathLike[str], device: str = "cpu") -> Run:
        """Read the settings and the generator of a run.

        Raises
        ------
        FileNotFoundError
            For a folder that holds no run.
        ValueError
            For damaged settings or weights, and for a run that diverged.
        """
        folder = Path(folder)
        settings = read(folder)
        path = folder / G_FILE
        G = load(path).to(device)
        shape, classes = tuple(settings["shape"]), settings["classes"]
        takes_noise = G.in_shape is not None and len(G.in_shape) == 1 and G.in_shape[0] > classes
        # A G that is told labels makes rows, which `samples` gives their shape.
        if not takes_noise or math.prod(G.output_shape(G.in_shape)) != math.prod(shape):
            raise ValueError(f"{path} holds no generator of this run, it holds {G!r}")
        if not np.isfinite(to_numpy(G.theta)).all():
            raise ValueError(
                f"{folder} is a run that diverged: G's weights are not finite; train again, "
                "with smaller --lr-g and --lr-d"
            )
        given = settings.get("mean"), settings.get("scale")
        mean, scale = (None if numbers is None else np.array(numbers) for numbers in given)
        return Run(G, settings["noise"], shape, classes, mean, scale)

    def samples(
        self,
        n: int | None = None,
        seed: int = 0,
        label: int | None = None,
        interpolate: bool = False,
    ) -> Array:
        """Return samples of the shape of the data; points on the scale that they had in their file.

        `batches` gives the same, some at a time.

        Parameters
        ----------
        n
            How many: 100 images or 2,000 points unless given.
        seed
            Another seed, other samples.
        label
            What a conditional G is to draw; all labels in turn unless given.
        interpolate
            Rows of `COLUMNS` images each, from one sample to another.
        """
        drawn = [*self.batches(n, seed, label, interpolate)]
        return array_module(drawn[0]).concatenate(drawn) if len(drawn) > 1 else drawn[0]

    def batches(
        self,
        n: int | None = None,
        seed: int = 0,
        label: int | None = None,
        interpolate: bool = False,
    ) -> Iterator[Array]:
        """Give what `samples` returns, `AT_ONCE` at most at a time: G's layers take no more memory.

        Raises
        ------
        ValueError
            For a label that the run does not have, and for a walk through noise that isn't normal.
        """
        n = how_many(self.shape) if n is None else n
        expect_integer("n", n, 1)
        if label is not None and not 0 <= label < self.classes:
            known = f"0 to {self.classes - 1}" if self.classes else "none: G is not conditional"
            raise ValueError(f"label is {label}, the labels of this run are {known}")
        if interpolate:
            if self.noise != "normal":
                raise ValueError(f"a walk needs normal noise; this run has {self.noise} noise")
            rows = -(-n // COLUMNS)
            G = self._told(self._labels(rows, label).repeat(COLUMNS))
            yield self._as_data(walk(G, rows, COLUMNS, seed)[:n])
            return
        rng, labels = stream(seed, "sample"), self._labels(n, label)  # as `minigan.sampling.sample`
        for start in range(0, n, AT_ONCE):
            told = labels[start : start + AT_ONCE]
            G = self._told(told)
            z = draw_noise(G, len(told), rng, self.noise)
            yield self._as_data(G.forward(z, train=False)[0])

    def _labels(self, n: int, label: int | None) -> Array:
        """Return what G is to draw: all labels in turn, or one."""
        return np.arange(n) % max(1, self.classes) if label is None else np.full(n, label)

    def _told(self, labels: Array) -> Layer:
        """Return G with these labels, if it is told any."""
        if not self.classes:
            return self.G
        return Conditional(self.G, as_like(np.eye(self.classes)[labels], self.G.theta))

    def _as_data(self, drawn: Array) -> Array:
        """Return samples of the shape and scale of the data."""
        drawn = drawn.reshape(len(drawn), *self.shape)
        return drawn if self.scale is None else to_numpy(drawn) * self.scale + self.mean

    def _repr_png_(self) -> bytes | None:
        """Return the picture that a notebook shows of a run: its samples."""
        if not has_picture(self.shape):
            return None
        buffer = io.BytesIO()
        picture(self.samples(), classes=self.classes).savefig(buffer, format="png")
        return buffer.getvalue()


def has_picture(shape: Shape) -> bool:
    """Return whether such samples can be drawn: grey or RGB images, points in the plane."""
    return shape == (2,) or (len(shape) == 3 and shape[2] in (1, 3))


def how_many(shape: Shape) -> int:
    """Return the number of samples that make a good picture."""
    return 100 if len(shape) == 3 else 2000


def picture(
    samples: Array,
    real: Array | None = None,
    D: Layer | None = None,
    loss: Loss | None = None,
    classes: int = 0,
    caption: str = "",
) -> Figure:
    """Return a figure of samples that have a picture; with some classes, a column shows one."""
    if samples.ndim != 4:
        return points(samples, real, D, loss)
    if not 1 < classes <= 2 * COLUMNS:
        return sample_grid(samples, COLUMNS, caption=caption)
    labels = [*range(classes)] * max(1, COLUMNS // classes)  # samples have all classes in turn
    return sample_grid(samples, len(labels), labels=labels, caption=caption)


def export(folder: Path, out: str | os.PathLike[str] | None = None) -> list[tuple[Path, str]]:
    """Write both networks of a run as PyTorch takes them: see `minigan.files.pytorch.state_dict`.

    Parameters
    ----------
    folder
        Of the run.
    out
        Folder to write to, that of the run unless given.

    Returns
    -------
    list
        For each network the safetensors file, which ``load_state_dict`` takes, and the source text
        of the ``torch.nn.Sequential`` that it is for; the file holds that too, in its metadata.

    Raises
    ------
    FileNotFoundError, ValueError
        For a folder without a run, or damaged files.
    TypeError
        For a layer without a counterpart in PyTorch, by its name; nothing is written then.
    """
    settings = read(folder)
    made = []
    for name, file in (("G", G_FILE), ("D", D_FILE)):
        net = load(folder / file)
        in_shape = net.in_shape or tuple(settings["shape"])
        try:
            made.append((name, state_dict(net, in_shape), describe(net, in_shape)))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name} of {folder} has no form in PyTorch: {error}") from error
    paths = []
    for name, arrays, source in made:
        path = Path(out or folder) / f"{name}.pytorch.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, arrays, "torch.nn", source)
        paths.append((path, source))
    return paths
