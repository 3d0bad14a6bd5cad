"""Wrappers by hand: what they do to the gradient and to θ, alone and nested."""

import math

import numpy as np
import pytest

from minigan import (
    EMA,
    L2,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    ClipNorm,
    ClipWeights,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Extragradient,
    LeakyReLU,
    MaxNorm,
    Maxout,
    NonSaturating,
    Regularised,
    RMSProp,
    Sequential,
    SpectralNorm,
    stream,
    train,
)
from minigan.layers import Layer
from minigan.optim.schedules import cosine, linear, scaled, warm_up
from minigan.optim.wrappers import Wrapper
from minigan.sampling import sample


def step(optimiser, theta, grad):
    """θ after one step from `theta`."""
    theta = np.array(theta, float)
    optimiser.step(theta, np.array(grad, float))
    return theta.tolist()


# --- ClipNorm ---


def test_a_long_gradient_is_scaled_down_and_a_short_one_is_left_alone():
    assert step(ClipNorm(SGD(1), 2.5), [0, 0], [3, 4]) == [-1.5, -2]
    grad = stream(0).standard_normal(50)
    for limit in (np.linalg.norm(grad) + 1e-9, 1e6):
        assert step(ClipNorm(SGD(0.1), limit), np.zeros(50), grad) == (-0.1 * grad).tolist()


def test_a_gradient_of_zeros_stays_one():
    assert step(ClipNorm(SGD(1), 1), [5, 6], [0, 0]) == [5, 6]


def test_a_numpy_scalar_as_limit_keeps_float32():
    theta = np.zeros(2, np.float32)
    ClipNorm(SGD(1), np.float64(1)).step(theta, np.array([3, 4], np.float32))
    assert np.allclose(theta, [-0.6, -0.8], rtol=1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e-10, 1, 1e10, 1e20, 1e38])
def test_no_size_of_a_gradient_or_of_a_weight_overflows(size):
    """A norm of √2·1e20 has a square that float32 can't hold."""
    theta = np.zeros(2, np.float32)
    grad = np.array([3, -4], np.float32) / np.float32(5) * np.float32(size)
    ClipNorm(SGD(1), 1e-30).step(theta, grad)
    assert np.allclose(theta / np.float32(1e-30), [-0.6, 0.8], rtol=1e-5)
    layer = Dense(2, 2)
    layer.W[...] = np.array([[3, 0], [-4, 0]], np.float32) / np.float32(5) * np.float32(size)
    MaxNorm(SGD(1), layer, 1e-30).step(layer.theta, layer.new_grad())
    assert np.allclose(layer.W / np.float32(1e-30), [[0.6, 0], [-0.8, 0]], rtol=1e-5)


# --- projections ---


def test_weights_are_clipped_after_the_step():
    assert step(ClipWeights(SGD(1), 0.5), [0, 0, 0.25], [-2, 2, 0.5]) == [0.5, -0.5, -0.25]


def test_columns_of_kernels_are_scaled_down_and_biases_are_not():
    net = Sequential(Dense(2, 2), LeakyReLU(), Dense(2, 1)).astype(np.float64)
    net.theta = np.array([3.0, 0.3, 4.0, 0.4, 30.0, 40.0, 0.0, 7.0, 50.0])
    MaxNorm(SGD(1), net, 1).step(net.theta, np.zeros(9))
    W, b, V, c = net.parameters().values()
    # The first column, (3, 4), has norm 5; the second, (0.3, 0.4), is short enough.
    assert np.allclose(W, [[0.6, 0.3], [0.8, 0.4]], rtol=1e-15)
    assert V.tolist() == [[0], [1]]
    assert b.tolist() == [30, 40] and c.tolist() == [50]


def test_a_column_of_zeros_stays_one():
    net = Dense(2, 2).astype(np.float64)
    net.theta = np.zeros(6)
    MaxNorm(SGD(1), net, 1).step(net.theta, np.zeros(6))
    assert (net.theta == 0).all()


