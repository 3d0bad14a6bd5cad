"""Code with some of its functions exchanged, at work: where it was found wrong, and elsewhere.

An edit may be right at one point by chance. At another one there are more samples, and other
numbers, weights and settings.
"""

from __future__ import annotations

import copy
import inspect
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from ...arrays import Array, stream
from ..compare import Checker
from ..layers import Point
from ..losses import HALVES, Players, call_half, check_half
from ..numerical import complex_step
from ..optimisers import NAMES, Steps, trajectory
from ..report import Arrays, Report
from .repair import Found, Functions, with_functions


def run_layer(point: Point, map: str, functions: Functions) -> Found:
    """Return what a map of a layer finds."""
    twin = with_functions(point.layer.copy(), functions)
    y, cache = point.forward(twin, point.x.copy())
    if map == "jvp":
        return {"jvp t": twin.jvp(point.v.copy(), cache), "forward y": y}
    grad = twin.new_grad()
    tangent = () if map == "backward" else (point.v.copy(),)
    dx = getattr(twin, map)(*tangent, point.dy.copy(), cache, grad)
    found = {f"{map} d{k}": a for k, a in ({"x": dx} | twin.views(grad)).items()}
    return found | {"forward y": y}


def defect_of_layer(point: Point, functions: Functions) -> Found:
    """Return by how much ⟨dy, J·v⟩ and ⟨Jᵀ·dy, v⟩ disagree."""
    twin = with_functions(point.layer.copy(), functions)
    _, cache = point.forward(twin, point.x.copy())
    dx = twin.backward(point.dy.copy(), cache)
    t = complex_step(lambda x: point.forward(twin, x)[0], point.x, point.v)
    return {"defect": relative_defect((point.dy * t).sum(), (dx * point.v).sum())}


def run_half(point: Players, half: str, functions: Functions) -> Found:
    """Return one player's derivatives."""
    twin = with_functions(copy.copy(point.loss), functions)
    results = call_half(twin, half, *(a.copy() for a in point.inputs.values()))
    return {f"{half} d_{name}": results[place] for name, place in HALVES[half].items()}


def defect_of_half(point: Players, half: str, functions: Functions) -> Found:
    """Return by how much value and derivatives disagree."""
    twin, inputs = with_functions(copy.copy(point.loss), functions), point.inputs
    results = call_half(twin, half, *(a.copy() for a in inputs.values()))
    slope = by_hand = 0.0
    for i, (name, place) in enumerate(HALVES[half].items()):
        v = np.cos(np.arange(len(inputs[name])) + i)[:, None]

        def value(a: Array, name: str = name) -> Any:
            return call_half(twin, half, *(inputs | {name: a}).values())[0]

        by_hand += float((results[place] * v).sum())
        slope += float(complex_step(value, inputs[name], v))
    return {"defect": relative_defect(slope, by_hand)}


# --- at another point ----------------------------------------------------------------------------


def is_right(report: Report) -> bool:
    """Whether all derivatives are right; rules are another matter."""
    return bool(report.findings) and not report.case.mismatches


def jittered(arrays: Arrays) -> Arrays:
    """Return arrays near others, whose numbers keep their signs; probabilities are still some."""
    rng = stream(0, "elsewhere")
    return {name: a * (1 - 0.3 * rng.random(a.shape)) for name, a in arrays.items()}


def _twice(a: Array) -> Array:
    """Return twice as many samples."""
    return np.concatenate([a, a[::-1]])


def with_other_settings(thing: Any) -> Any:
    """Return a thing with other settings, of those that it or a class above it is made with."""
    classes = type(thing).__mro__[:-1]
    names = {name for cls in classes for name in inspect.signature(cls).parameters}
    for name in {*names, *chain(*NAMES.values()), "betas"}:  # b1 may hold what beta1 has said
        value = getattr(thing, name, None)
        if isinstance(value, float):
            setattr(thing, name, 0.9 * value or 0.1)
        elif isinstance(value, tuple) and all(isinstance(each, float) for each in value):
            setattr(thing, name, tuple(0.9 * each for each in value))
    return thing


def with_a_schedule(optimiser: Any) -> Any:
    """Return a copy of an optimiser whose learning rate falls from step to step."""
    twin = copy.deepcopy(optimiser)
    twin.lr = lambda t: 0.1 / (1 + t)
    return twin


def takes_a_schedule(point: Steps) -> bool:
    """Whether an optimiser's learning rate may be a function of the step."""
    try:
        trajectory(with_a_schedule(point.optimiser), point.theta, point.grads)
    except Exception:  # whatever its code raises where a number was expected
        return False
    return hasattr(point.optimiser, "lr")


def layer_elsewhere(point: Point, map: str, functions: Functions) -> bool:
    """Whether a map is right with more samples, other weights and other settings.

    The maps that were right have to stay it: the function that is edited may be theirs too. So may
    the cache that an edited `forward` fills, for those that are wrong.
    """
    twin = with_other_settings(with_functions(point.layer.copy(), functions))
    there = jittered({"x": _twice(point.x), "theta": twin.theta})
    twin.theta = there["theta"]
    case, report = point.check.case, point.check.report
    check = Checker("elsewhere", analytic=case.analytic)
    again = Point(check, twin, there["x"], point.seed, point.train)
    wrong = {m.where.split()[0] for m in case.mismatches}
    forward = type(point.layer).forward
    if functions.get("forward", forward).__code__ is not forward.__code__:
        wrong = set()
    elif "jvp" in wrong:  # which `jvp_backward` is held against
        wrong.add("jvp_backward")
    if again.reach():
        for each in {map} | {finding.map for finding in report.findings} - wrong:
            getattr(again, each)()
    return is_right(again.check.report)


def half_elsewhere(point: Players, half: str, functions: Functions) -> bool:
    """Whether one player's derivatives are right with more samples, and other settings."""
    twin = with_other_settings(with_functions(copy.copy(point.loss), functions))
    inputs = {name: 0.9 * _twice(a) for name, a in point.inputs.items()}
    check = Checker("elsewhere")
    check_half(check, half, partial(call_half, twin, half), HALVES[half], inputs)
    return is_right(check.report)


def relative_defect(a: float, b: float) -> Array:
    """Return |a − b| relative to both; not a number where both are zero, which proves nothing."""
    with np.errstate(all="ignore"):
        return np.asarray(np.float64(abs(a - b)) / np.float64(abs(a) + abs(b)))
