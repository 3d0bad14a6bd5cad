"""What every data set is once it is loaded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array


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
    """

    name: str
    x: Array
    labels: Array | None = None
    centres: Array | None = None
    sigma: float | None = None

    @property
    def is_images(self) -> bool:
        """Whether x holds images (n, h, w, c) rather than vectors (n, d)."""
        return self.x.ndim == 4


def from_bytes(images: Array) -> Array:
    """Map uint8 0..255 to float32 [-1, 1]."""
    x: Array = images.astype(np.float32)
    x /= 127.5  # in place: mnist is 188 MB as float32
    x -= 1
    return x
