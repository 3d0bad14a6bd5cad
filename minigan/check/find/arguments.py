"""Arguments and shapes to try a thing with, where its file does not say which."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from itertools import permutations, product
from typing import Any

import numpy as np

from ...arrays import Array, stream
from ...layers import Dense
from ...layers.base import Layer
from ...numerics import sigmoid
from ..layers import away_from_zero
from .styles.objects import STRENGTHS
from .worlds import (
    COMMON,
    GROUPED,
    GROUPS,
    OF_HIDDEN,
    OTHER_COMMON,
    OTHER_GROUPED,
    OTHER_WORLDS,
    WEIGHT,
    WORLDS,
    cell_weights,
    stands_for,
)

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


# Of features: all different, so that a wrong axis shows. The second are for another look.
SIZES, OTHER_SIZES = (3, 4, 2, 5), (5, 3, 6, 4)
ARRAYS = ("W", "w", "weights", "Wx", "Wh", "b", "biases")  # that a thing may be made with


def worlds_for(cls: type) -> tuple[int, ...]:
    """Return in which worlds a class may be made: in several, if it is given its weights."""
    takes_arrays = any(name in ARRAYS for name in inspect.signature(cls).parameters)
    if any("shape" in name for name in inspect.signature(cls).parameters):
        return 0, 2  # vectors, images
    return (0, 2, 6) if takes_arrays else (0,)


def make(cls: type, said: Declaration, other: bool = False, world: int = 0) -> Any:
    """Make a thing with the arguments that were said, and others for those that it requires.

    With `other` it is made in other sizes, and with other settings than those that it has unless
    told. `world` is the place in `WORLDS` where the shapes of its weights stand.
    """
    shapes = (OTHER_WORLDS if other else WORLDS)[world]
    arguments = {k: v for k, v in said.items() if k not in {*DECLARED, *of_methods(cls)}}
    sizes = iter(OTHER_SIZES if other else SIZES)
    if any(name in GROUPS for name in inspect.signature(cls).parameters):
        sizes = iter((6, 4) if other else (4, 6))  # which two groups may share
    if cls.__init__ is object.__init__:  # type: ignore[misc]
        if arguments:
            raise TypeError(f"CHECK says {', '.join(arguments)}, but {cls.__name__} takes nothing")
        return cls()
    for name, parameter in inspect.signature(cls).parameters.items():
        if other and name not in arguments and type(parameter.default) in (int, float):
            arguments[name] = _varied(parameter.default)
        if name in arguments or parameter.default is not parameter.empty:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in GROUPS:
            arguments[name] = 2
        elif name in COMMON:
            arguments[name] = (OTHER_COMMON if other else COMMON)[name]
        elif name == "layer":
            arguments[name] = Dense(3, 4)
        elif re.fullmatch("(activation|act|func?|fn)(_function|_fn)?", name):
            arguments[name] = np.tanh
        elif re.fullmatch("(activation|act|func?|fn|d)_?(prime|deriv|derivative|grad)", name):
            arguments[name] = _slope_of_tanh
        elif name in ARRAYS and parameter.annotation in (parameter.empty, np.ndarray):
            arguments[name] = _drawn(stands_for(name, 1, shapes), name, 0)
        elif "shape" in name:
            next(sizes)
            arguments[name] = shapes["x"][1:]  # of one sample
        elif parameter.annotation in (float, "float"):
            arguments[name] = 0.5
        elif parameter.annotation in (np.ndarray, "np.ndarray"):  # one for each feature
            arguments[name] = 1 + 0.3 * _drawn(shapes.get("gamma", (3,)), name, 0)
        else:
            arguments[name] = next(sizes, 3)
    return cls(**arguments)


def _slope_of_tanh(x: Array) -> Array:
    return np.asarray(1 - np.tanh(x) ** 2)


def of_methods(cls: type) -> set[str]:
    """Return what forward, or what else a class is used by, takes and its constructor does not."""
    own = cls.__init__ is not object.__init__  # type: ignore[misc]
    methods = [getattr(cls, n) for n in ("forward", "__call__", "loss") if n in dir(cls)]
    taken = {p for f in methods if inspect.isfunction(f) for p in inspect.signature(f).parameters}
    return taken - set(inspect.signature(cls).parameters if own else ()) - {"self"}


def _varied(setting: Any) -> Any:
    """Return another value of a setting: as positive, and below 1 if it is."""
    return setting + (setting > 1) if isinstance(setting, int) else 0.9 * setting


TARGETS = ("true", "target", "label", "actual", "truth")  # what the name of a target has in it
PREDICTIONS = re.compile(r"(.*_|y)?(pred|hat|logit|out|score|prob)[a-z]*(_.*)?")


def is_target(name: str, names: list[str], loss: bool = True) -> bool:
    """Whether an argument of a loss is what the predictions are held against, by its name."""
    lower = name.lower()
    if any(word in lower for word in TARGETS):
        return True
    alone = not any(word in n.lower() for n in names for word in TARGETS) and len(names) > 1
    if lower in ("y", "t"):
        return loss and alone
    predicted = [n for n in names if PREDICTIONS.fullmatch(n.lower())]
    return loss and alone and len(names) == 2 and len(predicted) == 1 and name not in predicted


def function_arguments(
    f: Callable[..., Any], said: Declaration, seed: int, other: bool = False
) -> Iterator[dict[str, Any]]:
    """Give arguments for a function by name, the likely ones first: dense, images, columns, …

    With `other` they are the same in other sizes, with other settings, and drawn again.
    """
    parameters = inspect.signature(f).parameters
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = [name for name, p in parameters.items() if p.kind not in kinds]
    unknown = [key for key in said if key not in names]
    if unknown:
        takes = ", ".join(names)
        raise TypeError(f"CHECK says {', '.join(unknown)}, but {f.__name__} takes {takes}")
    worlds = OTHER_WORLDS if other else WORLDS
    if any(name in GROUPS for name in names):
        worlds = OTHER_GROUPED if other else GROUPED
    seed += other
    if isinstance(x := said.get(names[0]), tuple):
        worlds = ({"x": x}, *(world | {"x": x} for world in WORLDS))
    elif any(isinstance(value, tuple) for value in said.values()):
        worlds = WORLDS[:1]
    if any(OF_HIDDEN.fullmatch(name) for name in names):  # a cell's: x·W + h·U + b
        cells = [world for world in worlds if "wx" in world]
        worlds = tuple(w | {"wh": w["wx"], "w": w["wx"], "u": w["wh"]} for w in cells)
    targets = [name for name in names if is_target(name, names) and name not in said]
    masks = [name for name in names if "mask" in name and name not in said]  # of what counts
    # A log without an exp is that of a probability.
    code = source_of(f)
    drawn = (1, 3, 5, 0, 2, 4) if "log" in code and "exp" not in code else (0, 2, 4, 1, 3, 5)
    # Without a target: as they are drawn; between 0 and 1; the last one 0 or 1 for each sample.
    for shapes, kind in product(worlds, drawn if targets else (0, 1, 2)):
        arguments: Declaration = {}
        for i, name in enumerate(n for n in names if n not in targets or n in said):
            default = parameters[name].default
            value = said.get(name, default)
            if value is inspect.Parameter.empty:
                value = cell_weights(name, code, shapes) or stands_for(name, i, shapes)
            elif name not in said and name in (STRENGTHS if default == 0 else FACTORS):
                value = {0: 0.17, 1: 1.7}.get(default, default)  # else it would not be seen
            elif value is default and name == "margin":
                value = 2.5 * default  # so that samples lie on both sides of it
            if other and name not in said and isinstance(value, float):
                value = _varied(value)
            if name in said and isinstance(value, float) and WEIGHT.fullmatch(name):
                value = np.array(value)  # b = 0.3 has a gradient too
            arguments[name] = _drawn(value, name, seed)
        if kind and not targets and not _varied_so(arguments, kind, code):
            continue
        arrays = [n for n, a in arguments.items() if isinstance(a, np.ndarray)]
        likely = ("x", "X", "data", *(n for n in arrays if arguments[n].ndim))
        predicted = next((n for n in likely if n in arrays), None)
        if targets and predicted is not None:
            x = arguments[predicted]
            if kind % 2:
                x = arguments[predicted] = sigmoid(x)
            pairs = permutations([a for n in arrays if (a := arguments[n]).ndim == 2], 2)
            for a, b in pairs:
                if kind < 2 and a.shape[1] == b.shape[0]:  # labels of X·W, where weights are given
                    x = a @ b
                    break
                if a.shape[1] == 1 < a.shape[0] == b.shape[0]:  # of wᵀ·X, where samples are columns
                    x = a.T @ b
            if kind < 4 and x.ndim > 1 and x.shape[-1] == 1:
                continue  # with one class nothing is to be learned
            target = _target(x, kind // 2)
            arguments |= dict.fromkeys(targets, target)
            arguments |= {n: np.arange(target.size).reshape(target.shape) % 2.0 for n in masks}
        yield {name: arguments[name] for name in names if name in arguments}


def _varied_so(arguments: Declaration, kind: int, code: str) -> bool:
    """Change arguments to what they may be besides; return whether there is anything to change."""
    arrays = {name: a for name, a in arguments.items() if isinstance(a, np.ndarray)}
    if kind == 1 and "log" in code:
        arguments |= {name: sigmoid(a) for name, a in arrays.items() if a.dtype.kind == "f"}
        return True
    *_, last = arrays or [""]
    if kind == 2 and len(arrays) > 2 and {a.shape for a in arrays.values()} == {arrays[last].shape}:
        arguments[last] = np.arange(len(arrays[last])) % 2.0
        return True
    return False


def source_of(f: Callable[..., Any]) -> str:
    """Return the text of a function; nothing for one that no file holds."""
    try:
        return inspect.getsource(f)
    except (OSError, TypeError):
        return ""


def words_for(f: Callable[..., Any]) -> tuple[str, list[str]]:
    """Return the argument that is compared with words, as activation == "relu" is, and these.

    Its default is the first of them. Of a loss for each sample there is no one gradient, and in
    testing nothing goes back: those are no words.
    """
    for name, parameter in inspect.signature(f).parameters.items():
        default = [] if parameter.default is parameter.empty else [parameter.default]
        words = re.findall(rf"\b_?{name} == [\"'](\w+)[\"']", source_of(f))
        if words and not TRAINING.intersection(words) and all(isinstance(d, str) for d in default):
            return name, [w for w in dict.fromkeys(default + words) if w.lower() != "none"]
    return "", []


TRAINING = {"train", "training", "test", "testing", "eval"}


FACTORS = ("alpha", "beta", "gamma", "slope", "scale", "temperature", "tau", "a", "c")


def _target(x: Array, kind: int) -> Array:
    """Return labels, their rows of 0 and 1, or a 0 or 1 for each number."""
    labels = np.arange(len(x)) % (x.shape[-1] if x.ndim > 1 else 2)
    if kind == 0 and x.ndim == 3:  # one for each step
        return np.arange(x.size // x.shape[2]).reshape(x.shape[:2]) % x.shape[2]
    if kind == 0:
        return labels
    if kind == 1 and x.ndim == 2:
        return np.asarray(np.eye(x.shape[1])[labels])
    return (np.arange(x.size) % 2.0).reshape(x.shape)


def _drawn(value: Any, name: str, seed: int) -> Any:
    """Return arrays drawn for shapes, those in a dict too."""
    if isinstance(value, dict):
        return {k: _drawn(v, f"{name} {k}", seed) for k, v in value.items()}
    if isinstance(value, tuple) and all(type(size) is int for size in value):
        return np.asarray(away_from_zero(np.asarray(stream(seed, name).standard_normal(value))))
    return value
