"""Known values of the losses, where they come from, and how far float32 carries them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticPairing,
    Wasserstein,
    bce,
    bce_with_logits,
    check,
    stream,
)
from minigan.numerics import sigmoid, softplus


def column(*numbers, dtype=np.float64):
    return np.array(numbers, dtype)[:, None]


def log1pexp(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


@given(st.floats(-1e4, 1e4))
def test_sigmoid_and_softplus_agree_with_their_definitions(x):
    a = np.array([x])
    assert math.isclose(softplus(a)[0], log1pexp(x), rel_tol=1e-14)
    expected = 1 / (1 + math.exp(-x)) if x > -700 else 0.0
    assert math.isclose(sigmoid(a)[0], expected, rel_tol=1e-14, abs_tol=1e-300)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("make", [Minimax, NonSaturating])
def test_discriminator_loss_at_2_and_minus_1(make, n):
    value, d_real, d_fake = make().discriminator(np.full((n, 1), 2.0), np.full((n, 1), -1.0))
    assert math.isclose(value, log1pexp(-2) + log1pexp(-1), rel_tol=1e-15)
    assert np.allclose(d_real, -(1 - 1 / (1 + math.exp(-2))) / n, rtol=1e-14, atol=0)
    assert np.allclose(d_fake, 1 / (1 + math.exp(1)) / n, rtol=1e-14, atol=0)


def test_both_generator_losses_have_the_slope_minus_one_half_at_logit_0():
    zeros = np.zeros((4, 1))
    for loss in (Minimax(), NonSaturating()):
        _, d_fake = loss.generator(zeros)
        assert (d_fake == -0.5 / 4).all()
    assert math.isclose(NonSaturating().generator(zeros)[0], math.log(2), rel_tol=1e-15)
    assert math.isclose(Minimax().generator(zeros)[0], -math.log(2), rel_tol=1e-15)


def test_a_losing_generator_learns_under_the_one_and_not_under_the_other():
    lost = np.full((1, 1), -30.0)
    assert NonSaturating().generator(lost)[1] < -0.999
    assert -1e-12 < Minimax().generator(lost)[1] < 0


@given(
    p=st.lists(st.floats(0.01, 1), min_size=2, max_size=8),
    seed=st.integers(0, 2**32),
)
def test_at_the_optimal_discriminator_v_is_2_jsd_minus_2_log_2(p, seed):
    # Goodfellow et al. 2014, equation 6. D* = p/(p + q) has the logit log p − log q. Batches in
    # which point i comes p_i (or q_i) of the time are expectations: weight each sample's loss.
    p = np.array(p) / sum(p)
    q = stream(seed).dirichlet(np.ones(len(p))) + 1e-6
    q /= q.sum()
    jsd = sum(0.5 * (r * np.log(r / ((p + q) / 2))).sum() for r in (p, q))
    for logits in (True, False):
        loss = Minimax(logits=logits)
        best = np.log(p / q) if logits else p / (p + q)
        values = [loss.discriminator(column(b), column(b))[0] for b in best]  # real + fake term
        real_terms = np.array([loss.bce(column(b), 1)[0] for b in best])
        fake_terms = np.array([loss.bce(column(b), 0)[0] for b in best])
        assert np.allclose(values, real_terms + fake_terms, rtol=1e-14)
        V = -(p * real_terms).sum() - (q * fake_terms).sum()
        assert math.isclose(V, 2 * jsd - 2 * math.log(2), rel_tol=1e-9, abs_tol=1e-9)


def test_the_two_forms_agree_where_both_can_be_computed():
    real, fake = (stream(0, k).standard_normal((6, 1)) for k in ("real", "fake"))
    for make in (Minimax, NonSaturating):
        for smoothing in (0.0, 0.1):
            on_logits = make(label_smoothing=smoothing)
            on_p = make(logits=False, label_smoothing=smoothing)
            p_real, p_fake = sigmoid(real), sigmoid(fake)
            value, d_real, d_fake = on_logits.discriminator(real, fake)
            p_value, dp_real, dp_fake = on_p.discriminator(p_real, p_fake)
            assert math.isclose(value, p_value, rel_tol=1e-14)
            # The chain rule through the sigmoid: dp/da = p·(1 − p).
            assert np.allclose(dp_real * p_real * (1 - p_real), d_real, rtol=1e-13, atol=0)
            assert np.allclose(dp_fake * p_fake * (1 - p_fake), d_fake, rtol=1e-13, atol=0)
            assert math.isclose(on_logits.generator(fake)[0], on_p.generator(p_fake)[0])


@pytest.mark.parametrize("make", [Minimax, NonSaturating])
def test_logits_of_ten_thousand_are_no_trouble_in_float32(make):
    large, small = (column(s * 1e4, s * 50, dtype=np.float32) for s in (1, -1))
    loss = make()
    for real, fake in ((large, small), (small, large)):
        results = loss.discriminator(real, fake) + loss.generator(fake)
        assert all(np.isfinite(result).all() for result in results)
        assert all(result.dtype == np.float32 for result in results)
    value, d_real, d_fake = loss.discriminator(small, large)
    assert value == 2 * (1e4 + 50) / 2
    assert (d_real == -0.5).all() and (d_fake == 0.5).all()


def test_small_losses_and_gradients_keep_their_digits_in_float32():
    value, d = bce_with_logits(column(20, dtype=np.float32), 1)
    assert math.isclose(value, math.exp(-20), rel_tol=1e-6)
    assert math.isclose(d[0, 0], -math.exp(-20), rel_tol=1e-6)


def test_value_is_a_0d_array_of_the_dtype_of_the_logits(xp):
    for dtype in (np.float32, np.float64):
        a = xp.asarray(column(1, -2, dtype=dtype))
        p = xp.asarray(column(0.3, 0.6, dtype=dtype))
        values = [bce_with_logits(a, 1)[0], bce(p, 1)[0]]
        for make in (Minimax, NonSaturating):
            values += [make().discriminator(a, a)[0], make().generator(a)[0]]
            values += [make(logits=False).generator(p)[0]]
        assert all(isinstance(value, xp.ndarray) and value.shape == () for value in values)
        assert all(value.dtype == dtype for value in values)


def test_label_smoothing_moves_the_optimum_of_real_samples_only():
    loss = NonSaturating(label_smoothing=0.1)
    at_optimum = np.log(0.9 / 0.1)  # σ = 0.9
    _, d_real, d_fake = loss.discriminator(column(at_optimum), column(at_optimum))
    assert abs(d_real[0, 0]) < 1e-15 and math.isclose(d_fake[0, 0], 0.9)


def test_bce_clips_as_the_common_frameworks_do():
    p = column(0, 1e-9, 0.5, 1 - 1e-9, 1)
    value, dp = bce(p, 0)
    assert dp[:, 0].tolist() == [0, 0, 0.4, 0, 0]
    expected = (3 * 0 + math.log(2) - 2 * math.log(1e-7)) / 5
    assert math.isclose(value, expected, rel_tol=1e-6)
    value, dp = bce(column(0.25), 1, clip=0)
    assert math.isclose(value, math.log(4)) and math.isclose(dp[0, 0], -4)
    with np.errstate(divide="ignore"):
        assert bce(column(0.0), 1, clip=0)[0] == np.inf


def test_bce_is_differentiated_from_inside_at_the_ends_of_its_clipping():
    ends = column(0.25, 0.75)
    for target in (0, 1):
        _, dp = bce(ends, target, clip=0.25)
        for i in range(2):  # complex step: Im f(p + i·h)/h
            step = np.zeros_like(ends)
            step[i] = 1e-30
            value, _ = bce(ends + 1j * step, target, clip=0.25)
            assert math.isclose(value.imag / 1e-30, dp[i, 0], rel_tol=1e-14)
        assert dp.all()


def test_float32_probabilities_break_where_logits_do_not():
    assert sigmoid(column(17, dtype=np.float32)) == 1
    assert sigmoid(column(16, dtype=np.float32)) < 1


@pytest.mark.parametrize("function", [bce, bce_with_logits])
def test_targets_per_sample(function):
    x, target = column(0.2, 0.7), column(1, 0)
    value, d = function(x, target)
    parts = [function(x[i : i + 1], float(target[i, 0])) for i in range(2)]
    assert math.isclose(value, (parts[0][0] + parts[1][0]) / 2)
    assert np.allclose(d, np.concatenate([part[1] for part in parts]) / 2)
    check.gradient(
        lambda x: function(x, target)[0], lambda x: function(x, target)[1], x
    ).assert_ok()


@pytest.mark.parametrize("function", [bce, bce_with_logits])
def test_bad_input(function):
    name = f"^{function.__name__}: "
    with pytest.raises(
        ValueError, match=name + r"target has shape \(2,\), expected one number or \(2, 1\)"
    ):
        function(column(0.5, 0.5), np.ones(2))
    with pytest.raises(TypeError, match=name + "D's output .* int64, expected floating point"):
        function(column(1, 0, dtype=np.int64), 1)
    with pytest.raises(ValueError, match=name + r"D's outputs are empty, shape \(0, 1\)"):
        function(np.zeros((0, 1)), 1)
    with pytest.raises(TypeError, match="got list"):
        function([0.5], 1)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"clip must lie in \[0, 0.5\), got 0.5"):
        bce(column(0.5), 1, clip=0.5)
    for wrong in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\)"):
            Minimax(label_smoothing=wrong)


def test_least_squares_by_hand():
    loss = LeastSquares()
    value, d_real, d_fake = loss.discriminator(column(2, 0), column(-1, 0.5))
    assert value == (1 + 1) / 4 + (1 + 0.25) / 4
    assert d_real[:, 0].tolist() == [0.5, -0.5] and d_fake[:, 0].tolist() == [-0.5, 0.25]
    value, d_fake = loss.generator(column(-1, 0.5))
    assert value == (4 + 0.25) / 4 and d_fake[:, 0].tolist() == [-1, -0.25]


def test_wasserstein_by_hand():
    value, d_real, d_fake = Wasserstein().discriminator(column(2, 4), column(1, -5))
    assert value == -2 - 3
    assert d_real[:, 0].tolist() == [-0.5, -0.5] and d_fake[:, 0].tolist() == [0.5, 0.5]
    value, d_fake = Wasserstein().generator(column(1, -5))
    assert value == 2 and d_fake[:, 0].tolist() == [-0.5, -0.5]


def test_hinge_stops_at_its_margin_and_has_slope_0_at_the_kink():
    value, d_real, d_fake = Hinge().discriminator(column(0.5, 1, 3, -1), column(-0.5, -1, -3, 1))
    assert value == (0.5 + 2) / 4 + (0.5 + 2) / 4
    assert d_real[:, 0].tolist() == [-0.25, 0, 0, -0.25]
    assert d_fake[:, 0].tolist() == [0.25, 0, 0, 0.25]
    assert Hinge().generator(column(-3))[0] == 3


def test_relativistic_pairing_by_hand():
    loss = RelativisticPairing()
    value, d_real, d_fake = loss.discriminator(column(2), column(-1))
    assert math.isclose(value, log1pexp(-3))
    assert math.isclose(d_fake[0, 0], 1 / (1 + math.exp(3))) and d_real == -d_fake
    value, d_fake = loss.generator(column(-1), column(2))
    assert math.isclose(value, log1pexp(3))
    assert math.isclose(d_fake[0, 0], -1 / (1 + math.exp(-3)))
    # Only differences count: the same shift of all outputs changes nothing.
    shifted = loss.discriminator(column(102), column(99))
    assert math.isclose(shifted[0], log1pexp(-3)) and shifted[1] == d_real


def test_relativistic_pairing_needs_pairs():
    with pytest.raises(ValueError, match=r"one shape, got \(2, 1\) and \(1, 1\)"):
        RelativisticPairing().discriminator(column(1, 2), column(1))
    with pytest.raises(ValueError, match=r"^RelativisticPairing\.generator needs real_logits"):
        RelativisticPairing().generator(column(1))


@pytest.mark.parametrize("make", [LeastSquares, Wasserstein, Hinge, RelativisticPairing])
def test_critics_say_no_probabilities(make):
    assert make().is_critic and make().probability(column(7.5)) == 7.5
    assert repr(make()) == f"{make.__name__}()"


@pytest.mark.parametrize("make", [LeastSquares, Wasserstein, Hinge])
def test_critics_losses_name_themselves_when_they_refuse_a_batch(make):
    with pytest.raises(ValueError, match=f"^{make.__name__}: D's outputs are empty"):
        make().discriminator(np.zeros((0, 1)), np.zeros((0, 1)))
    with pytest.raises(TypeError, match=f"^{make.__name__}: D's output has dtype int64"):
        make().discriminator(column(1, dtype=np.int64), column(1, dtype=np.int64))


@pytest.mark.parametrize("make", [Minimax, NonSaturating])
def test_probabilities_are_the_sigmoid_of_logits_or_are_there_already(make):
    p = make().probability(column(0.0, 2.0))
    assert not make().is_critic
    assert p[0] == 0.5 and math.isclose(p[1, 0], 1 / (1 + math.exp(-2)), rel_tol=1e-14)
    assert make(logits=False).probability(column(0.25)) == 0.25
    loss = make(logits=False, label_smoothing=0.1)
    assert repr(loss) == f"{make.__name__}(logits=False, label_smoothing=0.1)"


def test_mixed_devices_are_refused(cp):
    with pytest.raises(TypeError, match="two devices"):
        Minimax().discriminator(column(1.0), cp.ones((1, 1)))
    for make in (LeastSquares, Wasserstein, Hinge, RelativisticPairing):
        with pytest.raises(TypeError, match="two devices"):
            make().discriminator(column(1.0), cp.ones((1, 1)))


@pytest.mark.parametrize("target", [0, 1, np.array([[0.0], [1.0], [0.0]])])
def test_infinite_logits_cost_nothing_with_the_right_label_and_everything_with_the_wrong(target):
    sure = np.where(np.broadcast_to(target, (3, 1)) == 1, np.inf, -np.inf)
    value, d_logits = bce_with_logits(sure, target)
    assert value == 0 and not d_logits.any()
    value, d_logits = bce_with_logits(-sure, target)
    assert value == np.inf and np.array_equal(d_logits, -np.sign(sure) / 3)


def test_the_bare_formula_is_right_at_probabilities_of_0_and_1():
    for p, slope in ((0.0, 1), (1.0, -1)):  # −log(1 − p) at 0, −log p at 1
        value, dp = bce(column(p), int(p), clip=0)
        assert value == 0 and dp == slope
        value, dp = bce(column(p), np.array([[p]]), clip=0)
        assert value == 0 and dp == slope


def test_hinge_at_infinite_outputs():
    sure, unsure = column(np.inf), column(-np.inf)
    value, d_real, d_fake = Hinge().discriminator(sure, unsure)
    assert value == 0 and d_real == 0 and d_fake == 0
    value, d_real, d_fake = Hinge().discriminator(unsure, sure)
    assert value == np.inf and d_real == -1 and d_fake == 1
    assert np.isnan(Hinge().discriminator(column(np.nan), sure)[0])


def test_float16_outputs_are_refused():
    with pytest.raises(TypeError, match="output has dtype float16, expected .* 32 bits or more"):
        NonSaturating().generator(column(1, dtype=np.float16))
