"""Optimisers as their definitions say, written out as sums, and the mistakes made in them.

An optimiser keeps running means; a definition needs none. After t steps Adam's m is

    m_t = (1 − β₁)·Σ_i β₁^(t−i)·g_i          i = 1 … t

and so on: what it says is taken from all gradients so far, at every step anew. That is slow, and
hard to get wrong in the way in which running means go wrong. Each well-known mistake is a change of
one word of the definition: `wrong` names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array

Numbers = dict[str, Any]
Steps = Callable[[Numbers, list[Array], Array, str], list[Array]]


def sgd(s: Numbers, grads: list[Array], theta: Array, wrong: str) -> list[Array]:
    """θ_t = θ_{t−1} − lr·v_t, v_t = Σ_i μ^(t−i)·g_i; with Nesterov g_t + μ·v_t for v_t."""
    thetas = []
    nesterov = s["nesterov"] != (wrong == "nesterov")
    sign = {"sign of momentum": -1, "no momentum": 0}.get(wrong, 1)
    for t in range(1, len(grads) + 1):
        mu = sign * _at(s["momentum"], t)
        last = t - 1 if wrong == "last velocity" else t
        v = 0 * theta
        for i in range(1, last + 1):
            # A schedule has another μ for each step: Π μ_j, j = i + 1 … t, in the place of μ^(t−i).
            v = (
                v
                + np.prod([sign * _at(s["momentum"], j) for j in range(i + 1, last + 1)])
                * grads[i - 1]
            )
        if wrong == "dampened":
            v = (1 - mu) * v
        step = grads[t - 1] + mu * v if nesterov else v
        lr = 1.0 if wrong == "no lr" else _at(s["lr"], t)
        theta = theta + lr * step if wrong == "sign" else theta - lr * step
        thetas.append(theta)
    return thetas


def rmsprop(s: Numbers, grads: list[Array], theta: Array, wrong: str) -> list[Array]:
    """θ_t = θ_{t−1} − lr·g_t/(√v_t + ε), v_t = (1 − ρ)·Σ_i ρ^(t−i)·g_i²."""
    thetas = []
    rho = 1 - s["rho"] if wrong == "swapped" else s["rho"]
    for t in range(1, len(grads) + 1):
        squares = [_square(g, wrong) for g in grads[:t]]
        if wrong == "last v":
            squares = squares[:-1]
        v = (1 - rho) * _discounted(squares, rho) if squares else 0 * theta
        if wrong == "no 1 − rho":
            v = v / (1 - rho)
        if wrong == "corrected":
            v = v / (1 - rho**t)
        if wrong == "no memory":
            v = (1 - rho) * squares[-1]
        theta = theta - _at(s["lr"], t) * grads[t - 1] / _root(v, s["eps"], wrong)
        thetas.append(theta)
    return thetas


def adam(s: Numbers, grads: list[Array], theta: Array, wrong: str) -> list[Array]:
    """θ_t = θ_{t−1} − lr·m̂/(√v̂ + ε); see `minigan.optim.rules.Adam`."""
    thetas = []
    for t in range(1, len(grads) + 1):
        theta = theta - adam_update(s, grads[:t], wrong)
        thetas.append(theta)
    return thetas


def adam_update(s: Numbers, grads: list[Array], wrong: str) -> Array:
    """Return what θ loses at step t = len(grads)."""
    t, lr = len(grads), _at(s["lr"], len(grads))
    b1, b2 = (s["beta2"], s["beta1"]) if wrong == "swapped" else (s["beta1"], s["beta2"])
    of_m = grads[:-1] if wrong == "last m" else grads
    of_m = grads[-1:] if wrong == "no memory of m" else of_m
    squares = [_square(g, wrong) for g in grads]
    of_v = squares[-1:] if wrong == "no memory of v" else squares
    if wrong == "last v":
        of_v = squares[:-1]
    m = (1 if wrong == "no 1 − beta1" else 1 - b1) * _discounted(of_m, b1, like=grads[-1])
    v = (1 if wrong == "no 1 − beta2" else 1 - b2) * _discounted(of_v, b2, like=grads[-1])
    if wrong == "v from m":
        ms = [(1 - b1) * _discounted(grads[:i], b1) for i in range(1, t + 1)]
        v = (1 - b2) * _discounted([a * a for a in ms], b2)
    power = {"no power": 1, "t − 1": t - 1, "t + 1": t + 1, "2t": 2 * t}.get(wrong, t)
    p1 = 1 if wrong == "no power of beta1" else power
    p2 = 1 if wrong == "no power of beta2" else power
    c1 = 1.0 if wrong in ("uncorrected", "m uncorrected") else 1 - b1**p1
    c2 = 1.0 if wrong in ("uncorrected", "v uncorrected") else 1 - b2**p2
    if wrong == "corrections swapped":
        c1, c2 = c2, c1
    if wrong == "corrected by products":
        c1, c2 = 1 / c1, 1 / c2
    if wrong in ("corrected in place", "m corrected in place"):
        m = _corrected_in_place(of_m, b1)
    if wrong == "corrected in place":
        v = _corrected_in_place(squares, b2)
    if wrong in ("corrected in place", "m corrected in place"):
        c1 = 1.0
    if wrong == "corrected in place":
        c2 = 1.0
    if s["amsgrad"] and wrong != "no maximum":
        vs = [(1 - b2) * _discounted(squares[:i], b2) for i in range(1, t + 1)]
        if wrong == "maximum of v̂":
            vs = [v / (1 - b2**i) for i, v in enumerate(vs, 1)]
            c2 = 1.0
        v = np.max(vs, axis=0)
    m_hat, v_hat = m / c1, v / c2
    if wrong == "epsilon before the correction":
        return lr * m_hat / ((np.sqrt(v) + s["eps"]) / np.sqrt(c2))
    if wrong == "g for m":
        m_hat = grads[-1]
    if wrong == "lr twice":
        lr = lr * lr
    return (1.0 if wrong == "no lr" else lr) * m_hat / _root(v_hat, s["eps"], wrong)


def adamw(s: Numbers, grads: list[Array], theta: Array, wrong: str) -> list[Array]:
    """θ_t = (1 − lr·λ)·θ_{t−1} − Adam's update, where `mask` is true."""
    thetas, seen = [], []
    mask = np.ones(theta.shape) if s["kernels"] is None or wrong == "all decay" else s["kernels"]
    decay = 0.0 if wrong == "no decay" else s["weight_decay"]
    for t in range(1, len(grads) + 1):
        lr = _at(s["lr"], t)
        if wrong == "coupled":
            seen.append(grads[t - 1] + decay * mask * theta)
            theta = theta - adam_update(s, seen, "")
        else:
            seen.append(grads[t - 1])
            update = adam_update(s, seen, wrong)
            lost = {"decay without lr": decay, "decay twice": 2 * lr * decay}.get(wrong, lr * decay)
            lost = -lost if wrong == "grows" else lost
            if wrong == "decay of the update":
                theta = theta - (1 - lost * mask) * update
            elif wrong == "decay last":
                theta = (1 - lost * mask) * (theta - update)
            else:
                theta = (1 - lost * mask) * theta - update
        thetas.append(theta)
    return thetas


