"""Arguments and shapes to try a thing with, where its file does not say which."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...arrays import stream
from ...layers import Dense
from ...layers.base import Layer
from ..layers import away_from_zero

Declaration = dict[str, Any]
DECLARED = ("x", "train", "outputs", "reference")  # of a declaration, but no arguments


def sample_shapes(made: Layer) -> list[tuple[int, ...]]:
    """Shapes of a sample to try, in this order."""
    if made.in_shape is not None:
        return [made.in_shape]
    numbers = [v for v in vars(made).values() if type(v) is int and 0 < v < 20]
    tuples = [
        v for v in vars(made).values() if isinstance(v, tuple) and v and set(map(type, v)) == {int}
    ]
    return [
        *((int(np.prod(v)),) for v in tuples),
        *((v,) for v in numbers),
        (4,),
        *((4, 6, v) for v in numbers),
        (4, 6, 2),
        (2, 4, 6),
    ]


SIZES = (3, 4, 2, 5)  # of features: all different, so that a wrong axis shows
COMMON: Declaration = {
    "k": 3,
    "kernel_size": 3,
    "kernel": 3,
    "stride": 2,
    "padding": 1,
    "pad": 1,
    "pieces": 2,
    "groups": 1,
    "eps": 1e-5,
    "epsilon": 1e-5,
    "momentum": 0.1,
    "rate": 0.5,
    "slope": 0.2,
    "alpha": 0.2,
    "seed": 0,
    "bias": True,
    "lr": 0.013,
    "learning_rate": 0.013,
    "beta1": 0.9,
    "beta2": 0.999,
    "rho": 0.9,
    "gamma": 1.7,
    "weight": 2.6,
    "target": 0.7,
}


def make(cls: type, said: Declaration) -> Any:
    """Make a thing with the arguments that were said, and others for those that it requires."""
    arguments = {k: v for k, v in said.items() if k not in DECLARED}
    sizes = iter(SIZES)
    if cls.__init__ is object.__init__:  # type: ignore[misc]
        if arguments:
            raise TypeError(f"CHECK says {', '.join(arguments)}, but {cls.__name__} takes nothing")
        return cls()
    for name, parameter in inspect.signature(cls).parameters.items():
        if name in arguments or parameter.default is not parameter.empty:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in COMMON:
            arguments[name] = COMMON[name]
        elif name == "layer":
            arguments[name] = Dense(3, 4)
        elif "shape" in name:
            arguments[name] = (next(sizes),)
        elif parameter.annotation in (float, "float"):
            arguments[name] = 0.5
        else:
            arguments[name] = next(sizes, 3)
    return cls(**arguments)


# What the arrays of a course's functions are called, and settings that its dicts may hold.
PARAMETERS: Declaration = {
    "mode": "train",
    "stride": 1,
    "pad": 1,
    "pool_height": 2,
    "pool_width": 2,
    "p": 0.7,
    "eps": 1e-5,
    "momentum": 0.9,
    "seed": 1,
}


def function_arguments(
    f: Callable[..., Any], said: Declaration, seed: int
) -> Iterator[tuple[Any, ...]]:
    """Give arguments for a function, the likely ones first: dense, number by number, images."""
    names = list(inspect.signature(f).parameters)
    unknown = [key for key in said if key not in names]
    if unknown:
        takes = ", ".join(names)
        raise TypeError(f"CHECK says {', '.join(unknown)}, but {f.__name__} takes {takes}")
    shapes: list[dict[str, tuple[int, ...]]] = [
        {"x": (5, 3), "w": (3, 4), "b": (4,), "gamma": (3,), "beta": (3,)},
        {"x": (5, 3, 2), "w": (6, 4), "b": (4,)},
        {"x": (2, 3, 4, 6), "w": (4, 3, 3, 3), "b": (4,), "gamma": (3,), "beta": (3,)},
        {"x": (2, 4, 6, 3), "w": (3, 3, 3, 4), "b": (4,), "gamma": (3,), "beta": (3,)},
    ]
    if any(isinstance(value, tuple) for name, value in said.items() if name in names):
        shapes = [{}]
    for guess in shapes:
        arguments = []
        for i, name in enumerate(names):
            value = said.get(name, _guess(f, name, i, guess))
            if isinstance(value, tuple):
                value = away_from_zero(stream(seed, name).standard_normal(value))
            if value is not inspect.Parameter.empty:
                arguments.append(value)
        yield tuple(arguments)


def _guess(f: Callable[..., Any], name: str, place: int, shapes: dict[str, tuple[int, ...]]) -> Any:
    parameter = inspect.signature(f).parameters[name]
    if parameter.default is not parameter.empty:
        return parameter.default
    lower = name.lower()
    if lower.endswith(("param", "params", "config")):
        return dict(PARAMETERS)
    if place == 0:
        return shapes.get("x", (5, 3))
    for key, starts in (("w", "w"), ("b", "b"), ("gamma", "g"), ("beta", "shift")):
        if lower.startswith("beta"):
            return shapes.get("beta", (3,))
        if lower.startswith(starts):
            return shapes.get(key, (3,))
    if lower in ("y", "t", "target", "targets", "labels"):
        return np.arange(5) % 3
    return shapes.get("x", (5, 3))
