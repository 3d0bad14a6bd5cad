"""Guesses that change what goes into a map: one array for another, another setting.

If dx is just what it would be with ones instead of dy, then dy was forgotten. What it would be
is computed by finite differences and complex step from `forward` alone, as the right one is.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from ...arrays import Array
from ...numerics import sigmoid
from .evidence import Evidence, Guess, axis_sets


def with_other_arrays(e: Evidence) -> Iterator[Guess]:
    """One input taken for another, or changed on its way."""
    for name, array in e.inputs.items():
        for other, taken in e.arrays.items():
            if other != name and taken.shape == array.shape:
                kind = "slope" if {name, other} == {"x", "y"} else "wrong array"
                reason = f"taken at {other} where it must be taken at {name}"
                if kind == "wrong array":
                    reason = f"{other} was used instead of {name}"
                yield from _what_if(e, kind, reason, {name: taken})
        for kind, reason, changed in _changes(name, array):
            yield from _what_if(e, kind, reason, {name: changed})
    for a, b in combinations(e.inputs, 2):
        if e.inputs[a].shape == e.inputs[b].shape:
            swapped = {a: e.inputs[b], b: e.inputs[a]}
            yield from _what_if(e, "wrong array", f"{a} and {b} are swapped", swapped)


def _what_if(e: Evidence, kind: str, reason: str, changes: dict[str, Array]) -> Iterator[Guess]:
    predicted = e.what_if(changes)
    if predicted is not None:
        yield Guess(kind, reason, predicted)


def _changes(name: str, a: Array) -> Iterator[tuple[str, str, Array]]:
    """Give what happens to an array on its way, in the order of how often it does."""
    upstream = name == "dy"
    yield "ignored", f"{name} is not used: ones in its place", np.ones_like(a)
    if not upstream:
        yield "ignored", f"{name} is not used: zeros in its place", np.zeros_like(a)
        yield "sign", f"{name} has its sign flipped", -a
    yield "wrong array", f"{name}² instead of {name}", a * a
    yield "wrong array", f"|{name}| instead of {name}", np.abs(a)
    yield "wrong array", f"σ({name}) instead of {name}", sigmoid(a)
    yield "wrong array", f"tanh {name} instead of {name}", np.tanh(a)
    yield "mask", f"max({name}, 0) instead of {name}: a mask too many", np.maximum(a, 0)
    yield "mask", f"the sign of {name} in its place", np.sign(a)
    for axes in permutations(range(a.ndim)):
        if axes != tuple(range(a.ndim)) and a.transpose(axes).shape == a.shape:
            yield "transposed", f"{name} is transposed, axes {axes}", a.transpose(axes)
    if a.ndim == 4 and not upstream:
        for axes in ((0, 1), (0,), (1,)):
            yield "kernel", f"{name} is flipped along {axes}", np.flip(a, axes)
    for axes in axis_sets(a.ndim):
        for word, reduced in (
            ("mean", a.mean(axis=axes, keepdims=True)),
            ("sum", a.sum(axis=axes, keepdims=True)),
        ):
            reason = f"the {word} of {name} along axis {axes} was used instead of {name}"
            yield "broadcast", reason, np.broadcast_to(reduced, a.shape)
    if not a.ndim:
        return
    yield "broadcast", f"the last row of {name} was used for all", 0 * a + a[-1:]
    yield "broadcast", f"the first row of {name} was used for all", 0 * a + a[:1]
    yield "order", f"{name} with its rows in reverse order", a[::-1]
    for by in (1, -1):
        yield "order", f"{name} with its rows shifted by {by}", np.roll(a, by, 0)
        if a.ndim == 4 and not upstream:
            text = f"{name} shifted by {by} pixel: padding or stride ignored?"
            yield "stride", text, np.roll(a, (by, by), (1, 2))
