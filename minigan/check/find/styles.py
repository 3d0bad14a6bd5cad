"""Which of the styles of the world a class is written in, and points to check it at.

``forward`` and ``backward`` of an object that remembers are for `minigan.check.find.objects`. Here
are the functions that come as two methods, ``__call__`` and ``gradient`` of an activation or of a
loss, and losses with ``forward(prediction, target)`` and ``backward()``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...arrays import Array, stream
from ...numerics import sigmoid
from ..functions import Call, Methods, Object, check_pair
from ..layers import away_from_zero
from ..report import Report
from .arguments import Declaration, make
from .objects import DX, MODES, arrays_in, remembering, seeded

Check = Callable[[Declaration, int], Report]

TWO_METHODS = tuple(
    (f, df)
    for f in ("__call__", "fn", "func", "function", "f", "forward", "activate", "loss")
    for df in ("gradient", "grad", "derivative", "deriv", "f_prime", "prime")
)
TARGETS = ("true", "target", "label", "actual")  # what the name of a target has in it
PREDICTIONS = ("pred", "hat", "logit", "out")


def check_of(cls: type) -> Check | None:
    """Return how a class of somebody's is checked; None for one in no style that is known."""
    if all(inspect.isfunction(getattr(cls, name, None)) for name in ("forward", "backward")):
        takes = len(asks(cls, "forward"))
        if takes == 1 and asks(cls, "backward"):
            return lambda said, seed: _remembering(cls, said, seed)
        if takes == 2:
            return lambda said, seed: _two(cls, ("forward", "backward"), said, seed)
    for pair in TWO_METHODS:
        if all(inspect.isfunction(getattr(cls, name, None)) for name in pair):
            if 1 <= len(asks(cls, pair[0])) == len(asks(cls, pair[1])) <= 2:
                return lambda said, seed, pair=pair: _two(cls, pair, said, seed)  # type: ignore[misc]
    return None


def asks(cls: type, method: str) -> list[str]:
    """Return what a method has to be given, beside itself and a mode."""
    parameters = list(inspect.signature(getattr(cls, method)).parameters.values())
    bound = not isinstance(inspect.getattr_static(cls, method), staticmethod)
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        p.name
        for p in parameters[bound:]
        if p.default is p.empty and p.kind not in kinds and p.name not in MODES
    ]


def is_unwritten(cls: type) -> bool:
    """Whether what a class has of forward, backward and the like is left to its heirs."""
    names = {"forward", "backward"}.union(*TWO_METHODS)
    written = [f for name in names if inspect.isfunction(f := getattr(cls, name, None))]
    nothing = (lambda self: None).__code__.co_code
    return bool(written) and all(
        "NotImplementedError" in f.__code__.co_names or f.__code__.co_code == nothing
        for f in written
    )


# --- forward and backward of a layer --------------------------------------------------------------


def _remembering(cls: type, said: Declaration, seed: int) -> Report:
    with seeded():
        made = make(cls, said)
    error: Exception | None = None
    for shape in [tuple(said["x"])] if "x" in said else _shapes(made):
        x = away_from_zero(stream(seed, "x").standard_normal(shape))
        try:
            return remembering(made, x, seed=seed)
        except NotImplementedError:
            return Report(cls.__name__, not_checked=["forward: not written"])
        except Exception as refused:
            error = error or refused
    assert error is not None
    raise error


def _shapes(made: Any) -> Iterator[tuple[int, ...]]:
    """Give shapes of x, the likely ones first; the batch is of another size than all others."""
    weights = [array.shape for _, array in arrays_in(made)]
    n = next(k for k in (6, 7, 11, 13) if all(k not in shape for shape in weights))
    for shape in weights:
        if len(shape) == 2:
            yield from ((n, shape[0]), (n, shape[1]), (shape[1], n), (shape[0], n))
            yield from ((n, 3, shape[0]), (n, 3, shape[1]))
        elif len(shape) == 4:
            yield from ((2, shape[1], 6, 7), (2, 6, 7, shape[2]))
    for shape in weights:
        if len(shape) == 1:
            yield from ((n, *shape), (2, *shape, 4, 6), (2, 4, 6, *shape))
    yield from ((n, 4), (2, 3, 4, 6), (2, 4, 6, 3), (n,))


# --- two methods that are one function and its derivative -----------------------------------------


def _two(cls: type, pair: tuple[str, str], said: Declaration, seed: int) -> Report:
    with seeded():
        made = make(cls, said)
    error: Exception | None = None
    for p, target in _points(cls, pair[0], said, seed):
        functions = _functions(cls, pair, target)
        forward, backward = functions(made)
        try:
            backward(np.ones(np.shape(forward(p)[0])), forward(p)[1])
        except Exception as refused:
            error = error or refused
            continue
        call = Call(forward, (p,), ["x" if target is None else "prediction"])
        point = Object(call, backward, call.arrays, made=made, methods=pair, pair_of=functions)
        return check_pair(point, cls.__name__, seed)
    assert error is not None
    raise error


def _points(
    cls: type, method: str, said: Declaration, seed: int
) -> Iterator[tuple[Array, Array | None]]:
    """Give points to try: x, or a prediction and its target."""
    shapes = [tuple(said["x"])] if "x" in said else [(6, 4), (6, 1), (6,)]
    for shape in shapes:
        x = away_from_zero(stream(seed, "x").standard_normal(shape))
        if len(asks(cls, method)) == 1:
            yield x, None
            continue
        labels = np.arange(shape[0]) % shape[-1 if len(shape) > 1 else 0]
        if len(shape) > 1 and shape[-1] > 1:
            yield sigmoid(x), np.eye(shape[-1])[labels]
            yield sigmoid(x), labels
        yield sigmoid(x), (np.arange(x.size) % 2.0).reshape(shape)


def _functions(cls: type, pair: tuple[str, str], target: Array | None) -> Callable[[Any], Methods]:
    """Return how two methods of an object become forward and backward."""
    f_place, df_place = (_place_of_target(asks(cls, method)) for method in pair)

    def given(p: Array, place: int | None, n: int) -> list[Any]:
        return [target if target is not None and i == place else p for i in range(n)]

    def functions(made: Any) -> Methods:
        def forward(p: Array) -> tuple[Any, Any]:
            with seeded():
                out = getattr(made, pair[0])(*given(p, *f_place))
            # A loss with a backward of its own is the mean of what it returns for each sample.
            return (np.mean(out) if pair[1] == "backward" else np.asarray(out)), p

        def backward(dout: Array, p: Array) -> Array:
            if pair[1] == "backward":
                forward(p)
            slopes = getattr(made, pair[1])(*given(p, *df_place))
            if slopes is None:
                slopes = next(getattr(made, name) for name in DX if hasattr(made, name))
            weight = np.reshape(dout, np.shape(dout) + (1,) * (np.ndim(slopes) - np.ndim(dout)))
            gradient: Array = weight * slopes
            return gradient

        return forward, backward

    return functions


def _place_of_target(names: list[str]) -> tuple[int | None, int]:
    """Return which of the arguments of a loss is the target, by their names, and how many are."""
    first = any(word in name.lower() for name in names[:1] for word in TARGETS)
    behind = any(word in name.lower() for name in names[1:] for word in PREDICTIONS)
    if len(names) == 2:
        return 0 if first or behind else 1, 2
    return 0 if first else None, len(names)
