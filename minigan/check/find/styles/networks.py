"""Networks, whose value is a loss: with the gradients of their weights beside it, or apart.

    loss(X, y)                                  the value, and gradients beside it or by a method
    forward(X), backward(Y)                     the gradients of the loss(X, Y) or loss(A, Y) that
                                                is there too; or the weights are moved at once
    feedforward(x), backprop(x, y)              Nielsen's class: the gradients of all biases and of
                                                all weights, of ½·‖a − y‖² or of its `cost`
    A, cache = forward_propagation(X, parameters)               Ng's three functions, which share a
    cost = compute_cost(A, Y)                                   dict of parameters: grads["dW1"] is
    grads = backward_propagation(parameters, cache, X, Y)       the gradient of parameters["W1"]

In the last two (from two books called *Neural Networks and Deep Learning*) a sample is a column.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ....arrays import Array, stream
from ...report import Report
from ..arguments import is_target
from .objects import (
    RATE,
    RATES,
    NotKnown,
    Path,
    Remembering,
    arrays_of,
    check_object,
    get,
    key_of,
    matters,
    put,
    required,
    seeded,
    where_gradients_are,
)


@dataclass
class Network(Remembering):
    """An object whose loss(X, y) is a value, with the gradients of the weights beside it or after.

    After: another method, `slopes`, returns them.
    """

    slopes: str = ""
    given: tuple[Any, ...] = ()

    def forward(self, *weights: Array) -> tuple[Any, Any]:
        """Return the value, and the object with what it returned."""
        twin = copy.deepcopy(self.made)
        for ways, array in zip(self.weights.values(), weights, strict=True):
            for path in ways:
                put(twin, path, array)
        with seeded():
            returned = twin.loss(*copy.deepcopy(self.given), *_strength(twin.loss))
        value = returned[0] if isinstance(returned, tuple) else returned
        return np.asarray(value), (twin, returned)

    def gradients_of(self, kept: tuple[Any, Any]) -> dict[str, Any]:
        """Return the gradients where they are, and the object."""
        twin, returned = kept
        if self.slopes:
            with seeded():
                returned = getattr(twin, self.slopes)(*copy.deepcopy(self.given))
            if isinstance(returned, tuple) and all(isinstance(part, list) for part in returned):
                returned = [a for part in returned for a in part]  # of all biases, of all weights
        elif isinstance(returned, tuple):
            returned = returned[1] if len(returned) == 2 else returned[1:]
        return {"rest": returned, "self": twin}

    def backward(self, dout: Array, kept: tuple[Any, Any]) -> tuple[Any, ...]:
        """Return the gradients of the weights in their order."""
        everything = self.gradients_of(kept)
        return tuple(dout * get(everything, self.gradients[name]) for name in self.weights)


def _strength(loss: Callable[..., Any]) -> list[float]:
    """Return a regularisation that is not 0, where a loss takes one as its third argument."""
    names = list(inspect.signature(loss).parameters)
    return [0.17] if len(names) > 2 and names[2].startswith(("reg", "lam", "l2")) else []


def examples(made: Any, shapes: Iterable[Path], seed: int = 0) -> Iterator[tuple[Array, Array]]:
    """Give X and y to try, for shapes of X: labels, and rows of 0 and 1."""
    classes = dict.fromkeys(get(made, ways[0]).shape[-1] for ways in arrays_of(made).values())
    for shape in shapes:
        x = stream(seed, "x").standard_normal(shape)
        labels = np.arange(len(x))
        for y in (labels % 2, *(np.eye(c)[labels % c] for c in classes)):
            yield x, y
    rows = min((get(made, ways[0]).shape[0] for ways in arrays_of(made).values()), default=2)
    x = np.arange(14).reshape(7, 2) % rows  # numbers of rows, some of them twice
    for y in (np.arange(7) % 2, *(np.eye(c)[np.arange(7) % c] for c in classes)):
        yield x, y


def network(
    made: Any, slopes: str, tries: Iterable[tuple[Array, Array]], *, seed: int = 0
) -> Report:
    """Check an object whose loss(X, y) gives a value and the gradients of its weights.

    Parameters
    ----------
    made
        The object. It is copied, and not changed.
    slopes
        The method that gives the gradients, called as loss is; empty if loss returns them.
    tries
        X and y, the likely ones first: see `examples`.
    seed
        Of what the weights are moved by.
    """
    name = type(made).__name__
    named = arrays_of(made)
    keys = {key_of(path): n for n, ways in named.items() for path in ways}
    unknown = NotKnown("loss returns no gradients that belong to its weights, and leaves none")
    error: Exception = unknown
    has_run = False
    for example in tries:
        takes = len(inspect.signature(made.loss).parameters)
        checked = Network(made, slopes=slopes, given=example[:takes])
        try:
            out, kept = checked.forward()
            everything = checked.gradients_of(kept)
        except Exception as raised:
            error = raised if error is unknown else error
            continue
        checked.gradients = where_gradients_are(everything, keys, made, named)
        if np.size(out) != 1 or not np.isfinite(out) or not checked.gradients:
            has_run = has_run or np.size(out) == 1
            continue
        checked.weights = {n: named[n] for n in named if n in checked.gradients}
        report = check_object(checked, [], slopes or "loss", seed)
        for n, ways in named.items():
            if n not in checked.weights and matters(checked, out, ways):
                report.not_checked.append(f"backward d{n}: no gradient of it is found")
        return report
    if has_run or error is unknown:
        return Report(name, not_checked=[str(unknown)])
    raise error


# --- told the target by backward ------------------------------------------------------------------


def is_told_the_target(cls: type) -> bool:
    """Whether backward is told the target, and so no cotangent."""
    asks = required(cls.backward)[1:]  # type: ignore[attr-defined]
    return any(is_target(name, [name, "A"]) for name in asks)


def check_told(made: Any, shapes: Iterable[Path], seed: int) -> Report:
    """Check a network with ``forward(X)`` and ``backward(Y)``, which may move the weights itself.

    Its gradients are those of its loss(X, Y), or loss(A, Y) of what forward returns.
    """
    cls = type(made)
    asks = required(made.backward)
    target = next(name for name in asks if is_target(name, [name, "A"]))
    cost = next((name for name in dir(cls) if is_cost(getattr(made, name))), None)
    if cost is None:
        text = f"backward is told {target}, and there is no loss(X, {target}) to take the slopes of"
        return Report(cls.__name__, not_checked=[text])
    first, _ = required(getattr(made, cost))
    rates = [n for n in inspect.signature(made.backward).parameters if n.lower() in RATES]

    def loss(self: Any, X: Any, Y: Any) -> Any:
        value_of = inspect.getattr_static(cls, cost).__get__(self, cls)
        A = _first(self.forward(X))
        if _is_told_first(value_of):
            return value_of(Y, A)
        return value_of(X if first.lower() in ("x", "inputs") else A, Y)

    def gradient(self: Any, X: Any, Y: Any) -> Any:
        known = {"x": X, "inputs": X, target.lower(): Y}
        A = _first(self.forward(X))
        ways = {name: ways[0] for name, ways in arrays_of(made).items()}
        before = {name: np.array(get(self, way)) for name, way in ways.items()}
        given = {name: known.get(name.lower(), A) for name in asks}
        returned = self.backward(**(given | dict.fromkeys(rates, RATE)))
        if rates:
            return {name: (before[name] - get(self, way)) / RATE for name, way in ways.items()}
        return returned

    methods = {"loss": loss, "gradient": gradient, "__module__": cls.__module__}
    made.__class__ = type(cls.__name__, (cls,), methods)
    return network(made, "gradient", _like_the_output(made, shapes, seed), seed=seed)


def _is_told_first(cost: Callable[..., Any]) -> bool:
    """Whether a cost is told the target before the prediction."""
    *_, first, second = required(cost)
    return is_target(first, [first, second]) and not is_target(second, [first, second])


def _first(returned: Any) -> Any:
    return returned[0] if isinstance(returned, tuple) else returned


def _like_the_output(made: Any, shapes: Iterable[Path], seed: int) -> Iterator[tuple[Array, Array]]:
    """Give X, and a Y of the shape of what forward makes of it; labels for a softmax."""
    for shape in shapes:
        x = stream(seed, "x").standard_normal(shape)
        with suppress(Exception):
            A = np.asarray(_first(copy.deepcopy(made).forward(x)))
            for axis in (-1, 0):
                if A.ndim == 2 and A.shape[axis] > 1 and np.allclose(A.sum(axis=axis), 1):
                    labels = np.arange(A.shape[1 + axis]) % A.shape[axis]
                    yield x, np.moveaxis(np.eye(A.shape[axis])[labels], -1, axis)
                    yield x, labels
            yield x, stream(seed, "y").random(A.shape)


# --- of two courses ------------------------------------------------------------------------------


def check_backprop(made: Any, seed: int) -> Report:
    """Check a network with ``feedforward(x)`` and ``backprop(x, y)``."""
    weights = getattr(made, "weights", None)
    if not isinstance(weights, list):
        return Report(type(made).__name__, not_checked=["it has no list of weights"])

    def loss(self: Any, x: Any, y: Any) -> Any:
        a = self.feedforward(x)
        cost = getattr(getattr(self, "cost", None), "fn", None)
        return cost(a, y) if cost else 0.5 * ((a - y) ** 2).sum()

    cls = type(made)
    made.__class__ = type(cls.__name__, (cls,), {"loss": loss, "__module__": cls.__module__})
    x = stream(seed, "x").standard_normal((weights[0].shape[1], 1))
    y = stream(seed, "y").random((len(weights[-1]), 1))
    return network(made, "backprop", [(x, y)], seed=seed)


def has_backprop(cls: type) -> bool:
    """Whether a class is such a network."""
    return all(inspect.isfunction(getattr(cls, name, None)) for name in ("feedforward", "backprop"))


PARAMETERS = ("parameters", "params", "theta", "weights")
CACHES = ("cache", "caches", "memory", "forward")


def is_course_network(forward: Callable[..., Any], backward: Callable[..., Any]) -> bool:
    """Whether backward is told the target, forward is not, and both share their parameters."""
    asks, told = required(backward), required(forward)
    targets = [name for name in asks if is_target(name, [*asks, "A"])]
    shared = [name for name in told if name.lower() in PARAMETERS]
    return len(told) == 2 and len(shared) == 1 and bool(targets) and not set(targets) & set(told)


COST = re.compile("cost|loss|^bce|^mse|cross_?entropy")


def is_cost(f: Any) -> bool:
    """Whether a function of two arguments may be the cost of such a network."""
    is_called_so = callable(f) and bool(COST.search(getattr(f, "__name__", "")))
    return is_called_so and not inspect.isclass(f) and len(required(f)) == 2


class Course:
    """The three functions as one value of X, Y and the parameters, and its gradient."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], cost: Callable[..., Any]
    ) -> None:
        self.names = forward.__name__, backward.__name__, cost.__name__
        vars(self).update({f.__name__: f for f in (backward, forward, cost)})
        # Of the user's module: none of the methods here is a suspect, and backward is the first.
        self.__class__ = type(self.names[0], (Course,), {"__module__": forward.__module__})

    def loss(self, X: Any, Y: Any, parameters: Any) -> Any:
        """Return the cost of what forward makes of X."""
        forward, _, cost = (getattr(self, name) for name in self.names)
        self.A, *cache = forward(
            *(parameters if name.lower() in PARAMETERS else X for name in required(forward))
        )
        self.cache = cache[0] if len(cache) == 1 else cache
        return cost(Y, self.A) if _is_told_first(cost) else cost(self.A, Y)

    def gradient(self, X: Any, Y: Any, parameters: Any) -> Any:
        """Return what backward finds, after `loss` with the same arguments."""
        backward = getattr(self, self.names[1])
        return backward(*(self._asked(name, X, Y, parameters) for name in required(backward)))

    def _asked(self, name: str, X: Any, Y: Any, parameters: Any) -> Any:
        """Return what an argument of backward is, by its name."""
        lower = name.lower()
        if lower in PARAMETERS:
            return parameters
        if any(word in lower for word in CACHES):
            return self.cache
        if is_target(name, [name, "A"]):  # beside A, a bare Y is one
            return Y
        return X if lower == "x" else self.A


def course_arguments(code: str, seed: int, other: bool) -> Iterator[dict[str, Any]]:
    """Give X, Y and parameters: of as many layers as the code of forward names, else of three.

    Y is a row of 0 and 1 for one output; with a softmax it has a column of them for each sample.
    """
    depth = max(map(int, re.findall(r"[\"']W(\d)[\"']", code)), default=3)
    draw = stream(seed + other, "network").standard_normal
    for out in (2, 1) if "softmax" in code else (1, 2):
        sizes = [*((5, 3, 6) if other else (3, 4, 5))[:depth], out]
        parameters: dict[str, Any] = {}
        for i, (p, q) in enumerate(pairwise(sizes), 1):
            parameters |= {f"W{i}": draw((q, p)), f"b{i}": draw((q, 1))}
        labels = np.arange(7) % 2
        Y = np.eye(out)[labels].T if out > 1 else labels[None].astype(float)
        yield {"X": draw((sizes[0], 7)), "Y": Y, "parameters": parameters}
