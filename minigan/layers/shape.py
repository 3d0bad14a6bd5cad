"""Layers that only rename axes: the numbers stay, and each map is a reshape, there or back."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, array_module
from .base import Layer, Shape, expect_shape


class Reshape(Layer):
    r"""y = x with samples of another shape          x (n, …)   y (n, *shape)

    y holds the numbers of x in the same order, so J is the identity under other names: its
    transpose names them back, and ⟨dy, J·v⟩ depends on no x. The cache is the shape of x.

    Parameters
    ----------
    shape
        Shape of one sample of y, such as (28, 28, 1) for a grey image of 28×28 pixels.
    """

    piecewise_linear = True

    def __init__(self, shape: Shape) -> None:
        self.shape = tuple(shape)
        super().__init__()

    def forward(
        self, x: Array, train: bool = True, rng: np.random.Generator | None = None
    ) -> tuple[Array, Shape]:
        """Return x renamed, and the shape that it had."""
        self.check_input(x)
        return x.reshape(len(x), *self.output_shape(x.shape[1:])), x.shape

    def backward(self, dy: Array, cache: Shape, grad: Array | None = None) -> Array:
        """Return dy, named as x was."""
        expect_shape("dy", dy, (cache[0], *self.output_shape(cache[1:])))
        return dy.reshape(cache)

    def jvp(self, v: Array, cache: Shape) -> Array:
        """Return v, named as y."""
        expect_shape("v", v, cache)
        return v.reshape(cache[0], *self.output_shape(cache[1:]))

    def jvp_backward(self, v: Array, dy: Array, cache: Shape, grad: Array | None = None) -> Array:
        """Return zeros."""
        expect_shape("v", v, cache)
        expect_shape("dy", dy, (cache[0], *self.output_shape(cache[1:])))
        return array_module(v).zeros_like(v)

    def output_shape(self, in_shape: Shape) -> Shape:
        """`shape`, for samples with as many numbers."""
        if math.prod(in_shape) != math.prod(self.shape):
            raise ValueError(
                f"{self!r} takes samples of {math.prod(self.shape)} numbers, "
                f"got {in_shape}, which has {math.prod(in_shape)}"
            )
        return self.shape


class Flatten(Reshape):
    r"""y = x with each sample as one row          x (n, …)   y (n, p)"""

    def __init__(self) -> None:
        Layer.__init__(self)

    def output_shape(self, in_shape: Shape) -> Shape:
        """(p,), p the number of numbers in a sample."""
        return (math.prod(in_shape),)
