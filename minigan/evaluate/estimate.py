"""A measured value with its interval, and the three ways in which intervals are found here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..arrays import Array, stream

Z = 1.96  # a normal variable lies within so many standard deviations in 95 % of all cases
# What z is for the mean of n = 2, 3 … 10 numbers whose spread is not known (Student's t, 1908).
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
BOOTSTRAPS = 100  # sets drawn again for an interval


class Estimate(NamedTuple):
    """A measured value with its 95 % interval; the ends are NaN where no interval is known."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        """Return the value to four digits, ± half of its interval if it has one."""
        half = (self.high - self.low) / 2
        return f"{self.value:.4g}" if math.isnan(half) else f"{self.value:.4g} ± {half:.2g}"


def give_or_take(value: float, standard_error: float) -> Estimate:
    """Return the interval of ± 1.96 standard errors around a value."""
    error = Z * float(standard_error)
    return Estimate(float(value), float(value) - error, float(value) + error)


def mean_of(numbers: Array) -> Estimate:
    """Return the mean of independent numbers (n,), with Student's interval; of one there is none.

    Beyond ten numbers it is ± z + (z³ + z)/4ν + (5z⁵ + 16z³ + 3z)/96ν² standard errors, ν = n − 1:
    Fisher's expansion, exact to 0.003.
    """
    n, z = len(numbers), Z
    if n < 2:
        return Estimate(float(numbers.mean()))
    if n - 2 < len(STUDENT):
        t = STUDENT[n - 2]
    else:
        t = z + (z**3 + z) / (4 * (n - 1)) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * (n - 1) ** 2)
    return give_or_take(numbers.mean(), t / Z * numbers.std(ddof=1) / math.sqrt(n))


def share(p: float, n: int) -> Estimate:
    """Return the share p of hits among n independent trials, with Wilson's interval (1927).

        (p + z²/2n ± z·√(p·(1 − p)/n + z²/4n²)) / (1 + z²/n)

    Unlike p ± z·√(p·(1 − p)/n) it stays within [0, 1], and has a width at 0 and 1 too.
    """
    middle, scale = p + Z**2 / (2 * n), 1 + Z**2 / n
    reach = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return Estimate(
        float(p), max(0.0, float(middle - reach) / scale), min(1.0, float(middle + reach) / scale)
    )


def bootstrap(measure: Callable[..., float], *sets: Array, seed: int, key: str) -> Estimate:
    """Return a measure of sets of samples; its interval by drawing them again, with replacement.

    Where the measure of a finite set is biased, that of sets drawn from it again is biased once
    more. So the middle of the redrawn values is moved to the measured one: the interval shows how
    much the value scatters, not how biased it is.
    """
    rng = stream(seed, "bootstrap", key)
    drawn = np.array(
        [measure(*(x[rng.integers(len(x), size=len(x))] for x in sets)) for _ in range(BOOTSTRAPS)]
    )
    value = measure(*sets)
    low, high = np.quantile(drawn - drawn.mean(), [0.025, 0.975])
    return Estimate(value, value + float(low), value + float(high))
