"""Guesses about what a gradient is made of: arrays, slopes, and the terms of a sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from ...arrays import Array
from ...numerics import sigmoid
from .evidence import Evidence, Guess, axis_sets

# Functions by which a gradient is wrong when a slope is taken once too often, or not at all.
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "{}": lambda u: u,
    "(1 − {}²)": lambda u: 1 - u * u,
    "{}·(1 − {})": lambda u: u * (1 - u),
    "σ′({})": lambda u: sigmoid(u) * sigmoid(-u),
}


def slopes(e: Evidence) -> Iterator[Guess]:
    """Guess that a slope is left out, a mask that of another array, or a factor one too many."""
    for name in ("dy", "v"):
        incoming = e.inputs.get(name)
        if incoming is not None and incoming.shape == e.found.shape:
            kind, reason = "ignored", f"it is {name} itself: the slope is left out"
            if not e.exact.any():
                kind, reason = "term", f"it is {name}, where nothing is to come"
            yield Guess(kind, reason, incoming)
            yield from _masks(e, incoming)
    for name, u in e.arrays.items():
        if u.size < 2 or np.ptp(u) == 0 or name.startswith("cache"):
            continue
        try:
            fits = np.broadcast_shapes(u.shape, e.exact.shape) == e.exact.shape
        except ValueError:
            continue
        if fits:
            for text, f in FUNCTIONS.items():
                with np.errstate(all="ignore"):
                    g = f(u)
                    shown = text.format(name, name)
                    yield Guess("extra factor", f"times {shown} once too often", e.exact * g)
                    kind = "ignored" if shown in ("dy", "v") else "extra factor"
                    yield Guess(kind, f"the factor {shown} is missing", e.exact / g)


def _masks(e: Evidence, incoming: Array) -> Iterator[Guess]:
    """Guess that one of two slopes is chosen by the sign of the wrong array."""
    with np.errstate(all="ignore"):
        values = np.unique(np.round(e.exact / incoming, 9))
    if len(values) == 2:
        for other, u in e.arrays.items():
            if u.shape == incoming.shape:
                predicted = np.where(u > 0, values[1], values[0]) * incoming
                yield Guess("mask", f"the mask is that of {other} > 0", predicted)


def with_other_arrays(e: Evidence) -> Iterator[Guess]:
    """Guess that one input is taken for another, or that a kernel is flipped."""
    for name, array in e.inputs.items():
        changes = []
        for other, taken in e.arrays.items():
            if other != name and taken.shape == array.shape:
                kind, reason = "wrong array", f"{other} was used instead of {name}"
                if {name, other} == {"x", "y"}:
                    kind, reason = "slope", f"taken at {other} where it must be taken at {name}"
                changes.append((kind, reason, taken))
        if array.ndim == 4 and name not in ("x", "dy", "v"):
            reason = f"{name} is flipped, or not flipped where it must be"
            changes.append(("kernel", reason, np.flip(array, (0, 1))))
        for kind, reason, changed in changes:
            predicted = e.what_if({name: changed})
            if predicted is not None:
                yield Guess(kind, reason, predicted)


def normalisation(e: Evidence) -> Iterator[Guess]:
    """Guess at the paths of a normalisation: x less its mean, times r = 1/√(var + eps).

    With d = gain·dy the right gradient is r·[d − m(d) − xh·m(d·xh)]: the second term comes through
    the mean, the third through the variance. A tangent v goes the same way, and then meets the
    gain.
    """
    x, a = e.inputs.get("x"), e.inputs.get("dy", e.inputs.get("v"))
    if x is None or a is None or not a.shape == x.shape == e.exact.shape:
        return
    gains = {"1": np.ones(())}
    gains |= {name: u for name, u in e.inputs.items() if name not in ("x", "dy", "v")}
    gain_first = "v" not in e.inputs
    for axes, xh, r in _normalised(e):

        def paths(gain: Array, c2: float, c3: float, way: Any = (axes, xh, r)) -> Array:
            axes, xh, r = way
            d = a * gain if gain_first else a
            mean = d.mean(axis=axes, keepdims=True)
            moved = r * (d - c2 * mean - c3 * xh * (d * xh).mean(axis=axes, keepdims=True))
            return np.asarray(moved if gain_first else gain * moved)

        for gain in gains.values():
            try:
                right = paths(gain, 1, 1)
            except ValueError:  # this is no gain: its shape does not fit
                continue
            if right.shape == x.shape and np.allclose(right, e.exact, rtol=1e-7, atol=1e-12):
                for what, c2, c3 in (
                    ("path through the mean is", 0, 1),
                    ("path through the variance is", 1, 0),
                    ("paths through the mean and the variance are", 0, 0),
                ):
                    yield Guess("term", f"the {what} missing", paths(gain, c2, c3))


def _normalised(e: Evidence) -> Iterator[tuple[tuple[int, ...], Array, Array]]:
    """Give x normalised along each set of axes that layers take: (axes, xh, r)."""
    x = e.inputs["x"]
    eps = next((value for name, value in e.settings.items() if "eps" in name.lower()), None)
    last = tuple(range(x.ndim - 1))
    samples = tuple(range(1, x.ndim))
    for axes in dict.fromkeys((last, samples, (x.ndim - 1,), (0,), samples[:-1])):
        if axes and x.size // max(1, np.mean(x, axis=axes).size) > 1:
            xc = x - x.mean(axis=axes, keepdims=True)
            var = (xc * xc).mean(axis=axes, keepdims=True)
            for value in (0.0, 1e-5, 1e-8, 1e-3, 1e-12, 1e-6, 1e-7) if eps is None else (eps,):
                r = 1 / np.sqrt(var + value + 1e-300)
                yield axes, xc * r, r


def residues(e: Evidence) -> Iterator[Guess]:
    """Guess that one term is wrong: a multiple of an array at hand, or constant along an axis."""
    residue = e.found - e.exact
    bases: dict[str, Array] = {"1": np.ones_like(residue)}
    for name, u in e.arrays.items():
        if u.size > 1 and u.shape != residue.shape and residue.shape[-u.ndim :] == u.shape:
            bases[name] = np.broadcast_to(u, residue.shape)
        if u.shape == residue.shape:
            bases[name] = u
            for axes in axis_sets(u.ndim):
                bases[f"{name} − mean({name}, axis={axes})"] = u - u.mean(axis=axes, keepdims=True)
    vectors = {name: u for name, u in e.arrays.items() if u.ndim == 1}
    if residue.ndim == 2:
        for (a, first), (b, second) in product(vectors.items(), vectors.items()):
            if residue.shape == (len(first), len(second)):
                bases[f"the outer product of {a} and {b}"] = np.outer(first, second)
    every = tuple(range(residue.ndim))
    for axes in sorted(axis_sets(residue.ndim), key=len, reverse=True):
        groups = residue.size // max(1, int(np.prod([residue.shape[i] for i in axes])))
        if residue.size < 3 * groups:
            continue
        for name, base in bases.items():
            square = (base * base).sum(axis=axes, keepdims=True)
            with np.errstate(all="ignore"):
                c = (residue * base).sum(axis=axes, keepdims=True) / square
            c = np.where(np.isfinite(c), c, 0)
            if axes == every:
                text = _name_multiple(float(c.sum()), name)
            elif name == "1":
                text = f"a term that is constant along axis {axes} is missing, or too many: a mean?"
            else:
                text = f"along axis {axes} a multiple of {name} is missing, or too many"
            named = axes == every and abs(abs(float(c.sum())) - 1) < 1e-7
            # A multiple that has no name is no cause either.
            kind = "term" if named else "unknown"
            yield Guess(kind, text, e.exact + c * base, certain=named)


def _name_multiple(c: float, name: str) -> str:
    """Say that c times an array is too much."""
    what = {"1": "a constant"}.get(name, name)
    if abs(abs(c) - 1) < 1e-7:
        return f"the term {what} is missing" if c < 0 else f"the term {what} is too many"
    return f"a multiple of {what} is {'missing' if c < 0 else 'too many'}, {abs(c):.6g} times it"
