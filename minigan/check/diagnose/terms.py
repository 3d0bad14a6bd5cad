"""Guesses about what a gradient is made of: slopes, masks, sums, and the terms of a sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from ...arrays import Array
from ...numerics import sigmoid
from .evidence import Evidence, Guess, axis_sets, name_factor

# Functions by which a gradient is wrong when a slope is taken once too often, or not at all.
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "{}": lambda u: u,
    "{}²": lambda u: u * u,
    "|{}|": np.abs,
    "(1 − {})": lambda u: 1 - u,
    "(1 + {})": lambda u: 1 + u,
    "(1 − {}²)": lambda u: 1 - u * u,
    "{}·(1 − {})": lambda u: u * (1 - u),
    "exp({})": np.exp,
    "exp(−{})": lambda u: np.exp(-u),
    "log {}": np.log,
    "√{}": np.sqrt,
    "σ({})": sigmoid,
    "(1 − σ({}))": lambda u: sigmoid(-u),
    "σ′({})": lambda u: sigmoid(u) * sigmoid(-u),
    "tanh {}": np.tanh,
    "tanh′({})": lambda u: 1 - np.tanh(u) ** 2,
    "sign {}": np.sign,
}


def slopes_and_masks(e: Evidence) -> Iterator[Guess]:
    """Guess at another slope, of a map that works number by number."""
    for name in ("dy", "v"):
        incoming = e.inputs.get(name)
        if incoming is not None and incoming.shape == e.found.shape:
            yield from _slope_formulas(e, name, incoming)
            kind, reason = "ignored", f"it is {name} itself: the slope is left out"
            if not e.exact.any():
                kind, reason = "term", f"it is {name}, where nothing is to come"
            yield Guess(kind, reason, incoming)
            yield from _masks(e, name, incoming)
    yield from _two_branches(e)
    yield from _diagonal(e)
    yield from _slope_once_more(e)


def _slope_formulas(e: Evidence, name: str, incoming: Array) -> Iterator[Guess]:
    """Guess that a formula in y, such as 1 − y², is taken at x; or the other way round."""
    for a, b in (("x", "y"), ("y", "x")):
        right, wrong = e.arrays.get(a), e.arrays.get(b)
        if right is None or wrong is None or not right.shape == wrong.shape == e.exact.shape:
            continue
        for text, f in FUNCTIONS.items():
            with np.errstate(all="ignore"):
                slope, other = f(right), f(wrong)
            if np.allclose(slope * incoming, e.exact, rtol=1e-7, atol=0):
                reason = f"the slope {text.format(a, a)} is taken at {b}, {text.format(b, b)}"
                yield Guess("slope", reason, other * incoming)


def _masks(e: Evidence, name: str, incoming: Array) -> Iterator[Guess]:
    """Guess that one of two slopes is chosen by the sign of the wrong array."""
    with np.errstate(all="ignore"):
        right, found = e.exact / incoming, e.found / incoming
    values = np.unique(np.round(right, 9))
    if not 1 <= len(values) <= 2 or not np.isfinite(found).all():
        return
    low, high = float(values[0]), float(values[-1])
    if low == high:
        low = 0.0  # all on one side of the kink
    for other, u in e.arrays.items():
        if u.shape == incoming.shape:
            for text, mask in (("> 0", u > 0), ("< 0", u < 0), ("> 1", u > 1), ("< 1", u < 1)):
                reason = f"the mask is that of {other} {text}"
                yield Guess("mask", reason, np.where(mask, high, low) * incoming)
    if np.isin(np.round(found, 9), values).all():
        reason = "the mask is another one than that of `forward`: drawn again, or left over?"
        yield Guess("state", reason, e.found)


def _slope_once_more(e: Evidence) -> Iterator[Guess]:
    """Guess that a function of an array is a factor once too often, or missing."""
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


def _diagonal(e: Evidence) -> Iterator[Guess]:
    """Guess that each y_i was taken to depend on x_i alone, as if the Jacobian were diagonal."""
    dy, x = e.inputs.get("dy"), e.inputs.get("x")
    if dy is None or x is None or not dy.shape == x.shape == e.exact.shape or dy.size > 100:
        return
    diagonal = np.zeros(dy.shape)
    for i in np.ndindex(dy.shape):
        alone = np.zeros(dy.shape)
        alone[i] = dy[i]
        slopes = e.what_if({"dy": alone})
        if slopes is None:
            return
        diagonal[i] = slopes[i]
    reason = (
        "only the diagonal of the Jacobian: y_i depends on other x_j too, and those are left out"
    )
    yield Guess("term", reason, diagonal)


def _two_branches(e: Evidence) -> Iterator[Guess]:
    """Guess that it is right on one side of zero, and off by a factor on the other."""
    for name, u in e.arrays.items():
        if u.shape != e.exact.shape:
            continue
        for side, here in ((f"{name} > 0", u > 0), (f"{name} ≤ 0", u <= 0)):
            there = ~here & (e.exact != 0)
            if here.sum() < 2 or there.sum() < 2:
                continue
            c = float((e.found[there] * e.exact[there]).sum() / (e.exact[there] ** 2).sum())
            named = name_factor(e, c)
            much = named.name if named else f"{c:.6g}"
            text = f"right where {side}, elsewhere {much} times what it should be"
            yield Guess("mask" if c == 0 else "factor", text, np.where(here, e.exact, c * e.exact))


def sums(e: Evidence) -> Iterator[Guess]:
    """Guess at a bias or a gain, whose gradient is a product summed over axes."""
    dy = e.inputs.get("dy")
    if dy is None or e.where.endswith(("dx", " t")):
        return
    partners: dict[str, Array] = {"1": np.ones_like(dy)}
    for name, u in e.arrays.items():
        if u.shape == dy.shape:
            partners[name] = u
            if name == "x":
                for axes, xc, xh, _ in _normalised(e):
                    partners[f"x − mean(x, axis={axes})"] = xc
                    partners[f"x normalised along {axes}"] = xh
    for name, u in partners.items():
        factor = "dy" if name == "1" else f"dy·({name})"
        for axes in axis_sets(dy.ndim):
            for word, sum_ in (("sum", (dy * u).sum), ("mean", (dy * u).mean)):
                total = sum_(axis=axes)
                for text, kept in (("", total), (", spread", sum_(axis=axes, keepdims=True))):
                    try:
                        spread = np.broadcast_to(kept, e.found.shape)
                    except ValueError:
                        continue
                    reason = f"it is the {word} of {factor} over axis {axes}{text}"
                    yield Guess("axis" if name == "1" else "wrong array", reason, spread)


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
    for axes, xc, _, eps in _normalised(e):
        var = (xc * xc).mean(axis=axes, keepdims=True)
        N = x.size // var.size
        r = 1 / np.sqrt(var + eps)
        for name, gain in gains.items():
            try:
                paths = _Paths(a, xc, axes, gain, gain_first="v" not in e.inputs)
                right = paths(r, r, r)
            except ValueError:  # this is no gain: its shape does not fit
                continue
            if right.shape != x.shape or not np.allclose(right, e.exact, rtol=1e-7, atol=1e-12):
                continue
            for (kind, reason), (c2, c3) in _coefficients(N).items():
                yield Guess(kind, reason, paths(r, r, r, c2, c3))
            if name != "1":
                bare, twice = (replace(paths, gain=u) for u in (np.ones(()), gain * gain))
                yield Guess("ignored", f"{name} is left out", bare(r, r, r))
                yield Guess("extra factor", f"{name} counts twice", twice(r, r, r))
            for (kind, reason), wrong in _other_roots(var, eps, N).items():
                for places in product((wrong, r), repeat=3):
                    yield Guess(kind, reason, paths(*places))
                for c2, c3 in ((0, 1), (1, 0), (0, 0)):
                    text = f"paths are missing, and {reason}"
                    yield Guess("term", text, paths(wrong, wrong, wrong, c2, c3))


@dataclass(frozen=True)
class _Paths:
    """The three terms of a gradient that goes through a normalisation."""

    a: Array  # dy, or v
    xc: Array
    axes: tuple[int, ...]
    gain: Array
    gain_first: bool

    def __call__(self, r1: Array, r3: Array, r_xh: Array, c2: float = 1, c3: float = 1) -> Array:
        """Return r1·[d − c2·m(d)] − c3·r3·xh·m(d·xh), with xh = r_xh·xc."""
        d = self.a * self.gain if self.gain_first else self.a
        xh = self.xc * r_xh
        mean = d.mean(axis=self.axes, keepdims=True)
        moved = r1 * (d - c2 * mean) - c3 * r3 * xh * (d * xh).mean(axis=self.axes, keepdims=True)
        return moved if self.gain_first else self.gain * moved


def _other_roots(var: Array, eps: float, N: int) -> dict[tuple[str, str], Array]:
    """Return what is taken for r = 1/√(var + eps)."""
    r = 1 / np.sqrt(var + eps)
    unbiased = var * N / (N - 1)
    return {
        ("epsilon", "eps is dropped from r = 1/√(var + eps)"): 1 / np.sqrt(var),
        ("epsilon", "eps is added to the root in r, not under it"): 1 / (np.sqrt(var) + eps),
        ("epsilon", "eps² was used instead of eps in r"): 1 / np.sqrt(var + eps * eps),
        ("n-1", "var is divided by N − 1 in r, not by N"): 1 / np.sqrt(unbiased + eps),
        ("ignored", "r = 1/√(var + eps) is left out"): np.ones_like(var),
        ("extra factor", "r counts twice"): r * r,
        ("extra factor", "√(var + eps) stands where 1/√(var + eps) belongs"): 1 / r,
        ("extra factor", "1/(var + eps): the root in r is missing"): 1 / (var + eps),
    }


def _coefficients(N: int) -> dict[tuple[str, str], tuple[float, float]]:
    """Return what the paths are multiplied with, (through the mean, through the variance)."""
    return {
        ("term", "the path through the mean is missing"): (0, 1),
        ("term", "the path through the variance is missing"): (1, 0),
        ("term", "the paths through the mean and the variance are missing"): (0, 0),
        ("term", "the path through the mean has the wrong sign"): (-1, 1),
        ("term", "the path through the variance has the wrong sign"): (1, -1),
        ("term", "the paths through the mean and the variance have the wrong sign"): (-1, -1),
        ("term", "the path through the variance counts twice"): (1, 2),
        ("term", "the path through the variance counts half: the 2 of d(xc²) is missing"): (1, 0.5),
        ("term", "the path through the mean counts twice"): (2, 1),
        ("n-1", "the path through the variance is divided by N − 1, not by N"): (1, N / (N - 1)),
        ("n-1", "the path through the mean is divided by N − 1, not by N"): (N / (N - 1), 1),
        ("n-1", "both paths are divided by N − 1, not by N"): (N / (N - 1), N / (N - 1)),
        ("factor", f"the path through the variance is a sum, not a mean: {N} times"): (1, N),
        ("factor", f"the path through the mean is a sum, not a mean: {N} times"): (N, 1),
        ("factor", f"both paths are sums, not means: {N} times"): (N, N),
        ("factor", f"the path through the variance is divided by N twice, N = {N}"): (1, 1 / N),
        ("factor", f"the path through the mean is divided by N twice, N = {N}"): (1 / N, 1),
    }


def _normalised(e: Evidence) -> Iterator[tuple[tuple[int, ...], Array, Array, float]]:
    """Give x normalised along each set of axes that layers take: (axes, xc, xh, eps)."""
    x = e.inputs["x"]
    eps = next((value for name, value in e.settings.items() if "eps" in name.lower()), None)
    last = tuple(range(x.ndim - 1))
    samples = tuple(range(1, x.ndim))
    for axes in dict.fromkeys((last, samples, (x.ndim - 1,), (0,), samples[:-1])):
        if axes and x.size // max(1, np.mean(x, axis=axes).size) > 1:
            xc = x - x.mean(axis=axes, keepdims=True)
            var = (xc * xc).mean(axis=axes, keepdims=True)
            for value in (0.0, 1e-5, 1e-8, 1e-3, 1e-12, 1e-6, 1e-7) if eps is None else (eps,):
                yield axes, xc, xc / np.sqrt(var + value + 1e-300), value


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
            yield Guess("term", text, e.exact + c * base, certain=axes == every)


def _name_multiple(c: float, name: str) -> str:
    """Say that c times an array is too much."""
    what = {"1": "a constant"}.get(name, name)
    if abs(abs(c) - 1) < 1e-7:
        return f"the term {what} is missing" if c < 0 else f"the term {what} is too many"
    return f"a multiple of {what} is {'missing' if c < 0 else 'too many'}, {abs(c):.6g} times it"
