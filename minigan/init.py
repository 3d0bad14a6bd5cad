"""How weights are drawn before training, each way named after the paper it comes from.

An initialiser is a function ``(rng, shape) → array`` of float64 (the layer casts it to its own
dtype). A kernel's last axis counts its outputs and the axes before it its inputs: (p, q) for a
dense layer, (k, k, c_in, c_out) for a convolution, so

    fan_in  = inputs that one output sums over   = every axis but the last
    fan_out = outputs that one input feeds into  = every axis but the one before the last

Keeping the variance of y = x·W equal to that of x asks for Var W = 1/fan_in; of the gradient on its
way back, 1/fan_out. Each paper below is an answer to these two wishes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .arrays import Array

# The generator in quotes, since naming it would import numpy.random: 15 ms that can wait.
Initialiser = Callable[["np.random.Generator", tuple[int, ...]], Array]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """``(fan_in, fan_out)`` of a kernel of this shape."""
    if len(shape) < 2:
        raise ValueError(f"fans are defined for kernels with two or more axes, got shape {shape}")
    receptive_field = math.prod(shape[:-2])
    return receptive_field * shape[-2], receptive_field * shape[-1]


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """All zero: for biases. One kernel of zeros still learns, two in a row do not.

    With h = x·W₁ and y = h·W₂, dW₂ = hᵀ·dy has the factor W₁ and dW₁ = xᵀ·dy·W₂ᵀ the factor W₂.
    """
    return np.zeros(shape)


def normal(sigma: float) -> Initialiser:
    """Return an initialiser from N(0, `sigma`²); DCGAN takes σ = 0.02 (Radford et al. 2016)."""
    if not sigma > 0:
        raise ValueError(f"normal: sigma must be positive, got {sigma}")
    return lambda rng, shape: sigma * rng.standard_normal(shape, dtype=np.float64)


def uniform(limit: float) -> Initialiser:
    """Return an initialiser from U(−`limit`, `limit`); the code of Goodfellow et al. 2014: 0.05."""
    if not limit > 0:
        raise ValueError(f"uniform: limit must be positive, got {limit}")
    return lambda rng, shape: rng.uniform(-limit, limit, shape)


def glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Var W = 2/(fan_in + fan_out), uniform: Glorot & Bengio 2010, equation 16; for tanh."""
    limit = math.sqrt(6 / sum(fans(shape)))  # U(−a, a) has the variance a²/3
    return uniform(limit)(rng, shape)


def he(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Var W = 2/fan_in, normal: He et al. 2015, eq. 10; 2, since ReLU halves the mean square."""
    return normal(math.sqrt(2 / fans(shape)[0]))(rng, shape)


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Rows or columns (the fewer) orthonormal, as (inputs, outputs): Saxe et al. 2014.

    The Q of a normal matrix, with R's diagonal made positive, so that Q is uniform over all
    orthogonal matrices (Mezzadri 2007).
    """
    inputs, outputs = math.prod(shape[:-1]), shape[-1]
    tall = rng.standard_normal((max(inputs, outputs), min(inputs, outputs)), dtype=np.float64)
    q, r = np.linalg.qr(tall)
    q *= np.where(np.diag(r) < 0, -1, 1)
    return (q if inputs >= outputs else q.T).reshape(shape)
