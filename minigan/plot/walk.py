"""A walk from one sample to another: how a picture shows that what lies between is made up too."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, array_module, as_like, stream
from ..layers.base import Layer
from ..sampling import draw_noise


def walk(G: Layer, rows: int, steps: int, seed: int = 0) -> Array:
    r"""Draw samples on the way from one noise to another, (rows·steps, …), row after row.

    Normal noise of p features lies close to the sphere of radius √p; a straight line between two
    of its points would cross the inside, where G has never been. So the direction follows the
    sphere (White 2016), and the length goes evenly from one to the other: with â, b̂ the directions
    of a and b, and ω the angle between them,

        z(t) = [(1 − t)·‖a‖ + t·‖b‖]·[sin((1 − t)·ω)·â + sin(t·ω)·b̂]/sin ω          0 ≤ t ≤ 1

    Raises
    ------
    ValueError
        For a G of one noise feature: there is no way around.
    """
    ends = draw_noise(G, 2 * rows, stream(seed, "walk"))
    if ends.shape[1] < 2:
        raise ValueError("a walk needs directions: G has noise of 1 feature, expected 2 or more")
    xp, a, b = array_module(ends), ends[:rows, None], ends[rows:, None]
    length_a, length_b = (xp.sqrt((end * end).sum(axis=-1, keepdims=True)) for end in (a, b))
    cosine = (a * b).sum(axis=-1, keepdims=True) / (length_a * length_b)
    omega = xp.arccos(xp.clip(cosine, -1, 1))
    sine = xp.sin(omega)
    one_line = sine < 1e-3  # sin(t·ω)/sin ω is then t itself, and 0/0 at ω = 0
    t = as_like(np.linspace(0, 1, steps), ends)[None, :, None]
    along_a, along_b = (
        xp.where(one_line, part, xp.sin(part * omega) / xp.where(one_line, 1, sine))
        for part in (1 - t, t)
    )
    length = (1 - t) * length_a + t * length_b
    z = along_a * (length / length_a) * a + along_b * (length / length_b) * b
    return G.forward(z.reshape(rows * steps, -1), train=False)[0]
