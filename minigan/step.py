"""Algorithm 1 of Goodfellow et al. 2014: one half of a training step for each player.

Nothing is hidden in the two halves: `backward` with a `grad` trains a network, `backward` without
one lets the gradient pass through and leaves the network as it is. `add_gradient` trains it and
lets nothing through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from .arrays import Array, array_module
from .layers.base import Layer
from .optim.rules import Optimiser
from .penalties import Penalty


class Loss(Protocol):
    """What `train` asks of a loss; `minigan.losses` has them."""

    needs_real: bool  # whether `generator` looks at D's outputs for real samples
    is_critic: bool  # True: D's outputs have no fixed range, `probability` gives no probabilities

    def discriminator(self, real_logits: Array, fake_logits: Array) -> tuple[Array, Array, Array]:
        """Return the value, d_real and d_fake."""

    def generator(
        self, fake_logits: Array, real_logits: Array | None = None
    ) -> tuple[Array, Array]:
        """Return the value and d_fake."""

    def probability(self, logits: Array) -> Array:
        """Return what is reported of D's outputs: probabilities, or a critic's outputs as such."""


def discriminator_step(
    G: Layer,
    D: Layer,
    loss: Loss,
    optimiser: Optimiser,
    x: Array,
    z: Array,
    penalties: Sequence[Penalty] = (),
    rng: np.random.Generator | None = None,
) -> dict[str, Array]:
    """Train D on real samples `x` and on what G makes of the noise `z`; G stays as it is.

    `rng` is for layers that draw, such as dropout, and for penalties.

    Returns what was measured, before the step, each a 0-d array: D's loss and what the penalties
    add to it, the mean probabilities that D gave to real and to generated samples (mean outputs,
    for a critic), and the norm of D's gradient.
    """
    fake, _ = G.forward(z, rng=rng)  # no cache is kept: nothing will flow back into G
    real_logits, c_real = D.forward(x, rng=rng)
    fake_logits, c_fake = D.forward(fake, rng=rng)
    value, d_real, d_fake = loss.discriminator(real_logits, fake_logits)
    grad = D.new_grad()
    D.add_gradient(d_real, c_real, grad)  # as D.backward, but nobody asks for ∂L/∂x
    D.add_gradient(d_fake, c_fake, grad)
    added = [penalty(D, x, fake, grad, rng) for penalty in penalties]
    optimiser.step(D.theta, grad)
    # Once a step, from the real pass: running statistics of the data for a BatchNorm, one power
    # iteration on the new weights for a SpectralNorm.
    D.update_state(c_real)
    return {
        "loss_D": value,
        "penalty": sum(added, start=0 * value),
        "D_real": loss.probability(real_logits).mean(),
        "D_fake": loss.probability(fake_logits).mean(),
        "grad_D": norm(grad),
    }


def generator_step(
    G: Layer,
    D: Layer,
    loss: Loss,
    optimiser: Optimiser,
    z: Array,
    x: Array | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Array]:
    """Train G on the noise `z`, through D, which stays as it is.

    Real samples `x` are looked at only where the loss compares with them (`loss.needs_real`).
    Returns what was measured, each a 0-d array: G's loss and the norm of its gradient.
    """
    fake, c_g = G.forward(z, rng=rng)
    fake_logits, c_d = D.forward(fake, rng=rng)
    real_logits = D.forward(x, rng=rng)[0] if loss.needs_real and x is not None else None
    value, d_fake = loss.generator(fake_logits, real_logits)
    d_images = D.backward(d_fake, c_d)  # no grad is passed: only ∂L/∂images, D learns nothing
    grad = G.new_grad()
    G.add_gradient(d_images, c_g, grad)
    optimiser.step(G.theta, grad)
    G.update_state(c_g)
    return {"loss_G": value, "grad_G": norm(grad)}


def norm(vector: Array) -> Array:
    """Euclidean norm of a vector, as a 0-d array."""
    return array_module(vector).sqrt(vector @ vector)
