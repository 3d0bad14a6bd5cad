"""Gradient penalties: terms of D's loss that look at the slope of D in x, and their gradient in θ.

A penalty P is a function of the gradients g_i = ∂D(x_i)/∂x_i, one for each sample. They depend on
θ, so ∂P/∂θ is of second order. With the four maps it is four lines:

    y, cache = D.forward(x)
    g = D.backward(ones, cache)              D treats each sample by itself: g_i = ∂D(x_i)/∂x_i
    v = ∂P/∂g
    D.jvp_backward(v, ones, cache, grad)     ∂P/∂θ = ∂⟨v, g⟩/∂θ with v held fixed; and since
                                             ⟨v, g⟩ = ⟨v, Jᵀ·1⟩ = ⟨1, J·v⟩, that is this map

A penalty is called as ``value = R1(gamma)(D, real, fake, grad)``: it returns its value, a 0-d
array, and adds its gradient in θ to `grad`, if there is one. D gives logits, and treats each
sample by itself: a final Sigmoid and layers that couple a batch are refused.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from .arrays import Array, Rng, array_module, as_like
from .expect import expect_positive, expect_shape
from .layers import Sigmoid
from .layers.base import Layer
from .network import Sequential
from .views import View


class Penalty:
    """What all penalties do; each says at which points, and how v and the value come from g."""

    def __call__(
        self, D: Layer, real: Array, fake: Array, grad: Array | None = None, rng: Rng = None
    ) -> Array:
        """Return the penalty; with a `grad`, add its gradient in θ.

        Parameters
        ----------
        D
            The critic, whose output is one logit a sample.
        real, fake
            A batch each, (n, …), of one shape.
        grad
            A vector like ``D.theta``.
        rng
            For the penalties that draw their points, and for layers that draw.

        Raises
        ------
        ValueError
            For a D that ends in a Sigmoid, that couples the samples of a batch, or that has more
            than one output; for batches of different shapes; for a missing `rng`.
        """
        _check_critic(D)
        expect_shape("fake", fake, real.shape)
        x = self.points(real, fake, rng)
        logits, cache = D.forward(x, rng=rng)
        expect_shape("D's output", logits, (len(x), 1))
        ones = array_module(logits).ones_like(logits)
        g = D.backward(ones, cache)
        value, v = self.of_gradient(g)
        if grad is not None:
            D.jvp_backward(v, ones, cache, grad)
        return array_module(g).asarray(value)

    def points(self, real: Array, fake: Array, rng: Rng) -> Array:
        """Return the points x at which D's slope is looked at."""
        raise NotImplementedError

    def of_gradient(self, g: Array) -> tuple[Array, Array]:
        """Return P and v = ∂P/∂g, for the gradients g of all samples (n, …)."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the call that makes such a penalty."""
        names = inspect.signature(type(self)).parameters
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in names)})"


class R1(Penalty):
    r"""γ/2·E‖∇D‖² at real samples (Mescheder et al. 2018, equation 9).

        P = γ/(2n)·Σ_i ‖g_i‖²          v_i = ∂P/∂g_i = (γ/n)·g_i

    Parameters
    ----------
    gamma
        γ > 0; 10 in the paper's experiments.
    """

    def __init__(self, gamma: float = 10.0) -> None:
        expect_positive("gamma", gamma)
        self.gamma = gamma

    def points(self, real: Array, fake: Array, rng: Rng) -> Array:
        """Return the real samples."""
        return real

    def of_gradient(self, g: Array) -> tuple[Array, Array]:
        """Return γ/2·mean‖g_i‖² and γ/n·g."""
        n = len(g)
        return self.gamma / (2 * n) * (g * g).sum(), self.gamma / n * g


class R2(R1):
    r"""γ/2·E‖∇D‖² at generated samples (Mescheder et al. 2018, equation 10); else as `R1`."""

    def points(self, real: Array, fake: Array, rng: Rng) -> Array:
        """Return the generated samples."""
        return fake