def optimistic_adam(s: Numbers, grads: list[Array], theta: Array, wrong: str) -> list[Array]:
    """θ_t = θ_{t−1} − 2·u_t + u_{t−1}, u_t Adam's update."""
    thetas = []
    last = 0 * theta
    twice, back = {"once": (1, 1), "not taken back": (2, 0), "taken on": (2, -1)}.get(wrong, (2, 1))
    for t in range(1, len(grads) + 1):
        update = adam_update(s, grads[:t], wrong)
        theta = theta - twice * update + back * last
        if wrong == "not remembered":
            last = update if t == 1 else last
        else:
            last = update
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


OF_THE_ROOT = {
    "epsilon in the root": ("epsilon", "ε stands under the root, not beside it"),
    "no epsilon": ("epsilon", "ε is dropped"),
    "epsilon²": ("epsilon", "ε² in the place of ε"),
    "no root": ("extra factor", "the root of v is missing"),
    "no square": ("wrong array", "v is a mean of g, not of g²"),
    "absolute": ("wrong array", "v is a mean of |g|, not of g²"),
    "sum of squares": ("broadcast", "g² is summed over θ: one v for all coordinates"),
    "no lr": ("ignored", "lr is not used"),
}


OF_ADAM = OF_THE_ROOT | {
    "uncorrected": ("bias correction", "the bias correction is missing: m and v are too small"),
    "m uncorrected": ("bias correction", "the bias correction of m is missing"),
    "v uncorrected": ("bias correction", "the bias correction of v is missing"),
    "no power": ("bias correction", "1 − β in the place of 1 − βᵗ: the power of t is missing"),
    "no power of beta1": ("bias correction", "1 − β₁ in the place of 1 − β₁ᵗ: no power of t"),
    "no power of beta2": ("bias correction", "1 − β₂ in the place of 1 − β₂ᵗ: no power of t"),
    "t − 1": ("bias correction", "t is one too small in 1 − βᵗ: counted after its use?"),
    "t + 1": ("bias correction", "t is one too large in 1 − βᵗ: counted twice, or from 1?"),
    "2t": ("bias correction", "t grows by two a step: it is counted twice"),
    "corrections swapped": ("bias correction", "m is corrected with β₂ and v with β₁"),
    "corrected by products": ("bias correction", "m and v are multiplied with 1 − βᵗ, not divided"),
    "corrected in place": (
        "bias correction",
        "the corrected m and v are kept, and corrected again",
    ),
    "m corrected in place": ("bias correction", "the corrected m is kept, and corrected again"),
    "swapped": ("setting", "β₁ and β₂ are swapped"),
    "no 1 − beta1": ("factor", "the factor 1 − β₁ of g is missing"),
    "no 1 − beta2": ("factor", "the factor 1 − β₂ of g² is missing"),
    "no memory of m": ("overwritten", "m forgets: overwritten with (1 − β₁)·g where it is a mean"),
    "no memory of v": ("overwritten", "v forgets: overwritten with (1 − β₂)·g² where it is a mean"),
    "last m": ("state", "the m of the step before is used: updated after its use"),
    "last v": ("state", "the v of the step before is used: updated after its use"),
    "v from m": ("wrong array", "v is a mean of m², not of g²"),
    "g for m": ("wrong array", "g stands in the place of m̂"),
    "no maximum": ("term", "the maximum of v (amsgrad) is missing"),
    "maximum of v̂": ("term", "the maximum is taken of v̂, after the correction, not of v"),
    "epsilon before the correction": ("epsilon", "ε is added to √v, before v is corrected"),
    "lr twice": ("factor", "lr is used twice"),
}


