"""Algorithm 1 of Goodfellow et al. 2014: one half of a training step for each player.

A half is a gradient and a move. `discriminator_half` and `generator_half` find the gradient, and
change nothing; `Half.move` takes the step. So the caller chooses, in plain lines, who moves when:
one after the other, or both from the same point (`minigan.train`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .arrays import Array, array_module
from .layers.base import Layer
from .losses import Value
from .optim.base import SupportsStep
from .penalties import Penalty


class Loss(Protocol):
    """What `train` asks of a loss; `minigan.losses` has them."""

    needs_real: bool  # whether `generator` looks at D's outputs for real samples
    is_critic: bool  # True: D's outputs have no fixed range, `probability` gives no probabilities

    def discriminator(self, real_logits: Array, fake_logits: Array) -> tuple[Array, Array, Array]:
        """Return the value, d_real and d_fake."""

    def generator(self, fake_logits: Array, real_logits: Array | None = None) -> Value:
        """Return the value and d_fake."""

    def probability(self, logits: Array) -> Array:
        """Return what is reported of D's outputs: probabilities, or a critic's outputs as such."""


@dataclass(frozen=True)
class Half:
    """One player's gradient, found and not yet followed."""

    net: Layer
    grad: Array  # ∂L/∂θ, like net.theta
    cache: Any  # of the pass that the network's state learns from: D's on real samples
    measured: dict[str, Array]  # 0-d arrays, taken before the move

    def move(self, step: Callable[[Array, Array], None]) -> dict[str, Array]:
        """Move θ by an optimiser's `step`, then the state; return what was measured."""
        step(self.net.theta, self.grad)
        # Running statistics of this pass for a BatchNorm, one power iteration on the new weights
        # for a SpectralNorm.
        self.net.update_state(self.cache)
        return self.measured


def discriminator_half(
    G: Layer,
    D: Layer,
    loss: Loss,
    x: Array,
    z: Array,
    penalties: Sequence[Penalty] = (),
    rng: np.random.Generator | None = None,
) -> Half:
    """Find D's gradient on real samples `x` and on what G makes of the noise `z`.

    `rng` is for layers that draw, such as dropout, and for penalties. Measured are D's loss and
    what the penalties add to it, the mean probabilities that D gives to real and to generated
    samples (mean outputs, for a critic), and the norm of the gradient.
    """
    fake, _ = G.forward(z, rng=rng)  # no cache is kept: nothing will flow back into G
    real_logits, c_real = D.forward(x, rng=rng)
    fake_logits, c_fake = D.forward(fake, rng=rng)
    loss_D, d_real, d_fake = loss.discriminator(real_logits, fake_logits)
    grad = D.new_grad()  # zeros, shaped like D.theta
    D.add_gradient(d_real, c_real, grad)  # adds ∂L/∂θ into grad
    D.add_gradient(d_fake, c_fake, grad)
    added = [penalty(D, x, fake, grad, rng) for penalty in penalties]
    measured = {
        "loss_D": loss_D,
        "penalty": sum(added, start=0 * loss_D),
        "D_real": loss.probability(real_logits).mean(),
        "D_fake": loss.probability(fake_logits).mean(),
        "grad_D": norm(grad),
    }
    return Half(D, grad, c_real, measured)


def generator_half(
    G: Layer,
    D: Layer,
    loss: Loss,
    z: Array,
    x: Array | None = None,
    rng: np.random.Generator | None = None,
) -> Half:
    """Find G's gradient on the noise `z`, through D, which stays as it is.

    Real samples `x` are looked at only where the loss compares with them (`loss.needs_real`).
    Measured are G's loss and the norm of its gradient.
    """
    fake, c_g = G.forward(z, rng=rng)
    fake_logits, c_d = D.forward(fake, rng=rng)
    real_logits = D.forward(x, rng=rng)[0] if loss.needs_real and x is not None else None
    loss_G, d_fake = loss.generator(fake_logits, real_logits)
    d_images = D.backward(d_fake, c_d)  # no grad is passed: only ∂L/∂images, D learns nothing
    grad = G.new_grad()
    G.add_gradient(d_images, c_g, grad)
    return Half(G, grad, c_g, {"loss_G": loss_G, "grad_G": norm(grad)})


def discriminator_step(
    G: Layer,
    D: Layer,
    loss: Loss,
    optimiser: SupportsStep,
    x: Array,
    z: Array,
    penalties: Sequence[Penalty] = (),
    rng: np.random.Generator | None = None,
) -> dict[str, Array]:
    """Train D as `discriminator_half` says, G stays as it is; return what was measured."""
    return discriminator_half(G, D, loss, x, z, penalties, rng).move(optimiser.step)


def generator_step(
    G: Layer,
    D: Layer,
    loss: Loss,
    optimiser: SupportsStep,
    z: Array,
    x: Array | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Array]:
    """Train G as `generator_half` says, D stays as it is; return what was measured."""
    return generator_half(G, D, loss, z, x, rng).move(optimiser.step)


def norm(vector: Array) -> Array:
    """Euclidean norm of a vector, as a 0-d array."""
    return array_module(vector).sqrt(vector @ vector)
