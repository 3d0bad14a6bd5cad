"""What every data set is once it is loaded."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..layers.base import Shape


@dataclass(frozen=True, eq=False)  # eq=False: == between arrays is no single truth value
class Dataset:
    """A data set: its points, and what is known about them.

    Parameters
    ----------
    name
        What `load` was asked for.
    x
        float32: images (n, h, w, c) in [-1, 1], or vectors (n, d).
    labels
        int64 (n,): the class, or the mixture component that the point was drawn from.
    centres, sigma
        Of a mixture of k Gaussians: their means (k, d), and the standard deviation that they share.
    mean, scale
        Of vectors that were standardised, x = (points − mean)/scale: both (d,), float64.
    class_names
        What the labels 0, 1, … stand for, if they have names.
    """

    name: str
    x: Array
    labels: Array | None = None
    centres: Array | None = None
    sigma: float | None = None
    mean: Array | None = None
    scale: Array | None = None
    class_names: tuple[str, ...] = ()

    @property
    def is_images(self) -> bool:
        """Whether x holds images (n, h, w, c) rather than vectors (n, d)."""
        return self.x.ndim == 4

    def unscaled(self, samples: Array) -> Array:
        """Return samples (n, …), on the CPU, on the scale of the points before they were loaded."""
        if self.mean is None or self.scale is None:
            return samples
        return samples * self.scale + self.mean


def from_bytes(images: Array) -> Array:
    """Map uint8 0..255 to float32 [-1, 1]."""
    x: Array = images.astype(np.float32)
    x /= 127.5  # in place: mnist is 188 MB as float32
    x -= 1
    return x


def expect_room(shape: Shape, where: str) -> None:
    """Raise a ValueError where data of this shape take more than half of the computer's memory."""
    size, room = 4 * math.prod(shape), memory()
    if size > room // 2:
        raise ValueError(
            f"{where}: data of shape {shape} take {size / 1e9:,.1f} GB in float32, expected at "
            f"most half of the memory, which is {room / 1e9:,.1f} GB; take fewer samples, or "
            "smaller ones"
        )


def memory() -> int:
    """Return the bytes of memory that the computer has; 16 GB where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 16 << 30
