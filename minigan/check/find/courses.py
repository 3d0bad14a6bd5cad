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
from itertools import pairwise
from typing import Any

import numpy as np

from ...arrays import stream
from ..report import Report
from .arguments import is_target, source_of
from .networks import network
from .objects import NotKnown, required
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


def check_course_network(
    forward: Callable[..., Any], backward: Callable[..., Any], others: list[Any], seed: int
) -> Report:
    """Check three functions as one value, and the gradients of its parameters.

    Parameters
    ----------
    forward, backward
        Its functions.
    others
        What else is in the file: among it the cost of A and Y.
    seed
        Of what is drawn.
    """
    name = f"{forward.__name__}, {backward.__name__}"
    cost = next(filter(is_cost, others), None)
    if cost is None:
        return Report(name, not_checked=["there is no cost(A, Y) beside it to take the slopes of"])

    def loss(self: Any, X: Any, Y: Any, parameters: Any) -> Any:
        given = [parameters if n.lower() in PARAMETERS else X for n in required(forward)]
        self.out, *cache = getattr(self, forward.__name__)(*given)
        self.cache = cache[0] if len(cache) == 1 else cache
        first, second = required(cost)
        swapped = is_target(first, [first, second]) and not is_target(second, [first, second])
        return getattr(self, cost.__name__)(*((Y, self.out) if swapped else (self.out, Y)))

    def gradient(self: Any, X: Any, Y: Any, parameters: Any) -> Any:
        given = []
        for asked in required(backward):
            lower = asked.lower()
            if lower in PARAMETERS:
                given.append(parameters)
            elif any(word in lower for word in CACHES):
                given.append(self.cache)
            elif is_target(asked, [asked, "A"]):
                given.append(Y)
            else:
                given.append(X if lower == "x" else self.out)
        return getattr(self, backward.__name__)(*given)

    made = Held(backward, forward, cost)  # the likeliest to be wrong first
    own = {"loss": loss, "gradient": gradient, "__module__": forward.__module__}
    made.__class__ = type(forward.__name__, (Held,), own)

    def tries(seed: int, other: bool) -> Iterator[dict[str, Any]]:
        code = source_of(forward)
        depth = max(map(int, re.findall(r"[\"']W(\d)[\"']", code)), default=3)
        ends = (2, 1) if "softmax" in code else (1, 2)
        for out in ends:
            sizes = [*((5, 3, 6) if other else (3, 4, 5))[:depth], out]
            draw = stream(seed + other, "network").standard_normal
            parameters: dict[str, Any] = {}
            for i, (p, q) in enumerate(pairwise(sizes), 1):
                parameters |= {f"W{i}": draw((q, p)), f"b{i}": draw((q, 1))}
            labels = np.arange(7) % 2
            Y = np.eye(out)[labels].T if out > 1 else labels[None].astype(float)
            yield {"X": draw((sizes[0], 7)), "Y": Y, "parameters": parameters}

    return check_functions(name, made, ("loss", "gradient"), tries, seed)


def check_backprop(made: Any, seed: int) -> Report:
    """Check a network with ``feedforward(x)`` and ``backprop(x, y)``."""
    weights = getattr(made, "weights", None)
    if not isinstance(weights, list):
        raise NotKnown(f"{type(made).__name__} has no list of weights")

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
