"""Mistakes of their own: in a second order, in a loss, in a gradient penalty, in an optimiser.

What most derivatives have in common is in `terms` and `numbers`. Here a definition of the thing is
written out once more, in parts, each of which a mistake may exchange for another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays import Array, stream
from ..definitions import Numbers, at, discounted
from ..layers import Point
from ..losses import Players, call_half
from ..numerical import slopes
from ..optimisers import Steps, moves
from ..penalties import Pull
from .evidence import Guess


def of_second_order(point: Point, name: str) -> Iterator[Guess]:
    """Guess at what the second order in the array `name` is taken for, or leaves out."""
    layer, dy, v, cache = point.layer, point.dy, point.v, point.cache
    grad = layer.new_grad()
    first = {"x": layer.backward(dy.copy(), cache, grad)} | layer.views(grad)
    reason = f"it is the d{name} of the first order, of backward"
    yield Guess("wrong array", reason, first[name])
    if name != "x":

        def frozen(a: Array) -> Any:
            moved = point.at(point.inputs | {name: a}, {})
            return (dy * moved.jvp(v, cache)).sum()

        reason = "the pull-back is missing: the way from weights through x into J (sweep three)"
        yield Guess("term", reason, slopes(frozen, point.inputs[name]).best)


def of_a_loss(point: Players, where: str) -> Iterator[Guess]:
    """Guess that the derivative is right, but the value compares every sample with every other."""
    half, name = where.split()[0], where.split()[1].removeprefix("d_")
    if name not in point.inputs:
        return

    def value(a: Array) -> Any:
        real, fake = (point.inputs | {name: a}).values()
        pairs = [(real[i : i + 1], fake[i : i + 1]) for i in range(len(a))]
        return sum(call_half(point.loss, half, *pair)[0] for pair in pairs) / len(a)

    reason = "it fits the value sample by sample, but `value` mixes samples: (n, 1) met (n,)?"
    yield Guess("broadcast", reason, slopes(value, point.inputs[name]).best)


def of_a_penalty(point: Pull, name: str) -> Iterator[Guess]:
    """Guess that the pull-back started from another v than ∂P/∂g, or left out a part of the way."""
    penalty, D = point.penalty, point.critic(point.inputs)
    if name not in D.parameters():
        return
    real, fake = point.inputs["real"], point.inputs["fake"]
    n = len(real)
    strength = getattr(penalty, "weight", 0.5 * getattr(penalty, "gamma", 1.0))
    target = getattr(penalty, "target", 1.0)
    points = {"real": real, "fake": fake}
    if hasattr(penalty, "points"):
        here = penalty.points(real, fake, stream(point.seed, "penalty"))
        points = {"its own": here} | points
    for place, x in points.items():
        logits, cache = D.forward(x)
        ones = np.ones_like(logits)
        g = D.backward(ones, cache)

        def pulled_back(v: Array, cache: Any = cache, ones: Array = ones) -> Array:
            grad = D.new_grad()
            D.jvp_backward(2 * strength / n * v, ones, cache, grad)
            return D.views(grad)[name]

        def frozen(v: Array, cache: Any = cache, ones: Array = ones) -> Array:
            def number(a: Array) -> Any:
                moved = D.astype(a.dtype)
                moved.views(moved.theta)[name][...] = a
                return (ones * moved.jvp(2 * strength / n * v, cache)).sum()

            return slopes(number, D.parameters()[name]).best

        for (kind, v_name), v in _directions(g, target).items():
            reason = f"at {place} points, v = ∂P/∂g is taken for {v_name}"
            yield Guess(kind, reason, pulled_back(v))
            if place != "fake" and v_name.startswith(("g", THE_RIGHT_ONE)):
                reason = "the pull-back is missing: the way from the weights through x into ∇D"
                yield Guess("term", reason, frozen(v))
        for size in (2 * strength / n, 1.0, 1 / n):
            grad = D.new_grad()
            D.backward(size * ones, cache, grad)
            reason = f"it is the gradient of D's output at {place} points, not of its slope"
            yield Guess("wrong array", reason, D.views(grad)[name])


THE_RIGHT_ONE = "(‖g‖ − target)·g/‖g‖"


def _directions(g: Array, target: float) -> dict[tuple[str, str], Array]:
    """Return what v is often taken for, up to a constant factor; g holds a gradient a sample."""
    square = (g * g).sum(axis=tuple(range(1, g.ndim)), keepdims=True)
    norm, whole = np.sqrt(square), np.sqrt((g * g).sum())
    directions = {
        ("term", "g"): g,
        ("extra factor", "g/‖g‖: the factor ‖g‖ − target is missing"): g / norm,
        ("extra factor", "(‖g‖ − target)·g: a division by ‖g‖ is missing"): (norm - target) * g,
        ("extra factor", "(‖g‖ − target)·g/‖g‖²"): (norm - target) * g / square,
        ("extra factor", "(‖g‖² − target)·g"): (square - target) * g,
        ("extra factor", "‖g‖·g"): norm * g,
        ("axis", "g, with one norm for the whole batch"): (whole - target) * g / whole,
        ("axis", "(‖g‖ − target)·g over one norm of the whole batch"): (norm - target) * g / whole,
        ("wrong array", "the signs of g"): np.sign(g),
        ("ignored", "1"): np.ones_like(g),
        ("epsilon", f"{THE_RIGHT_ONE}, and the value of another norm: has that an ε in it?"): (
            (norm - target) * g / norm
        ),
    }
    for power in (-16, -12, -10, -8, -7, -6, -5, -4, -3):
        epsilon = 10.0**power
        under, beside = np.sqrt(square + epsilon), norm + epsilon
        directions |= {
            ("epsilon", f"(‖g‖ − target)·g/√(‖g‖² + 1e{power})"): (norm - target) * g / under,
            ("epsilon", f"(‖g‖ − target)·g/(‖g‖ + 1e{power})"): (norm - target) * g / beside,
            ("epsilon", f"(√(‖g‖² + 1e{power}) − target)·g/‖g‖"): (under - target) * g / norm,
            ("epsilon", f"the one of √(‖g‖² + 1e{power})"): (under - target) * g / under,
        }
    return directions


# --- optimisers -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parts:
    """The parts of an optimiser's step, each as it should be; a mistake exchanges one."""

    lr: Callable[[float], float] = lambda lr: lr
    betas: Callable[[float, float], tuple[float, float]] = lambda b1, b2: (b1, b2)
    m_of: Callable[[list[Array]], list[Array]] = lambda grads: grads
    v_of: Callable[[list[Array]], list[Array]] = lambda grads: grads
    v_from_m: bool = False  # the mean of the squares of m, not of g
    square: Callable[[Array], Array] = lambda g: g * g
    of_g: Callable[[float], float] = lambda b1: 1 - b1
    of_g2: Callable[[float], float] = lambda b2: 1 - b2
    correct_m: Callable[[float, float, int], float] = lambda b1, b2, t: 1 - b1**t
    correct_v: Callable[[float, float, int], float] = lambda b1, b2, t: 1 - b2**t
    root: Callable[[Array, float], Array] = lambda v, eps: np.sqrt(v) + eps
    m_hat: Callable[[Array, Array], Array] = lambda m_hat, g: m_hat
    decay: Callable[[float, float], float] = lambda lr, decay: lr * decay
    decayed: Callable[[Array], Array] = lambda mask: mask
    coupled: bool = False  # the decay enters the gradient
    first: float = 2.0  # of optimism: how much of this update
    last: float = 1.0  # and of the last one, taken back
    momentum: Callable[[float], float] = lambda mu: mu
    velocity: Callable[[Array, float], Array] = lambda v, mu: v
    nesterov: Callable[[bool], bool] = lambda nesterov: nesterov
    up: bool = False  # the gradient


