"""JAX: the whole step, noise and choice of the real batch too, as one jitted function.

The old weights and Adam's memory are donated, so that XLA may write the new ones over them. In
``joined`` real and generated samples are one batch where no BatchNorm mixes them; in ``jit`` they
are two, as people write it. Our layouts are XLA's (NHWC, HWIO). BatchNorm's running means are left
out: the step of training does not read them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.nn import softplus
from setups import BETA1, BETA2, EPS, LR, Batch, Outcome, Setup, gradient_from, shuffled_rows

from minigan import BatchNorm, Conv2d, ConvTranspose2d, Dense, Flatten, LeakyReLU, Reshape, Tanh

VARIANTS = ("jit", "joined")
LAYOUT = ("NHWC", "HWIO", "NHWC")
Weights = list[dict[str, Any]]


def apply(layers: Any, weights: Weights, x: Any) -> Any:
    """Return y; a loop over layers that jit unrolls."""
    for layer, w in zip(layers, weights, strict=True):
        match layer:
            case Dense():
                x = x @ w["W"]
            case LeakyReLU():
                x = jnp.where(x > 0, x, layer.slope * x)
            case Tanh():
                x = jnp.tanh(x)
            case Conv2d():
                s, p = layer.stride, layer.padding
                x = lax.conv_general_dilated(x, w["W"], (s, s), [(p, p)] * 2, None, None, LAYOUT)
            case ConvTranspose2d():
                s, p = layer.stride, layer.k - 1 - layer.padding
                pads = [(p, p)] * 2
                x = lax.conv_transpose(
                    x, w["W"], (s, s), pads, dimension_numbers=LAYOUT, transpose_kernel=True
                )
            case BatchNorm():
                axes = tuple(range(x.ndim - 1))
                mean, var = x.mean(axes), x.var(axes)
                x = w["gain"] * (x - mean) * lax.rsqrt(var + layer.eps) + w["shift"]
            case Flatten() | Reshape():
                x = x.reshape(len(x), *layer.output_shape(x.shape[1:]))
        if "b" in w:
            x = x + w["b"]
    return x


def adam(state: Any, grads: Weights) -> Any:
    """Return the state, (weights, m, v, t), after one step of Adam."""
    weights, m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, grads)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, grads)

    def moved(w: Any, m: Any, v: Any) -> Any:
        m_hat, v_hat = m / (1 - BETA1**t), v / (1 - BETA2**t)
        return w - LR * m_hat / (jnp.sqrt(v_hat) + EPS)

    return jax.tree.map(moved, weights, m, v), m, v, t


class Gan:
    """Both networks' states, and the step as a function of them."""

    def __init__(self, setup: Setup, variant: str, dtype: Any) -> None:
        G, D = setup.networks(dtype)
        self.G_layers, self.D_layers = G.layers, D.layers
        self.joined = variant == "joined" and not setup.couples_samples
        self.z_shape = (setup.batch, *G.in_shape)
        self.G, self.D = self.state(G), self.state(D)
        self.given = jax.jit(self._given, donate_argnums=(0, 1))
        self.step = jax.jit(self._step, donate_argnums=(0, 1))

    def state(self, net: Any) -> Any:
        """Return a network's weights and what Adam remembers before the first step."""
        weights = [
            {name: jnp.array(w) for name, w in layer.parameters().items()} for layer in net.layers
        ]
        zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
        return weights, *zeros, jnp.zeros((), net.theta.dtype)

    def _given(self, G: Any, D: Any, x: Any, z_D: Any, z_G: Any) -> Any:
        """Train D, then G, on what is given; return both states and both losses."""

        def loss_D(weights: Weights, fake: Any) -> Any:
            of = partial(apply, self.D_layers, weights)
            if self.joined:
                real_logits, fake_logits = jnp.split(of(jnp.concatenate([x, fake])), 2)
            else:
                real_logits, fake_logits = of(x), of(fake)
            return softplus(-real_logits).mean() + softplus(fake_logits).mean()

        def loss_G(weights: Weights) -> Any:
            fake = apply(self.G_layers, weights, z_G)
            return softplus(-apply(self.D_layers, D[0], fake)).mean()

        value_D, grads = jax.value_and_grad(loss_D)(D[0], apply(self.G_layers, G[0], z_D))
        D = adam(D, grads)
        value_G, grads = jax.value_and_grad(loss_G)(G[0])
        return adam(G, grads), D, value_D, value_G

    def _step(self, G: Any, D: Any, data: Any, rows: Any, seed: Any) -> Any:
        """Fetch the real batch and draw the noise, then the same."""
        z_D, z_G = jax.random.normal(jax.random.key(seed), (2, *self.z_shape))
        return self._given(G, D, data[rows], z_D, z_G)


def prepare(setup: Setup, variant: str) -> Callable[[int], None]:
    """Return a function that takes so many steps, and waits for the last."""
    gan, rows, seeds = (
        Gan(setup, variant, np.float32),
        shuffled_rows(setup.batch, setup.samples),
        itertools.count(),
    )
    data = jnp.array(setup.data())

    def run(steps: int) -> None:
        for _ in range(steps):
            gan.G, gan.D, *_ = gan.step(gan.G, gan.D, data, next(rows), next(seeds))
        jax.block_until_ready((gan.G, gan.D))

    return run


def one_step(setup: Setup, variant: str, batch: Batch) -> Outcome:
    """Take one step from the first weights, in the dtype of the batch."""
    jax.config.update("jax_enable_x64", True)
    gan = Gan(setup, variant, batch.x.dtype)
    (theta_G, m_G, *_), (theta_D, m_D, *_), *_ = gan.given(gan.G, gan.D, *batch)
    return Outcome(
        gradient_from(vector(m_D)), gradient_from(vector(m_G)), vector(theta_D), vector(theta_G)
    )


def vector(weights: Weights) -> np.ndarray[Any, Any]:
    """Return weights as one vector, in the order of our θ (JAX sorts names: W, b; gain, shift)."""
    return np.concatenate([np.ravel(w) for layer in weights for w in layer.values()])
