"""Classes as most people write them, which remember: seen as pairs of functions, and so checked.

    out = layer.forward(x)          dx = layer.backward(dout)

Such an object keeps what backward needs, and the gradients of its weights: ``dW`` beside ``W``, a
dict or a list `grads` beside `params`, ``W["grad"]`` beside ``W["val"]``; or it returns them,
``dx, [dW, db]``; or backward takes a learning rate and moves the weights itself. Its result may be
left in an attribute too, ``output`` and ``dinputs``.

Each pass is made by a fresh copy of the object, into which the weights are put. So forward is a
function of x and of the weights, and the copy is the cache that backward goes by.
"""

from __future__ import annotations

import copy
import inspect
import re
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ....arrays import Array, stream
from ...functions import Call, Methods, Object, check_pair
from ...report import BrokenRule, Report

Path = tuple[Any, ...]  # steps from a thing to an array: attributes, keys, places in a list

OUT = ("output", "outputs", "out", "y", "a", "z")
DX = ("dinputs", "dinput", "dx", "d_inputs", "d_input", "grad_input", "grad_inputs", "gradinput")
RATES = ("lr", "learning_rate", "learn_rate", "rate", "eta", "alpha")
STRENGTHS = ("reg", "reg_strength", "lam", "lambd", "lambda_", "l2", "weight_decay", "alpha")
RATE = 0.125  # a power of two: dividing by it costs no digit
MODES: dict[str, Any] = {"train": True, "training": True, "is_training": True, "mode": "train"}


# --- which array is the gradient of which --------------------------------------------------------

WEIGHT_WORDS = ("params", "parameters", "val", "value", "data")
GRADIENT_WORDS = ("grads", "gradients", "grad", "gradient")
SAME = {"weight": "w", "weights": "w", "kernel": "w", "bias": "b", "biases": "b"}
MARKED = re.compile(
    r"(?:[a-z]+_d|dl_?d|gradient|grad|delta|d)_?(.+)|(.+?)_?(?:gradient|grads|grad)"
)


def key_of(path: Path) -> Path:
    """Return what a weight is called, whatever it lies in: ("w",) for ``params["weights"]``."""
    if path[:1] == ("weights",) and isinstance(path[-1], int):  # a list, as grads is
        path = path[1:]
    words = (str(step).lower().strip("_") for step in path)
    return tuple(SAME.get(word, word) for word in words if word not in WEIGHT_WORDS)


def gradient_of(path: Path) -> Iterator[Path]:
    """Give the keys of the weights that an array at `path` may be the gradient of."""
    words = [str(step).lower().strip("_") for step in path]
    kept = [word for word in words if word not in GRADIENT_WORDS]
    if len(kept) < len(words):
        yield key_of(tuple(kept))
    for i, word in enumerate(kept):
        if match := MARKED.fullmatch(word):
            yield key_of((*kept[:i], match[1] or match[2], *kept[i + 1 :]))


def arrays_in(
    thing: Any, seen: frozenset[int] = frozenset(), numbers: bool = False
) -> Iterator[tuple[Path, Array]]:
    """Give the arrays of floats in an object, and in the objects, dicts and lists within it.

    And single `numbers` that NumPy has made, as arrays, such as the sum that a gradient is.
    """
    if isinstance(thing, np.floating) and numbers:
        thing = np.asarray(thing)
    if isinstance(thing, np.ndarray):
        if thing.dtype.kind in "fc":
            yield (), thing
    elif id(thing) not in seen:
        for step, part in _parts(thing):
            for path, array in arrays_in(part, seen | {id(thing)}, numbers):
                yield (step, *path), array


def _parts(thing: Any) -> list[tuple[Any, Any]]:
    if isinstance(thing, dict):
        return list(thing.items())
    if isinstance(thing, (list, tuple)):
        return list(enumerate(thing))
    if isinstance(thing, (type, types.ModuleType, types.FunctionType, types.MethodType)):
        return []
    return list(getattr(thing, "__dict__", {}).items())


def get(thing: Any, path: Path) -> Any:
    """Return what lies at the end of a path."""
    for step in path:
        thing = thing[step] if isinstance(thing, (dict, list, tuple)) else getattr(thing, step)
    return thing


