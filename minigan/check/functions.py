"""Is a derivative right? Of any function of one array, or of functions as courses ask for them:

    out, cache = x_forward(x, w, b)          dx, dw, db = x_backward(dout, cache)

The backward function returns one gradient for each array that the forward function takes, in their
order. A dict among the arguments (CS231n's ``conv_param``) holds settings; it is copied for every
call. A loss is one function, ``loss, dx = x_loss(x, y)``, where y is no array of floats.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, stream
from .compare import Ask, Checker, Derivative
from .numerical import Function, Slope, finite_difference, slope, unit
from .report import Arrays, Report, Settings

ENTRIES = 200  # up to so many are checked one by one


def gradient(
    f: Function,
    df: Callable[[Array], Array],
    x: Array,
    *,
    name: str = "gradient",
    directions: int = 3,
    coordinates: int = 20,
    seed: int = 0,
) -> Report:
    """Check that ``df(x)`` is the gradient of the number ``f(x)``.

    A small x (up to 200 entries) is checked entry by entry. A large one, such as a network's θ, is
    checked along random directions, which see every entry at once, and along random coordinates,
    which see small entries that a direction drowns. A point on a kink of f is moved off it.

    Parameters
    ----------
    f, df
        The function, and its gradient by hand; f is also called with complex x.
    x
        The point, a float64 array of any shape.
    name
        What the report is called.
    directions, coordinates
        How many of each are drawn for a large x.
    seed
        Of what is drawn.
    """
    point = Gradient(f, df, df, np.array(x, np.float64))
    return _gradient(point, name, directions, coordinates, seed)


def loss_function(f: Callable[..., Any], x: Array, *arguments: Any) -> Report:
    """Check a loss as courses write it, ``loss, dx = f(x, …)``: dx against the slopes of the loss.

    Parameters
    ----------
    f
        Returns a number and its gradient in x.
    x
        The point, an array of floats.
    *arguments
        What else f is called with, such as labels.
    """
    value, by_hand = (lambda a: f(a, *arguments)[0]), (lambda a: f(a, *arguments)[1])
    point = Gradient(value, by_hand, f, np.array(x, np.float64), arguments)
    report = _gradient(point, f.__name__, 3, 20, 0)
    returned = f(x.copy(), *arguments)
    if isinstance(returned, tuple) and len(returned) > 2:
        more = f"{len(returned) - 2} more than (loss, dx) is returned"
        report.not_checked.append(f"{more}: only the gradient in the first argument is checked")
    return report


@dataclass
class Gradient:
    """The number f(x), its gradient by hand df(x), and the code that df comes from."""

    f: Function
    df: Callable[[Array], Array]
    code: Callable[..., Any]
    x: Array
    arguments: tuple[Any, ...] | None = None  # of a loss: `code` returns the value, and df(x)


def _gradient(point: Gradient, name: str, directions: int, coordinates: int, seed: int) -> Report:
    check = Checker(name, point)
    f, df = point.f, point.df
    x = point.x = check.off_kinks(f, point.x, seed)

    def whole(changes: Arrays, settings: Settings) -> Derivative:
        return Derivative(f, changes.get("x", x))

    with check.guarded("df(x)"):
        given = x.copy()
        found = np.asarray(df(given))
        if not (given == x).all():
            check.broken("df leaves x unchanged", "df(x)", "in place")
        if _in_float32(f, x, seed):
            text = "f computes in float64 what comes in float64, but small steps are lost: a cast?"
            check.broken(text, "f(x)", "float32")
        if found.shape != x.shape or x.size <= ENTRIES:
            check.compare("df(x)", found, whole, {"x": x})
            return check.finish()
        rng = stream(seed, "directions")
        drawn = [rng.standard_normal(x.shape) for _ in range(directions)]
        entries = rng.choice(x.size, size=coordinates, replace=False)
        units = [unit(np.unravel_index(i, x.shape), x.shape) for i in entries]
        for what, vectors in (("random directions", drawn), ("random coordinates", units)):
            by_hand = np.array([(found * v).sum() for v in vectors])
            check.compare_with(what, by_hand, _along(f, x, np.array(vectors)), {})
    return check.finish()


def _in_float32(f: Function, x: Array, seed: int) -> bool:
    """Whether f misses a step of x that float64 sees and float32 does not."""
    v = 1e-8 * x * stream(seed, "digits").standard_normal(x.shape)
    slope = float(np.asarray(finite_difference(f, x, v)))
    here, there, back = (float(np.asarray(f(a.copy()))) for a in (x, x + v, x - v))
    rounding = 100 * float(np.finfo(np.float64).eps) * abs(here)
    return abs(slope) > 10 * rounding and abs((there - back) / 2 - slope) > 0.1 * abs(slope)


def _along(f: Function, x: Array, vectors: Array) -> Slope:
    """Return the slopes of f along several directions."""
    pairs = [slope(f, x, v) for v in vectors]
    exact = [pair.exact for pair in pairs if pair.exact is not None]
    by_differences = np.array([pair.by_differences for pair in pairs])
    doubt = max(pair.doubt for pair in pairs)
    return Slope(by_differences, np.array(exact) if len(exact) == len(pairs) else None, doubt)


def pair(
    forward: Callable[..., Any], backward: Callable[..., Any], *arguments: Any, seed: int = 0
) -> Report:
    """Check ``backward(dout, cache)`` against the slopes of ``forward(*arguments)``.

    Parameters
    ----------
    forward
        Returns ``(out, cache)``.
    backward
        Returns the gradient of each float array among the arguments, in their order: a tuple, or
        the one gradient if there is one.
    *arguments
        What `forward` is called with. Arrays of floats are the ones that are differentiated.
    seed
        Of the cotangent dout.
    """
    call = Call(forward, arguments)
    name = f"{forward.__name__}, {backward.__name__}"
    return check_pair(Pair(call, backward, call.arrays), name, seed)


def check_pair(point: Pair, name: str, seed: int, analytic: bool = False) -> Report:
    """Check a pair of functions at a point; what comes out is kept in `point`."""
    call, backward, inputs = point.call, point.backward, point.inputs
    check = Checker(name, point, analytic=analytic, is_guess=isinstance(point, Object))
    with check.guarded("forward"):
        first = next(iter(inputs))
        inputs[first] = check.off_kinks(lambda a: call(inputs | {first: a})[0], inputs[first], seed)
        out, point.cache = call(inputs)
        again, _ = call(inputs)
        if np.shape(out) != np.shape(again) or not np.all(out == again):
            check.broken("forward called again gives the same out", "forward", "state")
            return check.finish()
        point.out = np.asarray(out)
        point.dout = dout = np.asarray(stream(seed, "dout").standard_normal(point.out.shape))
        _rules(check, call, backward, dout)
        asks = {name: _ask(check, call, name, dout) for name in inputs}
        with check.guarded("backward"):
            found = as_tuple(backward(dout.copy(), call(inputs)[1]))
            if len(found) < len(inputs):
                names = ", ".join(f"d{name}" for name in inputs)
                text = f"backward returns {names}, but returned {len(found)} of them"
                check.broken(text, "backward", "zero")
            if len(found) > len(inputs):
                extra = f"backward: {len(found) - len(inputs)} more than the {len(inputs)} arrays"
                check.report.not_checked.append(f"{extra} of floats that forward takes")
            if all(gradient is None for gradient in found) and point.returns:
                check.broken("backward returns gradients, but returned None", "backward", "zero")
            for name, gradient in zip(inputs, found, strict=False):
                if gradient is None:
                    text = f"backward d{name}: no gradient of it is found"
                    check.report.not_checked.append(text)
                else:
                    check.compare(f"backward d{name}", gradient, asks[name], inputs | {"dy": dout})
    return check.finish()


@dataclass
class Pair:
    """A pair of functions at a point, and what they came to there."""

    call: Call
    backward: Callable[..., Any]
    inputs: Arrays
    out: Array | None = None
    cache: Any = None
    dout: Array | None = None
    returns: bool = True  # False: gradients may lie where nobody looks, and none is no mistake
    second: Pair | None = None  # the same two with other sizes and settings, where these are known


Methods = tuple[Callable[..., Any], Callable[..., Any]]


@dataclass
class Object(Pair):
    """Two methods of an object as a pair of functions, at a point."""

    made: Any = None
    methods: tuple[str, str] = ("forward", "backward")
    pair_of: Callable[[Any], Methods] = lambda made: (made.forward, made.backward)
    cotangent: str = "dout"  # what the code calls it
    returns: bool = False


def as_tuple(returned: Any) -> tuple[Any, ...]:
    """Return the gradients that a backward function has returned, one or several."""
    return tuple(returned) if isinstance(returned, (tuple, list)) else (returned,)


class Call:
    """A forward function, whose float arrays and settings can be given other values."""

    def __init__(
        self,
        forward: Callable[..., Any],
        arguments: tuple[Any, ...],
        names: list[str] | None = None,
    ) -> None:
        self.forward, self.arguments = forward, arguments
        names = names or list(inspect.signature(forward).parameters)
        self.names = [names[min(i, len(names) - 1)] for i in range(len(arguments))]
        self.arrays: Arrays = {}
        self.settings: Settings = {}
        for name, argument in zip(self.names, arguments, strict=True):
            if isinstance(argument, np.ndarray) and argument.dtype.kind == "f":
                self.arrays[name] = np.array(argument, np.float64)
            elif isinstance(argument, dict):
                numbers = {k: v for k, v in argument.items() if type(v) in (int, float)}
                self.settings |= numbers
            elif type(argument) in (int, float):
                self.settings[name] = argument
        if not self.arrays:
            raise ValueError(f"{forward.__name__}: none of the arguments is an array of floats")

    def __call__(self, arrays: Arrays, settings: Settings | None = None) -> Any:
        """Return what the function returns for these arrays, and settings."""
        given: list[Any] = []
        for name, argument in zip(self.names, self.arguments, strict=True):
            if name in arrays:
                given.append(arrays[name].copy())
            elif isinstance(argument, dict):
                changed = {k: v for k, v in (settings or {}).items() if k in argument}
                given.append(copy.deepcopy(argument) | changed)
            else:
                given.append((settings or {}).get(name, copy.deepcopy(argument)))
        return self.forward(*given)


def _ask(check: Checker, call: Call, name: str, dout: Array) -> Ask:
    """Ask for the gradient of ⟨dout, out⟩ in the argument `name`."""
    inputs = call.arrays | {"dy": dout}

    def gradient(changes: Arrays, settings: Settings) -> Derivative:
        arrays = inputs | changes
        dy = arrays.pop("dy")
        f = lambda a: (dy * call(arrays | {name: a}, settings)[0]).sum()  # noqa: E731
        return Derivative(f, arrays[name])

    return check.ask(f"backward d{name}", gradient)


def _rules(check: Checker, call: Call, backward: Callable[..., Any], dout: Array) -> None:
    """Arguments stay as they are, and backward goes by its cache."""
    given = {name: a.copy() for name, a in call.arrays.items()}

    def run() -> tuple[Any, Any]:
        arguments = [
            given[name] if name in given else copy.deepcopy(argument)
            for name, argument in zip(call.names, call.arguments, strict=True)
        ]
        result: tuple[Any, Any] = call.forward(*arguments)
        return result

    out, cache = run()
    for name, array in given.items():
        if not (array == call.arrays[name]).all():
            check.broken(f"forward leaves {name} unchanged", "forward", "in place")
    with check.guarded("backward"):
        cotangent, cache = dout.copy(), call(call.arrays)[1]
        before = copy.deepcopy(cache)
        first = backward(cotangent, cache)
        if not (cotangent == dout).all():
            check.broken("backward leaves dout unchanged", "backward", "in place")
        if not _same(cache, before):
            check.broken("backward leaves the cache unchanged", "backward", "in place")
        cache = call(call.arrays)[1]
        with np.errstate(all="ignore"):  # it may be no place for a log
            call({name: a + 1 for name, a in call.arrays.items()})
        if not _same(backward(dout.copy(), cache), first):
            text = "backward goes by its cache, whatever was called since"
            check.broken(text, "backward", "state")


def _same(a: Any, b: Any) -> bool:
    """Whether two caches hold the same."""
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, (np.ndarray, float, int)):
        return np.array_equal(a, b, equal_nan=True)
    return True  # what can't be compared is not judged
