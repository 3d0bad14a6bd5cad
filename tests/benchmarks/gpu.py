"""Ours and PyTorch on a GPU, timed there: for ``steps.py --device gpu``.

This file has not been run yet: it was written on a machine without a GPU.

``ours`` is `train` on CuPy arrays. ``plain`` and ``tuned`` are PyTorch's eager mode, as people
write it and tuned; ``compiled`` is tuned with torch.compile(mode="reduce-overhead"), which replays
CUDA graphs. Both multiply in full float32: TF32 is off by default in PyTorch, and in CuPy. The time
of a turn lies between two CUDA events, so it is the GPU's own and nothing that it waits for is left
out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytorch
from setups import Batch, Outcome, Setup, adam

from minigan import NonSaturating, to_device, to_numpy, train

VARIANTS = ("ours", "plain", "tuned", "compiled")


def prepare(setup: Setup, variant: str) -> Callable[[int], float]:
    """Return a function that takes so many steps, and returns their seconds."""
    if variant == "ours":
        return _ours(setup)
    import torch

    mode = "reduce-overhead" if variant == "compiled" else None
    take = pytorch.stepper(pytorch.make(setup, variant, np.float32, "cuda", mode), setup)

    def run(steps: int) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        take(steps)
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    return run


def _ours(setup: Setup) -> Callable[[int], float]:
    import cupy

    G, D = (net.to("gpu") for net in setup.networks())
    data = to_device(setup.data(), "gpu")
    records = train(G, D, data, NonSaturating(), adam(), adam(), batch=setup.batch, steps=10**9)

    def run(steps: int) -> float:
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        for _ in range(steps):
            next(records)
        end.record()
        end.synchronize()
        return cupy.cuda.get_elapsed_time(begin, end) / 1e3

    return run


def one_step(setup: Setup, variant: str, batch: Batch) -> Outcome:
    """Take one step from the first weights, in the dtype of the batch."""
    if variant != "ours":
        mode = "reduce-overhead" if variant == "compiled" else None
        return pytorch.take_one(pytorch.make(setup, variant, batch.x.dtype, "cuda", mode), batch)
    import ours

    outcome = ours.one_step(setup, "train", batch, device="gpu")
    return Outcome(*map(to_numpy, outcome))
