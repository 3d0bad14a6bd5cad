"""Images made larger or smaller without weights: two linear maps, adjoint up to a factor."""

from __future__ import annotations

from ..arrays import Array
from .base import Shape, expect_integer
from .shape import LinearMap


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

    So up to 1/s² it is the adjoint of Upsample(s), and Upsample(s) is its adjoint.

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
