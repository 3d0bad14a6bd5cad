"""Optimisers against trajectories computed by hand, and against what is known of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import SGD, Adam, AdamW, OptimisticAdam, RMSProp, stream
from minigan.optim.schedules import linear


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


def test_rmsprop_by_hand():
    # ρ = ¾, ε = 1, lr = 1:  v = 4, then 3 + 1 = 4, then 3 + 0, then 9/4 + 4 = 25/4
    path = trajectory(RMSProp(1, rho=0.75, eps=1), [0], [[4], [-2], [0], [4]])
    steps = [4 / (2 + 1), -2 / (2 + 1), 0, 4 / (5 / 2 + 1)]
    assert np.allclose(path[:, 0], -np.cumsum(steps), rtol=1e-15, atol=0)


def test_the_first_step_of_rmsprop_is_ten_times_its_rate():
    path = trajectory(RMSProp(0.01), [0, 0], [[5, -1e-3]])
    steps = [0.01 * 5 / (0.1 * 5 + 1e-8), -0.01 * 1e-3 / (0.1 * 1e-3 + 1e-8)]
    assert np.allclose(path[0], np.negative(steps), rtol=1e-13, atol=0)


def test_rmsprop_has_epsilon_outside_the_root():
    path = trajectory(RMSProp(1.0, rho=0, eps=1e-8), [0], [[1e-8]])
    assert math.isclose(path[0, 0], -0.5, rel_tol=1e-7)


def test_amsgrad_by_hand():
    # β₁ = 0, β₂ = ½, ε = 1, lr = 1, gradients 4, 2, 1 and 8:
    # v = 8, 4 + 2, 3 + ½, 7/4 + 32, so v_max = 8, 8, 8, 135/4, each over 1 − ½ᵗ
    optimiser = Adam(1, beta1=0, beta2=0.5, eps=1, amsgrad=True)
    path = trajectory(optimiser, [0], [[4], [2], [1], [8]])
    v_hat = [16, 8 * 4 / 3, 8 * 8 / 7, 135 / 4 * 16 / 15]
    steps = [g / (math.sqrt(v) + 1) for g, v in zip([4, 2, 1, 8], v_hat, strict=True)]
    assert np.allclose(path[:, 0], -np.cumsum(steps), rtol=1e-14, atol=0)


def test_the_pace_of_amsgrad_never_rises_and_that_of_adam_does():
    # With β₁ = 0 a step is pace·g. At β₂ = ½, 1 − β₂ᵗ is exactly one from t = 54 on.
    grads = stream(0).standard_normal((400, 3)) + 0.01
    for amsgrad in (True, False):
        path = trajectory(Adam(0.1, beta1=0, beta2=0.5, amsgrad=amsgrad), np.zeros(3), grads)
        pace = (-np.diff(path, axis=0) / grads[1:])[60:]
        falls = pace[1:] <= pace[:-1] * (1 + 1e-9)
        assert falls.all() == amsgrad


def test_adamw_by_hand():
    # lr = λ = ½: a kernel keeps ¾. Gradient 1 throughout, so Adam's step is ½·1/(1 + 1) = ¼.
    kernels = np.array([True, False])
    optimiser = AdamW(0.5, 0.5, 0.5, eps=1, weight_decay=0.5, mask=kernels)
    path = trajectory(optimiser, [4, 4], [[1, 1]] * 2)
    assert path.tolist() == [[3 - 0.25, 4 - 0.25], [2.0625 - 0.25, 4 - 0.5]]


def test_without_a_gradient_adamw_takes_the_same_share_at_every_step_of_kernels_only():
    start, kernels = stream(0).standard_normal(6), np.array([1, 1, 0, 1, 0, 0], bool)
    keep = 1 - 0.1 * 0.01
    for mask, decays in ((kernels, kernels), (None, np.ones(6, bool))):
        path = trajectory(AdamW(0.1, mask=mask), start, np.zeros((5, 6)))
        for before, after in zip([start, *path], path, strict=False):
            assert (after == np.where(decays, keep * before, before)).all()


def test_the_decay_of_adamw_does_not_depend_on_the_size_of_the_gradient():
    # Adam's own steps do not either, so a thousandfold gradient gives the same θ.
    grads = stream(1).standard_normal((20, 4))
    small, large = (
        trajectory(AdamW(0.01, eps=1e-30, weight_decay=1), np.ones(4), c * grads) for c in (1, 1000)
    )
    assert np.allclose(small, large, rtol=1e-12, atol=0)


def test_adamw_without_decay_is_adam():
    grads = stream(1).standard_normal((20, 4))
    a, b = (trajectory(o, np.ones(4), grads) for o in (AdamW(0.1, weight_decay=0), Adam(0.1)))
    assert (a == b).all()


def test_optimistic_adam_by_hand():
    # The updates of test_adam_by_hand: 2/3, 0, (12/7)/(√6 + 1)
    path = trajectory(OptimisticAdam(1, 0.5, 0.5, eps=1), [0], [[2], [-1], [3]])
    third = (12 / 7) / (math.sqrt(6) + 1)
    expected = [-2 * 2 / 3, -2 / 3 - 2 * 0, -2 / 3 - 2 * third + 0]
    assert np.allclose(path[:, 0], expected, rtol=1e-14, atol=0)


def test_optimistic_adam_is_one_update_ahead_of_adam():
    start, grads = stream(0).standard_normal(4), stream(1).standard_normal((30, 4))
    ahead = trajectory(OptimisticAdam(0.1), start, grads)
    adam = trajectory(Adam(0.1), start, grads)
    updates = -np.diff(adam, axis=0, prepend=start[None])
    assert np.allclose(ahead + updates, adam, rtol=0, atol=1e-13)


def play(make, steps):
    """Distances from the solution on the way of min_x max_y x·y, each player with an optimiser."""
    players = make(), make()
    x, y = np.array([1.0]), np.array([1.0])
    distances = [math.hypot(1, 1)]
    for _ in range(steps):
        grads = y.copy(), -x
        for player, theta, grad in zip(players, (x, y), grads, strict=True):
            player.step(theta, grad)
        distances.append(math.hypot(x[0], y[0]))
    return np.array(distances)


def test_gradient_descent_spirals_out_of_the_bilinear_game():
    # (x, y) → (x − η·y, y + η·x) turns, and grows by √(1 + η²).
    distances = play(lambda: SGD(0.1), 200)
    assert np.allclose(distances[1:] / distances[:-1], math.sqrt(1.01), rtol=1e-12)


def test_optimistic_adam_spirals_in_where_adam_spirals_out():
    # With β₁ = β₂ = 0 and a large ε, Adam's step is (lr/ε)·g: gradient descent with rate 0.1.
    arguments = {"lr": 0.1e6, "beta1": 0, "beta2": 0, "eps": 1e6}
    assert play(lambda: Adam(**arguments), 1000)[-1] > 100
    assert play(lambda: OptimisticAdam(**arguments), 1000)[-1] < 0.01


def test_rates_follow_their_schedules():
    path = trajectory(SGD(linear(1, 0, 2)), [0], [[1]] * 4)
    assert path[:, 0].tolist() == [-1, -1.5, -1.5, -1.5]
    # μ = 0, ½, ½:  v = 1, ½·1 + 1, ½·1.5 + 1
    path = trajectory(SGD(1, momentum=linear(0, 0.5, 1)), [0], [[1]] * 3)
    assert path[:, 0].tolist() == [-1, -2.5, -4.25]
    # lr = 1, ½, 0, of a step of 1/(1 + 1)
    path = trajectory(Adam(linear(1, 0, 2), 0.5, 0.5, eps=1), [0], [[1]] * 3)
    assert path[:, 0].tolist() == [-0.5, -0.75, -0.75]
    # v̂ = g² where ρ = 0
    path = trajectory(RMSProp(linear(1, 0, 2), rho=0, eps=1), [0], [[1]] * 3)
    assert path[:, 0].tolist() == [-0.5, -0.75, -0.75]
    # λ = ½: the kernel keeps ½, then ¾, then all
    path = trajectory(AdamW(linear(1, 0, 2), weight_decay=0.5), [8], [[0]] * 3)
    assert path[:, 0].tolist() == [4, 3, 3]


def test_plain_gradient_descent_remembers_nothing():
    optimiser = SGD(0.1)
    optimiser.step(np.ones(2), np.ones(2))
    assert optimiser.v is None


@pytest.mark.parametrize("make", [Adam, AdamW, OptimisticAdam])
def test_what_adam_is_given_and_what_it_takes_unless_told(make):
    adam = make()
    assert (adam.lr, adam.beta1, adam.beta2, adam.eps) == (1e-3, 0.9, 0.999, 1e-8)
    assert not adam.amsgrad and make(amsgrad=True).amsgrad


def test_steps_are_counted():
    for optimiser in (SGD(0.1), RMSProp(0.1), Adam(), AdamW(), OptimisticAdam()):
        trajectory(optimiser, [1.0], [[1]] * 3)
        assert optimiser.t == 3


def test_a_schedule_that_leaves_its_range_is_refused_before_anything_moves():
    theta = np.ones(1)
    for optimiser in (SGD(lambda t: 1.0 - t), Adam(lambda t: 1.0 - t), AdamW(lambda t: 1.0 - t)):
        optimiser.step(theta, np.ones(1))
        optimiser.step(theta, np.ones(1))
        before = theta.copy()
        with pytest.raises(ValueError, match=r"a rate is -1.0 at step 2, expected .* \[0, inf\)"):
            optimiser.step(theta, np.ones(1))
        assert (theta == before).all() and optimiser.t == 2
    optimiser = SGD(0.1, momentum=linear(0.5, 1, 1))
    optimiser.step(theta, np.ones(1))
    with pytest.raises(ValueError, match=r"a rate is 1.0 at step 1, expected .* \[0, 1\)"):
        optimiser.step(theta, np.ones(1))


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


def test_two_optimisers_share_nothing():
    a, b = Adam(0.1), Adam(0.1)
    theta = np.ones(3)
    a.step(theta, np.ones(3))
    assert b.t == 0 and b.m is b.v is b.v_max is None


@pytest.mark.parametrize("wrong", [0, -1e-3, float("nan"), float("inf")])
def test_learning_rates_must_be_positive(wrong):
    for make in (SGD, RMSProp, Adam, AdamW, OptimisticAdam):
        with pytest.raises(ValueError, match=r"lr must lie in \(0, inf\), got"):
            make(wrong)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.1, momentum=1), r"momentum must lie in \[0, 1\), got 1"),
        (lambda: SGD(0.1, nesterov=True), "^nesterov=True needs a momentum > 0, got 0$"),
        (lambda: Adam(beta1=-0.1), r"beta1 must lie in \[0, 1\)"),
        (lambda: Adam(beta2=1.0), r"beta2 must lie in \[0, 1\)"),
        (lambda: Adam(eps=0), r"eps must lie in \(0, inf\)"),
        (lambda: RMSProp(0.1, rho=1), r"rho must lie in \[0, 1\), got 1"),
        (lambda: RMSProp(0.1, eps=0), r"eps must lie in \(0, inf\)"),
        (lambda: AdamW(weight_decay=-1), r"weight_decay must lie in \[0, inf\), got -1"),
        (lambda: SGD(lambda t: -0.1), "a rate is -0.1 at step 0"),
        (lambda: SGD(0.1, momentum=lambda t: 1), "a rate is 1.0 at step 0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="mask has dtype float64, expected bool"):
        AdamW(mask=np.ones(3))
    with pytest.raises(TypeError, match="got list"):
        AdamW(mask=[True])
    theta = np.ones(3)
    with pytest.raises(ValueError, match=r"mask has shape \(1,\), expected \(3,\)"):
        AdamW(mask=np.ones(1, bool)).step(theta, np.ones(3))
    assert (theta == 1).all()


def test_a_mask_on_another_device_is_refused(cp):
    theta = cp.ones(3)
    with pytest.raises(TypeError, match="two devices meet"):
        AdamW(mask=np.ones(3, bool)).step(theta, cp.ones(3))


@pytest.mark.parametrize("make", [SGD, RMSProp, Adam, AdamW, OptimisticAdam])
def test_float16_is_refused_with_the_cure(make):
    """There ε = 1e-8 is zero, and the step on a zero gradient 0/0."""
    theta = np.ones(2, np.float16)
    with pytest.raises(TypeError, match=r"theta is float16.*net.astype\(np.float32\)"):
        make(0.1).step(theta, np.zeros(2, np.float16))
    assert (theta == 1).all()


@pytest.mark.parametrize("make", [Adam, AdamW, RMSProp, lambda lr: SGD(lr, momentum=0.5)])
def test_one_optimiser_for_two_networks_is_refused(make):
    """Compiled, Adam would write behind the end of what it remembers."""
    optimiser, theta = make(0.1), np.ones(3, np.float32)
    optimiser.step(theta, theta)
    for other in (np.ones(5, np.float32), np.ones(2, np.float32)):
        with pytest.raises(ValueError, match=r"stepped a theta of shape \(3,\).*of its own"):
            optimiser.step(other, other.copy())
        assert (other == 1).all()


def test_memory_of_another_size_is_refused():
    adam, other = Adam(0.1), Adam(0.1)
    adam.step(np.ones(5, np.float32), np.ones(5, np.float32))
    other.load_state_dict(adam.state_dict())
    with pytest.raises(ValueError, match=r"shape \(5,\), and is given one of \(9,\)"):
        other.step(np.ones(9, np.float32), np.ones(9, np.float32))