def test_a_column_of_a_convolution_is_all_that_comes_into_a_channel():
    conv = Layer({"b": (4,), "W": (3, 3, 2, 4)}, kernels=("W",)).astype(np.float64)
    conv.theta = stream(0).standard_normal(76)
    before = conv.W.copy()
    norms = np.sqrt((before**2).sum(axis=(0, 1, 2)))
    limit = norms.mean()
    MaxNorm(SGD(1), conv, limit).step(conv.theta, np.zeros(76))
    assert 0 < (norms > limit).sum() < 4
    assert np.allclose(conv.W, before * np.minimum(1, limit / norms), rtol=1e-14)
    assert (conv.W[..., norms < limit] == before[..., norms < limit]).all()


# --- EMA ---


def test_average_by_hand():
    optimiser, theta, averages = EMA(SGD(1), decay=0.5), np.array([8.0]), []
    assert optimiser.average is None
    for grad in (4, 4, 0, -8):  # θ = 4, 0, 0, 8
        optimiser.step(theta, np.array([grad], float))
        averages.append(optimiser.average.tolist())
    assert averages == [[4], [2], [1], [4.5]]


def test_average_is_the_weighted_sum_of_all_thetas():
    grads, decay = stream(0).standard_normal((40, 3)), 0.9
    optimiser, theta, path = EMA(Adam(0.1), decay), np.zeros(3), []
    for grad in grads:
        optimiser.step(theta, grad)
        path.append(theta.copy())
    weights = (1 - decay) * decay ** np.arange(39, -1, -1)
    weights[0] = decay**39  # the first θ stands for all before it
    assert math.isclose(weights.sum(), 1, rel_tol=1e-14)
    assert np.allclose(optimiser.average, weights @ np.array(path), rtol=1e-12)


def test_average_does_not_touch_training():
    grads = stream(0).standard_normal((10, 3))
    plain, averaged = np.ones(3), np.ones(3)
    a, b = Adam(0.1), EMA(Adam(0.1))
    for grad in grads:
        a.step(plain, grad)
        b.step(averaged, grad)
    assert (plain == averaged).all() and not np.shares_memory(b.average, averaged)


def test_samples_are_drawn_with_the_average():
    G = Sequential(Dense(2, 8), LeakyReLU(), Dense(8, 2), seed=0)
    D = Sequential(Dense(2, 8), LeakyReLU(), Dense(8, 1), seed=1)
    data = stream(0).standard_normal((64, 2), dtype=np.float32)
    optimiser_G = EMA(ClipNorm(Adam(1e-2), 1.0), decay=0.5)
    optimiser_D = MaxNorm(ClipWeights(RMSProp(1e-2), 0.4), D, 0.6)
    for _ in train(G, D, data, NonSaturating(), optimiser_G, optimiser_D, batch=32, steps=5):
        assert abs(D.theta).max() <= np.float32(0.4)
        for name, W in D.parameters().items():
            if name.endswith("W"):
                assert (np.sqrt((W * W).sum(axis=0)) <= 0.6 * (1 + 1e-6)).all()
    G_average = optimiser_G.averaged(G)
    assert (G_average.theta == optimiser_G.average).all()
    assert (G_average.theta != G.theta).any()
    assert sample(G_average, 4).shape == (4, 2)


def test_the_average_brings_running_statistics_of_its_own():
    """For normal z, z·W + b has mean b and variance Σ W², whatever θ was on the way."""
    G = Sequential(Dense(3, 4), BatchNorm(4), seed=0)
    optimiser = EMA(SGD(1.0), decay=0.5)
    grad = np.zeros_like(G.theta)
    grad[:16] = -10  # W and b of the dense layer
    for _ in range(2):
        optimiser.step(G.theta, grad)
    with pytest.raises(ValueError, match="no average before the first step"):
        EMA(SGD(1.0)).averaged(G)
    z = stream(0, "z").standard_normal((60, 500, 3), dtype=np.float32)
    averaged = optimiser.averaged(G, z)
    W, b = averaged.layers[0].W, averaged.layers[0].b
    assert (W == (G.layers[0].W + (G.layers[0].W - 10)) / 2).all()
    assert np.allclose(averaged.layers[1].running_mean, b, rtol=0, atol=0.5)
    assert np.allclose(averaged.layers[1].running_var, (W * W).sum(axis=0), rtol=0.1)
    assert (G.layers[1].running_var == 1).all()  # those of G itself stay
    assert optimiser.averaged(Sequential(Dense(3, 6)), None).theta.size == 24  # no state: no pass


