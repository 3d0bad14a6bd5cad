"""Noise for a generator, samples from it, and walks between them."""

from __future__ import annotations

import numpy as np

from .arrays import Array, array_module, as_like, stream
from .layers.base import Layer

NOISES = ("normal", "uniform")


def draw_noise(G: Layer, n: int, rng: np.random.Generator, noise: str = "normal") -> Array:
    """Noise for G, (n, features), on G's device and of its dtype.

    It is drawn in float32 on the CPU, so that it is the same for every dtype and device.
    """
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

    A conditional G is given as ``Joined(G, conditions)``, with n rows of conditions.
    """
    return G.forward(draw_noise(G, n, stream(seed, "sample"), noise), train=False)[0]


def walk(G: Layer, rows: int, steps: int, seed: int = 0) -> Array:
    r"""Draw samples on the way from one noise to another, (rows·steps, …), row after row.

    Normal noise of p features lies close to the sphere of radius √p; a straight line between two
    of its points would cross the inside, where G has never been. So the direction follows the
    sphere (White 2016), and the length goes evenly from one to the other: with â, b̂ the directions
    of a and b, and ω the angle between them,

        z(t) = [(1 − t)·‖a‖ + t·‖b‖]·[sin((1 − t)·ω)·â + sin(t·ω)·b̂]/sin ω          0 ≤ t ≤ 1
    """
    # In float64: two directions that lie close together have an angle that float32 takes for 0.
    ends = draw_noise(G, 2 * rows, stream(seed, "walk")).astype(np.float64)
    if ends.shape[1:] == (1,):
        raise ValueError("walk: G takes noise of 1 feature, expected 2 or more: a sphere")
    xp = array_module(ends)
    lengths = xp.sqrt((ends * ends).sum(axis=-1, keepdims=True))
    directions = ends / lengths
    a, b = directions[:rows, None], directions[rows:, None]
    omega = xp.arccos(xp.clip((a * b).sum(axis=-1, keepdims=True), -1, 1))
    t = as_like(np.linspace(0, 1, steps), ends)[None, :, None]
    length = (1 - t) * lengths[:rows, None] + t * lengths[rows:, None]
    z = length * (xp.sin((1 - t) * omega) * a + xp.sin(t * omega) * b) / xp.sin(omega)
    z = z.reshape(rows * steps, -1).astype(G.theta.dtype)
    return G.forward(z, train=False)[0]
