"""Our own step, through public names only: as a user runs it, and as its two bare halves.

`train` draws the noise by the library's streams, fetches the real batch and measures what a record
holds (losses, mean probabilities, norms of both gradients): all of that is in its time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
from setups import Batch, Outcome, Setup, adam, shuffled_rows

from minigan import NonSaturating, to_device, train
from minigan.fast.memory import keep_freed_memory
from minigan.recipes import Setup as Game
from minigan.recipes import Task
from minigan.runs.threads import blas_threads, limited_to
from minigan.step import discriminator_step, generator_step

VARIANTS = ("train", "halves")
TO_THE_END = ExitStack()  # what is entered holds until the process ends


def prepare(setup: Setup, variant: str) -> Callable[[int], None]:
    """Return a function that takes so many steps."""
    G, D = setup.networks()
    data = setup.data()
    loss, adam_G, adam_D = NonSaturating(), adam(), adam()
    # As the command `minigan train` does: freed memory is kept, and the run takes the threads that
    # its networks are worth.
    keep_freed_memory()
    game, task = Game(G, D, loss, adam_G, adam_D, batch=setup.batch), Task(data.shape[1:])
    TO_THE_END.enter_context(limited_to(blas_threads(game, task), game, task))

    def through_train(steps: int) -> None:
        for _ in range(steps):
            next(records)

    def halves(steps: int) -> None:
        for _ in range(steps):
            z_D, z_G = (draw(setup, G, rng) for _ in range(2))
            discriminator_step(G, D, loss, adam_D, data[next(rows)], z_D)
            generator_step(G, D, loss, adam_G, z_G)

    if variant == "train":
        records = train(G, D, data, loss, adam_G, adam_D, batch=setup.batch, steps=10**9)
        return through_train
    rows, rng = shuffled_rows(setup.batch, setup.samples), np.random.default_rng(0)
    return halves


def draw(setup: Setup, G: Any, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return fresh noise for a batch."""
    return rng.standard_normal((setup.batch, *G.in_shape), dtype=np.float32)


def one_step(setup: Setup, variant: str, batch: Batch, device: str = "cpu") -> Outcome:
    """Take one step from the first weights, in the dtype of the batch."""
    G, D = (net.to(device) for net in setup.networks(batch.x.dtype))
    batch = Batch(*(to_device(array, device) for array in batch))
    seen_G, seen_D = Listening(), Listening()
    if variant == "train":
        # The data are one batch: its order is drawn, but no mean depends on an order. The noise of
        # `batch` is what train draws itself.
        next(train(G, D, batch.x, NonSaturating(), seen_G, seen_D, batch=setup.batch, steps=1))
    else:
        discriminator_step(G, D, NonSaturating(), seen_D, batch.x, batch.z_D)
        generator_step(G, D, NonSaturating(), seen_G, batch.z_G)
    return Outcome(seen_D.grad, seen_G.grad, D.theta.copy(), G.theta.copy())


class Listening:
    """Adam that keeps the gradient it is given."""

    def __init__(self) -> None:
        self.adam = adam()

    def step(self, theta: np.ndarray[Any, Any], grad: np.ndarray[Any, Any]) -> None:
        """Move `theta` as Adam does."""
        self.grad = grad.copy()
        self.adam.step(theta, grad)
