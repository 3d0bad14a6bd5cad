"""Moments of a run, kept small, from which its moving picture is drawn.

For points in the plane a frame holds what D says on a grid of places, samples of a fixed noise,
what pulls at them, and what G makes of a grid of noise; for images the samples of a fixed noise. So
a frame's size depends on neither network, and the number of frames not on the length of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from ..arrays import Array, as_like, stream, to_numpy
from ..files.arrays import read_arrays, write_arrays
from ..files.atomic import sync_folder
from ..layers.base import Layer, Shape
from ..sampling import draw_noise
from ..step import Loss
from ..views import Conditional
from .clouds import frame_around, judged, packs_of, pixel_middles

FORMAT = "minigan-frame-1"
FRAMES = 30  # a run has about so many, never more than twice as many
LONGEST = 512  # steps from one frame to the next, until there are too many of them
SAMPLES, ARROWS = 400, 40  # generated points in a frame, and how many of them have an arrow
PLACES = 50  # rows and columns of D's heat map
LINES = 21  # each way, in the grid of noise
BYTES = 1 << 16  # of images in a frame, and at most 64 of them


class Recorder:
    """Takes a frame of a run after its first step, then every so many, and after its last.

    These are a 30th of the run, but 512 at most; whenever there are 60 frames, every second one is
    dropped, and from there on they are taken half as often. So which frames there are depends on
    the number of steps alone, never on a clock. All strides are powers of two: a run that goes on
    to be a longer one has taken all the frames that the longer one asks for.

    Parameters
    ----------
    folder
        Where the frames are kept. If a run goes on in it, frames of steps after `done` are dropped.
    sampler
        Gives the G to draw with.
    D, loss, noise
        As the run has them.
    x
        The data, with the shape that a picture takes: (n, 2) or (n, h, w, c).
    total, done
        Steps of the whole run, and of those the ones that have been taken before.
    seed
        Of the noise, which is the same in all frames.
    classes
        Number of labels that G and D are told, 0 if none.
    """

    def __init__(
        self,
        folder: Path,
        sampler: Callable[[], Layer],
        D: Layer,
        loss: Loss,
        x: Array,
        *,
        noise: str = "normal",
        total: int,
        done: int = 0,
        seed: int = 0,
        classes: int = 0,
    ) -> None:
        self.folder, self.sampler, self.D, self.loss = folder, sampler, D, loss
        self.total = total
        longest = max(1, min(total // FRAMES, LONGEST))
        self.first_stride = 1 << (longest.bit_length() - 1)  # the power of two that is no longer
        self.shape: Shape = x.shape[1:]
        self.is_points = self.shape == (2,)
        n = SAMPLES if self.is_points else max(1, min(64, BYTES // int(np.prod(self.shape))))
        labels = np.arange(n) % max(1, classes)
        self.conditions = as_like(np.eye(classes)[labels], D.theta) if classes else None
        G = self._told(sampler(), n)
        self.z = draw_noise(G, n, stream(seed, "frames"), noise)
        self.grid = as_like(_noise_grid(self.z.shape[1], noise), D.theta)
        if not folder.is_dir():
            folder.mkdir()
            sync_folder(folder.parent)
        for step, path in list_frames(folder).items():
            if step > done:
                path.unlink()
        if self.is_points:
            self.real = x[stream(seed, "frames real").permutation(len(x))[:SAMPLES]]
            real = to_numpy(self.real)
            centre, reach = frame_around(real)
            self.places = as_like(pixel_middles(centre, reach, PLACES).reshape(-1, 2), D.theta)
            _write(
                folder / "scene.safetensors",
                real=real,
                centre=centre,
                reach=reach,
                is_critic=loss.is_critic,
            )

    def stride(self, step: int) -> int:
        """Return how many steps apart the frames are that are there at this step."""
        stride = self.first_stride
        while step > 2 * FRAMES * stride:
            stride *= 2
        return stride

    def look(self, step: int) -> None:
        """Take a frame if this step is to have one; networks have just taken the step."""
        stride = self.stride(step)
        if step % stride and step not in (1, self.total):
            return
        for taken, path in list_frames(self.folder).items():
            if taken % stride and taken != 1:
                path.unlink()
        frame = self._points() if self.is_points else self._images()
        _write(self.folder / f"{step:012}.safetensors", **frame)

    def _points(self) -> dict[str, Array]:
        G = self.sampler()
        fake, _ = self._told(G, SAMPLES).forward(self.z, train=False)
        heat = np.zeros((0, 0))
        manifold = np.zeros((0, 0, 2))
        if self.conditions is None:  # with labels there is one of each for every label
            logits = judged(self.D, self.places)
            heat = to_numpy(self.loss.probability(logits)).reshape(PLACES, PLACES)
            manifold = to_numpy(G.forward(self.grid, train=False)[0]).reshape(LINES, LINES, 2)
        pull = self._pull(fake)
        return {"samples": to_numpy(fake), "pull": pull, "heat": heat, "manifold": manifold}

    def _pull(self, fake: Array) -> Array:
        """−∂L_G/∂x for each of the first samples: where G's next step wants to move them."""
        n = SAMPLES - SAMPLES % packs_of(self.D)
        D = self._told(self.D, n)
        logits, cache = D.forward(fake[:n], train=False)
        real_logits = None
        if self.loss.needs_real:
            rows = np.arange(n) % len(self.real)  # a small data set is used again and again
            real_logits, _ = D.forward(self.real[rows], train=False)
        _, d_logits = self.loss.generator(logits, real_logits)
        # The loss is a mean over D's outputs; the part of one is so many times that.
        return to_numpy(-len(logits) * D.backward(d_logits, cache))[:ARROWS]

    def _images(self) -> dict[str, Array]:
        x, _ = self._told(self.sampler(), len(self.z)).forward(self.z, train=False)
        pixels = np.nan_to_num(127.5 * (to_numpy(x) + 1)).clip(0, 255)
        return {"images": pixels.round().astype(np.uint8).reshape(-1, *self.shape)}

    def _told(self, net: Layer, n: int) -> Layer:
        """Return a network with the labels of the frame's samples, if it is conditional."""
        return net if self.conditions is None else Conditional(net, self.conditions[:n])