def _sgd(s: Numbers, grads: list[Array], theta: Array, p: Parts) -> Iterator[Array]:
    for t, g in enumerate(grads, 1):
        mu = [p.momentum(at(s["momentum"], j)) for j in range(1, t + 1)]
        v = sum((np.prod(mu[i:]) * grads[i - 1] for i in range(1, t + 1)), 0 * theta)
        v = p.velocity(v, mu[-1])
        step = p.lr(at(s["lr"], t)) * (g + mu[-1] * v if p.nesterov(s["nesterov"]) else v)
        theta = theta + step if p.up else theta - step
        yield theta


def _rmsprop(s: Numbers, grads: list[Array], theta: Array, p: Parts) -> Iterator[Array]:
    rho, _ = p.betas(s["rho"], 1 - s["rho"])
    for t, g in enumerate(grads, 1):
        squares = [p.square(a) for a in p.v_of(grads[:t])]
        v = p.of_g2(rho) * discounted(squares, rho) if squares else 0 * theta
        theta = theta - p.lr(at(s["lr"], t)) * g / p.root(v, s["eps"])
        yield theta


def _adam_update(s: Numbers, grads: list[Array], p: Parts) -> Array:
    t, (b1, b2) = len(grads), p.betas(s["beta1"], s["beta2"])
    m = p.of_g(b1) * discounted(p.m_of(grads), b1)
    of_v = [(1 - b1) * discounted(grads[:i], b1) for i in range(1, t + 1)]
    squares = [p.square(a) for a in (of_v if p.v_from_m else grads)]
    vs = [
        p.of_g2(b2) * discounted(p.v_of(squares[:i]), b2)
        for i in range(1 if s["amsgrad"] else t, t + 1)
    ]
    m_hat = p.m_hat(m / p.correct_m(b1, b2, t), grads[-1])
    v_hat = np.max(vs, axis=0) / p.correct_v(b1, b2, t)
    return p.lr(at(s["lr"], t)) * m_hat / p.root(v_hat, s["eps"])


