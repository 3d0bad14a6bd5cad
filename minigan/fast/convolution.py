"""Convolutions on a CPU: a few images at a time, so that their patches stay within the cache.

`minigan.layers.conv` says what the three functions are, in NumPy. These are the same, but

- patches are gathered from x, and spread over x, by compiled loops, with no padded copy between;
- there are never more than `BLOCK` numbers in the patches of a thread;
- threads share the images (`minigan.fast.shares`).

On one core a step of the recipe dcgan takes 7 % less time, most of which is products.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from .compiled import compiled
from .shares import in_shares

BLOCK = 2**19  # numbers: two megabytes in float32


def gather(x: Array, P: Array, c: int, stride: int, padding: int) -> None:
    """Fill P (n, h', w', k, k·c) with the patches of images x (n, h, w·c)."""
    n, rows, columns, k, width = P.shape
    for i in range(n):
        for u in range(rows):
            for a in range(k):
                r = stride * u + a - padding
                for v in range(columns):
                    # A row of the patch is one piece of x's row r, from `start` on.
                    start = (stride * v - padding) * c
                    low = min(max(0, -start), width)
                    high = max(low, min(x.shape[2] - start, width))
                    if not 0 <= r < x.shape[1]:
                        low = high
                    for j in range(low):
                        P[i, u, v, a, j] = 0
                    for j in range(low, high):
                        P[i, u, v, a, j] = x[i, r, start + j]
                    for j in range(high, width):
                        P[i, u, v, a, j] = 0


def spread(terms: Array, x: Array, stride: int, padding: int) -> None:
    """Fill x (n, h, w, c): each pixel is the sum of its terms, of all (n, h', w', k, k, c)."""
    n, rows, columns, k, _, c = terms.shape
    for i in range(n):
        for r in range(x.shape[1]):
            for q in range(x.shape[2]):
                for j in range(c):
                    x[i, r, q, j] = 0
                # Those a and b for which stride·u + a − padding = r has an integer u, and so has q.
                for a in range((r + padding) % stride, k, stride):
                    u = (r + padding - a) // stride
                    for b in range((q + padding) % stride, k, stride):
                        v = (q + padding - b) // stride
                        if 0 <= u < rows and 0 <= v < columns:
                            for j in range(c):
                                x[i, r, q, j] += terms[i, u, v, a, b, j]


class Loops(NamedTuple):
    """The three functions of `minigan.layers.conv`, with compiled loops."""

    gather: Any
    spread: Any

    def conv(self, x: Array, W: Array, stride: int, padding: int) -> Array:
        """y_nijo = Σ_abc x_n,si+a−p,sj+b−p,c W_abco."""
        (n, h, w, _), (k, *_, o) = x.shape, W.shape
        rows, columns = ((size + 2 * padding - k) // stride + 1 for size in (h, w))
        y = np.empty((n, rows, columns, o), x.dtype)

        def fill(share: slice) -> None:
            for block, P in self._patches(x, (rows, columns), k, stride, padding, share):
                np.matmul(P, W.reshape(-1, o), out=y[block].reshape(-1, o))

        in_shares(fill, n, y.size)
        return y

    def conv_transposed(self, y: Array, W: Array, stride: int, padding: int, x_shape: Any) -> Array:
        """x_nuvc = Σ_ijabo y_nijo W_abco, over the terms with si + a − p = u and sj + b − p = v."""
        (n, rows, columns, o), (k, _, c, _) = y.shape, W.shape
        x = np.empty(x_shape, y.dtype)

        def fill(share: slice) -> None:
            for block in _blocks(share, rows * columns * k * k * c):
                terms = y[block].reshape(-1, o) @ W.reshape(-1, o).T
                terms = terms.reshape(-1, rows, columns, k, k, c)
                self.spread(terms, x[block], stride, padding)

        in_shares(fill, n, x.size)
        return x

    def conv_kernel(self, x: Array, y: Array, stride: int, padding: int, k: int) -> Array:
        """W_abco = Σ_nij x_n,si+a−p,sj+b−p,c y_nijo."""
        n, rows, columns, o = y.shape

        def summed(share: slice) -> Array:
            patches = self._patches(x, (rows, columns), k, stride, padding, share)
            return reduce(np.add, (P.T @ y[block].reshape(-1, o) for block, P in patches))

        return reduce(np.add, in_shares(summed, n, y.size)).reshape(k, k, -1, o)

    def _patches(
        self, x: Array, places: tuple[int, int], k: int, stride: int, padding: int, share: slice
    ) -> Iterator[tuple[slice, Array]]:
        """Give the patches of a share block by block, as rows; the next block's overwrite them."""
        _, h, w, c = x.shape
        memory = None
        for block in _blocks(share, places[0] * places[1] * k * k * c):
            m = block.stop - block.start
            if memory is None:
                memory = np.empty((m, *places, k, k * c), x.dtype)
            P = memory[:m]
            self.gather(x[block].reshape(m, h, w * c), P, c, stride, padding)
            yield block, P.reshape(-1, k * k * c)


def compiled_loops(*arrays: Array) -> Loops | None:
    """Return the functions for these arrays; None where they can't be (see `compiled`)."""
    loops = (
        compiled(gather, "F[:,:,::1], F[:,:,:,:,::1], i8, i8, i8", *arrays),
        compiled(spread, "F[:,:,:,:,:,::1], F[:,:,:,::1], i8, i8", *arrays),
    )
    return None if None in loops else Loops(*loops)


def _blocks(share: slice, numbers: int) -> Iterator[slice]:
    """Cut a share of the images into blocks, given how many numbers the patches of one are."""
    size = max(1, BLOCK // numbers)
    for start in range(share.start, share.stop, size):
        yield slice(start, min(start + size, share.stop))
