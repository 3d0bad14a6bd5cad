"""Networks whose ``loss(X, y)`` is a value, with the gradients of their weights."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays import Array, stream
from ..report import Report
from .objects import (
    NotKnown,
    Path,
    Remembering,
    arrays_of,
    check_object,
    get,
    key_of,
    matters,
    put,
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
    error: Exception = NotKnown("loss returns no gradients that belong to its weights")
    for example in tries:
        takes = len(inspect.signature(made.loss).parameters)
        checked = Network(made, slopes=slopes, given=example[:takes])
        try:
            out, kept = checked.forward()
            everything = checked.gradients_of(kept)
        except Exception as raised:
            error = raised if isinstance(error, NotKnown) else error
            continue
        checked.gradients = where_gradients_are(everything, keys, made, named)
        if np.size(out) != 1 or not np.isfinite(out) or not checked.gradients:
            continue
        checked.weights = {n: named[n] for n in named if n in checked.gradients}
        report = check_object(checked, [], slopes or "loss", seed)
        for n, ways in named.items():
            if n not in checked.weights and matters(checked, out, ways):
                report.not_checked.append(f"backward d{n}: no gradient of it is found")
        return report
    if isinstance(error, NotKnown):
        return Report(name, not_checked=[str(error)])
    raise error