# --- Extragradient ---


def test_extragradient_by_hand():
    # L = θ²/2, lr = ½: θ = 4 looks ahead to 4 − ½·4 = 2, and goes to 4 − ½·2 = 3.
    theta, optimiser = np.array([4.0]), Extragradient(SGD(0.5))
    optimiser.extrapolate(theta, theta.copy())
    assert theta.tolist() == [2]
    optimiser.step(theta, theta.copy())
    assert theta.tolist() == [3]


def play(make, steps):
    """Distances from the solution on the way of min_x max_y x·y; all look ahead, then all step."""
    players = make(), make()
    x, y = np.array([1.0]), np.array([1.0])
    distances = [math.hypot(1, 1)]
    for _ in range(steps):
        grads = y.copy(), -x
        for player, theta, grad in zip(players, (x, y), grads, strict=True):
            player.extrapolate(theta, grad)
        grads = y.copy(), -x
        for player, theta, grad in zip(players, (x, y), grads, strict=True):
            player.step(theta, grad)
        distances.append(math.hypot(x[0], y[0]))
    return np.array(distances)


def test_extragradient_spirals_into_the_bilinear_game():
    # In the complex plane z = x + i·y: z' = (1 + iη)·z, and z ← z + iη·z' = (1 − η² + iη)·z, of
    # size √((1 − η²)² + η²) = √(1 − η² + η⁴). Gradient descent goes out: see test_optim.py.
    for eta in (0.1, 0.5):
        distances = play(lambda eta=eta: Extragradient(SGD(eta)), 100)
        factor = math.sqrt(1 - eta**2 + eta**4)
        assert np.allclose(distances[1:] / distances[:-1], factor, rtol=1e-12)


def test_the_average_of_extragradient_takes_in_no_point_where_we_only_looked():
    inside, outside = EMA(Extragradient(SGD(0.5)), 0.5), Extragradient(SGD(0.5))
    a, b, averages = np.array([4.0]), np.array([4.0]), []
    for _ in range(3):
        inside.extrapolate(a, a.copy())
        inside.step(a, a.copy())
        outside.extrapolate(b, b.copy())
        outside.step(b, b.copy())
        averages.append(b.copy() if not averages else (averages[-1] + b) / 2)
    assert (a == b).all() and averages[0] == 3
    assert inside.average.tolist() == averages[-1].tolist()


def test_extragradient_around_adam_is_extra_adam():
    # Gidel et al. 2019, algorithm 4, line by line.
    lr, beta1, beta2, eps = 0.1, 0.5, 0.9, 1e-8
    grads = stream(0).standard_normal((6, 2, 4))
    w = stream(1).standard_normal(4)
    theta, optimiser = w.copy(), Extragradient(Adam(lr, beta1, beta2, eps))
    m, v = np.zeros(4), np.zeros(4)
    for t, (g, g_ahead) in enumerate(grads, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1 ** (2 * t - 1)), v / (1 - beta2 ** (2 * t - 1))
        ahead = w - lr * m_hat / (np.sqrt(v_hat) + eps)
        optimiser.extrapolate(theta, g)
        assert np.allclose(theta, ahead, rtol=1e-13, atol=0)
        m, v = beta1 * m + (1 - beta1) * g_ahead, beta2 * v + (1 - beta2) * g_ahead**2
        m_hat, v_hat = m / (1 - beta1 ** (2 * t)), v / (1 - beta2 ** (2 * t))
        w = w - lr * m_hat / (np.sqrt(v_hat) + eps)
        optimiser.step(theta, g_ahead)
        assert np.allclose(theta, w, rtol=1e-12, atol=0)


