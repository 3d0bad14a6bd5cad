"""Guesses that need the wrong array and the right one alone: how does one become the other?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from ...arrays import Array
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
    if noisy and np.median(np.abs(ratio)) > 1e-10 and np.abs(ratio).max() < 1e-6:
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
