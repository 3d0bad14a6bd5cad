"""Derivatives without a derivation, to hold those by hand against.

Three ways, each blind to what the others see:

- `finite_difference` works for any function, and is right to ten digits or so.
- `complex_step` is right to the last digit, for functions whose code also takes complex numbers.
- `dot_product_defect` compares J·v with Jᵀ·w, with no step at all: it works in float32 and on the
  GPU, at real sizes, but can't see a mistake that J and Jᵀ share.

The first two return ∂f/∂x along directions, f being a number or an array. `slope` takes both, and
believes the second as far as the first confirms it; `has_kink` says where neither means anything.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, array_module

Function = Callable[[Array], Any]

GOOD_ENOUGH = 1e-11  # relative; finite differences that agree so well need no smaller steps
ROUNDED = 1e-9  # relative; where they agree worse, larger steps are tried too
NOT_ANALYTIC = 1e-6  # relative; a complex step that differs by more is not believed


def finite_difference(f: Function, x: Array, v: Array) -> Array:
    r"""Return the derivative of f at x along v, by central differences and Richardson.

    The central difference c(h) = [f(x + h·v) − f(x − h·v)]/2h misses the derivative by an even
    series in h, a·h² + b·h⁴ + …, so that

        r(h) = [16·c(h) − c(4·h)]/15

    is free of the h² term (Richardson extrapolation). Its truncation error, ~h⁴, and its rounding
    error, ~ε/h, balance near h = ε^(1/5), 7e-4 in float64, where f varies on a scale of 1. Where f
    varies faster, or has a kink nearby, smaller steps are better: h goes down by factors of 4, and
    the two neighbours that agree best are believed (Ridders 1982 does this at more length). Where x
    is far from 1 in size, that scale may be the one of x or still 1 (log x, sin x): each is tried.
    """
    return _difference(f, x, v)[0]


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
        g[i] = derivative(f, x, unit(i, x.shape))
    return g


@dataclass(frozen=True)
class Slope:
    """A derivative in both ways; `exact` is None where the code is not analytic."""

    by_differences: Array
    exact: Array | None
    doubt: float = 0.0  # how far the differences may be off

    @property
    def best(self) -> Array:
        """The exact one, where there is one."""
        return self.by_differences if self.exact is None else self.exact


def slope(f: Function, x: Array, v: Array) -> Slope:
    """Return the derivative of f at x along v, by differences and, where it holds, complex step.

    Code that takes an abs or a norm, or that casts to real numbers, gives complex steps that mean
    nothing. So they are believed where they agree with finite differences, to six digits or as well
    as those agree with each other, and nowhere else.
    """
    return _believed(*_both(f, x, v))


def slopes(f: Function, x: Array) -> Slope:
    """Gradient of the number f(x) in both ways; the exact one for all entries or for none.

    The two are compared over the gradient as a whole, since differences can't tell a slope that is
    small beside the others from zero.
    """
    by_differences, exact, doubts, largest = np.empty(x.shape), [], [0.0], 0.0
    for i in np.ndindex(x.shape):
        by_differences[i], entry, doubt = _both(f, x, unit(i, x.shape), largest)
        largest = max(largest, float(np.abs(by_differences[i])))
        exact.append(entry)
        doubts.append(doubt)
    analytic = all(entry is not None for entry in exact)
    return _believed(
        by_differences, np.array(exact).reshape(x.shape) if analytic else None, max(doubts)
    )


def has_kink(f: Function, x: Array, v: Array) -> bool:
    """Whether f has a kink or a jump near x along v: its slopes from the two sides disagree.

    Of a smooth f they differ by d(h) = h·f″ + O(h³), which shrinks with h. At a kink d stays as it
    is, and where one lies between h/16 and h it drops to nothing: d(h/16) is not d(h)/16.
    """
    h = 1e-3 / max(float(np.abs(v).max()), 1e-300)
    middle = np.asarray(f(x.copy()))  # an f that writes into x would move the point

    def d(h: float) -> Array:
        right, left = np.asarray(f(x + h * v)) - middle, middle - np.asarray(f(x - h * v))
        return np.asarray((right - left) / h)

    wide, narrow = d(h), d(h / 16)
    rounding = 1e4 * float(np.finfo(np.float64).eps) * float(np.max(np.abs(middle), initial=0.0))
    size = float(np.max(np.abs(np.asarray(f(x + h * v)) - middle), initial=0.0)) / h
    return bool(
        (np.abs(16 * narrow - wide) > 0.1 * np.abs(wide) + 1e-6 * size + rounding / h).any()
    )


def relative_error(found: Array, exact: Array, scale: float = 0.0) -> float:
    """Return max|found − exact| relative to the largest entry of `exact`.

    There is no absolute tolerance in it: a gradient of 1e-12 has to be right to the same number of
    digits. Where `exact` is zero because terms cancel, `scale` says how large those terms are.
    """
    difference = float(np.max(np.abs(found - exact), initial=0.0))
    largest = max(float(np.max(np.abs(exact), initial=0.0)), scale)
    return difference / largest if largest > 0 else (0.0 if difference == 0 else float("inf"))


def dot_product_defect(jv: Array, w: Array, v: Array, jtw: Array, inside: float = 0.0) -> float:
    """Return |⟨J·v, w⟩ − ⟨v, Jᵀ·w⟩| in units of ε·‖J·v‖·‖w‖, which rounding keeps below 100.

    The sums are taken in float64, so that only the rounding of the two maps is seen. In a network
    more may flow `inside` than comes out: see `minigan.check.rules.met_inside`.
    """
    left, right = _dot(jv, w), _dot(v, jtw)
    size = max((_dot(jv, jv) * _dot(w, w)) ** 0.5, inside)
    if size == 0:
        return 0.0 if left == right else float("inf")
    return abs(left - right) / (float(np.finfo(w.dtype).eps) * size)


def unit(i: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """Zeros with a one at index i."""
    v = np.zeros(shape)
    v[i] = 1
    return v


def _both(f: Function, x: Array, v: Array, largest: float = 0.0) -> tuple[Array, Any, float]:
    """Return the finite difference, the complex step or None, and the doubt of the former.

    Where the complex step is zero, and f is the same far to both sides, f doesn't depend on x along
    v (J of a convolution, on its input), and no other steps are tried.
    """
    exact = _complex_step_or_none(f, x, v)
    if exact is not None and not exact.any():
        h = 0.3 * max(1.0, float(np.abs(x).max(initial=0.0)))
        with np.errstate(all="ignore"):  # f may not be defined there
            same = np.asarray(f(x + h * v)) == np.asarray(f(x - 2 * h * v))
        if same.all():
            return np.zeros_like(exact), exact, 0.0
    by_differences, doubt = _difference(f, x, v, largest)
    return by_differences, exact, doubt


def _difference(f: Function, x: Array, v: Array, largest: float = 0.0) -> tuple[Array, float]:
    """Return the finite difference, and how far it may be off: how well two steps agree.

    Steps are taken on the scale of those entries of x that v moves, if need be on others, until
    they agree beside the `largest` slope of the same gradient.
    """
    xp = array_module(x)
    moved = v != 0
    if not moved.any():
        return xp.zeros_like(xp.asarray(f(x))), 0.0
    sizes, largest_v = xp.abs(x[moved]), float(xp.abs(v).max())
    scales = [max(1.0, float(sizes.max())), 1.0, float(sizes.min())]
    best, doubt = None, float("inf")
    for scale in dict.fromkeys(scale for scale in scales if scale > 0):
        found, now = _on_a_scale(f, x, v, scale / largest_v, largest)
        if best is None or now < doubt:
            best, doubt = found, now
        if doubt <= ROUNDED * max(float(xp.abs(best).max()), largest):
            break
    assert best is not None
    return best, doubt


def _on_a_scale(
    f: Function, x: Array, v: Array, scale: float, largest: float
) -> tuple[Array, float]:
    """Do so with first steps of about 1e-3 times a scale along v."""
    xp = array_module(x)
    eps = float(np.finfo(x.dtype).eps)
    first = 2 * eps**0.2 * scale
    size = 0.0

    def c(k: int) -> Array:
        nonlocal size
        h = first / 4**k
        with np.errstate(all="ignore"):  # a large step may lead to where f is not defined
            right = xp.asarray(f(x + h * v))
            size = float(xp.abs(right).max())
            return (right - f(x - h * v)) / (2 * h)

    def r(coarse: Array, fine: Array) -> Array:
        return (16 * fine - coarse) / 15

    coarse, fine = c(0), c(1)
    start = last = best = r(coarse, fine)
    doubt = float("inf")

    def compare(estimate: Array, last: Array, before: float, k: int) -> float:
        """Keep the better estimate; return by how much it differs from the last one.

        Two that agree by chance are no better than their rounding, or than the two before.
        """
        nonlocal best, doubt
        disagreement = float(xp.abs(estimate - last).max())
        now = max(disagreement, before / 16) + eps * size * 4**k / first
        if now < doubt:
            best, doubt = estimate, now
        return disagreement

    first_one = disagreement = 0.0
    for k in range(2, 6):
        fine, finer = c(k), fine
        estimate = r(finer, fine)
        disagreement = compare(estimate, last, disagreement, k)
        first_one = first_one or disagreement
        if disagreement <= GOOD_ENOUGH * max(float(xp.abs(estimate).max()), largest):
            break
        last = estimate
    if doubt > ROUNDED * max(float(xp.abs(best).max()), largest):
        # f is large beside its slope, and rounding rules: larger steps may do better.
        fine, last, disagreement = coarse, start, first_one
        for k in range(-1, -7, -1):
            fine, finer = c(k), fine
            estimate = r(fine, finer)
            disagreement = compare(estimate, last, disagreement, k)
            last = estimate
            if not disagreement <= 10 * doubt:
                break
    return best, doubt


def _complex_step_or_none(f: Function, x: Array, v: Array) -> Any:
    """Return the complex step, or None where the code does not take complex numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            return complex_step(f, x, v)
    except Exception:  # whatever foreign code makes of a complex number, it says: not for me
        return None


def _believed(by_differences: Array, exact: Array | None, doubt: float) -> Slope:
    """Keep the exact derivative where the differences agree with it."""
    if exact is not None:
        difference = float(np.max(np.abs(exact - by_differences), initial=0.0))
        size = float(np.max(np.abs(by_differences), initial=0.0))
        if not difference <= max(NOT_ANALYTIC * size, 10 * doubt):
            exact = None
    return Slope(by_differences, exact, doubt)


def _dot(a: Array, b: Array) -> float:
    return float((a.astype(np.float64) * b.astype(np.float64)).sum())