def test_clipping_and_projecting_hold_for_looking_ahead_too():
    clipped = ClipNorm(Extragradient(SGD(1)), 2.5)
    theta = np.zeros(2)
    clipped.extrapolate(theta, np.array([3.0, 4.0]))
    assert theta.tolist() == [-1.5, -2]
    for boxed in (ClipWeights(Extragradient(SGD(1)), 0.5), Extragradient(ClipWeights(SGD(1), 0.5))):
        theta = np.zeros(2)
        boxed.extrapolate(theta, np.array([3.0, -0.25]))
        assert theta.tolist() == [-0.5, 0.25]
        boxed.step(theta, np.array([-0.25, 3.0]))
        assert theta.tolist() == [0.25, -0.5]


def test_a_step_comes_after_one_extrapolation():
    optimiser, theta, grad = Extragradient(SGD(1)), np.ones(2), np.ones(2)
    with pytest.raises(RuntimeError, match="comes after extrapolate"):
        optimiser.step(theta, grad)
    assert (theta == 1).all()
    optimiser.extrapolate(theta, grad)
    with pytest.raises(RuntimeError, match="extrapolate was called twice"):
        optimiser.extrapolate(theta, grad)
    optimiser.step(theta, grad)
    with pytest.raises(RuntimeError, match="comes after extrapolate"):
        optimiser.step(theta, grad)
    assert (theta == 0).all()


# --- nesting and refusals ---


def test_a_wrapper_alone_changes_nothing():
    assert step(Wrapper(SGD(1)), [1, 2], [3, 4]) == [-2, -2]


def test_wrappers_nest_in_any_order():
    grad = np.array([3.0, 4.0])
    for nest in (
        lambda: ClipNorm(EMA(ClipWeights(SGD(1), 1.75)), 2.5),
        lambda: EMA(ClipWeights(ClipNorm(SGD(1), 2.5), 1.75)),
    ):
        assert step(nest(), [0, 0], grad) == [-1.5, -1.75]
    outermost = EMA(ClipWeights(SGD(1), 1))
    step(outermost, [0, 0], grad)
    assert outermost.average.tolist() == [-1, -1]


def test_what_can_not_look_ahead_says_what_to_do():
    for optimiser in (EMA(ClipNorm(AdamW(), 1)), ClipNorm(AdamW(), 1)):
        with pytest.raises(TypeError, match=r"AdamW has no extrapolate; .*Extragradient\(AdamW"):
            optimiser.extrapolate(np.ones(1), np.ones(1))