def put(thing: Any, path: Path, value: Any) -> None:
    """Put a value at the end of a path."""
    place = get(thing, path[:-1])
    if isinstance(place, (dict, list)):
        place[path[-1]] = value
    else:
        setattr(place, path[-1], value)


def name_of(path: Path) -> str:
    """Return a path as a reader would write it: ``W``, ``params[0]``, ``layers[0].W``."""
    words = [step for step in path if step not in WEIGHT_WORDS]
    if not any(isinstance(step, str) for step in words):
        words = list(path)
    text = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in words)
    return text.removeprefix(".")


# --- an object as a pair of functions ------------------------------------------------------------


@dataclass
class Remembering:
    """An object with forward and backward, whose weights are arguments."""

    made: Any
    weights: dict[str, list[Path]] = field(default_factory=dict)  # by name: all places of one array
    gradients: dict[str, Path] = field(default_factory=dict)  # where they are: see `_everything`
    moves: bool = False  # backward takes a learning rate, and moves the weights
    of_numbers: bool = False  # x is an array of floats, and has a gradient

    def forward(self, x: Array, *weights: Array) -> tuple[Any, Any]:
        """Return out, and the copy of the object that has made it with what else it returned."""
        twin = copy.deepcopy(self.made)
        for ways, array in zip(self.weights.values(), weights, strict=True):
            for path in ways:
                put(twin, path, array)
        out, cache = run_forward(twin, x)
        return out, (twin, cache)

    def backward(self, dout: Array, kept: tuple[Any, Any]) -> tuple[Any, ...]:
        """Return dx, and the gradients of the weights in their order."""
        twin, _ = kept
        before = [np.array(get(twin, ways[0])) for ways in self.weights.values()]
        everything = run_backward(dout, *kept)
        if self.moves:
            after = (get(twin, ways[0]) for ways in self.weights.values())
            found = [(a - b) / RATE for a, b in zip(before, after, strict=True)]
        else:
            found = [get(everything, self.gradients[name]) for name in self.weights]
        return (everything["dx"], *found) if self.of_numbers else tuple(found)


def run_forward(made: Any, x: Array) -> tuple[Any, Any]:
    """Return out, which forward returns or leaves in an attribute, and the cache if it has one."""
    with seeded():
        returned = made.forward(x, *_more(made.forward, {}), **switched_on(made.forward))
    if isinstance(returned, tuple) and len(returned) == 2:
        return returned
    return (returned if returned is not None else left(made, OUT, None)), None


def run_backward(dout: Array, made: Any, cache: Any) -> dict[str, Any]:
    """Return dx, what else is returned, and the object with what it keeps."""
    known = dict.fromkeys(STRENGTHS, 0.0) | dict.fromkeys(RATES, RATE) | {"cache": cache}
    returned = made.backward(dout, *_more(made.backward, known))
    rest: Any = ()
    if isinstance(returned, (tuple, list)) and returned:
        returned, *rest = returned
        rest = rest[0] if len(rest) == 1 and isinstance(rest[0], (dict, list, tuple)) else rest
    elif isinstance(returned, dict):
        rest, returned = returned, left(returned, DX, None)
    return {
        "dx": left(made, DX, None) if returned is None else returned,
        "rest": rest,
        "self": made,
    }


class NotKnown(TypeError):
    """What a method requires is not known: that is nobody's mistake."""


def left(thing: Any, names: tuple[str, ...], otherwise: Any) -> Any:
    """Return the first array among a thing's own that has one of these names."""
    own = {str(step).lower().strip("_"): part for step, part in _parts(thing)}
    return next((own[n] for n in names if isinstance(own.get(n), np.ndarray)), otherwise)


def _more(method: Callable[..., Any], known: dict[str, Any]) -> list[Any]:
    """Return what a method requires after its first argument."""
    arguments = []
    for name in required(method)[1:]:
        if name not in (values := MODES | known):
            raise NotKnown(f"{method.__name__} requires {name}, which can't be guessed")
        arguments.append(values[name])
    return arguments


def switched_on(method: Callable[..., Any]) -> dict[str, bool]:
    """Return what makes forward keep what backward needs, as save_cache and training do."""
    parameters = inspect.signature(method).parameters.values()
    words = ("cache", "save", "train", "grad")
    return {
        p.name: True
        for p in parameters
        if p.default is False and any(word in p.name.lower() for word in words)
    }


