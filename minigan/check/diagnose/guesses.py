"""Guesses at how a wrong array came about, from the right one and from what the code was given.

First those that need the two arrays alone: a shape, a sign, a factor, another order. Then those
about what a gradient is made of: slopes, other arrays, and the terms of a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations, product
from typing import Any

import numpy as np

from ...arrays import Array
from ...numerics import sigmoid
from .evidence import Evidence, Guess, axis_sets, name_factor


def from_shapes(e: Evidence) -> Guess | None:
    """Say what a wrong shape comes from, since no number can be compared."""
    found, exact = e.found.shape, e.exact.shape
    if found == exact:
        return None
    reason = f"it has shape {found}, expected {exact}"
    if found == exact[::-1] or sorted(found) == sorted(exact):
        return Guess("transposed", f"{reason}: transposed", e.found)
    squeezed = tuple(size for size in exact if size > 1)
    if len(set(found)) == 1 and len(found) == 2 and exact in ((found[0], 1), (found[0],)):
        return Guess("broadcast", f"{reason}: (n, 1) met (n,), which broadcasts to (n, n)", e.found)
    if tuple(size for size in found if size > 1) == squeezed:
        return Guess("broadcast", f"{reason}: an axis of length 1 too many or too few", e.found)
    if e.found.size == e.exact.size:
        return Guess("transposed", f"{reason}: as many numbers, in another shape", e.found)
    for axes in axis_sets(e.inputs.get("dy", e.found).ndim):
        dy = e.inputs.get("dy")
        if dy is not None and found == dy.sum(axis=axes).shape:
            return Guess("axis", f"{reason}: summed over the wrong axis?", e.found)
    if len(found) > len(exact):
        return Guess("axis", f"{reason}: a sum over an axis is missing", e.found)
    return Guess("axis", f"{reason}: summed over the wrong axis, or one too many", e.found)


def from_values(e: Evidence) -> Iterator[Guess]:
    """Guess at zero, sign, factor, transposed, flipped, and missing in part."""
    found, exact = e.found, e.exact
    yield Guess("zero", "it is zero: missing, or never added", np.zeros_like(found))
    yield Guess("sign", "its sign is flipped", -exact, alone=True)
    yield from _factor(e)
    yield from _rearranged(e)
    yield from _missing_in_part(e)


def _factor(e: Evidence) -> Iterator[Guess]:
    """Guess at one number as a factor, which has a name or at least many witnesses."""
    c = e.factor_of(e.exact)
    if c is None:
        return
    sign = "its sign is flipped, and " if c < 0 else ""
    named = name_factor(e, c)
    if named is None and e.exact.size < 3:
        return
    much = (
        named.name if named else f"{c:.8g}" if abs(abs(c) - 1) > 1e-6 else f"1 + {abs(c) - 1:.1e}"
    )
    reason = f"{sign}it is {much} times what it should be"
    yield Guess(named.kind if named else "factor", reason, c * e.exact, True, named is not None)


def _rearranged(e: Evidence) -> Iterator[Guess]:
    """Guess that the right numbers stand in other places: transposed, flipped."""
    exact = e.exact
    shape = e.found.shape
    for axes in permutations(range(exact.ndim)):
        turned = exact.transpose(axes)
        if axes != tuple(range(exact.ndim)) and turned.shape == shape:
            yield Guess("transposed", f"it is transposed, axes {axes}", turned)
    flips = "the kernel is flipped where it must not be, or not where it must"
    for axes in axis_sets(exact.ndim):
        of_a_kernel = exact.ndim == 4 and not e.where.endswith((" dx", " t", " y"))
        kind, text = ("kernel", flips) if of_a_kernel else ("order", f"reversed, axes {axes}")
        yield Guess(kind, text, np.flip(exact, axes))


def other_order(e: Evidence) -> Iterator[Guess]:
    """Guess that it holds the right numbers, each of them, in other places."""
    found, exact = np.sort(e.found, axis=None), np.sort(e.exact, axis=None)
    size = float(np.max(np.abs(exact), initial=0.0))
    if e.found.size > 3 and np.abs(found - exact).max() <= 1e-9 * size:
        text = "the right numbers in other places: a reshape where a transpose belongs?"
        yield Guess("order", text, e.found, alone=True)


def unmasked(e: Evidence) -> Iterator[Guess]:
    """Guess that a mask is missing, where what should be zero is not, and the rest is right."""
    wrong = _wrong(e)
    if not wrong.all() and wrong.any() and not e.exact[wrong].any():
        text = f"it is to be zero in {int(wrong.sum())} of {wrong.size} entries, and is not"
        yield Guess("mask", f"{text}: is a mask missing, or another one's?", e.found, True, False)


def _missing_in_part(e: Evidence) -> Iterator[Guess]:
    """Guess that it is zero in some entries, and right in the others."""
    wrong = _wrong(e)
    if not wrong.all() and wrong.any() and not e.found[wrong].any():
        text = f"zero in {int(wrong.sum())} of {wrong.size} entries"
        yield Guess("zero", text, e.found, alone=True, certain=False)


def _wrong(e: Evidence) -> Array:
    """Return which entries are wrong."""
    size = float(np.max(np.abs(e.exact), initial=0.0))
    return np.asarray(~(np.abs(e.found - e.exact) <= 1e-9 * size))


def digits_lost(e: Evidence) -> Guess | None:
    """Right to seven digits or so and no further: float32 in between."""
    if not (e.found.dtype == np.float64 and np.isfinite(e.found).all()):
        return None
    size = float(np.max(np.abs(e.exact), initial=0.0))
    error = np.abs(e.found - e.exact)
    if not 0 < float(error.max()) <= 1e-5 * size:
        return None
    narrow = e.found.astype(np.float32).astype(np.float64)
    if (narrow == e.found).all():
        return Guess(
            "float32", "its numbers are float32 ones: half of the digits are lost", e.found
        )
    ratio = (e.found - e.exact)[e.exact != 0] / e.exact[e.exact != 0]
    noisy = ratio.size > 5 and ratio.min() < 0 < ratio.max()
    most = np.quantile(np.abs(ratio), 0.9) if noisy else 0.0  # a small entry may lose more
    if noisy and np.median(np.abs(ratio)) > 1e-10 and most < 1e-6:
        return Guess("float32", "right to seven digits only: float32 in between?", e.found)
    return None


def worst_entries(e: Evidence, count: int = 3) -> str:
    """Say in which entries the two arrays differ most."""
    error = np.abs(e.found - e.exact)
    error = np.where(np.isfinite(error), error, np.inf)
    places = np.argsort(error, axis=None)[::-1][:count]
    texts = []
    for place in places:
        i = tuple(int(k) for k in np.unravel_index(place, e.found.shape))
        texts.append(f"{list(i) if i else ''} is {e.found[i]:.6g}, should be {e.exact[i]:.6g}")
    wrong = int((error > 1e-9 * float(np.max(np.abs(e.exact), initial=0.0))).sum())
    return "; ".join(texts) + f" ({wrong} of {error.size} are wrong)"


# --- what it is made of ---------------------------------------------------------------------------

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
