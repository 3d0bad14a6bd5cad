"""Schedules: a learning rate, or a momentum, as a function of the step.

A schedule takes the step t, counted from 0, and returns a number. So any function of t is one, and
``Adam(linear(2e-4, 0, 10_000))`` is an Adam that comes to rest. The optimiser counts its own steps.

Where a schedule has a number of `steps`, it arrives at t = steps and stays there.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

Schedule = Callable[[int], float]
Rate = float | Schedule  # what an optimiser takes: a number stays what it is


def constant(value: float) -> Schedule:
    """Make a schedule that is `value` at every step.

    >>> [constant(0.1)(t) for t in (0, 1, 1000)]
    [0.1, 0.1, 0.1]
    """
    _check_finite(value=value)
    return lambda t: float(value)


def linear(start: float, end: float, steps: int) -> Schedule:
    """Make a schedule that goes from `start` to `end` on a straight line.

    >>> [linear(1, 0, steps=4)(t) for t in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]

    Parameters
    ----------
    start, end
        Values at t = 0, and from t = steps on.
    steps
        An integer ≥ 1.
    """
    _check_finite(start=start, end=end)
    steps = _whole("steps", steps)
    return lambda t: _mix(start, end, min(t, steps) / steps)


def cosine(start: float, end: float, steps: int) -> Schedule:
    """Make a schedule that goes from `start` to `end` on half a wave, flat at both ends.

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
    _check_finite(start=start, end=end)
    steps = _whole("steps", steps)
    return lambda t: _mix(start, end, (1 - math.cos(math.pi * min(t, steps) / steps)) / 2)


def exponential(start: float, factor: float, steps: int | None = None) -> Schedule:
    """Make a schedule that is multiplied by `factor` at every step: start·factorᵗ.

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
    _check_finite(start=start, factor=factor)
    if not 0 < factor <= 1:
        raise ValueError(f"factor must lie in (0, 1], got {factor}")
    last = math.inf if steps is None else _whole("steps", steps)
    return lambda t: start * float(factor) ** min(t, last)


def warm_up(steps: int, then: Rate) -> Schedule:
    """Make a schedule that first grows on a straight line, and then goes on with `then`.

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
    steps = _whole("steps", steps)
    peak = value_at(then, 0)
    return lambda t: peak * (t + 1) / (steps + 1) if t < steps else value_at(then, t - steps)


def scaled(rate: Rate, factor: float) -> Rate:
    """Multiply a rate by a factor at every step; a number stays a number.

    >>> scaled(0.5, 0.25), scaled(linear(1, 0, steps=4), 0.5)(1)
    (0.125, 0.375)
    """
    _check_finite(factor=factor)
    return (lambda t: factor * rate(t)) if callable(rate) else factor * rate


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


def _whole(name: str, value: int) -> int:
    """`value` as a Python integer; raise unless it is an integer ≥ 1."""
    try:
        whole = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}; round it") from None
    if whole < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return whole