def required(method: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments that have to be given."""
    parameters = inspect.signature(method).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in kinds]


def is_stub(f: Callable[..., Any]) -> bool:
    """Whether a function does nothing, or says that it is not implemented."""
    code = f.__code__
    raises = any(name.startswith("NotImplemented") for name in code.co_names)
    return raises or code.co_code in (_nothing.__code__.co_code, _described.__code__.co_code)


def _nothing() -> None:
    pass


def _described() -> None:
    """Do nothing."""


@contextmanager
def seeded() -> Iterator[None]:
    """Let code that draws from NumPy's global generator draw the same each time."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)


def arrays_of(made: Any) -> dict[str, list[Path]]:
    """Return where the arrays of an object are, by their names."""
    places: dict[int, list[Path]] = {}
    for path, array in arrays_in(made):
        places.setdefault(id(array), []).append(path)
    return {name_of(ways[0]): ways for ways in places.values()}


def check_object(checked: Remembering, inputs: list[Array], backward: str, seed: int) -> Report:
    """Check an object as a pair of functions of x, if there is one, and of its weights."""
    made = checked.made
    starts = {name: get(made, ways[0]) for name, ways in checked.weights.items()}
    moved = [
        np.asarray(a + 0.3 * stream(seed, name).standard_normal(a.shape))
        for name, a in starts.items()
    ]
    call = Call(checked.forward, (*inputs, *moved), ["x"][: len(inputs)] + [*checked.weights])
    point = Object(
        call,
        checked.backward,
        call.arrays,
        made=made,
        methods=("forward" if inputs else "loss", backward),
        pair_of=lambda edited: _pair_of(replace(checked, made=edited)),
        cotangent=required(made.backward)[0] if inputs else "dout",
    )
    report = check_pair(point, type(made).__name__, seed)
    if report.take_rules(lambda rule: rule.text == "backward leaves dout unchanged"):
        # The derivative is right: it is the style of a famous book.
        report.notes.append(f"backward changes {point.cotangent} in place: nobody else may hold it")
    return report


def remembering(made: Any, x: Array, *, seed: int = 0) -> Report:
    """Check an object with ``forward(x)`` and ``backward(dout)`` that keeps its gradients.

    Parameters
    ----------
    made
        The object. It is copied, and not changed.
    x
        What forward takes, an array of floats, or of the numbers of rows of a weight.
    seed
        Of the cotangent, and of what the weights are moved by.
    """
    checked = Remembering(made, of_numbers=x.dtype.kind == "f")
    try:
        out, kept = checked.forward(x)
        _more(made.backward, dict.fromkeys((*RATES, *STRENGTHS, "cache")))
    except NotKnown as error:
        return Report(type(made).__name__, not_checked=[str(error)])
    dout = np.asarray(stream(seed, "dout").standard_normal(np.shape(out)))
    checked.moves = any(name in RATES for name in required(made.backward))
    try:
        everything = run_backward(dout, *kept)
    except (Exception, SystemExit):  # the report says what was raised, or not written
        everything = {}
    else:
        made = checked.made = _with_all_weights(made, kept[0], x)
    named = arrays_of(made)
    keys = {key_of(path): name for name, ways in named.items() for path in ways}
    if checked.moves:
        checked.weights = {n: w for n, w in named.items() if matters(checked, out, w, x)}
    else:
        checked.gradients = where_gradients_are(everything, keys, made, named)
        # An array that is kept for a gradient is no weight.
        checked.weights = {name: named[name] for name in named if name in checked.gradients}
    report = check_object(checked, [x], "backward", seed)
    for name, ways in named.items():
        if everything and name not in checked.weights and matters(checked, out, ways, x):
            report.not_checked.append(f"backward d{name}: no gradient of it is found")
    if not checked.moves and not report.broken_rules:
        _used_again(checked, x, dout, report)
    return report


def _with_all_weights(made: Any, used: Any, x: Array) -> Any:
    """Return an object whose weights are arrays, as far as it keeps gradients of them once `used`.

    A weight may be made by the first forward, when the number of features is known; or it is a
    number, because we made the object with one.
    """
    whole, had = copy.deepcopy(made), dict(vars(made))
    now = {key_of((name,)): name for name in vars(used)}
    for path, grad in arrays_in(used, numbers=True):
        for name in [now[key] for key in gradient_of(path) if key in now]:
            value = getattr(used, name)
            if not isinstance(had.get(name), np.ndarray) and np.size(value) in (1, grad.size):
                with suppress(Exception):
                    array = np.array(np.broadcast_to(value, grad.shape), np.float64)
                    outs = [_out_with(whole, name, a, x) for a in (array, wavy(array))]
                    if not np.array_equal(*outs):  # else forward writes it: it is no weight
                        setattr(whole, name, array)
    return whole


def _out_with(made: Any, name: str, array: Array, x: Array) -> Any:
    twin = copy.deepcopy(made)
    setattr(twin, name, array)
    return run_forward(twin, x.copy())[0]


def _pair_of(checked: Remembering) -> Methods:
    return checked.forward, checked.backward


def where_gradients_are(
    everything: dict[str, Any], keys: dict[Path, str], made: Any, named: dict[str, list[Path]]
) -> dict[str, Path]:
    """Return where the gradient of each weight is, by the weight's name."""
    found: dict[str, Path] = {}
    for root in ("rest", "self"):
        for path, array in arrays_in(everything.get(root), numbers=True):
            of = gradient_of(path)
            for key in (*of, key_of(path)) if root == "rest" else of:
                name = keys.get(key)
                if name and name not in found and array.shape == get(made, named[name][0]).shape:
                    found[name] = (root, *path)
    rest = everything.get("rest")
    if isinstance(rest, (list, tuple)) and rest:  # they are returned without a name, in their order
        shapes = {name: get(made, ways[0]).shape for name, ways in named.items()}
        weights = [n for n in named if not any(True for p in named[n] if _is_kept(p, keys))]
        if [np.shape(a) for a in rest] == [shapes[name] for name in weights]:
            found |= {name: ("rest", i) for i, name in enumerate(weights)}
    return found


def _is_kept(path: Path, keys: dict[Path, str]) -> bool:
    """Whether an array is there to hold the gradient of another one."""
    return any(key in keys for key in gradient_of(path))


def matters(checked: Remembering, out: Any, ways: list[Path], *x: Array) -> bool:
    """Whether out depends on an array."""
    twin = copy.deepcopy(checked.made)
    array = get(twin, ways[0])
    for path in ways:
        put(twin, path, wavy(array))
    try:
        return not np.array_equal(replace(checked, made=twin, weights={}).forward(*x)[0], out)
    except Exception:
        return True


def wavy(array: Array) -> Array:
    """Return an array that differs a little from this one in all of its entries."""
    return np.asarray(array + 0.1 * np.cos(np.arange(array.size)).reshape(array.shape))


def _used_again(checked: Remembering, x: Array, dout: Array, report: Report) -> None:
    """Say so if a pass that comes second gives other gradients, and not because it adds to them."""

    def gradients(made: Any, x: Array) -> tuple[Any, list[Array]]:
        out, cache = run_forward(made, x.copy())
        found = checked.backward(dout.copy(), (made, cache))
        return np.copy(out), [np.copy(a) for a in found]

    twin = copy.deepcopy(checked.made)
    out, alone = gradients(copy.deepcopy(checked.made), x)
    _, before = gradients(twin, x[::-1])
    own, had = vars(twin), vars(checked.made)
    if any(isinstance(a, list) and len(a) > len(had.get(name, a)) for name, a in own.items()):
        return  # it keeps one pass after the other, on purpose
    again, second = gradients(twin, x)
    if not np.array_equal(out, again):
        return  # it draws, or moves on: then nothing follows for the gradients
    names = ("x", *checked.weights) if checked.of_numbers else checked.weights
    for name, right, first, found in zip(names, alone, before, second, strict=True):
        if right.dtype == object:
            continue  # it is not found, which has been said
        if not any(np.allclose(found, a, rtol=1e-6) for a in (right, first + right)):
            text = f"a second pass gives the d{name} of its own x, or adds it to that of the first"
            report.broken_rules.append(BrokenRule(text, "backward", "state"))