class GradientPenalty(Penalty):
    r"""weight·E(‖∇D(x̂)‖ − target)² between real and generated samples (Gulrajani et al. 2017).

        x̂ = ε·real + (1 − ε)·fake, ε uniform in [0, 1), one number for each sample

        P = weight/n·Σ_i (‖g_i‖ − target)²          v = 2·weight/n·(‖g_i‖ − target)·g_i/‖g_i‖

    Where g_i = 0 its norm has no derivative, and v is 0. For target 0 this is the zero-centred
    penalty weight·E‖∇D(x̂)‖² (Thanh-Tung et al. 2019), which has none of these troubles.

    Parameters
    ----------
    weight
        λ > 0; 10 in the paper.
    target
        The slope asked for, ≥ 0; 1 in WGAN-GP.
    """

    def __init__(self, weight: float = 10.0, target: float = 1.0) -> None:
        if not target >= 0:
            raise ValueError(f"target must be at least 0, got {target}")
        expect_positive("weight", weight)
        self.weight, self.target = weight, target

    def points(self, real: Array, fake: Array, rng: Rng) -> Array:
        """Return one point between each real sample and its generated partner."""
        epsilon = _uniform(self, rng, (len(real), *[1] * (real.ndim - 1)), like=real)
        return epsilon * real + (1 - epsilon) * fake

    def of_gradient(self, g: Array) -> tuple[Array, Array]:
        """Return weight·mean(‖g_i‖ − target)² and its derivative in g."""
        n = len(g)
        if self.target == 0:
            return self.weight / n * (g * g).sum(), 2 * self.weight / n * g
        xp = array_module(g)
        square = (g * g).sum(axis=tuple(range(1, g.ndim)), keepdims=True)  # ‖g_i‖², (n, 1, …)
        zero = square.real == 0
        norm = xp.sqrt(square)
        direction = g / xp.where(zero, 1, norm)  # g_i/‖g_i‖, and 0 where g_i = 0
        value = self.weight / n * ((norm - self.target) ** 2).sum()
        return value, 2 * self.weight / n * (norm - self.target) * direction


class DRAGAN(GradientPenalty):
    r"""weight·E(‖∇D‖ − 1)² around real samples (Kodali et al. 2017).

        x̂ = real + c·std(real)·u, u uniform in [0, 1), drawn for every number

    std is taken over the whole batch, and is a constant to the derivative; P and v are those of
    `GradientPenalty`.

    Parameters
    ----------
    weight
        λ > 0; 10 in the authors' code.
    c
        How far around, > 0.
    """

    def __init__(self, weight: float = 10.0, c: float = 0.5) -> None:
        super().__init__(weight, target=1.0)
        expect_positive("c", c)
        self.c = c

    def points(self, real: Array, fake: Array, rng: Rng) -> Array:
        """Return a point near each real sample."""
        return real + self.c * real.std() * _uniform(self, rng, real.shape, like=real)


def _check_critic(D: Layer) -> None:
    """Raise a ValueError unless a gradient penalty makes sense for D."""
    last = D
    while isinstance(last, (Sequential, View)):
        last = last.net if isinstance(last, View) else last.layers[-1]
    if isinstance(last, Sigmoid):
        raise ValueError(
            "a gradient penalty is taken of logits, but D ends in a Sigmoid; leave that layer out "
            "and use a loss on logits"
        )
    if D.couples_samples:
        raise ValueError(
            "a gradient penalty is defined for each sample by itself, but D has a layer that "
            "couples the samples of a batch (BatchNorm, MinibatchStd, Pack); LayerNorm and "
            "SpectralNorm go with a penalty"
        )


def _uniform(penalty: Any, rng: Rng, shape: Any, like: Array) -> Array:
    """Uniform numbers in [0, 1): drawn in float32 on the CPU, then moved to where `like` lives."""
    if rng is None:
        raise ValueError(f'{penalty!r} draws random points: pass rng=stream(seed, "penalty", step)')
    return as_like(rng.random(shape, dtype=np.float32), like)
