"""What `Layer` called differently in version 0.1: it works, and warns, until version 0.3."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..arrays import Array


class OldNames:
    """`draw`, now `initialise`, and `kernels`, now `kernel_mask`."""

    initialise: Any
    kernel_mask: Any

    def draw(self, rng: np.random.Generator) -> None:
        """`initialise`, by its old name."""
        warnings.warn("draw is now called initialise", DeprecationWarning, stacklevel=2)
        self.initialise(rng)

    def draw_by_old_name(self, rng: np.random.Generator) -> None:
        """Draw the weights of a layer that was written when `initialise` was called `draw`."""
        if type(self).draw is not OldNames.draw:
            self.draw(rng)

    @property
    def kernels(self) -> Array:
        """`kernel_mask`, by its old name."""
        warnings.warn("kernels is now called kernel_mask", DeprecationWarning, stacklevel=2)
        mask: Array = self.kernel_mask
        return mask
