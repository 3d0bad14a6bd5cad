"""Ours, PyTorch and JAX on a GPU, timed there: for ``steps.py --device gpu``.

This file has not been run yet: it was written on a machine without a GPU.

``ours`` is `train` on CuPy arrays, which records its step and replays it; ``unrecorded`` is the
same with plain steps. ``plain`` and ``tuned`` are PyTorch's eager mode, as people write it and
tuned; ``compiled`` is tuned with torch.compile(mode="reduce-overhead"), which replays CUDA graphs;
``captured`` is tuned, and the whole step, noise and choice of the batch too, one CUDA graph that is
captured by hand. ``jax`` is the jitted step. All multiply in full float32: TF32 is off by default
in PyTorch and in CuPy, and switched off in JAX. The time of a turn lies between two CUDA events, so
it is the GPU's own and nothing that it waits for is left out; JAX's is that of a clock, to the end
of the last step.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from setups import Batch, Outcome, Setup, adam

from minigan import NonSaturating, to_device, to_numpy, train
from minigan.loop import Game

VARIANTS = ("ours", "unrecorded", "plain", "tuned", "compiled", "captured", "jax")
OURS = ("ours", "unrecorded")
# All competitors are there at once, and JAX would take three quarters of the memory for itself.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def missing(variant: str) -> str | None:
    """Return what a variant needs and does not find here."""
    if variant in OURS:
        import cupy

        return None if cupy.cuda.is_available() else "a GPU for CuPy"
    if variant == "jax":
        import jax

        return None if jax.default_backend() == "gpu" else "JAX for a GPU, jax[cuda12] or [cuda13],"
    import torch

    return None if torch.cuda.is_available() else "PyTorch for a GPU"


def prepare(setup: Setup, variant: str) -> Callable[[int], float | None]:
    """Return a function that takes so many steps, and returns their seconds."""
    if variant in OURS:
        return _ours(setup, variant)
    if variant == "jax":
        import jax
        import jax_

        jax.config.update("jax_default_matmul_precision", "highest")
        return jax_.prepare(setup, "jit")
    import pytorch
    import torch

    take = (
        _captured(setup)
        if variant == "captured"
        else pytorch.stepper(_make(setup, variant, np.float32), setup)
    )

    def run(steps: int) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        take(steps)
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    return run


def _make(setup: Setup, variant: str, dtype: object) -> Any:
    """Return PyTorch's networks and step."""
    import pytorch

    mode = "reduce-overhead" if variant == "compiled" else None
    kind = "tuned" if variant == "captured" else variant
    return pytorch.make(setup, kind, dtype, "cuda", mode)


def _capture(gan: Any, step: Callable[[], None]) -> Any:
    """Return the graph of a step, ``graph.replay()`` takes it; `gan` is as it was before."""
    import torch

    adams = (gan.adam_D, gan.adam_G)
    for optimiser in adams:
        for group in optimiser.param_groups:
            group["capturable"] = True
    nets = (gan.G, gan.D)
    before = [{k: v.clone() for k, v in net.state_dict().items()} for net in nets]
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    for net, state in zip(nets, before, strict=True):
        net.load_state_dict(state)
    for optimiser in adams:
        for memory in optimiser.state.values():
            for value in memory.values():
                value.zero_()
    return graph


def _captured(setup: Setup) -> Callable[[int], None]:
    """Return a function that replays so many steps of PyTorch."""
    import torch

    torch.manual_seed(0)
    gan = _make(setup, "captured", np.float32)
    data = gan.images(setup.data())
    shape = (setup.batch, *gan.shapes["G"])
    rows = torch.arange(setup.batch, device="cuda")

    def step() -> None:
        z_D, z_G = (torch.randn(shape, device="cuda") for _ in range(2))
        gan.step(data[rows], z_D, z_G)

    graph = _capture(gan, step)

    def batches() -> Any:
        while True:
            yield from torch.randperm(setup.samples, device="cuda").split(setup.batch)

    drawn = batches()

    def run(steps: int) -> None:
        for _ in range(steps):
            rows.copy_(next(drawn))
            graph.replay()

    return run


def _ours(setup: Setup, variant: str) -> Callable[[int], float]:
    import cupy

    G, D = (net.to("gpu") for net in setup.networks())
    data = to_device(setup.data(), "gpu")
    records = train(
        *(G, D, data, NonSaturating(), adam(), adam()),
        batch=setup.batch,
        steps=10**9,
        make_game=Game if variant == "unrecorded" else None,
    )
    for _ in range(5):  # those before the recording, and its proof
        next(records)

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
    """Take one step from the first weights, in the dtype of the batch.

    Ours is a plain step: a recorded one has proved that it has the same bits.
    """
    if variant in OURS:
        import ours

        return Outcome(*map(to_numpy, ours.one_step(setup, "train", batch, device="gpu")))
    if variant == "jax":
        import jax
        import jax_

        jax.config.update("jax_default_matmul_precision", "highest")
        return jax_.one_step(setup, "jit", batch)
    import pytorch
    import torch

    gan = _make(setup, variant, batch.x.dtype)
    if variant != "captured":
        return pytorch.take_one(gan, batch)
    x = gan.images(batch.x)
    z_D, z_G = (torch.tensor(z, device="cuda") for z in (batch.z_D, batch.z_G))
    _capture(gan, lambda: gan.step(x, z_D, z_G)).replay()
    return gan.outcome()
