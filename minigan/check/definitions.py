"""Optimisers as their definitions say, written out as sums.

An optimiser keeps running means; a definition needs none. After t steps Adam's m is

    m_t = (1 − β₁)·Σ_i β₁^(t−i)·g_i          i = 1 … t

and so on: what it says is taken from all gradients so far, at every step from the start. That is
slow, and hard to get wrong in the way in which running means go wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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


def rmsprop(s: Numbers, grads: list[Array], theta: Array, under: bool = False) -> list[Array]:
    """θ_t = θ_{t−1} − lr·g_t/(√v_t + ε), v_t = (1 − ρ)·Σ_i ρ^(t−i)·g_i².

    Some put ε `under` the root.
    """
    thetas = []
    for t, g in enumerate(grads, 1):
        v = (1 - s["rho"]) * discounted([a * a for a in grads[:t]], s["rho"])
        root = np.sqrt(v + s["eps"]) if under else np.sqrt(v) + s["eps"]
        theta = theta - at(s["lr"], t) * g / root
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
    eps = s["eps"] / np.sqrt(1 - b2**t) if s.get("eps_hat") else s["eps"]
    return at(s["lr"], t) * m_hat / (np.sqrt(v_hat) + eps)


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


def averaged_momentum(s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    """θ_t = θ_{t−1} − lr·v_t, v_t = (1 − μ)·Σ_i μ^(t−i)·g_i: a mean, no sum."""
    mu = at(s["momentum"], 1)
    return _moving(s, grads, theta, lambda g: (1 - mu) * discounted(g, mu))


def adagrad(s: Numbers, grads: list[Array], theta: Array, under: bool = False) -> list[Array]:
    """θ_t = θ_{t−1} − lr·g_t/(√Σ_i g_i² + ε) (Duchi et al. 2011); some put ε `under` the root."""

    def update(g: list[Array]) -> Array:
        v, eps = discounted([a * a for a in g], 1.0), s["eps"]
        return np.asarray(g[-1] / (np.sqrt(v + eps) if under else np.sqrt(v) + eps))

    return _moving(s, grads, theta, update)


def adadelta(s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    """u_t = √(Δ_{t−1} + ε)/√(v_t + ε)·g_t, v and Δ the running means of g² and of u² (Zeiler)."""
    thetas, updates = [], [0 * theta]
    for t, g in enumerate(grads, 1):
        v = (1 - s["rho"]) * discounted([a * a for a in grads[:t]], s["rho"])
        delta = (1 - s["rho"]) * discounted([u * u for u in updates], s["rho"])
        updates.append(np.sqrt(delta + s["eps"]) / np.sqrt(v + s["eps"]) * g)
        theta = theta - at(s["lr"], t) * updates[-1]
        thetas.append(theta)
    return thetas


def adamax(s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    """θ_t = θ_{t−1} − lr·m̂_t/u_t, u_t = max_i β₂^(t−i)·|g_i| (Kingma & Ba 2015, §7.1)."""

    def update(g: list[Array]) -> Array:
        t, b1, b2 = len(g), s["beta1"], s["beta2"]
        largest = np.max([b2 ** (t - i) * np.abs(a) for i, a in enumerate(g, 1)], axis=0)
        return np.asarray((1 - b1) * discounted(g, b1) / (1 - b1**t) / (largest + s["eps"]))

    return _moving(s, grads, theta, update)


def nadam(s: Numbers, grads: list[Array], theta: Array, ahead: int = 1) -> list[Array]:
    """Adam with β₁·m_t/(1 − β₁^(t+1)) + (1 − β₁)·g_t/(1 − β₁ᵗ) for m̂ (Dozat 2016).

    Some leave out the step ahead: 1 − β₁ᵗ under both.
    """

    def update(g: list[Array]) -> Array:
        t, b1, b2 = len(g), s["beta1"], s["beta2"]
        m, v = ((1 - b) * discounted(a, b) for a, b in ((g, b1), ([a * a for a in g], b2)))
        m_hat = b1 * m / (1 - b1 ** (t + ahead)) + (1 - b1) * g[-1] / (1 - b1**t)
        return np.asarray(m_hat / (np.sqrt(v / (1 - b2**t)) + s["eps"]))

    return _moving(s, grads, theta, update)


def lion(s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    """θ_t = θ_{t−1} − lr·sign(β₁·m_{t−1} + (1 − β₁)·g_t), m a running mean with β₂ (Chen 2023)."""

    def update(g: list[Array]) -> Array:
        b1, b2 = s["beta1"], s["beta2"]
        m = (1 - b2) * discounted([0 * g[0], *g[:-1]], b2)
        return np.sign(b1 * m + (1 - b1) * g[-1])

    return _moving(s, grads, theta, update)


def _moving(
    s: Numbers, grads: list[Array], theta: Array, update: Callable[[list[Array]], Array]
) -> list[Array]:
    """θ_t = θ_{t−1} − lr·update(g_1, …, g_t)."""
    thetas = []
    for t in range(1, len(grads) + 1):
        theta = theta - at(s["lr"], t) * update(grads[:t])
        thetas.append(theta)
    return thetas


UNDER = "ε under the root"
# The definitions that go by a name, the usual one first, each with what tells it from the others.
DEFINITIONS: dict[str, dict[str, Steps]] = {
    "SGD": {"": sgd, "v = μ·v + (1 − μ)·g": averaged_momentum},
    "Momentum": {"v = μ·v + g": sgd, "v = μ·v + (1 − μ)·g": averaged_momentum},
    "Nesterov": {
        "θ moves by g + μ·v": lambda s, *more: sgd(s | {"nesterov": True}, *more),
        "θ moves by v, g is taken ahead": lambda s, *more: sgd(s | {"nesterov": False}, *more),
    },
    "AdaGrad": {"": adagrad, UNDER: partial(adagrad, under=True)},
    "AdaDelta": {"": adadelta},
    "RMSProp": {"": rmsprop, UNDER: partial(rmsprop, under=True)},
    "Adam": {
        "": adam,
        "ε beside √v, not √v̂ (the paper's section 2)": lambda s, *more: adam(
            s | {"eps_hat": True}, *more
        ),
    },
    "AdaMax": {"": adamax},
    "Nadam": {
        "m ahead by a step": nadam,
        "m of this step": partial(nadam, ahead=0),
    },
    "AdamW": {"": adamw},
    "Lion": {"": lion},
    "OptimisticAdam": {"": optimistic_adam},
}


def forms(name: str, s: Numbers) -> dict[str, Steps]:
    """Return what an optimiser of this name and with these settings may do, and in which words.

    A gradient is clipped by its norm or number by number; a weight decay adds λ·θ to the gradient
    (coupled), or takes lr·λ·θ from θ itself.
    """
    found = DEFINITIONS[name]
    if s.get("weight_decay") and name != "AdamW":
        found = {
            f"{text}, {how} weight decay".lstrip(", "): partial(decayed, steps)
            for how, decayed in (("coupled", _coupled), ("decoupled", _decoupled))
            for text, steps in found.items()
        }
    if s.get("clip"):
        found = {
            f"{text}, gradients clipped by {how}".lstrip(", "): partial(_clipped, steps, clip)
            for how, clip in CLIPS.items()
            for text, steps in found.items()
        }
    return found


CLIPS: dict[str, Callable[[Array, float], Array]] = {
    "norm": lambda g, c: g * min(1.0, c / float(np.sqrt((g * g).sum()))),
    "value": lambda g, c: np.clip(g, -c, c),
}


def _clipped(
    steps: Steps,
    clip: Callable[[Array, float], Array],
    s: Numbers,
    grads: list[Array],
    theta: Array,
) -> list[Array]:
    return steps(s, [clip(g, s["clip"]) for g in grads], theta)


def _coupled(steps: Steps, s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    thetas, seen = [theta], []
    for g in grads:
        seen.append(g + s["weight_decay"] * thetas[-1])
        thetas.append(steps(s, seen, theta)[-1])
    return thetas[1:]


def _decoupled(steps: Steps, s: Numbers, grads: list[Array], theta: Array) -> list[Array]:
    moved = np.diff([theta, *steps(s, grads, theta)], axis=0)
    thetas = []
    for t, step in enumerate(moved, 1):
        theta = (1 - at(s["lr"], t) * s["weight_decay"]) * theta + step
        thetas.append(theta)
    return thetas


def discounted(values: list[Array], beta: float) -> Array:
    """Σ_i β^(t−i)·value_i."""
    t = len(values)
    return np.sum([beta ** (t - i) * value for i, value in enumerate(values, 1)], axis=0)


def at(rate: Any, t: int) -> float:
    """Return a rate at step t = 1, 2, …, whether it is a number or a schedule."""
    return float(rate(t - 1) if callable(rate) else rate)