def test_an_average_within_extragradient_is_refused():
    for within in (EMA(SGD(1)), ClipNorm(EMA(SGD(1)), 1)):
        with pytest.raises(TypeError, match="the other way round"):
            Extragradient(within)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ClipNorm(SGD(1), 0), ValueError, "limit must be a number > 0, got 0"),
        (lambda: ClipNorm(SGD(1), math.nan), ValueError, "limit must be a number > 0, got nan"),
        (lambda: ClipWeights(SGD(1), -1), ValueError, "c must be a number > 0, got -1"),
        (lambda: MaxNorm(SGD(1), Dense(1, 1), 0), ValueError, "limit must be"),
        (lambda: EMA(SGD(1), 1), ValueError, r"decay must lie in \[0, 1\), got 1"),
        (lambda: EMA(0.1), TypeError, "EMA: optimiser is 0.1, expected something with"),
        (lambda: ClipNorm(SGD, 1), TypeError, "ClipNorm: optimiser is <class"),
        (lambda: Extragradient(None), TypeError, "Extragradient: optimiser is None"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_network_of_another_size_is_refused():
    with pytest.raises(ValueError, match="a vector like theta has shape"):
        MaxNorm(SGD(1), Dense(2, 2), 1).step(np.ones(3), np.ones(3))


def test_max_column_norm_knows_where_each_kernel_counts_its_outputs():
    net = Sequential(
        ConvTranspose2d(3, 2, 3), SpectralNorm(Conv2d(2, 4, 2)), Sequential(Maxout(5, 2, 3)), seed=0
    )
    assert net.kernel_axes() == {"0.W": -2, "1.W": -1, "2.0.W": -1}
    net.theta *= 100
    MaxNorm(SGD(1e-30), net, 0.5).step(net.theta, net.new_grad())
    transposed, conv = (net.parameters()[name] for name in ("0.W", "1.W"))
    assert np.allclose(np.sqrt((transposed**2).sum(axis=(0, 1, 3))), 0.5, rtol=1e-6)
    assert np.allclose(np.sqrt((conv**2).sum(axis=(0, 1, 2))), 0.5, rtol=1e-6)


def test_regularised_adds_the_gradient_of_the_cost_and_leaves_grad_alone():
    net = Sequential(Dense(2, 1))
    net.theta = np.array([3.0, -4.0, 5.0])
    grad = np.array([1, 1, 1], np.float32)
    Regularised(SGD(1.0), net, L2(0.5)).step(net.theta, grad)
    assert net.theta.tolist() == [3 - 1 - 1.5, -4 - 1 + 2, 5 - 1] and grad.tolist() == [1, 1, 1]


# --- what they remember ---------------------------------------------------------------------------


def test_a_memory_has_the_names_of_the_wrappers_depth_and_copies():
    optimiser, theta = ClipNorm(EMA(Adam(0.1)), 1.0), np.ones(3)
    assert optimiser.state_dict() == {"2.t": 0}
    optimiser.step(theta, theta.copy())
    kept = optimiser.state_dict()
    assert list(kept) == ["1.average", "2.t", "2.m", "2.v"] and kept["2.t"] == 1
    average = kept["1.average"].copy()
    optimiser.step(theta, theta.copy())
    assert (kept["1.average"] == average).all()


def test_a_memory_of_another_optimiser_is_refused():
    optimiser, theta = EMA(Adam(0.1)), np.ones(3)
    optimiser.step(theta, theta.copy())
    kept = optimiser.state_dict()
    for other in (Adam(0.1), EMA(SGD(0.1)), ClipNorm(EMA(Adam(0.1)), 1.0)):
        with pytest.raises(ValueError, match="but what came is 0.average, .* of another optimiser"):
            other.load_state_dict(kept)
    with pytest.raises(ValueError, match="what came is nothing"):
        optimiser.load_state_dict({})
    assert optimiser.optimiser.t == 1


def test_an_optimiser_that_does_not_say_what_it_remembers():
    class Forgetful:
        def step(self, theta, grad):
            pass

    with pytest.raises(TypeError, match="Forgetful does not say what it remembers .* remembers ="):
        EMA(Forgetful()).state_dict()


# --- how they print -------------------------------------------------------------------------------


def test_an_optimiser_prints_the_call_that_makes_it():
    net = Dense(2, 2)
    for optimiser, text in (
        (Adam(), "Adam()"),
        (Adam(2e-4, beta1=0.5), "Adam(lr=0.0002, beta1=0.5)"),
        (SGD(linear(1, 0, 9)), "SGD(lr=linear(start=1, end=0, steps=9))"),
        (
            SGD(scaled(cosine(1, 0, 9), 0.5)),
            "SGD(lr=Scaled(schedule=cosine(start=1, end=0, steps=9), factor=0.5))",
        ),
        (EMA(ClipNorm(RMSProp(0.1), 1)), "EMA(ClipNorm(RMSProp(lr=0.1), limit=1.0))"),
        (AdamW(mask=net.kernel_mask), "AdamW(mask=…)"),
        (MaxNorm(SGD(1), net, 2), "MaxNorm(SGD(lr=1), net=…, limit=2.0)"),
        (Regularised(SGD(1), net, L2(0.5)), "Regularised(SGD(lr=1), net=…, regulariser=L2(0.5))"),
    ):
        assert repr(optimiser) == text


def test_schedules_compare_by_what_they_are():
    assert linear(1, 0, 9) == linear(1, 0, 9) != linear(1, 0, 8)
    assert warm_up(3, linear(1, 0, 9)) == warm_up(3, linear(1, 0, 9))
