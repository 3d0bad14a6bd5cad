"""Optimisers against trajectories computed by hand, and against what is known of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import SGD, Adam, stream

MAKERS = [
    lambda: SGD(0.1),
    lambda: SGD(0.1, momentum=0.9),
    lambda: SGD(0.1, momentum=0.9, nesterov=True),
    lambda: Adam(0.1),
]


def trajectory(optimiser, theta, grads):
    """Every θ on the way."""
    theta = np.array(theta, float)
    path = []
    for grad in grads:
        optimiser.step(theta, np.array(grad, float))
        path.append(theta.copy())
    return np.array(path)


def test_sgd_by_hand():
    assert trajectory(SGD(0.5), [1, 2], [[2, 0], [1, -4]]).tolist() == [[0, 2], [-0.5, 4]]


def test_momentum_by_hand():
    # v: 1, then 0.5·1 + 2 = 2.5, then 0.5·2.5 + 0 = 1.25
    path = trajectory(SGD(1, momentum=0.5), [0], [[1], [2], [0]])
    assert path[:, 0].tolist() == [-1, -3.5, -4.75]


def test_nesterov_by_hand():
    # moves by g + 0.5·v: 1 + 0.5·1, then 2 + 0.5·2.5, then 0 + 0.5·1.25
    path = trajectory(SGD(1, momentum=0.5, nesterov=True), [0], [[1], [2], [0]])
    assert path[:, 0].tolist() == [-1.5, -4.75, -5.375]


def test_adam_by_hand():
    # β₁ = β₂ = ½, ε = 1, lr = 1, gradients 2 and −1:
    # t = 1:  m = 1, v = 2,             m̂ = 2, v̂ = 4,           step 2/(2 + 1)
    # t = 2:  m = 0, v = 1 + ½ = 3/2,   m̂ = 0, v̂ = 2,           step 0
    # t = 3 (gradient 3):  m = 3/2, v = 3/4 + 9/2 = 21/4,  m̂ = 12/7, v̂ = 6,  step (12/7)/(√6 + 1)
    path = trajectory(Adam(1, beta1=0.5, beta2=0.5, eps=1), [0], [[2], [-1], [3]])
    third = -2 / 3 - (12 / 7) / (math.sqrt(6) + 1)
    assert np.allclose(path[:, 0], [-2 / 3, -2 / 3, third], rtol=1e-14, atol=0)


@given(
    g=st.floats(-1e3, 1e3).filter(lambda g: abs(g) > 1e-3),
    beta1=st.floats(0, 0.99),
    beta2=st.floats(0, 0.999),
    lr=st.floats(1e-5, 1),
    eps=st.sampled_from([1e-8, 1e-3, 1.0]),
)
def test_under_a_constant_gradient_every_step_of_adam_is_the_same(g, beta1, beta2, lr, eps):
    path = trajectory(Adam(lr, beta1, beta2, eps), [0], [[g]] * 10)[:, 0]
    expected = -lr * g / (abs(g) + eps) * np.arange(1, 11)
    assert np.allclose(path, expected, rtol=1e-9, atol=0)


def test_adam_has_epsilon_outside_the_root():
    # Under the root, a gradient of 1e-8 would move θ by 1e-8/√(1e-16 + 1e-8) = 1e-4 of lr.
    path = trajectory(Adam(1.0, eps=1e-8), [0], [[1e-8]])
    assert math.isclose(path[0, 0], -0.5, rel_tol=1e-7)


@pytest.mark.parametrize("make", MAKERS)
def test_step_moves_theta_in_place_and_leaves_grad_alone(make, xp, to_np):
    start = stream(0).standard_normal(5, dtype=np.float32)
    theta, grad = xp.asarray(start.copy()), xp.asarray(start + 1)
    view, before = theta[1:3], to_np(grad)
    optimiser = make()
    for _ in range(3):
        optimiser.step(theta, grad)
    assert (to_np(grad) == before).all()
    assert theta.dtype == np.float32
    assert (to_np(theta) != start).all() and (to_np(view) == to_np(theta)[1:3]).all()


@pytest.mark.parametrize("make", MAKERS)
def test_step_is_the_same_on_each_device_and_waits_for_none(make, xp, no_sync, to_np):
    start, grads = stream(0).standard_normal(5), stream(1).standard_normal((3, 5))
    theta, optimiser = xp.asarray(start.copy()), make()
    device_grads = [xp.asarray(grad) for grad in grads]
    with no_sync():
        for grad in device_grads:
            optimiser.step(theta, grad)
    assert np.allclose(to_np(theta), trajectory(make(), start, grads)[-1], rtol=1e-13, atol=0)


@pytest.mark.parametrize("make", MAKERS)
def test_optimisers_reach_the_minimum_of_a_bowl(make):
    theta, optimiser = np.array([3.0, -2.0]), make()
    for _ in range(500):
        optimiser.step(theta, theta * [1.0, 0.5])
    assert np.abs(theta).max() < 0.05


def test_two_optimisers_share_nothing():
    a, b = Adam(0.1), Adam(0.1)
    theta = np.ones(3)
    a.step(theta, np.ones(3))
    assert b.t == 0 and b.m is None


@pytest.mark.parametrize("wrong", [0, -1e-3, float("nan"), float("inf")])
def test_learning_rates_must_be_positive(wrong):
    for make in (SGD, Adam):
        with pytest.raises(ValueError, match=r"lr must lie in \(0, inf\), got"):
            make(wrong)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.1, momentum=1), r"momentum must lie in \[0, 1\), got 1"),
        (lambda: SGD(0.1, nesterov=True), "nesterov=True needs a momentum"),
        (lambda: Adam(beta1=-0.1), r"beta1 must lie in \[0, 1\)"),
        (lambda: Adam(beta2=1.0), r"beta2 must lie in \[0, 1\)"),
        (lambda: Adam(eps=0), r"eps must lie in \(0, inf\)"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("make", MAKERS)
def test_vectors_that_do_not_fit_are_refused(make, cp):
    for grad in (np.ones(2), np.ones((3, 1)), np.ones(3, np.float32)):
        with pytest.raises(ValueError, match="vectors of one length and dtype"):
            make().step(np.ones(3), grad)
    with pytest.raises(TypeError, match="two devices"):
        make().step(np.ones(3), cp.ones(3))
