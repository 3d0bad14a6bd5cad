"""How a training loop takes its data: real batches by their number, labels as one-hot rows."""

from __future__ import annotations

import numpy as np

from .arrays import Array, array_module, stream, to_numpy


class Batches:
    """Which rows of the data make the k-th real batch: every row once an epoch, in a new order."""

    def __init__(self, samples: int, batch: int, seed: int) -> None:
        self.samples, self.batch, self.seed = samples, batch, seed
        self._epoch = -1  # the epoch whose order is kept, which only saves time
        self._order = np.arange(0)

    def epoch(self, k: int) -> int:
        """Return the epoch that batch k belongs to, counted from 0."""
        return k // (self.samples // self.batch)

    def rows(self, k: int) -> Array:
        """Return the row numbers of batch k, (batch,)."""
        epoch, i = divmod(k, self.samples // self.batch)
        if epoch != self._epoch:
            self._order = stream(self.seed, "order", epoch).permutation(self.samples)
            self._epoch = epoch
        return self._order[i * self.batch : (i + 1) * self.batch]


def one_hot_labels(labels: Array, data: Array) -> Array:
    """Return the labels of the data as one-hot rows (n, classes), on the device of `data`.

    Raises
    ------
    ValueError, TypeError
        For labels that are not one integer for each sample, counted from 0.
    """
    labels = to_numpy(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels have dtype {labels.dtype}, expected integers")
    if labels.shape != (len(data),) or labels.min() < 0:
        raise ValueError(
            f"labels have shape {labels.shape} and lie in {labels.min()} … {labels.max()}; "
            f"expected one for each sample, ({len(data)},), counted from 0"
        )
    rows = np.eye(int(labels.max()) + 1, dtype=data.dtype)[labels]
    return array_module(data).asarray(rows)
