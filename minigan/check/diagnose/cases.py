"""What is known about each kind of thing that was checked: its numbers, its code, its own mistakes.

A report keeps the subject of its check: a layer at a point, a loss, an optimiser and its gradients.
`clues` turns that into what guesses are made of.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial, singledispatch
from typing import Any

import numpy as np

from ...arrays import Array
from ...layers.base import Layer, split
from ...network import Sequential
from ..functions import (
    Call,
    Gradient,
    Methods,
    Object,
    Pair,
    as_tuple,
    check_pair,
    gradient,
    loss_function,
)
from ..layers import Point, layer
from ..losses import HALVES, Players
from ..numerical import complex_step, slopes
from ..optimisers import Steps, moves, optimiser, trajectory
from ..penalties import Pull, penalty
from ..report import Arrays, Case, Diagnosis, Mismatch, Settings
from .evidence import Guess
from .mistakes import of_a_penalty, of_an_optimiser, of_second_order
from .repair import Found, Functions, Patient, functions_of, methods_of, with_functions
from .runs import (
    defect_of_half,
    defect_of_layer,
    half_elsewhere,
    is_right,
    jittered,
    layer_elsewhere,
    relative_defect,
    run_half,
    run_layer,
    takes_a_schedule,
    with_a_schedule,
    with_other_settings,
)

NAMED = 1000  # up to so many entries of a gradient are looked at one by one


@dataclass
class Clues:
    """What guesses at a mistake are made of, beside the arrays that are wrong."""

    settings: Settings = field(default_factory=dict)  # numbers that the thing was made with
    sizes: dict[str, int] = field(default_factory=dict)  # numbers that sums run over
    others: Arrays = field(default_factory=dict)  # arrays that might be taken by mistake
    numbers: Settings = field(default_factory=dict)  # further ones, such as a σ in a cache
    patients: dict[str, Patient] = field(default_factory=dict)  # by map: its code
    values: dict[str, Patient] = field(default_factory=dict)  # by map: that of its value
    guesses: Callable[[str], Iterator[Guess]] = lambda where: iter(())  # at an array
    inside: Callable[[], Diagnosis | None] = lambda: None  # names a part that is wrong
    cotangent: str = "dy"  # what the code calls it
    mismatches: list[Mismatch] | None = None  # to look at, where not all those of the case


@singledispatch
def clues(subject: Any, case: Case) -> Clues:
    """Return what is known about the subject of a check."""
    return Clues()


@clues.register
def _(point: Point, case: Case) -> Clues:
    made = point.layer
    known = Clues(*numbers_of(made), inside=lambda: _first_wrong_layer(point))
    if not hasattr(point, "cache"):
        return known
    arrays, numbers = in_the_cache(point.cache)
    arrays = {"y": point.y} | _state(made) | arrays
    met = {"x": point.x, "y": point.y} | point.inputs
    known.others, known.numbers = _but_for(arrays, met), numbers
    known.sizes |= sizes_of(point.x, point.y)
    kept = {"forward y": point.y}
    given = (*point.inputs.values(), point.dy, point.v)
    for map in ("backward", "jvp", "jvp_backward"):
        run, again = partial(run_layer, point, map), partial(layer_elsewhere, point, map)
        methods = methods_of(made, map, "forward")
        known.patients[map] = Patient(methods, run, type(made), given, kept, elsewhere=again)
    run, again = partial(defect_of_layer, point), partial(layer_elsewhere, point, "backward")
    methods = methods_of(made, "forward")
    known.values["backward"] = Patient(methods, run, type(made), value=True, elsewhere=again)
    known.guesses = lambda where: (
        of_second_order(point, where.split()[1][1:]) if "jvp_backward" in where else iter(())
    )
    # The oracle of jvp_backward is jvp: where that is wrong, nothing follows for its derivative.
    if any(m.where == "jvp t" for m in case.mismatches):
        known.mismatches = [m for m in case.mismatches if not m.where.startswith("jvp_backward")]
    return known


@clues.register
def _(point: Players, case: Case) -> Clues:
    known = Clues(*numbers_of(point.loss))
    if not point.inputs:
        return known
    known.sizes["n"] = len(point.inputs["real"])
    for half in HALVES:
        methods, cls = methods_of(point.loss, half), type(point.loss)
        run, again = partial(run_half, point, half), partial(half_elsewhere, point, half)
        known.patients[half] = Patient(methods, run, cls, elsewhere=again)
        defect = partial(defect_of_half, point, half)
        known.values[half] = Patient(methods, defect, cls, value=True, elsewhere=again)
    return known


@clues.register
def _(point: Pull, case: Case) -> Clues:
    known = Clues(*numbers_of(point.penalty))
    known.sizes["n"] = len(point.inputs["real"])

    def run(functions: Functions) -> Found:
        grad = point.D.new_grad()
        twin = with_functions(copy.copy(point.penalty), functions)
        point.value(twin, point.inputs, grad)
        return {f"penalty d{name}": a for name, a in point.D.views(grad).items()}

    def elsewhere(functions: Functions) -> bool:
        twin = with_other_settings(with_functions(copy.copy(point.penalty), functions))
        return is_right(penalty(twin, point.D, n=4, seed=point.seed + 1))

    methods = methods_of(point.penalty, "__call__")
    known.patients["penalty"] = Patient(methods, run, type(point.penalty), elsewhere=elsewhere)
    known.guesses = lambda where: of_a_penalty(point, where.split()[1][1:])
    return known


@clues.register
def _(point: Steps, case: Case) -> Clues:
    def run(functions: Functions) -> Found:
        twin = with_functions(copy.deepcopy(point.optimiser), functions)
        return {"step theta": moves(trajectory(twin, point.theta, point.grads), point.theta)}

    def elsewhere(functions: Functions) -> bool:
        if point.definition is None:
            return True
        twin = with_other_settings(with_functions(copy.deepcopy(point.optimiser), functions))
        twins = [twin, with_a_schedule(twin)] if takes_a_schedule(point) else [twin]
        return all(is_right(optimiser(each, seed=1)) for each in twins)

    methods, cls = methods_of(point.optimiser, "step"), type(point.optimiser)
    code = Patient(methods, run, cls, elsewhere=elsewhere)
    settings, _ = numbers_of(point.optimiser)
    return Clues(settings, patients={"step": code}, guesses=lambda where: of_an_optimiser(point))


@clues.register
def _(point: Gradient, case: Case) -> Clues:
    def run(functions: Functions) -> Found:
        code = functions[getattr(point.code, "__name__", "")]
        if point.arguments is None:
            return {"df(x)": code(point.x.copy())}
        return {"df(x)": code(point.x.copy(), *point.arguments)[1]}

    def elsewhere(functions: Functions) -> bool:
        code = functions[getattr(point.code, "__name__", "")]
        x = jittered({"x": point.x})["x"]
        if point.arguments is None:
            return is_right(gradient(point.f, code, x))
        return is_right(loss_function(code, x, *point.arguments))

    x = point.x
    sizes = {"the number of entries of x": x.size} | ({"n": len(x)} if x.ndim else {})
    code = Patient(functions_of(point.code), run, elsewhere=elsewhere)
    known = Clues(sizes=sizes, patients={"df(x)": code})
    if any(m.where.startswith("random ") for m in case.mismatches) and x.size <= NAMED:
        found = np.asarray(point.df(x.copy()))
        known.mismatches = [Mismatch("df(x)", found, slopes(point.f, x).best, {"x": x})]
    return known


@clues.register
def _(point: Pair, case: Case) -> Clues:
    def pair(functions: Functions, at: Any) -> Methods:
        forward = functions[point.call.forward.__name__]
        return forward, functions.get(point.backward.__name__, point.backward)

    whole = functions_of(point.backward, point.call.forward)
    known = _of_a_pair(point, case, pair, whole, functions_of(point.call.forward))
    known.cotangent = next(iter(inspect.signature(point.backward).parameters), "dout")
    return known


@clues.register
def _(point: Object, case: Case) -> Clues:
    def pair(functions: Functions, at: Any) -> Methods:
        return at.pair_of(with_functions(copy.deepcopy(at.made), functions))

    forward, backward = point.methods
    f, g = (vars(point.made).get(name) for name in point.methods)
    if f is not None:  # they are attributes of what holds them, no methods
        whole, value = functions_of(g, f), functions_of(f)
    else:
        whole, value = methods_of(point.made, backward, forward), methods_of(point.made, forward)
    known = _of_a_pair(point, case, pair, whole, value, type(point.made))
    known.cotangent = point.cotangent
    return known


def _of_a_pair(
    point: Pair,
    case: Case,
    pair: Callable[[Functions, Any], Methods],
    whole: Functions,
    value: Functions,
    owner: type | None = None,
) -> Clues:
    """Return what is known about two functions, `pair` of those that they are made of at a point.

    `whole` is all their code, `value` that of the first alone.
    """
    call, inputs, dout, out = point.call, point.inputs, point.dout, point.out
    known = Clues(dict(call.settings))
    if dout is None or out is None:
        return known
    known.sizes = sizes_of(next(iter(inputs.values())), out)
    arrays, known.numbers = in_the_cache(point.cache)
    met = [*inputs.values(), out]
    known.others = {"y": out} | {
        k: a for k, a in arrays.items() if not any(np.array_equal(a, b) for b in met)
    }

    def run(functions: Functions) -> Found:
        forward, backward = pair(functions, point)
        now, cache = Call(forward, call.arguments, call.names)(inputs)
        returned = as_tuple(backward(dout.copy(), cache))
        found = {f"backward d{name}": a for name, a in zip(inputs, returned, strict=False)}
        return found | {"forward out": np.asarray(now)}

    def defect(functions: Functions) -> Found:
        forward, backward = pair(functions, point)
        edited = Call(forward, call.arguments, call.names)
        edited.arrays = inputs
        returned = as_tuple(backward(dout.copy(), edited(inputs)[1]))
        slope = by_hand = 0.0
        for name, found in zip(inputs, returned, strict=False):
            v = np.cos(np.arange(inputs[name].size)).reshape(inputs[name].shape)

            def out_of(a: Array, name: str = name) -> Any:
                return edited(inputs | {name: a})[0]

            slope += float((dout * complex_step(out_of, inputs[name], v)).sum())
            by_hand += float((found * v).sum())
        return {"defect": relative_defect(slope, by_hand)}

    there = point.second or point

    def elsewhere(functions: Functions) -> bool:
        forward, backward = pair(functions, there)
        call = Call(forward, there.call.arguments, there.call.names)
        call.arrays = jittered(there.call.arrays)
        again = Pair(call, backward, call.arrays)
        return is_right(check_pair(again, "elsewhere", 1, case.analytic))

    given, kept = (*inputs.values(), dout), {"forward out": out}
    known.patients["backward"] = Patient(whole, run, owner, given, kept, elsewhere=elsewhere)
    known.values["backward"] = Patient(value, defect, owner, value=True, elsewhere=elsewhere)
    return known


def _first_wrong_layer(point: Point) -> Diagnosis | None:
    """Name the first layer of a network that is wrong by itself."""
    if not isinstance(point.layer, Sequential):
        return None
    x = point.x
    for i, part in enumerate(point.layer.layers):
        report = layer(part, x, seed=point.seed, train=point.train)
        if (d := report.diagnosis) is not None:
            return Diagnosis(d.kind, f"layer {i}, {part!r}: {d.where}", d.reason)
        x, _ = point.forward(part, x)
    return None


# --- what a thing and its cache tell --------------------------------------------------------------


def numbers_of(thing: Any) -> tuple[Settings, dict[str, int]]:
    """Return the settings of a thing, such as eps, and its sizes, such as the number of features.

    A stride and a padding are settings: to forget one is a mistake of its own.
    """
    settings, sizes = {}, {}
    for name, value in vars(thing).items():
        if name.startswith("_") or isinstance(value, bool):
            continue
        if isinstance(value, float) or name in ("stride", "padding", "pad", "output_padding"):
            settings[name] = value
        elif isinstance(value, int):
            sizes[name] = value
    return settings, sizes


def sizes_of(x: Array, y: Array) -> dict[str, int]:
    """Return the numbers that a sum over a batch x or over y may run over."""
    sizes = {"n": len(x)}
    for name, a in (("x", x), ("y", y)):
        if a.ndim > 1:
            sizes |= {f"the features of {name}": a.shape[-1]}
        if a.ndim > 2:
            sizes |= {f"the pixels of {name}": a[0, ..., 0].size}
            sizes |= {f"the pixels of {name} in the batch": a[..., 0].size}
        if a.ndim > 1:
            sizes |= {f"the numbers in a sample of {name}": a[0].size}
        sizes |= {f"the numbers in {name}": a.size}
    return sizes


def in_the_cache(cache: Any) -> tuple[Arrays, Settings]:
    """Return the arrays that a cache holds, and its single numbers, by name."""
    arrays: Arrays = {}
    numbers: Settings = {}

    def walk(name: str, thing: Any) -> None:
        if isinstance(thing, dict):
            for key, value in thing.items():
                walk(str(key) if name.startswith("cache") else f"{name}[{key!r}]", value)
        elif hasattr(thing, "_asdict"):
            walk("", thing._asdict())
        elif isinstance(thing, (tuple, list)):
            for i, value in enumerate(thing):
                walk(f"cache[{i}]", value)
        elif isinstance(thing, np.ndarray) and thing.dtype == np.float64 and thing.ndim:
            arrays[name] = thing
        elif isinstance(thing, (float, np.floating, np.ndarray)) and np.ndim(thing) == 0:
            numbers[name] = float(thing)

    walk("cache", cache)
    return arrays, numbers


def _state(layer: Layer) -> Arrays:
    """Return what the layer carries, by name."""
    return {k: a.copy() for k, a in split(layer.state, getattr(layer, "_states", {})).items()}


def _but_for(arrays: Arrays, known: Arrays) -> Arrays:
    """Leave out what is the same as an array known by another name, such as a cache that is x."""
    return {
        name: a
        for name, a in arrays.items()
        if not any(name != k and np.array_equal(a, b) for k, b in known.items())
    }
