"""Layers without weights that are linear in x: y = A·x, where A never changes."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, array_module
from .base import Layer, Shape, expect_shape


class LinearMap(Layer):
    r"""y = A·x          x (n, …)   y (n, …)

    The Jacobian of a linear map is the map itself, J = A, so with ⟨dy, A·x⟩ = ⟨Aᵀ·dy, x⟩:

        dx = Aᵀ·dy          t = A·v          ⟨dy, J·v⟩ = ⟨dy, A·v⟩ has no x in it: its ∇ₓ is 0

    A subclass says what A and Aᵀ do to a batch. The cache is the shape of x.
    """

    piecewise_linear = True

    def apply(self, x: Array) -> Array:
        """Return A·x."""
        raise NotImplementedError

    def adjoint(self, dy: Array, x_shape: Shape) -> Array:
        """Return Aᵀ·dy, for an x of shape `x_shape`, the batch axis included."""
        raise NotImplementedError

    def forward(
        self, x: Array, train: bool = True, rng: np.random.Generator | None = None
    ) -> tuple[Array, Shape]:
        """Return y = A·x and the shape of x."""
        self.check_input(x)
        return self.apply(x), x.shape

    def backward(self, dy: Array, cache: Shape, grad: Array | None = None) -> Array:
        """Return dx = Aᵀ·dy."""
        self._expect_cotangent(dy, cache)
        return self.adjoint(dy, cache)

    def jvp(self, v: Array, cache: Shape) -> Array:
        """Return t = A·v."""
        expect_shape("v", v, cache)
        return self.apply(v)

    def jvp_backward(self, v: Array, dy: Array, cache: Shape, grad: Array | None = None) -> Array:
        """Return zeros."""
        expect_shape("v", v, cache)
        self._expect_cotangent(dy, cache)
        return array_module(v).zeros_like(v)

    def _expect_cotangent(self, dy: Array, x_shape: Shape) -> None:
        expect_shape("dy", dy, (x_shape[0], *self.output_shape(x_shape[1:])))


class Reshape(LinearMap):
    r"""y = x with samples of another shape          x (n, …)   y (n, *shape)

    y holds the numbers of x in the same order: A and Aᵀ only rename them.

    Parameters
    ----------
    shape
        Shape of one sample of y, such as (28, 28, 1) for a grey image of 28×28 pixels.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = tuple(shape)
        super().__init__()

    def apply(self, x: Array) -> Array:
        """Return x under its new names."""
        return x.reshape(len(x), *self.output_shape(x.shape[1:]))

    def adjoint(self, dy: Array, x_shape: Shape) -> Array:
        """Return dy under the names of x."""
        return dy.reshape(x_shape)

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


class Pack(LinearMap):
    r"""y = m samples side by side as one          x (n, …, c)   y (n/m, …, m·c)

    PacGAN (Lin et al. 2018): D judges m samples together, so it sees when they are all alike. It is
    the first layer of D, whose outputs are then one for each pack: sample i of pack j is sample
    j·m + i of the batch, and its features (channels) are the i-th c of the pack's m·c.

    Parameters
    ----------
    m
        Number of samples in a pack; the batch must be a multiple of it.

    Raises
    ------
    NotImplementedError
        From `jvp_backward`.
    """

    couples_samples = True

    def __init__(self, m: int) -> None:
        if m < 1:
            raise ValueError(f"Pack(m={m}): a pack holds at least 1 sample")
        self.m = m
        super().__init__()

    def apply(self, x: Array) -> Array:
        """Return the packs of x."""
        n, *places, c = x.shape
        if n % self.m:
            raise ValueError(f"{self!r}: a batch of {n} does not fill packs of {self.m}")
        packs = x.reshape(n // self.m, self.m, *places, c)
        return array_module(x).moveaxis(packs, 1, -2).reshape(n // self.m, *places, self.m * c)

    def adjoint(self, dy: Array, x_shape: Shape) -> Array:
        """Return dy with its packs opened."""
        n, *places, c = x_shape
        opened = dy.reshape(n // self.m, *places, self.m, c)
        return array_module(dy).moveaxis(opened, -2, 1).reshape(x_shape)

    def output_shape(self, in_shape: Shape) -> Shape:
        """Shape of one pack."""
        return (*in_shape[:-1], self.m * in_shape[-1])

    def _expect_cotangent(self, dy: Array, x_shape: Shape) -> None:
        expect_shape("dy", dy, (x_shape[0] // self.m, *self.output_shape(x_shape[1:])))

    def jvp_backward(self, v: Array, dy: Array, cache: Shape, grad: Array | None = None) -> Array:
        """Refuse."""
        raise NotImplementedError(
            f"{self!r} has no jvp_backward: D judges a pack as a whole, and a gradient penalty is "
            "defined for each sample by itself; leave Pack out of a critic that has a penalty"
        )
