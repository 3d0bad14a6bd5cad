"""Derivatives without a derivation, to hold those by hand against.

Three ways, each blind to what the others see:

- `finite_difference` works for any function, and is right to ten digits or so.
- `complex_step` is right to the last digit, for functions whose code also takes complex numbers.
- `dot_product_defect` compares J·v with Jᵀ·w, with no step at all: it works in float32 and on the
  GPU, at real sizes, but can't see a mistake that J and Jᵀ share.

The first two return ∂f/∂x along directions, f being a number or an array.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ..arrays import Array, array_module

Function = Callable[[Array], Any]


def finite_difference(f: Function, x: Array, v: Array) -> Array:
    r"""Return the derivative of f at x along v, by central differences and Richardson.

    The central difference c(h) = [f(x + h·v) − f(x − h·v)]/2h misses the derivative by an even
    series in h, a·h² + b·h⁴ + …, so that

        r(h) = [16·c(h) − c(4·h)]/15

    is free of the h² term (Richardson extrapolation). Its truncation error, ~h⁴, and its rounding
    error, ~ε/h, balance near h = ε^(1/5), 7e-4 in float64, where f varies on a scale of 1. Where f
    varies faster, or has a kink nearby, smaller steps are better: h goes down by factors of 4, and
    the two neighbours that agree best are believed (Ridders 1982 does this at more length).
    """
    xp = array_module(x)
    largest_v = float(xp.abs(v).max())
    if largest_v == 0:
        return xp.zeros_like(xp.asarray(f(x)))
    first = float(np.finfo(x.dtype).eps) ** 0.2 * max(1.0, float(xp.abs(x).max())) / largest_v
    steps = [2 * first / 4**k for k in range(6)]
    c = [xp.asarray(f(x + h * v) - f(x - h * v)) / (2 * h) for h in steps]
    r = [(16 * fine - coarse) / 15 for coarse, fine in pairwise(c)]
    disagreements = [float(xp.abs(fine - coarse).max()) for coarse, fine in pairwise(r)]
    return r[1 + int(np.argmin(disagreements))]


def complex_step(f: Function, x: Array, v: Array) -> Array:
    r"""Return the derivative of f at x along v, from one step in the imaginary direction.

    f(x + i·h·v) = f(x) + i·h·f′(x)·v − O(h²): the imaginary part is the derivative, and nothing is
    subtracted, so h can be 1e-30 and the result is exact to rounding (Squire & Trapp 1998). It asks
    for code that is analytic from x to f: no abs, no norm, branches on the real part.
    """
    h = 1e-30
    return array_module(x).asarray(f(x + 1j * h * v)).imag / h


def gradient(derivative: Callable[[Function, Array, Array], Array], f: Function, x: Array) -> Array:
    """Gradient of the number f(x), entry by entry, by one of the two ways above."""
    g = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        v = np.zeros(x.shape)
        v[i] = 1
        g[i] = derivative(f, x, v)
    return g


def relative_error(found: Array, exact: Array, scale: float = 0.0) -> float:
    """Return max|found − exact| relative to the largest entry of `exact`.

    There is no absolute tolerance in it: a gradient of 1e-12 has to be right to the same number of
    digits. Where `exact` is zero because terms cancel, `scale` says how large those terms are.
    """
    difference = float(np.max(np.abs(found - exact), initial=0.0))
    largest = max(float(np.max(np.abs(exact), initial=0.0)), scale)
    return difference / largest if largest > 0 else (0.0 if difference == 0 else float("inf"))


def dot_product_defect(jv: Array, w: Array, v: Array, jtw: Array) -> float:
    """Return |⟨J·v, w⟩ − ⟨v, Jᵀ·w⟩| in units of ε·‖J·v‖·‖w‖, which rounding keeps below 100.

    The sums are taken in float64, so that only the rounding of the two maps is seen.
    """
    left, right = _dot(jv, w), _dot(v, jtw)
    size = (_dot(jv, jv) * _dot(w, w)) ** 0.5
    if size == 0:
        return 0.0 if left == right else float("inf")
    return abs(left - right) / (float(np.finfo(w.dtype).eps) * size)


def _dot(a: Array, b: Array) -> float:
    return float((a.astype(np.float64) * b.astype(np.float64)).sum())
