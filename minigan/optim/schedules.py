"""Schedules: a learning rate, or a momentum, as a function of the step.

A schedule takes the step t, counted from 0, and returns a number. So any function of t is one, and
``Adam(linear(2e-4, 0, 10_000))`` is an Adam that comes to rest. The optimiser counts its own steps.
Those below are small classes, so that they print as they were made and compare by what they are.

Where a schedule has a number of `steps`, it arrives at t = steps and stays there.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[int], float]
Rate = float | Schedule  # what an optimiser takes: a number stays what it is


@dataclass(frozen=True)
class linear:
    """From `start` to `end` on a straight line.

    >>> [linear(1, 0, steps=4)(t) for t in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]

    Parameters
    ----------
    start, end
        Values at t = 0, and from t = steps on.
    steps
        An integer ≥ 1.
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        """Raise for numbers that make no schedule."""
        _check_finite(start=self.start, end=self.end)
        _check_whole("steps", self.steps)

    def __call__(self, t: int) -> float:
        """Return the value at step t."""
        return _mix(self.start, self.end, min(t, self.steps) / self.steps)


@dataclass(frozen=True)
class cosine:
    r"""From `start` to `end` on half a wave, flat at both ends.

        end + (start − end)·(1 + cos(π·t/steps))/2

    (Loshchilov & Hutter 2017, equation 5, without restarts.)

    >>> [round(cosine(1, 0, steps=4)(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]

    Parameters
    ----------
    start, end
        Values at t = 0, and from t = steps on.
    steps
        An integer ≥ 1.
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        """Raise for numbers that make no schedule."""
        _check_finite(start=self.start, end=self.end)
        _check_whole("steps", self.steps)

    def __call__(self, t: int) -> float:
        """Return the value at step t."""
        part = (1 - math.cos(math.pi * min(t, self.steps) / self.steps)) / 2
        return _mix(self.start, self.end, part)


@dataclass(frozen=True)
class exponential:
    """Multiplied by `factor` at every step: start·factorᵗ.

    >>> [exponential(8, 0.5, steps=3)(t) for t in range(6)]
    [8.0, 4.0, 2.0, 1.0, 1.0, 1.0]

    Parameters
    ----------
    start
        Value at t = 0.
    factor
        Of one step, in (0, 1]. To come down to `end` in n steps, take ``(end / start) ** (1 / n)``.
    steps
        An integer ≥ 1, after which the value stays at start·factor^steps; never, unless given.
    """

    start: float
    factor: float
    steps: int | None = None

    def __post_init__(self) -> None:
        """Raise for numbers that make no schedule."""
        _check_finite(start=self.start, factor=self.factor)
        if not 0 < self.factor <= 1:
            raise ValueError(f"factor must lie in (0, 1], got {self.factor}")
        if self.steps is not None:
            _check_whole("steps", self.steps)

    def __call__(self, t: int) -> float:
        """Return the value at step t."""
        return self.start * float(self.factor) ** (t if self.steps is None else min(t, self.steps))


@dataclass(frozen=True)
class warm_up:
    """First grows on a straight line, and then goes on with `then`.

        then(0)·(t + 1)/(steps + 1)    for t < steps        then(t − steps)    from t = steps on

    Already the first step moves, and no value comes twice (Goyal et al. 2017, section 2.2, gradual
    warm-up).

    >>> [warm_up(3, then=linear(4, 0, steps=2))(t) for t in range(7)]
    [1.0, 2.0, 3.0, 4.0, 2.0, 0.0, 0.0]

    Parameters
    ----------
    steps
        An integer ≥ 1.
    then
        A number, or a schedule, which begins with its own step 0.
    """

    steps: int
    then: Rate

    def __post_init__(self) -> None:
        """Raise for numbers that make no schedule."""
        _check_whole("steps", self.steps)
        value_at(self.then, 0)

    def __call__(self, t: int) -> float:
        """Return the value at step t."""
        if t < self.steps:
            return value_at(self.then, 0) * (t + 1) / (self.steps + 1)
        return value_at(self.then, t - self.steps)


def scaled(rate: Rate, factor: float) -> Rate:
    """Multiply a rate by a factor at every step; a number stays a number.

    >>> scaled(0.5, 0.25), scaled(linear(1, 0, steps=4), 0.5)(1)
    (0.125, 0.375)
    """
    _check_finite(factor=factor)
    return Scaled(rate, factor) if callable(rate) else factor * rate


@dataclass(frozen=True)
class Scaled:
    """A schedule whose values are multiplied by a factor: what `scaled` makes of one."""

    schedule: Schedule
    factor: float

    def __call__(self, t: int) -> float:
        """Return the value at step t."""
        return self.factor * self.schedule(t)


def value_at(rate: Rate, t: int, high: float = math.inf) -> float:
    """Return the number that a rate is at step t.

    Raises
    ------
    ValueError
        Unless 0 ≤ value < high: a negative learning rate would climb.
    """
    value = float(rate(t) if callable(rate) else rate)
    if not 0 <= value < high:
        raise ValueError(f"a rate is {value} at step {t}, expected a number in [0, {high})")
    return value


def _mix(start: float, end: float, part: float) -> float:
    """`start` at part = 0 and `end` at part = 1, both exactly."""
    return (1 - part) * start + part * end


def _check_finite(**values: float) -> None:
    """Raise a ValueError for infinity and NaN, by the argument's name."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value}")


def _check_whole(name: str, value: int) -> None:
    """Raise unless `value` is an integer ≥ 1."""
    try:
        operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}; round it") from None
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
