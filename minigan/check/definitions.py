"""Optimisers as their definitions say, written out as sums.

An optimiser keeps running means; a definition needs none. After t steps Adam's m is

    m_t = (1 − β₁)·Σ_i β₁^(t−i)·g_i          i = 1 … t

and so on: what it says is taken from all gradients so far, at every step from the start. That is
slow, and hard to get wrong in the way in which running means go wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array

Numbers = dict[str, Any]
Steps = Callable[[Numbers, list[Array], Array], list[Array]]  # θ after each step


def sgd(s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    """θ_t = θ_{t−1} − lr·v_t, v_t = Σ_i μ^(t−i)·g_i; with Nesterov g_t + μ·v_t for v_t."""
    thetas = []
    for t, g in enumerate(grads, 1):
        # A schedule has another μ for each step: Π μ_j, j = i + 1 … t, where one has μ^(t−i).
        mu = [at(s["momentum"], j) for j in range(1, t + 1)]
        v = sum((np.prod(mu[i:]) * grads[i - 1] for i in range(1, t + 1)), 0 * theta)
        theta = theta - at(s["lr"], t) * (g + mu[-1] * v if s["nesterov"] else v)
        thetas.append(theta)
    return thetas


def rmsprop(s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    """θ_t = θ_{t−1} − lr·g_t/(√v_t + ε), v_t = (1 − ρ)·Σ_i ρ^(t−i)·g_i²."""
    thetas = []
    for t, g in enumerate(grads, 1):
        v = (1 - s["rho"]) * discounted([a * a for a in grads[:t]], s["rho"])
        theta = theta - at(s["lr"], t) * g / (np.sqrt(v) + s["eps"])
        thetas.append(theta)
    return thetas


def adam(s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    """θ_t = θ_{t−1} − lr·m̂/(√v̂ + ε); see `minigan.optim.rules.Adam`."""
    thetas = []
    for t in range(1, len(grads) + 1):
        theta = theta - adam_update(s, grads[:t])
        thetas.append(theta)
    return thetas


def adam_update(s: Numbers, grads: list[Array]) -> Array:
    """Return what θ loses at step t = len(grads)."""
    t, b1, b2 = len(grads), s["beta1"], s["beta2"]
    squares = [g * g for g in grads]
    m_hat = (1 - b1) * discounted(grads, b1) / (1 - b1**t)
    v = (1 - b2) * discounted(squares, b2)
    if s["amsgrad"]:
        v = np.max([(1 - b2) * discounted(squares[:i], b2) for i in range(1, t + 1)], axis=0)
    v_hat = v / (1 - b2**t)
    return at(s["lr"], t) * m_hat / (np.sqrt(v_hat) + s["eps"])


def adamw(s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    """θ_t = (1 − lr·λ)·θ_{t−1} − Adam's update, where `mask` is true."""
    thetas = []
    decays = np.ones(theta.shape) if s["mask"] is None else s["mask"]
    for t in range(1, len(grads) + 1):
        kept = 1 - at(s["lr"], t) * s["weight_decay"] * decays
        theta = kept * theta - adam_update(s, grads[:t])
        thetas.append(theta)
    return thetas


def optimistic_adam(s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    """θ_t = θ_{t−1} − 2·u_t + u_{t−1}, u_t Adam's update and u_0 = 0."""
    thetas, last = [], 0 * theta
    for t in range(1, len(grads) + 1):
        update = adam_update(s, grads[:t])
        theta, last = theta - 2 * update + last, update
        thetas.append(theta)
    return thetas


DEFINITIONS: dict[str, Steps] = {
    "SGD": sgd,
    "Momentum": sgd,
    "RMSProp": rmsprop,
    "Adam": adam,
    "AdamW": adamw,
    "OptimisticAdam": optimistic_adam,
}


def discounted(values: list[Array], beta: float) -> Array:
    """Σ_i β^(t−i)·value_i."""
    t = len(values)
    return np.sum([beta ** (t - i) * value for i, value in enumerate(values, 1)], axis=0)


def at(rate: Any, t: int) -> float:
    """Return a rate at step t = 1, 2, …, whether it is a number or a schedule."""
    return float(rate(t - 1) if callable(rate) else rate)