MISTAKES: dict[str, dict[str, tuple[str, str]]] = {
    "SGD": {
        "sign": ("sign", "θ moves up the gradient, not down"),
        "no momentum": ("ignored", "the momentum is not used: v is g"),
        "sign of momentum": ("sign", "the momentum has the wrong sign"),
        "dampened": ("factor", "the velocity is multiplied with 1 − momentum"),
        "nesterov": ("term", "nesterov's look ahead is missing, or there without being asked for"),
        "last velocity": (
            "state",
            "the velocity of the step before is used: updated after its use",
        ),
        "no lr": ("ignored", "lr is not used"),
    },
    "RMSProp": OF_THE_ROOT
    | {
        "swapped": ("setting", "ρ and 1 − ρ are swapped"),
        "no 1 − rho": ("factor", "the factor 1 − ρ of g² is missing"),
        "corrected": ("bias correction", "v is corrected by 1 − ρᵗ, as in Adam"),
        "no memory": ("overwritten", "v forgets: overwritten with (1 − ρ)·g² where it is a mean"),
        "last v": ("state", "the v of the step before is used: updated after its use"),
    },
    "Adam": OF_ADAM,
    "AdamW": {
        "coupled": ("term", "the decay enters the gradient (L2), and is divided by √v̂ with it"),
        "no decay": ("term", "the decay is missing"),
        "decay without lr": ("ignored", "the decay is not multiplied with lr"),
        "decay twice": ("factor", "the decay counts twice"),
        "grows": ("sign", "the decay has the wrong sign: weights grow"),
        "all decay": ("mask", "what `mask` leaves out decays too"),
        "decay last": ("term", "the decay is applied to the θ that has moved already"),
        "decay of the update": ("wrong array", "the decay shrinks the update, not θ"),
    }
    | OF_ADAM,
    "OptimisticAdam": {
        "once": ("factor", "the update is taken once, not twice"),
        "not taken back": ("term", "the last update is not taken back"),
        "taken on": ("sign", "the last update is taken once more, not back"),
        "not remembered": ("state", "the first update stays remembered as the last one"),
    }
    | OF_ADAM,
}


MISTAKES["Momentum"] = MISTAKES["SGD"]


def _discounted(values: list[Array], beta: float, like: Array | None = None) -> Array:
    """Σ_i β^(t−i)·value_i."""
    if not values:
        return 0 * like if like is not None else np.zeros(())
    t = len(values)
    return np.sum([beta ** (t - i) * value for i, value in enumerate(values, 1)], axis=0)


def _corrected_in_place(values: list[Array], beta: float) -> Array:
    mean = 0 * values[0]
    for t, value in enumerate(values, 1):
        mean = (beta * mean + (1 - beta) * value) / (1 - beta**t)
    return mean


def _square(g: Array, wrong: str) -> Array:
    if wrong == "sum of squares":
        return (g * g).sum() * np.ones_like(g)
    return {"no square": g, "absolute": np.abs(g)}.get(wrong, g * g)


def _root(v: Array, eps: float, wrong: str) -> Array:
    if wrong == "epsilon in the root":
        return np.sqrt(v + eps)
    eps = {"no epsilon": 0.0, "epsilon²": eps * eps}.get(wrong, eps)
    return (v if wrong == "no root" else np.sqrt(v)) + eps


def _at(rate: Any, t: int) -> float:
    """Return a rate at step t = 1, 2, …, whether it is a number or a schedule."""
    return float(rate(t - 1) if callable(rate) else rate)
