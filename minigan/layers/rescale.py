"""Another range of values: pixels in [0, 1] for networks that were tuned on them."""

from __future__ import annotations

import math

from ..arrays import Array, Rng, array_module
from .activations import PiecewiseLinear


class Rescale(PiecewiseLinear):
    r"""y = scale·x + offset, number by number, with two constants that do not learn

    x, y  any shape (n, …)

        f′ = scale          f″ = 0

    ``Rescale(0.5, 0.5)`` takes pixels from [−1, 1] to [0, 1]. A Dense layer after it could do the
    same with other weights, yet it would learn at another pace: dW = xᵀ·dy is larger where most
    of x is −1, as in pictures of digits, than where it is 0. And a `Dropout` after it drops pixels
    to black, where in [−1, 1] it drops them to grey.

    Parameters
    ----------
    scale
        A finite number other than 0; with 0 no gradient would come back.
    offset
        A finite number.
    """

    def __init__(self, scale: float, offset: float) -> None:
        if not (math.isfinite(scale) and math.isfinite(offset) and scale):
            raise ValueError(
                f"Rescale(scale={scale}, offset={offset}): both must be finite, and scale not 0"
            )
        self.scale, self.offset = float(scale), float(offset)
        super().__init__()

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Array]:
        """Return y and f′."""
        self.check_input(x)
        derivative = array_module(x).full_like(x.real, self.scale)
        return self.scale * x + self.offset, derivative
