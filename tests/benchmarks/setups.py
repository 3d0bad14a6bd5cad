"""The five set-ups that are timed, as data: two networks and a batch size each.

One step is always the same: D on a real and on a generated batch, then G on fresh noise, with the
non-saturating loss on logits and Adam (2e-4, β 0.5 and 0.999), in float32. Every competitor is
built from the networks that `networks` makes, layer for layer and weight for weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minigan import Adam, Dense, LeakyReLU, ReLU, Sequential, Tanh, stream
from minigan.recipes import RECIPES, Task

LR, BETA1, BETA2, EPS = 2e-4, 0.5, 0.999, 1e-8
SAMPLES = 4096  # of made-up data: as many as matter to a cache, and no download
IMAGE = (28, 28, 1)


@dataclass(frozen=True)
class Setup:
    """What is timed.

    `steps` make a turn of roughly a third of a second on two cores. `goal` is how many times the
    floor our step may take.
    """

    name: str
    make: Callable[[], tuple[Sequential, Sequential]]
    batch: int
    steps: int
    goal: float = 1.5

    def networks(self, dtype: Any = np.float32) -> tuple[Sequential, Sequential]:
        """Return G and D, always with the same weights."""
        G, D = self.make()
        return G.astype(dtype), D.astype(dtype)

    def data(self, samples: int | None = None) -> np.ndarray[Any, Any]:
        """Return real samples, (samples, …), the first few if so many are asked for.

        They are drawn from a G with other weights, so that no D can tell at a glance: where D is
        certain, gradients fall to denormal numbers, which are slow on every CPU.
        """
        G, _ = self.make()
        rng = stream(1, "teacher")
        G.initialise(rng)
        z = rng.standard_normal((samples or self.samples, *G.in_shape), dtype=np.float32)
        # A few at a time: a benchmark's data should not be what takes the most memory.
        parts = [G.forward(z[i : i + 64])[0] for i in range(0, len(z), 64)]
        return np.concatenate(parts)

    @property
    def samples(self) -> int:
        """How many real samples there are."""
        return max(SAMPLES, self.batch)

    @property
    def couples_samples(self) -> bool:
        """Whether real and generated samples must stay apart, since a BatchNorm mixes a batch."""
        return self.networks()[1].couples_samples


def mlps(G: tuple[int, ...], D: tuple[int, ...], activation: Any, bounded: bool = True) -> Any:
    """Return a function that makes two MLPs of these widths; a bounded G ends in tanh."""

    def make() -> tuple[Sequential, Sequential]:
        last = [Tanh()] if bounded else []
        return (
            Sequential(*layers(G, activation), *last, seed=stream(0, "G")),
            Sequential(*layers(D, activation), seed=stream(0, "D")),
        )

    return make


def layers(widths: tuple[int, ...], activation: Any) -> list[Any]:
    """Return dense layers of these widths with activations between them."""
    pairs = zip(widths[:-1], widths[1:], strict=True)
    return [part for p, q in pairs for part in (Dense(p, q), activation())][:-1]


def dcgan() -> tuple[Sequential, Sequential]:
    """Return the networks of the recipe of that name, for images of 28×28."""
    setup = RECIPES["dcgan"].set_up(Task(IMAGE))
    return setup.G, setup.D


SETUPS = {
    setup.name: setup
    for setup in (
        Setup("S1", mlps((100, 256, 512, 1024, 784), (784, 512, 256, 1), ReLU), 128, 20, goal=1.25),
        Setup("S3", mlps((100, 256, 784), (784, 256, 1), ReLU), 128, 60),
        Setup("S4", mlps((100, 128, 128, 784), (784, 128, 128, 1), LeakyReLU), 128, 80),
        Setup("toy", mlps((2, 128, 128, 2), (2, 128, 128, 1), LeakyReLU, bounded=False), 256, 150),
        Setup("dcgan", dcgan, 64, 3),
    )
}


def find(name: str) -> Setup:
    """Return a set-up by its name; ``S4@512x256`` is S4's shape at batch 512 and width 256."""
    if name in SETUPS:
        return SETUPS[name]
    family, _, sizes = name.partition("@")
    if family != "S4" or not sizes:
        raise ValueError(f"no set-up {name!r}, expected one of {', '.join(SETUPS)}")
    batch, w = map(int, sizes.split("x"))
    make = mlps((100, w, w, 784), (784, w, w, 1), LeakyReLU)
    # As long a turn as S4's, by the number of multiplications.
    work = batch * (884 * w + w * w) / (128 * (884 * 128 + 128 * 128))
    return Setup(name, make, batch, max(2, round(80 / work)))


def adam() -> Adam:
    """Return our Adam with the constants of every set-up."""
    return Adam(LR, BETA1, BETA2, EPS)


def shuffled_rows(batch: int, samples: int) -> Iterator[np.ndarray[Any, Any]]:
    """Give the rows of one real batch after the other, in a new order in each epoch."""
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(samples)
        for i in range(samples // batch):
            yield order[i * batch : (i + 1) * batch]


class Batch(NamedTuple):
    """All that one step reads besides the weights."""

    x: np.ndarray[Any, Any]
    z_D: np.ndarray[Any, Any]
    z_G: np.ndarray[Any, Any]


def first_batch(setup: Setup, dtype: Any = np.float64) -> Batch:
    """Return what every competitor is given to be compared: the noise is that of train's step 0."""
    G, _ = setup.networks()
    shape = (setup.batch, *G.in_shape)
    z_D, z_G = (
        stream(0, purpose, 0).standard_normal(shape, dtype=np.float32).astype(dtype)
        for purpose in ("noise D", "noise G")
    )
    return Batch(setup.data(setup.batch).astype(dtype), z_D, z_G)


class Outcome(NamedTuple):
    """What one step has done: gradients and new weights, as vectors like our θ."""

    grad_D: np.ndarray[Any, Any]
    grad_G: np.ndarray[Any, Any]
    theta_D: np.ndarray[Any, Any]
    theta_G: np.ndarray[Any, Any]


def gradient_from(m: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the gradient from Adam's memory after its first step: m = (1 − β₁)·g, exactly g/2.

    So the very code that is timed tells its gradients, without a hook in it.
    """
    return m / (1 - BETA1)
