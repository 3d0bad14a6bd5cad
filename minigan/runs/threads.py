"""How many threads a run takes: few, so that it keeps its pace while other programs run."""

from __future__ import annotations

import math
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ..fast.convolution import compiled_loops
from ..fast.shares import sharing
from ..layers.base import Shape
from ..network import Sequential
from ..recipes import Setup, Task
from .versions import versions

LARGE = 1 << 28  # multiplications in a matrix product that is worth more than one thread
VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def blas_threads(setup: Setup, task: Task, before: Any = None) -> int | str:
    """Return how many threads a run shall take, "unknown" where BLAS does not tell its own.

    One, unless the largest product of the run has at least `LARGE` multiplications. BLAS cuts a
    product into a piece for each thread, and waits for the last of them. Where another program has
    a core, that lasts until the system gives the core back: 10 ms or more, for a product that one
    thread finishes in less. (A step of MLPs with products of 2²⁷ took two threads 0.7 times as long
    as one on two quiet cores, 6 times as long beside other programs; of 2²⁴, 1.0 and 9 times.)
    Larger products take as many threads as BLAS takes by itself, and so do all where one of
    `VARIABLES` is set: its user has chosen.

    The last bits of a run depend on the number, so a run that goes on takes the one from `before`,
    out of its run.json.

    Raises
    ------
    ValueError
        For a number from before that is none.
    """
    there = versions()["threads"]
    if not isinstance(there, int) or any(os.environ.get(name) for name in VARIABLES):
        return there
    if isinstance(before, int) and before >= 1:
        return min(before, there)
    if before not in (None, "unknown"):
        raise ValueError(
            f"run.json is damaged: threads is {before!r:.80}, expected a number of at least 1; "
            "remove that line"
        )
    return 1 if setup.batch * largest_products(setup, task)[0] < LARGE else there


def limited_to(threads: int | str, setup: Setup, task: Task) -> AbstractContextManager[object]:
    """Return a context in which a run takes this many threads; behind it, all is as before.

    They are BLAS's. But where layers of images have the largest product, and numba is installed,
    each thread takes a share of the images, and BLAS one in each (`minigan.fast.shares`).
    """
    if not isinstance(threads, int):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    of_images = largest_products(setup, task)[1] == 3
    if threads > 1 and of_images and compiled_loops(np.zeros(1, np.float32)):
        return sharing(threads)
    limits: AbstractContextManager[object] = threadpool_limits(threads, user_api="blas")
    return limits


def largest_products(setup: Setup, task: Task) -> tuple[int, int]:
    """Return `largest_product` of both players."""
    *outer, features = (math.prod(task.shape),) if setup.flat else task.shape
    seen_by_D = (*outer, features + (task.classes if setup.conditional else 0))
    return max(largest_product(setup.G, None), largest_product(setup.D, seen_by_D))


def largest_product(net: Sequential, shape: Shape | None) -> tuple[int, int]:
    """Return the most multiplications that a layer's weights take part in, for one sample.

    Beside it, how many axes that sample has: 1 for a vector, 3 for an image.

    A dense layer uses each weight once. A convolution uses it at each position of the smaller of
    its two images.

    Parameters
    ----------
    net
        Its layers are looked at, and those of the networks in it.
    shape
        Of the sample; None for a network that fixes it.
    """
    most = 0, 0
    for layer in net.layers:
        before = layer.in_shape if shape is None else shape
        if before is None:
            continue
        shape = layer.output_shape(before)
        if isinstance(layer, Sequential):
            most = max(most, largest_product(layer, before))
        else:
            positions = min(math.prod(before[:-1]), math.prod(shape[:-1]))
            most = max(most, (positions * layer.theta.size, len(before)))
    return most
