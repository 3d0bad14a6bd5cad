"""Is a gradient penalty right? The gradient that it adds against the slopes of its value."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..arrays import Array, stream
from ..layers import Dense, LayerNorm, LeakyReLU, Tanh
from ..layers.base import Layer
from ..network import Sequential
from .compare import Checker, Derivative
from .diagnose.evidence import Guess
from .diagnose.repair import Functions, Patient, methods_of, with_functions
from .facts import Arrays, Settings, WrongReturn, numbers_of, title
from .numerical import relative_error, slopes
from .report import Report


def penalty(
    penalty: Any,
    D: Layer | None = None,
    *,
    n: int = 3,
    seed: int = 0,
    reference: Any = None,
) -> Report:
    """Check a gradient penalty: its value against the gradient that it adds, weight by weight.

    Parameters
    ----------
    penalty
        Called as ``penalty(D, real, fake, grad, rng=…)``: returns the value, adds to `grad`.
    D
        The critic; unless given, a small one with Tanh, LayerNorm and LeakyReLU.
    n
        Batch size.
    seed
        Of all that is drawn.
    reference
        A penalty that is right: the value is held against its value.
    """
    D = (small_critic(seed) if D is None else D).astype(np.float64)
    if D.in_shape is None:
        raise ValueError(f"{D!r} takes samples of any shape: give a D whose first layer fixes one")
    settings, sizes = numbers_of(penalty)
    complete = reference is not None
    check = Checker(title(penalty), settings, sizes | {"n": n}, complete=complete)
    real, fake = (stream(seed, k).standard_normal((n, *D.in_shape)) for k in ("real", "fake"))
    weights = {name: a.copy() for name, a in D.parameters().items()}

    def moved(arrays: Arrays) -> Layer:
        theta = np.concatenate([arrays[name].ravel() for name in weights])
        critic = D.astype(theta.dtype)
        critic.theta = theta
        return critic

    def call(of: Any, arrays: Arrays, grad: Array | None = None) -> Any:
        batches = arrays["real"].copy(), arrays["fake"].copy()
        value = of(moved(arrays), *batches, grad, rng=stream(seed, "penalty"))
        if value is None:
            raise WrongReturn("penalty returns its value, one number; this one returned None")
        return value

    inputs = weights | {"real": real, "fake": fake}

    def run(functions: Functions) -> Arrays:
        grad = D.new_grad()
        call(with_functions(copy.copy(penalty), functions), inputs, grad)
        return {f"penalty d{name}": a for name, a in D.views(grad).items()}

    check.patients["penalty"] = Patient(methods_of(penalty, "__call__"), run, type(penalty))
    with check.guarded("penalty"):

        def value_at(theta: Array) -> Any:
            return call(penalty, D.views(theta) | {"real": real, "fake": fake})

        theta = check.off_kinks(value_at, D.theta, seed)
        weights = {name: a.copy() for name, a in D.views(theta).items()}
        inputs |= weights
        grad = D.new_grad()
        value = call(penalty, inputs, grad)
        _rules_of_penalty(check, call, penalty, inputs, grad, value)
        flat = D.astype(np.float64)
        flat.theta = np.zeros(flat.theta.size)
        of_flat = flat.new_grad()
        with np.errstate(all="ignore"):
            flat_value = penalty(flat, real, fake, of_flat, rng=stream(seed, "penalty"))
        if not (np.isfinite(flat_value) and np.isfinite(of_flat).all()):
            text = "a critic whose slope is 0 has a penalty, and no NaN: divided by a norm of 0?"
            check.broken(text, "penalty", "nan")
        if reference is not None:
            right = np.asarray(call(reference, inputs))
            check.compare_value("penalty value", value, right, {})
        for name, found in D.views(grad).items():

            def gradient(changes: Arrays, settings: Settings, name: str = name) -> Derivative:
                arrays, twin = inputs | changes, _with(penalty, settings)
                return Derivative(lambda a: call(twin, arrays | {name: a}), arrays[name])

            critic = moved(inputs)
            more = partial(_other_directions, penalty, critic, real, fake, name, seed)
            batches = {"real": real, "fake": fake}
            check.compare(f"penalty d{name}", found, gradient, batches, more_guesses=more)
    return check.finish()


def small_critic(seed: int = 0) -> Sequential:
    """Return a critic for vectors of 4 whose slope depends on x in all the ways there are."""
    layers = Dense(4, 5), Tanh(), LayerNorm(5), LeakyReLU(), Dense(5, 1)
    D = Sequential(*layers, dtype=np.float64, seed=seed)
    D.theta += 0.3 * stream(seed, "small critic").standard_normal(D.theta.size)
    return D


def _with(penalty: Any, settings: Settings) -> Any:
    """Return the penalty with other settings."""
    twin = copy.copy(penalty)
    for name, value in settings.items():
        setattr(twin, name, value)
    return twin


def _rules_of_penalty(
    check: Checker,
    call: Callable[..., Any],
    penalty: Any,
    inputs: Arrays,
    grad: Array,
    value: Any,
) -> None:
    """Grad is added to, the value is the same without it, nothing is changed."""
    given = {name: a.copy() for name, a in inputs.items()}
    twice = grad.copy()
    again = call(penalty, given, twice)
    if np.ndim(value) or np.ndim(again):
        check.broken("the value is one number", "penalty", "dtype")
        return
    if relative_error(twice, 2 * grad) > 1e-12:
        check.broken("penalty adds to what grad holds", "penalty", "overwritten")
    if not value == again == call(penalty, given):
        check.broken("called again, or without grad, it gives the same value", "penalty", "state")


def _other_directions(
    penalty: Any, D: Layer, real: Array, fake: Array, name: str, seed: int
) -> Iterator[Guess]:
    """Guess that the pull-back started from another v than ∂P/∂g, or left out a part of the way."""
    n = len(real)
    strength = getattr(penalty, "weight", 0.5 * getattr(penalty, "gamma", 1.0))
    target = getattr(penalty, "target", 1.0)
    points = {"real": real, "fake": fake}
    if hasattr(penalty, "points"):
        here = penalty.points(real, fake, stream(seed, "penalty"))
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
