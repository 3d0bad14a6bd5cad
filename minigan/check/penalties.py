"""Is a gradient penalty right? The gradient that it adds against the slopes of its value."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import Array, stream
from ..layers import Dense, LayerNorm, LeakyReLU, Tanh
from ..layers.base import Layer
from ..network import Sequential
from .compare import Checker, Derivative, WrongReturn, title
from .numerical import relative_error
from .report import Arrays, Report, Settings


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
    point = Pull(penalty, D, seed)
    check = Checker(title(penalty), point, complete=reference is not None)
    real, fake = (stream(seed, k).standard_normal((n, *D.in_shape)) for k in ("real", "fake"))
    weights = {name: a.copy() for name, a in D.parameters().items()}

    inputs = point.inputs = weights | {"real": real, "fake": fake}

    with check.guarded("penalty"):

        def value_at(theta: Array) -> Any:
            return point.value(penalty, D.views(theta) | {"real": real, "fake": fake})

        theta = check.off_kinks(value_at, D.theta, seed)
        weights = {name: a.copy() for name, a in D.views(theta).items()}
        inputs |= weights
        grad = D.new_grad()
        value = point.value(penalty, inputs, grad)
        _rules_of_penalty(check, point, grad, value)
        flat = D.astype(np.float64)
        flat.theta = np.zeros(flat.theta.size)
        of_flat = flat.new_grad()
        with np.errstate(all="ignore"):
            flat_value = penalty(flat, real, fake, of_flat, rng=stream(seed, "penalty"))
        if not (np.isfinite(flat_value) and np.isfinite(of_flat).all()):
            text = "a critic whose slope is 0 has a penalty, and no NaN: divided by a norm of 0?"
            check.broken(text, "penalty", "nan")
        if reference is not None:
            right = np.asarray(point.value(reference, inputs))
            check.compare_value("penalty value", value, right, {})
        for name, found in D.views(grad).items():

            def gradient(changes: Arrays, settings: Settings, name: str = name) -> Derivative:
                arrays, twin = inputs | changes, _with(penalty, settings)
                return Derivative(lambda a: point.value(twin, arrays | {name: a}), arrays[name])

            batches = {"real": real, "fake": fake}
            check.compare(f"penalty d{name}", found, gradient, batches)
    return check.finish()


@dataclass
class Pull:
    """A penalty, and the critic and batches that it is taken at."""

    penalty: Any
    D: Layer
    seed: int
    inputs: Arrays = field(default_factory=dict)  # D's weights by name, real and fake
    twins: dict[Any, Layer] = field(default_factory=dict)  # D in other dtypes

    def critic(self, arrays: Arrays) -> Layer:
        """Return D with other weights."""
        theta = np.concatenate([arrays[name].ravel() for name in self.D.parameters()])
        if theta.dtype not in self.twins:  # to make another takes longer than to run it
            self.twins[theta.dtype] = self.D.astype(theta.dtype)
        critic = self.twins[theta.dtype]
        critic.theta = theta
        return critic

    def value(self, penalty: Any, arrays: Arrays, grad: Array | None = None) -> Any:
        """Return what a penalty costs, and add its gradient to `grad`."""
        batches = arrays["real"].copy(), arrays["fake"].copy()
        value = penalty(self.critic(arrays), *batches, grad, rng=stream(self.seed, "penalty"))
        if value is None:
            raise WrongReturn("penalty returns its value, one number; this one returned None")
        return value


def small_critic(seed: int = 0) -> Sequential:
    """Return a critic for vectors of 5 whose slope depends on x in all the ways there are."""
    layers = Dense(5, 7), Tanh(), LayerNorm(7), LeakyReLU(), Dense(7, 1)
    D = Sequential(*layers, dtype=np.float64, seed=seed)
    D.theta += 0.3 * stream(seed, "small critic").standard_normal(D.theta.size)
    return D


def _with(penalty: Any, settings: Settings) -> Any:
    """Return the penalty with other settings."""
    twin = copy.copy(penalty)
    for name, value in settings.items():
        setattr(twin, name, value)
    return twin


def _rules_of_penalty(check: Checker, point: Pull, grad: Array, value: Any) -> None:
    """Grad is added to, the value is the same without it, nothing is changed."""
    given = {name: a.copy() for name, a in point.inputs.items()}
    twice = grad.copy()
    again = point.value(point.penalty, given, twice)
    real, fake = given["real"], given["fake"]
    point.penalty(point.critic(given), real, fake, rng=stream(point.seed, "penalty"))
    if not ((real == point.inputs["real"]).all() and (fake == point.inputs["fake"]).all()):
        check.broken("penalty leaves its batches unchanged", "penalty", "in place")
    if np.ndim(value) or np.ndim(again):
        check.broken("the value is one number", "penalty", "dtype")
        return
    if relative_error(twice, 2 * grad) > 1e-12:
        text = "a penalty has to add to what grad holds, not to overwrite it"
        check.broken(text, "penalty", "overwritten")
    if not value == again == point.value(point.penalty, point.inputs):
        check.broken("called again, or without grad, it gives the same value", "penalty", "state")
