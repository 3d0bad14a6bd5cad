"""Layers without weights that are linear in x: y = A·x, where A never changes."""

from __future__ import annotations

import math

from ..arrays import Array, Rng, array_module
from ..expect import expect_integer, expect_shape
from .base import Layer, Shape


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

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Shape]:
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


class Upsample(LinearMap):
    r"""y_nijc = x_n,⌊i/f⌋,⌊j/f⌋,c          x (n, h, w, c)   y (n, f·h, f·w, c)   f = factor

    Each pixel becomes a block of f×f equal ones (nearest neighbour). All of them come from one
    x_nuvc, so their gradients meet there:

        ∂L/∂x_nuvc = Σ_ab dy_n,fu+a,fv+b,c     a, b = 0 … f − 1     →  dx = block sums of dy

    With a Conv2d after it, it is the other way to larger images beside ConvTranspose2d, one that
    favours no checkerboard (Odena et al. 2016, "Deconvolution and checkerboard artifacts").

    Parameters
    ----------
    factor
        How many times as high and as wide y is.
    """

    def __init__(self, factor: int = 2) -> None:
        expect_integer("Upsample: factor", factor, 1)
        self.factor = factor
        super().__init__()

    def apply(self, x: Array) -> Array:
        """Return every pixel as a block."""
        return repeat_pixels(x, self.factor)

    def adjoint(self, dy: Array, x_shape: Shape) -> Array:
        """Return the sum over every block."""
        return sum_blocks(dy, self.factor)

    def output_shape(self, in_shape: Shape) -> Shape:
        """(f·h, f·w, c) for images (h, w, c)."""
        h, w, c = expect_image(self, in_shape)
        return (self.factor * h, self.factor * w, c)


class AvgPool2d(LinearMap):
    r"""y_nijc = 1/s² Σ_ab x_n,si+a,sj+b,c          x (n, h, w, c)   y (n, h/s, w/s, c)   s = size

    Each block of s×s pixels becomes one, their mean. Each pixel counts in one mean, with 1/s²:

        ∂L/∂x_nuvc = 1/s² dy_n,⌊u/s⌋,⌊v/s⌋,c          →  dx = blocks of dy/s²

    So AvgPool2d(s) is the adjoint of Upsample(s), divided by s².

    Parameters
    ----------
    size
        Height and width of a block; both sides of the image must be multiples of it.
    """

    def __init__(self, size: int = 2) -> None:
        expect_integer("AvgPool2d: size", size, 1)
        self.size = size
        super().__init__()

    def apply(self, x: Array) -> Array:
        """Return the mean of every block."""
        return sum_blocks(x, self.size) / self.size**2

    def adjoint(self, dy: Array, x_shape: Shape) -> Array:
        """Return dy/s², every pixel as a block."""
        return repeat_pixels(dy / self.size**2, self.size)

    def output_shape(self, in_shape: Shape) -> Shape:
        """(h/s, w/s, c) for images (h, w, c)."""
        h, w, c = expect_image(self, in_shape)
        if h % self.size or w % self.size:
            raise ValueError(
                f"{self!r} takes images whose sides are multiples of {self.size}, got {in_shape}; "
                "crop or pad them, or choose a size that divides both sides"
            )
        return (h // self.size, w // self.size, c)


def repeat_pixels(x: Array, f: int) -> Array:
    """Each pixel of images (n, h, w, c) as a block of f×f."""
    return x.repeat(f, axis=1).repeat(f, axis=2)


def sum_blocks(x: Array, f: int) -> Array:
    """Sum over each block of f×f pixels of images (n, f·h, f·w, c)."""
    n, h, w, c = x.shape
    return x.reshape(n, h // f, f, w // f, f, c).sum(axis=(2, 4))


def expect_image(layer: LinearMap, in_shape: Shape) -> Shape:
    """(h, w, c), or an error for samples with other axes."""
    if len(in_shape) != 3:
        raise ValueError(f"{layer!r} takes images of shape (h, w, c), got {in_shape}")
    return in_shape
