"""What is known about one array that a map got wrong, and what a guess at the mistake is.

A guess predicts the wrong array itself, not only that it is wrong: "the sum was not divided by n"
predicts n times the right one. So a guess is tested like a derivative, and one that holds explains
every entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np

from ...arrays import Array

EXPLAINED = 1e-4  # a guess must leave no more than this share of the error unexplained
ROUNDING = 1e-13  # relative
SLOPES = 2_000  # how many are worked out for guesses at one array


class Guess(NamedTuple):
    """A mistake by its kind and in words, and the array that it would have made."""

    kind: str
    reason: str
    predicted: Array
    alone: bool = False  # True: not together with a constant factor
    certain: bool = True  # False: other mistakes may make the same array


@dataclass
class Evidence:
    """One array found by hand, what it should be, and a way to ask: what if?

    Attributes
    ----------
    where
        The map and the array, such as "backward dW".
    found, exact
        The array by hand, and as it should be.
    inputs
        What the map is a function of, by name: x, dy, v, the weights.
    others
        Arrays at hand that might have been taken by mistake, such as y.
    exact_with
        What `exact` would be for other inputs, and with other settings of the thing checked.
    settings
        Numbers that the thing was made with, such as eps.
    sizes
        Numbers that sums run over, such as n.
    numbers
        Further numbers that a factor may be, such as a σ that the cache holds.
    more_guesses
        Guesses that only the check itself can make.
    """

    where: str
    found: Array
    exact: Array
    inputs: dict[str, Array] = field(default_factory=dict)
    others: dict[str, Array] = field(default_factory=dict)
    exact_with: Callable[[dict[str, Array], dict[str, float]], Array] | None = None
    settings: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    more_guesses: Callable[[], Iterator[Guess]] | None = None
    asked: int = 0  # how many slopes were worked out for guesses

    @property
    def arrays(self) -> dict[str, Array]:
        """Inputs and others together."""
        return self.others | self.inputs

    def what_if(
        self, changes: dict[str, Array] | None = None, settings: dict[str, float] | None = None
    ) -> Array | None:
        """Return what `exact` would be then; None where the code does not take the change."""
        self.asked += self.exact.size
        if self.exact_with is None or self.asked > SLOPES:
            return None
        try:
            with np.errstate(all="ignore"):
                return self.exact_with(changes or {}, settings or {})
        except Exception:  # a guess that makes no sense for this code
            return None

    def explained_by(self, predicted: Array | None) -> bool:
        """Whether `predicted` is what was found, and not what is right."""
        if predicted is None or not np.shape(predicted) == self.found.shape == self.exact.shape:
            return False
        if not np.isfinite(predicted).all():
            return False
        error = float(np.max(np.abs(self.found - self.exact), initial=0.0))
        left = float(np.max(np.abs(self.found - predicted), initial=0.0))
        size = float(np.max(np.abs(self.found), initial=0.0))
        return left <= EXPLAINED * error + ROUNDING * size and left < error

    def factor_of(self, predicted: Array | None) -> float | None:
        """Return the c for which c·predicted is what was found, if there is one."""
        if predicted is None or np.shape(predicted) != self.found.shape or predicted.size < 1:
            return None
        square = float((predicted * predicted).sum())
        if not 0 < square < np.inf:
            return None
        c = float((self.found * predicted).sum()) / square
        return c if c != 0 and self.explained_by(c * predicted) else None


# What a mistake makes of a setting.
POWERS: dict[str, Callable[[float], float]] = {
    "{}": lambda s: s,
    "1/{}": lambda s: 1 / s,
    "1 − {}": lambda s: 1 - s,
    "1/(1 − {})": lambda s: 1 / (1 - s),
    "1/(2·{})": lambda s: 0.5 / s,
}


class Factor(NamedTuple):
    """A number by which a gradient may be wrong: what it is, and what its being there means."""

    value: float
    name: str
    kind: str = "factor"


def factors(e: Evidence) -> Iterator[Factor]:
    """Give the numbers by which gradients are wrong most often, the simple ones first."""
    yield from (Factor(2, "2"), Factor(0.5, "½"))
    yield from _of_settings(e.settings | e.numbers)
    sizes: dict[int, str] = {}
    for name, size in e.sizes.items():
        if size > 1:
            sizes[size] = f"{sizes[size]}, or {name}" if size in sizes else f"{size} is {name}"
    for size, name in sizes.items():
        yield Factor(size, f"{size} ({name}: a sum where a mean is meant?)")
        yield Factor(1 / size, f"1/{size} ({name}: a mean where a sum is meant?)")
    for size, name in sizes.items():
        if size > 2:
            yield Factor(size / (size - 1), f"{size}/{size - 1} ({name})", "n-1")
            yield Factor((size - 1) / size, f"{size - 1}/{size} ({name})", "n-1")
    for size, name in sizes.items():
        yield Factor(size**2, f"{size}² ({name})")
        yield Factor(size**-2, f"1/{size}² ({name})")
        yield Factor(size**0.5, f"√{size} ({name})")
        yield Factor(size**-0.5, f"1/√{size} ({name})")
        yield Factor(2 * size, f"2·{size} ({name})")
        yield Factor(2 / size, f"2/{size} ({name})")
        yield Factor(size / 2, f"{size}/2 ({name})")
        yield Factor(0.5 / size, f"1/(2·{size}) ({name})")
    for a, b in permutations(sizes, 2):
        yield Factor(a / b, f"{a}/{b} ({sizes[a]}; {sizes[b]})")
        yield Factor(a * b, f"{a}·{b} ({sizes[a]}; {sizes[b]})")
        yield Factor(1 / (a * b), f"1/({a}·{b}) ({sizes[a]}; {sizes[b]})")
    yield from (Factor(4, "4"), Factor(0.25, "¼"), Factor(3, "3"), Factor(1 / 3, "⅓"))
    yield from (Factor(2**0.5, "√2"), Factor(0.5**0.5, "1/√2"))


def _of_settings(settings: dict[str, float]) -> Iterator[Factor]:
    for text, power in POWERS.items():
        for name, value in settings.items():
            try:
                c = power(value)
            except (ZeroDivisionError, OverflowError):
                continue
            if isinstance(c, float) and c != 0:
                # A rate that is not used is more likely than one by which is divided.
                unused = text == "1/{}" and name in ("lr", "learning_rate")
                yield Factor(c, f"{text.format(name)} = {c:.6g}", "ignored" if unused else "factor")


def name_factor(e: Evidence, c: float) -> Factor | None:
    """Return what |c| is, if it is one of the `factors`."""
    for factor in factors(e):
        if abs(abs(c) - abs(factor.value)) <= 1e-7 * abs(c) and abs(factor.value) != 1:
            return factor
    return None


def axis_sets(ndim: int) -> Iterator[tuple[int, ...]]:
    """All non-empty sets of axes, the small ones first."""
    for count in range(1, ndim + 1):
        yield from combinations(range(ndim), count)
