"""Mistakes of their own: in a second order, in a loss, in a gradient penalty, in an optimiser.

What most derivatives have in common is in `guesses`. Here a definition of the thing is run once
more, with the slip of a mistake in its text.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...arrays import Array, stream
from .. import definitions
from ..layers import Point
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
    return {
        ("term", "g"): g,
        ("extra factor", "g/‖g‖: the factor ‖g‖ − target is missing"): g / norm,
        ("extra factor", "(‖g‖ − target)·g: a division by ‖g‖ is missing"): (norm - target) * g,
        ("axis", "(‖g‖ − target)·g over one norm of the whole batch"): (norm - target) * g / whole,
        ("epsilon", f"{THE_RIGHT_ONE}, and the value of another norm: has that an ε in it?"): (
            (norm - target) * g / norm
        ),
    }


# --- optimisers -----------------------------------------------------------------------------------

Slip = tuple[str, tuple[str, str], *tuple[tuple[str, str], ...]]  # kind, and texts for others

BIAS = "bias correction"
V, M = "v / (1 - b2**t)", "(1 - b1) * discounted(grads, b1) / (1 - b1**t)"
SQUARES = "[g * g for g in grads]"
# What a mistake makes of the text of `minigan.check.definitions`: function → in words → the slip.
SLIPS: dict[str, dict[str, Slip]] = {
    "sgd": {
        "θ moves up the gradient, not down": ("sign", ("theta - at(", "theta + at(")),
        "the momentum is not used: v is g": ("ignored", ('at(s["momentum"], j) for', "0.0 for")),
        "nesterov's look ahead is missing, or there without being asked for": (
            "term",
            ('if s["nesterov"]', 'if not s["nesterov"]'),
        ),
        "lr is not used": ("ignored", ('at(s["lr"], t) * (', "(")),
    },
    "rmsprop": {
        "ε stands under the root, not beside it": (
            "epsilon",
            ('else np.sqrt(v) + s["eps"]', 'else np.sqrt(v + s["eps"])'),
        ),
        "ε is dropped": ("epsilon", (' + s["eps"]', "")),
        "the root of v is missing": ("extra factor", ("else np.sqrt(v)", "else v")),
        "v is a mean of |g|, not of g²": ("wrong array", ("a * a for", "np.abs(a) for")),
        "lr is not used": ("ignored", ('at(s["lr"], t) * g', "g")),
        "ρ and 1 − ρ are swapped": ("setting", ('s["rho"]', '(1 - s["rho"])')),
        "the factor 1 − ρ of g² is missing": ("factor", ('(1 - s["rho"]) * ', "")),
        "v forgets: overwritten with (1 − ρ)·g² where it is a mean": (
            "overwritten",
            ("grads[:t]", "grads[t - 1 : t]"),
        ),
        "the v of the step before is used: updated after its use": (
            "state",
            ("grads[:t]", "grads[: t - 1]"),
        ),
    },
    "adamw": {
        "the decay enters the gradient (L2), and is divided by √v̂ with it": (
            "term",
            (
                'kept = 1 - at(s["lr"], t) * s["weight_decay"] * decays',
                'kept, more = 1, s["weight_decay"] * decays * theta\n'
                "        grads = [*grads[: t - 1], grads[t - 1] + more, *grads[t:]]",
            ),
        ),
        "the decay is missing": ("term", ('* s["weight_decay"]', "* 0")),
        "the decay is not multiplied with lr": ("ignored", ('at(s["lr"], t) * ', "")),
        "the decay has the wrong sign: weights grow": ("sign", ("1 - at(", "1 + at(")),
    },
    "optimistic_adam": {
        "the update is taken once, not twice": ("factor", ("2 * update", "update")),
        "the last update is not taken back": ("term", ("update + last", "update")),
        "the last update is taken once more, not back": (
            "sign",
            ("update + last", "update - last"),
        ),
    },
    "adam_update": {
        "ε stands under the root, not beside it": (
            "epsilon",
            ("np.sqrt(v_hat) + eps", "np.sqrt(v_hat + eps)"),
        ),
        "ε is dropped": ("epsilon", (" + eps", "")),
        "the root of v is missing": ("extra factor", ("np.sqrt(v_hat)", "v_hat")),
        "v is a mean of |g|, not of g²": ("wrong array", (SQUARES, "[np.abs(g) for g in grads]")),
        "g² is summed over θ: one v for all coordinates": (
            "broadcast",
            (SQUARES, "[(g * g).sum() + 0 * g for g in grads]"),
        ),
        "lr is not used": ("ignored", ('at(s["lr"], t) * ', "")),
        "the bias correction is missing: m and v are too small": (
            BIAS,
            (" / (1 - b1**t)", ""),
            (V, "v"),
        ),
        "the bias correction of m is missing": (BIAS, (" / (1 - b1**t)", "")),
        "the bias correction of v is missing": (BIAS, (V, "v")),
        "1 − β stands for 1 − βᵗ: the power of t is missing": (BIAS, ("**t", "")),
        "1 − β₁ stands for 1 − β₁ᵗ: no power of t": (BIAS, ("b1**t", "b1")),
        "1 − β₂ stands for 1 − β₂ᵗ: no power of t": (BIAS, ("b2**t", "b2")),
        "t is one too large in 1 − βᵗ: counted twice, or from 1?": (BIAS, ("**t", " ** (t + 1)")),
        "the root of v is missing, not that of 1 − β₂ᵗ": (
            "extra factor",
            ("np.sqrt(v_hat)", "v_hat"),
            (V, "v / np.sqrt(1 - b2**t)"),
        ),
        "m is corrected with β₂ and v with β₁": (
            BIAS,
            (V, "v / (1 - b1 ** t)"),
            ("b1**t", "b2**t"),
        ),
        "β₁ and β₂ are swapped": ("setting", ('s["beta1"], s["beta2"]', 's["beta2"], s["beta1"]')),
        "the factor 1 − β₁ of g is missing": ("factor", ("(1 - b1) * ", "")),
        "m forgets: overwritten with (1 − β₁)·g where it is a mean": (
            "overwritten",
            ("discounted(grads,", "discounted(grads[-1:],"),
        ),
        "v is a mean of m², not of g²": (
            "wrong array",
            (SQUARES, "[((1 - b1) * discounted(grads[:i], b1)) ** 2 for i in range(1, t + 1)]"),
        ),
    },
}


def of_an_optimiser(point: Steps) -> Iterator[Guess]:
    """Guess at the mistakes that are made in the definition which an optimiser follows."""
    if point.definition is None:
        return
    text = inspect.getsource(definitions)
    used = next(iter(definitions.DEFINITIONS[point.definition].values()))
    for name, slips in SLIPS.items():
        if name == used.__name__ or (name == "adam_update" and "adam" in used.__name__):
            for reason, (kind, *changes) in slips.items():
                steps = definition_with(name, changes, text)[point.definition]
                with np.errstate(all="ignore"):
                    wrong = next(iter(steps.values()))(point.numbers, point.grads, point.theta)
                yield Guess(kind, reason, moves(wrong, point.theta), alone=True)


def definition_with(name: str, changes: list[tuple[str, str]], text: str) -> Any:
    """Return the definitions, with a slip in one of their functions."""
    right = wrong = inspect.getsource(getattr(definitions, name))
    for old, new in changes:
        wrong = wrong.replace(old, new)
    scope: dict[str, Any] = {"__name__": definitions.__name__}
    scope["__package__"] = definitions.__package__
    exec(compile(text.replace(right, wrong), f"<{name} with a slip>", "exec"), scope)
    return scope["DEFINITIONS"]
