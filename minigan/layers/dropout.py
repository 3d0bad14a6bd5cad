"""Dropout: leave features out at random while training."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, Rng, array_module
from .activations import PiecewiseLinear


class Dropout(PiecewiseLinear):
    r"""y = mask·x,  mask_i = 0 with probability p, else 1/(1 − p)          (Srivastava et al. 2014)

        f′ = mask          f″ = 0

    The mean of mask_i is p·0 + (1 − p)·1/(1 − p) = 1, so y is x on average, and evaluation takes
    y = x with nothing to rescale ("inverted" dropout). The cache is the mask, a new one in each
    forward pass and the same on the way back.

    Parameters
    ----------
    p
        Probability with which a number is left out, in [0, 1).

    Raises
    ------
    ValueError
        From `forward` in training without an `rng`.
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"Dropout(p={p}): p must be in [0, 1)")
        self.p = p
        super().__init__()

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Array]:
        """Return y = mask·x and the mask, which is all ones in evaluation."""
        self.check_input(x)
        xp = array_module(x)
        if not train:
            return x, xp.ones_like(x.real)
        if rng is None:
            raise ValueError(
                f"{self!r} draws a mask in training and needs a generator for it: "
                'forward(x, rng=stream(seed, "dropout", step)), or train=False to leave nothing out'
            )
        # Drawn on the CPU and in float32, so that the mask is the same on every device and for
        # every dtype.
        kept = xp.asarray(rng.random(x.shape, dtype=np.float32)) >= self.p
        mask = kept.astype(x.real.dtype) / (1 - self.p)
        return mask * xp.where(kept, x, 0), mask  # 0·∞ is NaN, where 0 is meant
