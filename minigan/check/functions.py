"""Is a derivative right? Of any function of one array, or of a loss as courses write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array, stream
from .compare import Checker, Derivative
from .diagnose.evidence import Evidence
from .diagnose.repair import Functions, Patient, functions_of
from .facts import Arrays, Settings
from .numerical import Function, Slope, slope, slopes, unit
from .report import Report

ENTRIES = 200  # up to so many are checked one by one
NAMED = 1000  # up to so many are looked at one by one once something is wrong


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

    def run(functions: Functions) -> Arrays:
        return {"df(x)": functions[getattr(df, "__name__", "")](x.copy())}

    return _gradient(f, df, x, name, directions, coordinates, seed, Patient(functions_of(df), run))


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

    def run(functions: Functions) -> Arrays:
        return {"df(x)": functions[f.__name__](x.copy(), *arguments)[1]}

    def value(a: Array) -> Any:
        return f(a, *arguments)[0]

    def gradient(a: Array) -> Any:
        return f(a, *arguments)[1]

    return _gradient(value, gradient, x, f.__name__, 3, 20, 0, Patient(functions_of(f), run))


def _gradient(
    f: Function,
    df: Callable[[Array], Array],
    x: Array,
    name: str,
    directions: int,
    coordinates: int,
    seed: int,
    code: Patient,
) -> Report:
    check = Checker(name)
    x = check.off_kinks(f, np.array(x, np.float64), seed)
    check.sizes = {"the number of entries of x": x.size} | ({"n": len(x)} if x.ndim else {})

    check.patients["df(x)"] = code

    def whole(changes: Arrays, settings: Settings) -> Derivative:
        return Derivative(f, changes.get("x", x))

    with check.guarded("df(x)"):
        point = x.copy()
        found = np.asarray(df(point))
        if not (point == x).all():
            check.broken("df leaves x unchanged", "df(x)", "in place")
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
        if check.evidence and x.size <= NAMED:
            check.evidence = [Evidence("df(x)", found, slopes(f, x).best, {"x": x})]
    return check.finish()


def _along(f: Function, x: Array, vectors: Array) -> Slope:
    """Return the slopes of f along several directions."""
    pairs = [slope(f, x, v) for v in vectors]
    exact = [pair.exact for pair in pairs if pair.exact is not None]
    by_differences = np.array([pair.by_differences for pair in pairs])
    return Slope(by_differences, np.array(exact) if len(exact) == len(pairs) else None)
