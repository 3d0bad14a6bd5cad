"""L1 and L2 by hand; that their gradients are right is walked in test_registry.py."""

import math

import numpy as np
import pytest

from minigan import L1, L2, SGD, AdamW, Dense, Sequential


def small_net():
    net = Sequential(Dense(2, 1), Dense(1, 1)).astype(np.float64)
    net.theta = np.array([3.0, -4.0, 100.0, 2.0, -100.0])  # W, b; W, b
    return net


def test_by_hand_on_kernels_only():
    net = small_net()
    for regulariser, value, gradient in (
        (L2(0.5), 0.25 * (9 + 16 + 4), [1.5, -2, 0, 1, 0]),
        (L1(0.5), 0.5 * (3 + 4 + 2), [0.5, -0.5, 0, 0.5, 0]),
    ):
        grad = np.ones(5)
        assert regulariser(net) == value
        assert regulariser(net, grad) == value
        assert (grad - 1).tolist() == gradient


def test_the_slope_of_l1_at_zero_is_zero():
    net, grad = small_net(), np.zeros(5)
    net.theta = np.zeros(5)
    assert L1(1)(net, grad) == 0 and (grad == 0).all()


def test_under_steepest_descent_l2_is_weight_decay():
    net, twin, grad = small_net(), small_net(), np.zeros(5)
    L2(0.5)(net, grad)
    SGD(0.1).step(net.theta, grad)
    AdamW(0.1, weight_decay=0.5, mask=twin.kernel_mask).step(twin.theta, np.zeros(5))
    assert np.allclose(net.theta, twin.theta, rtol=1e-15)


@pytest.mark.parametrize("kind", [L1, L2])
def test_bad_arguments(kind):
    for weight in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"weight must be a number ≥ 0, got {weight}"):
            kind(weight)
    with pytest.raises(ValueError, match=r"grad has shape \(4,\), expected \(5,\)"):
        kind(1)(small_net(), np.zeros(4))