def _adam(s: Numbers, grads: list[Array], theta: Array, p: Parts) -> Iterator[Array]:
    for t in range(1, len(grads) + 1):
        theta = theta - _adam_update(s, grads[:t], p)
        yield theta


def _adamw(s: Numbers, grads: list[Array], theta: Array, p: Parts) -> Iterator[Array]:
    mask = p.decayed(np.ones(theta.shape) if s["mask"] is None else s["mask"])
    seen: list[Array] = []
    for t, g in enumerate(grads, 1):
        seen.append(g + s["weight_decay"] * mask * theta if p.coupled else g)
        lost = 0.0 if p.coupled else p.decay(at(s["lr"], t), s["weight_decay"])
        theta = (1 - lost * mask) * theta - _adam_update(s, seen, p)
        yield theta


def _optimistic_adam(s: Numbers, grads: list[Array], theta: Array, p: Parts) -> Iterator[Array]:
    last = 0 * theta
    for t in range(1, len(grads) + 1):
        update = _adam_update(s, grads[:t], p)
        theta, last = theta - p.first * update + p.last * last, update
        yield theta


Mistakes = dict[str, tuple[str, Parts]]  # in words → its kind, and the step with it

OF_THE_ROOT: Mistakes = {
    "ε stands under the root, not beside it": (
        "epsilon",
        Parts(root=lambda v, eps: np.sqrt(v + eps)),
    ),
    "ε is dropped": ("epsilon", Parts(root=lambda v, eps: np.sqrt(v))),
    "the root of v is missing": ("extra factor", Parts(root=lambda v, eps: v + eps)),
    "v is a mean of g, not of g²": ("wrong array", Parts(square=lambda g: g)),
    "v is a mean of |g|, not of g²": ("wrong array", Parts(square=np.abs)),
    "g² is summed over θ: one v for all coordinates": (
        "broadcast",
        Parts(square=lambda g: (g * g).sum() * np.ones_like(g)),
    ),
    "lr is not used": ("ignored", Parts(lr=lambda lr: 1.0)),
    "lr is used twice": ("factor", Parts(lr=lambda lr: lr * lr)),
}
OF_ADAM: Mistakes = OF_THE_ROOT | {
    "the bias correction is missing: m and v are too small": (
        "bias correction",
        Parts(correct_m=lambda b1, b2, t: 1.0, correct_v=lambda b1, b2, t: 1.0),
    ),
    "the bias correction of m is missing": (
        "bias correction",
        Parts(correct_m=lambda b1, b2, t: 1.0),
    ),
    "the bias correction of v is missing": (
        "bias correction",
        Parts(correct_v=lambda b1, b2, t: 1.0),
    ),
    "1 − β stands for 1 − βᵗ: the power of t is missing": (
        "bias correction",
        Parts(correct_m=lambda b1, b2, t: 1 - b1, correct_v=lambda b1, b2, t: 1 - b2),
    ),
    "1 − β₁ stands for 1 − β₁ᵗ: no power of t": (
        "bias correction",
        Parts(correct_m=lambda b1, b2, t: 1 - b1),
    ),
    "1 − β₂ stands for 1 − β₂ᵗ: no power of t": (
        "bias correction",
        Parts(correct_v=lambda b1, b2, t: 1 - b2),
    ),
    "t is one too small in 1 − βᵗ: counted after its use?": (
        "bias correction",
        Parts(
            correct_m=lambda b1, b2, t: 1 - b1 ** (t - 1),
            correct_v=lambda b1, b2, t: 1 - b2 ** (t - 1),
        ),
    ),
    "t is one too large in 1 − βᵗ: counted twice, or from 1?": (
        "bias correction",
        Parts(
            correct_m=lambda b1, b2, t: 1 - b1 ** (t + 1),
            correct_v=lambda b1, b2, t: 1 - b2 ** (t + 1),
        ),
    ),
    "the root of v is missing, not that of 1 − β₂ᵗ": (
        "extra factor",
        Parts(root=lambda v, eps: v + eps, correct_v=lambda b1, b2, t: math.sqrt(1 - b2**t)),
    ),
    "m is corrected with β₂ and v with β₁": (
        "bias correction",
        Parts(correct_m=lambda b1, b2, t: 1 - b2**t, correct_v=lambda b1, b2, t: 1 - b1**t),
    ),
    "β₁ and β₂ are swapped": ("setting", Parts(betas=lambda b1, b2: (b2, b1))),
    "the factor 1 − β₁ of g is missing": ("factor", Parts(of_g=lambda b1: 1.0)),
    "the factor 1 − β₂ of g² is missing": ("factor", Parts(of_g2=lambda b2: 1.0)),
    "m forgets: overwritten with (1 − β₁)·g where it is a mean": (
        "overwritten",
        Parts(m_of=lambda grads: grads[-1:]),
    ),
    "v forgets: overwritten with (1 − β₂)·g² where it is a mean": (
        "overwritten",
        Parts(v_of=lambda squares: squares[-1:]),
    ),
    "v is a mean of m², not of g²": ("wrong array", Parts(v_from_m=True)),
    "g stands where m̂ belongs": ("wrong array", Parts(m_hat=lambda m_hat, g: g)),
}
MISTAKES: dict[str, tuple[Callable[..., Iterator[Array]], Mistakes]] = {
    "SGD": (
        _sgd,
        {
            "θ moves up the gradient, not down": ("sign", Parts(up=True)),
            "the momentum is not used: v is g": ("ignored", Parts(momentum=lambda mu: 0.0)),
            "the momentum has the wrong sign": ("sign", Parts(momentum=lambda mu: -mu)),
            "the velocity is multiplied with 1 − momentum": (
                "factor",
                Parts(velocity=lambda v, mu: (1 - mu) * v),
            ),
            "nesterov's look ahead is missing, or there without being asked for": (
                "term",
                Parts(nesterov=lambda nesterov: not nesterov),
            ),
            "lr is not used": ("ignored", Parts(lr=lambda lr: 1.0)),
        },
    ),
    "RMSProp": (
        _rmsprop,
        OF_THE_ROOT
        | {
            "ρ and 1 − ρ are swapped": ("setting", Parts(betas=lambda rho, rest: (rest, rho))),
            "the factor 1 − ρ of g² is missing": ("factor", Parts(of_g2=lambda rho: 1.0)),
            "v forgets: overwritten with (1 − ρ)·g² where it is a mean": (
                "overwritten",
                Parts(v_of=lambda grads: grads[-1:]),
            ),
            "the v of the step before is used: updated after its use": (
                "state",
                Parts(v_of=lambda grads: grads[:-1]),
            ),
        },
    ),
    "Adam": (_adam, OF_ADAM),
    "AdamW": (
        _adamw,
        {
            "the decay enters the gradient (L2), and is divided by √v̂ with it": (
                "term",
                Parts(coupled=True),
            ),
            "the decay is missing": ("term", Parts(decay=lambda lr, decay: 0.0)),
            "the decay is not multiplied with lr": (
                "ignored",
                Parts(decay=lambda lr, decay: decay),
            ),
            "the decay has the wrong sign: weights grow": (
                "sign",
                Parts(decay=lambda lr, decay: -lr * decay),
            ),
            "what `mask` leaves out decays too": ("mask", Parts(decayed=np.ones_like)),
        }
        | OF_ADAM,
    ),
    "OptimisticAdam": (
        _optimistic_adam,
        {
            "the update is taken once, not twice": ("factor", Parts(first=1.0)),
            "the last update is not taken back": ("term", Parts(last=0.0)),
            "the last update is taken once more, not back": ("sign", Parts(last=-1.0)),
        }
        | OF_ADAM,
    ),
}
MISTAKES["Momentum"] = MISTAKES["SGD"]


def of_an_optimiser(point: Steps) -> Iterator[Guess]:
    """Guess at the mistakes that are made in the definition which an optimiser follows."""
    if point.definition not in MISTAKES:
        return
    steps, mistakes = MISTAKES[point.definition]
    for reason, (kind, parts) in mistakes.items():
        with np.errstate(all="ignore"):
            wrong = list(steps(point.numbers, point.grads, point.theta, parts))
        yield Guess(kind, reason, moves(wrong, point.theta), alone=True)
