"""Schedules: their values by hand. Where they start and stay is walked in test_registry.py."""

import doctest
import math

import numpy as np
import pytest

from minigan.optim import schedules
from minigan.optim.schedules import cosine, exponential, linear, value_at, warm_up


def test_the_examples_in_the_docstrings_are_true():
    results = doctest.testmod(schedules)
    assert results.attempted == 5 and results.failed == 0


@pytest.mark.parametrize("make", [linear, cosine])
def test_ends_are_exact_and_the_middle_is_the_mean(make):
    for start, end in ((0.3, 0.1), (2e-4, 0), (0.5, 0.7), (0.9, 0.2), (0.01, 0.1), (2e-4, 1e-6)):
        schedule = make(start, end, 10)
        assert schedule(0) == start
        assert schedule(10) == schedule(11) == schedule(10**9) == end
        assert math.isclose(schedule(5), (start + end) / 2, rel_tol=1e-15)
        values = np.array([schedule(t) for t in range(11)])
        assert (np.diff(values) * np.sign(end - start) > 0).all()


def test_cosine_is_flat_at_both_ends():
    schedule = cosine(1, 0, 1000)
    # 1 − cos(x) = x²/2 near 0
    slope = (math.pi / 1000) ** 2 / 4
    assert math.isclose(1 - schedule(1), slope, rel_tol=1e-5)
    assert math.isclose(schedule(999), slope, rel_tol=1e-5)


def test_exponential_comes_down_to_an_end_in_n_steps():
    schedule = exponential(0.1, (1e-6 / 0.1) ** (1 / 50))
    assert schedule(0) == 0.1 and math.isclose(schedule(50), 1e-6, rel_tol=1e-12)
    assert math.isclose(schedule(51) / schedule(50), schedule(1) / schedule(0), rel_tol=1e-12)
    assert exponential(1, 0.5)(5000) == 0


def test_warm_up_grows_evenly_into_what_comes_then():
    schedule = warm_up(4, cosine(0.5, 0.1, 10))
    values = [schedule(t) for t in range(15)]
    assert np.allclose(np.diff(values[:5]), 0.1, rtol=1e-14)
    assert values[0] == 0.1 and values[4] == 0.5
    assert values[4:] == [cosine(0.5, 0.1, 10)(t) for t in range(11)]
    assert [warm_up(1, 2)(t) for t in range(3)] == [1.0, 2.0, 2.0]


def test_value_at_takes_numbers_and_schedules():
    assert value_at(0.5, 7) == 0.5 and value_at(linear(0, 1, 10), 7) == 0.7
    # A NumPy scalar would turn a float32 step into a float64 one.
    assert type(value_at(np.float64(0.5), 0)) is float
    assert type(value_at(lambda t: np.float64(0.5), 0)) is float


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: linear(1, math.inf, 3), ValueError, "end must be a finite number, got inf"),
        (lambda: linear(0, math.nan, 5), ValueError, "end must be a finite number, got nan"),
        (lambda: cosine(math.inf, 0, 5), ValueError, "start must be a finite number, got inf"),
        (lambda: linear(1, 0, 0), ValueError, "steps must be at least 1, got 0"),
        (lambda: cosine(1, 0, 2.5), TypeError, "steps must be an integer, got 2.5"),
        (lambda: exponential(1, 0), ValueError, r"factor must lie in \(0, 1\], got 0"),
        (lambda: exponential(1, 1.1), ValueError, r"factor must lie in \(0, 1\], got 1.1"),
        (lambda: exponential(1, 0.5, 0), ValueError, "steps must be at least 1, got 0"),
        (lambda: warm_up(0, 0.1), ValueError, "steps must be at least 1, got 0"),
        (lambda: warm_up(5, -0.1), ValueError, "a rate is -0.1 at step 0"),
        (lambda: value_at(math.nan, 3), ValueError, "a rate is nan at step 3"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
