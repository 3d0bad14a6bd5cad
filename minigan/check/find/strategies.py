"""Hypothesis strategies for points, so that a test suite checks a layer at many of them.

    from hypothesis import given
    from minigan.check import layer, strategies

    @given(x=strategies.batches(3))
    def test_my_layer(x):
        layer(MyLayer(3, 2), x).assert_ok()

A failing example shrinks in its shape and its seed; its numbers are normal ones drawn with that
seed, since ones that Hypothesis picks, all zero or all equal, hide more mistakes than they show.
"""

from __future__ import annotations

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        "minigan.check.find.strategies needs hypothesis: pip install hypothesis"
    ) from error

import numpy as np

from ...arrays import Array, stream
from ..layers import away_from_zero

Shape = tuple[int, ...]


def seeds() -> st.SearchStrategy[int]:
    """Seeds for a check: ``layer(my_layer, x, seed=seed)``."""
    return st.integers(0, 2**32 - 1)


def shapes(
    *, least_axes: int = 1, most_axes: int = 3, least: int = 1, most: int = 5
) -> st.SearchStrategy[Shape]:
    """Shapes of one sample.

    Parameters
    ----------
    least_axes, most_axes
        How many axes it has: 1 for vectors, 3 for images (h, w, c).
    least, most
        The length of each axis.
    """
    axis = st.integers(least, most)
    return st.lists(axis, min_size=least_axes, max_size=most_axes).map(tuple)


def arrays(
    shape: Shape | st.SearchStrategy[Shape], *, margin: float = 0.1, scale: float = 1.0
) -> st.SearchStrategy[Array]:
    """Float64 arrays of normal numbers, none of them within `margin` of zero.

    Parameters
    ----------
    shape
        A shape, or a strategy that draws one.
    margin
        Distance kept from zero, where many activations have their kink; 0 for none.
    scale
        Standard deviation of the numbers before they are pushed off zero.
    """
    drawn = st.just(tuple(shape)) if isinstance(shape, tuple) else shape

    def draw(shape: Shape, seed: int) -> Array:
        numbers = np.asarray(stream(seed, "strategy").standard_normal(shape))
        return away_from_zero(scale * numbers, margin)

    return st.builds(draw, drawn, seeds())


def batches(
    *sample_shape: int,
    least: int = 1,
    most: int = 5,
    margin: float = 0.1,
    scale: float = 1.0,
) -> st.SearchStrategy[Array]:
    """Batches (n, *sample_shape): ``batches(3)`` for vectors of 3, ``batches(8, 8, 2)`` for images.

    Parameters
    ----------
    *sample_shape
        Shape of one sample.
    least, most
        The least and the largest n; with 2, a normalisation over the batch is nearly
        flat, and its rounding shows: take 3 or more for a layer that couples its samples.
    margin, scale
        As for `arrays`.
    """
    shape = st.integers(least, most).map(lambda n: (n, *sample_shape))
    return arrays(shape, margin=margin, scale=scale)
