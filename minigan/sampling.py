"""Noise for a generator, samples from it, batches of real samples and their labels."""

from __future__ import annotations

import numpy as np

from .arrays import Array, array_module, as_like, stream, to_numpy
from .expect import expect_labels, expect_noise
from .layers.base import Layer


def draw_noise(G: Layer, n: int, rng: np.random.Generator, noise: str = "normal") -> Array:
    """Noise for G, (n, features), on G's device and of its dtype.

    It is drawn in float32 on the CPU, so that it is the same for every dtype and device.
    """
    expect_noise(noise)
    if G.in_shape is None:
        raise ValueError(f"G must fix its number of noise features; its first layer is {G!r}")
    shape = (n, *G.in_shape)
    if noise == "normal":
        z = rng.standard_normal(shape, dtype=np.float32)
    else:
        z = 2 * rng.random(shape, dtype=np.float32) - 1
    return as_like(z, G.theta)


def sample(G: Layer, n: int, seed: int = 0, noise: str = "normal") -> Array:
    """`n` samples of a trained G: ``sample(G, 64)`` has the shape (64, …).

    A conditional G is given as ``Conditional(G, conditions)``, with n rows of conditions.
    """
    return G.forward(draw_noise(G, n, stream(seed, "sample"), noise), train=False)[0]


class Batches:
    """Which rows make the k-th real batch: new order each epoch, less what fills no whole batch."""

    def __init__(self, samples: int, batch: int, seed: int) -> None:
        self.samples, self.batch, self.seed = samples, batch, seed
        self._epoch = -1  # the epoch whose order is kept, which only saves time
        self._order = np.arange(0)

    def epoch(self, k: int) -> int:
        """Return the epoch that batch k belongs to, counted from 0."""
        return k // (self.samples // self.batch)

    def rows(self, k: int) -> Array:
        """Return the row numbers of batch k, (batch,)."""
        epoch, i = divmod(k, self.samples // self.batch)
        if epoch != self._epoch:
            self._order = stream(self.seed, "order", epoch).permutation(self.samples)
            self._epoch = epoch
        return self._order[i * self.batch : (i + 1) * self.batch]


def one_hot_labels(labels: Array, data: Array) -> Array:
    """Return integers 0 … k − 1, one a sample of `data`, as rows (n, k) on its device."""
    labels = to_numpy(labels)
    expect_labels(labels, len(data))
    rows = np.zeros((len(labels), int(labels.max()) + 1), data.dtype)
    rows[np.arange(len(labels)), labels] = 1
    return array_module(data).asarray(rows)
