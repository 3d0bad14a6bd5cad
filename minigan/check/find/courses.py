"""Networks as two courses write them, whose value lies apart from their gradients.

In Ng's *Neural Networks and Deep Learning* three functions share a dict of parameters:

    A, cache = forward_propagation(X, parameters)          cost = compute_cost(A, Y)
    grads = backward_propagation(parameters, cache, X, Y)      ["dW1"] of parameters["W1"], …

In Nielsen's *Neural Networks and Deep Learning* a class has ``feedforward(x)``, and
``backprop(x, y)``, which returns the gradients of all biases and of all weights, of ½·‖a − y‖² or
of its `cost`.

In both a sample is a column.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ...arrays import stream
from ..report import Report
from .arguments import is_target, source_of
from .networks import network
from .objects import required
from .styles import Held, check_functions

PARAMETERS = ("parameters", "params", "theta", "weights")
CACHES = ("cache", "caches", "memory", "forward")


def is_course_network(forward: Callable[..., Any], backward: Callable[..., Any]) -> bool:
    """Whether backward is told the target, forward is not, and both share their parameters."""
    asks, told = required(backward), required(forward)
    targets = [name for name in asks if is_target(name, [*asks, "A"])]
    shared = [name for name in told if name.lower() in PARAMETERS]
    return len(told) == 2 and len(shared) == 1 and bool(targets) and not set(targets) & set(told)


def is_cost(f: Callable[..., Any]) -> bool:
    """Whether a function may be the cost of such a network: of two arguments."""
    return bool(re.search("cost|loss", f.__name__)) and len(required(f)) == 2


class Course(Held):
    """The three functions as one value of X, Y and the parameters, and its gradient."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], cost: Callable[..., Any]
    ) -> None:
        super().__init__(backward, forward, cost)  # the likeliest to be wrong first
        self.names = forward.__name__, backward.__name__, cost.__name__

    def loss(self, X: Any, Y: Any, parameters: Any) -> Any:
        """Return the cost of what forward makes of X."""
        forward, _, cost = (getattr(self, name) for name in self.names)
        self.A, *cache = forward(
            *(parameters if name.lower() in PARAMETERS else X for name in required(forward))
        )
        self.cache = cache[0] if len(cache) == 1 else cache
        first, second = required(cost)
        target_first = is_target(first, [first, second]) and not is_target(second, [first, second])
        return cost(Y, self.A) if target_first else cost(self.A, Y)

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


def check_course_network(
    forward: Callable[..., Any], backward: Callable[..., Any], others: list[Any], seed: int
) -> Report:
    """Check three functions as one value, and the gradients of its parameters.

    Parameters
    ----------
    forward, backward
        Two of them.
    others
        What else is in the file: among it the cost of A and Y.
    seed
        Of what is drawn.
    """
    name = f"{forward.__name__}, {backward.__name__}"
    cost = next(filter(is_cost, others), None)
    if cost is None:
        return Report(name, not_checked=["there is no cost(A, Y) beside it to take the slopes of"])
    made = Course(forward, backward, cost)
    # Of the user's module: none of the methods above is a suspect.
    made.__class__ = type(forward.__name__, (Course,), {"__module__": forward.__module__})
    tries = partial(_arguments, source_of(forward))
    return check_functions(name, made, ("loss", "gradient"), tries, seed)


def _arguments(code: str, seed: int, other: bool) -> Iterator[dict[str, Any]]:
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