def list_frames(folder: Path) -> dict[int, Path]:
    """Return the files of the frames in a folder by their steps, in order."""
    found = (p for p in folder.glob("*.safetensors") if p.stem.isdecimal())
    return dict(sorted((int(path.stem), path) for path in found))


def read_frame(path: Path) -> dict[str, Array]:
    """Read the arrays of a frame, or of the scene.

    Raises
    ------
    FileNotFoundError, ValueError
        For a file that is missing, damaged or foreign.
    """
    try:
        arrays, _ = read_arrays(path, FORMAT, "minigan train")
    except ValueError as error:
        raise ValueError(f"{error}; a frame may be deleted, the picture goes without it") from error
    return arrays


def _write(path: Path, **arrays: Any) -> None:
    """Write arrays to a file that appears whole or not at all."""
    write_arrays(path, {name: np.asarray(a) for name, a in arrays.items()}, FORMAT, "")


def _noise_grid(features: int, noise: str) -> Array:
    """Return a grid of noise, (LINES², features): lines between which lie equal shares of it.

    With more than two features it is a slice: the others are 0.
    """
    shares = (np.arange(LINES) + 0.5) / LINES
    ticks = 2 * shares - 1
    if noise == "normal":
        ticks = np.array([NormalDist().inv_cdf(share) for share in shares])
    z = np.zeros((LINES, LINES, features))
    z[..., 0] = ticks[:, None]
    if features > 1:
        z[..., 1] = ticks[None, :]
    return z.reshape(LINES * LINES, features)
