"""SpectralNorm, beyond its derivatives at ordinary points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    Maxout,
    Sequential,
    SpectralNorm,
    Tanh,
    check,
    stream,
)
from minigan.init import normal, zeros
from minigan.layers.base import Layer

seeds = st.integers(0, 2**32)


def draw(seed, *shape):
    return stream(seed, "x").standard_normal(shape)


def in_float64(layer, seed=0):
    """Give the layer in float64, its weights and its state moved off where they start."""
    layer = layer.astype(np.float64)
    layer.theta += 0.3 * stream(seed, "theta").standard_normal(layer.theta.size)
    return layer


class Spread(Dense):
    """y (n, q) = x (n, p)·W of a kernel (k, q, p): its outputs are its middle axis.

    A stand-in for transposed convolutions, whose kernels are (k, k, c_out, c_in): what is summed
    over k here is spread over pixels there.
    """

    output_axis = -2

    def __init__(self, p, q, k):
        self.p, self.q, self.k = p, q, k
        Layer.__init__(self, {"W": (k, q, p), "b": (q,)}, kernels=("W",))
        self.initialise(stream(0))

    def initialise(self, rng):
        self.W[...] = rng.standard_normal(self.W.shape)
        self.b[...] = 0

    def forward(self, x, train=True, rng=None):
        self.check_input(x)
        return x @ self.W.sum(axis=0).T + self.b, x

    def backward(self, dy, cache, grad=None):
        if grad is not None:
            self.views(grad)["W"] += dy.T @ cache
            self.views(grad)["b"] += dy.sum(axis=0)
        return dy @ self.W.sum(axis=0)

    def jvp(self, v, cache):
        return v @ self.W.sum(axis=0).T

    def jvp_backward(self, v, dy, cache, grad=None):
        if grad is not None:
            self.views(grad)["W"] += dy.T @ v
        return np.zeros_like(v)


def singular_value(matrix):
    return np.linalg.svd(matrix, compute_uv=False)[0]


@settings(max_examples=8)
@given(n=st.integers(2, 4), p=st.integers(1, 5), q=st.integers(2, 5), seed=seeds, b=st.booleans())
def test_spectral_norm_of_any_size_is_right(n, p, q, seed, b):
    layer = in_float64(SpectralNorm(Dense(p, q, b, init=normal(1.0), seed=seed)), seed)
    check.layer(layer, draw(seed, n, p), seed=seed).assert_ok()


def test_power_iteration_finds_the_largest_singular_value():
    layer = SpectralNorm(Dense(20, 12, init=normal(1.0))).astype(np.float64)
    x = draw(0, 3, 20)
    start = layer.forward(x)[1].sigma
    assert 0.9 * singular_value(layer.W) < start <= singular_value(layer.W) * (1 + 1e-6)
    for _ in range(300):
        layer.update_state(layer.forward(x)[1])
    y, cache = layer.forward(x)
    assert check.relative_error(cache.sigma, singular_value(layer.W)) < 1e-13
    assert check.relative_error(y, x @ layer.W / singular_value(layer.W)) < 1e-13
    # Then dW is orthogonal to W: σ's first order takes away what would only rescale it.
    grad = layer.new_grad()
    layer.backward(y, cache, grad)
    assert abs((layer.views(grad)["W"] * layer.W).sum()) < 1e-12 * np.abs(grad).sum()


def test_one_call_is_one_power_iteration():
    layer = SpectralNorm(Dense(4, 3)).astype(np.float64)
    layer.W[...] = draw(5, 4, 3)  # u and v do not fit it yet
    u, W = layer.u.copy(), layer.W
    layer.update_state(None)
    v = W.T @ u / np.linalg.norm(W.T @ u)
    assert check.relative_error(layer.v, v) < 1e-15
    assert check.relative_error(layer.u, W @ v / np.linalg.norm(W @ v)) < 1e-15


def test_the_axis_that_counts_outputs_is_the_layers_to_say():
    layer = in_float64(SpectralNorm(Spread(3, 2, k=2)))
    assert layer.u.shape == (2 * 3,) and layer.v.shape == (2,)
    for _ in range(200):
        layer.update_state(None)
    x = draw(0, 4, 3)
    matrix = np.concatenate([part.T for part in layer.W])  # (k·p, q)
    assert check.relative_error(layer.forward(x)[1].sigma, singular_value(matrix)) < 1e-13
    check.layer(layer, x).assert_ok()
    layer = in_float64(SpectralNorm(Spread(3, 2, k=2)), seed=1)
    check.layer(layer, x).assert_ok()  # u and v are far from converged


def test_spectral_norm_shares_one_vector_with_the_layer_that_it_wraps():
    dense = Dense(3, 2, seed=4)
    W = dense.W.copy()
    layer = SpectralNorm(dense)
    assert list(layer.parameters()) == ["W", "b"] and (layer.W == W).all()
    net = Sequential(layer, Tanh())
    net.theta[...] = np.arange(8)
    assert dense.W.tolist() == layer.W.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert all(np.shares_memory(a, net.theta) for a in (dense.W, dense.b, layer.W, layer.b))
    assert np.shares_memory(layer.u, net.state) and net.state.size == 3 + 2
    assert net.kernel_mask.tolist() == [True] * 6 + [False] * 2
    twin = net.copy()
    assert not np.shares_memory(twin.layers[0].layer.W, net.theta)
    assert np.shares_memory(twin.layers[0].layer.W, twin.theta)
    assert twin.layers[0].layer.owner is twin.layers[0]
    assert dense.state.size == 0, "u and v are not the layer's"


def test_spectral_norm_says_of_itself_what_the_layer_says():
    for inner in (Dense(3, 2), ConvTranspose2d(2, 3, 2), TanhDense(3, 2)):
        layer = SpectralNorm(inner)
        for name in ("in_shape", "piecewise_linear", "couples_samples", "output_axis"):
            assert getattr(layer, name) == getattr(inner, name)
        assert layer.kernel_axes() == inner.kernel_axes()


class TanhDense(Dense):
    """y = tanh(x)·W + b: linear in W, but not in x."""

    piecewise_linear = False

    def forward(self, x, train=True, rng=None):
        y, z = super().forward(np.tanh(x), train, rng)
        return y, (z, Tanh().forward(x)[1])

    def backward(self, dy, cache, grad=None):
        return Tanh().backward(super().backward(dy, cache[0], grad), cache[1])

    def jvp(self, v, cache):
        return super().jvp(Tanh().jvp(v, cache[1]), cache[0])

    def jvp_backward(self, v, dy, cache, grad=None):
        super().jvp_backward(Tanh().jvp(v, cache[1]), dy, cache[0], grad)
        return Tanh().jvp_backward(v, dy @ self.W.T, cache[1])


def test_spectral_norm_hands_on_the_mode_and_the_generator():
    heard = []

    class Listening(Dense):
        def forward(self, x, train=True, rng=None):
            heard.append((train, rng))
            return super().forward(x, train, rng)

    layer, x, rng = SpectralNorm(Listening(2, 1)), np.ones((1, 2), np.float32), stream(0)
    layer.forward(x)
    layer.forward(x, train=False)
    layer.forward(x, rng=rng)
    assert heard == [(True, None), (False, None), (True, rng)]


def test_spectral_norm_of_a_layer_that_is_not_linear_in_x_is_right_to_second_order():
    check.layer(in_float64(SpectralNorm(TanhDense(3, 2))), draw(0, 4, 3)).assert_ok()


def test_patches_overlap_so_a_convolution_may_stretch_an_image_by_the_kernels_side():
    layer = Conv2d(1, 1, k=3, padding=1, bias=False, init=lambda rng, shape: np.ones(shape))
    image = np.ones((1, 32, 32, 1), np.float32)
    stretched = np.linalg.norm(SpectralNorm(layer)(image)) / np.linalg.norm(image)
    assert 2.8 < stretched <= 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_spectral_norm_starts_with_twenty_iterations_from_the_stream_of_seed_0(dtype):
    layer = SpectralNorm(Dense(4, 3).astype(dtype))
    u = stream(0, "init").standard_normal(4)
    for _ in range(20):
        v = layer.W.T @ u / np.linalg.norm(layer.W.T @ u)
        u = layer.W @ v / np.linalg.norm(layer.W @ v)
    assert check.relative_error(layer.state, np.concatenate([u, v])) < 100 * np.finfo(dtype).eps
    assert layer.state.dtype == dtype


def test_spectral_norm_without_grad_computes_no_weight_gradient(monkeypatch):
    layer, x = SpectralNorm(Dense(2, 3)), np.ones((4, 2), np.float32)
    y, cache = layer.forward(x)
    monkeypatch.setattr(layer.layer, "new_grad", lambda: pytest.fail("a gradient was asked for"))
    layer.backward(y, cache)
    layer.jvp_backward(x, y, cache)


def test_spectral_norm_adopts_a_layer_once():
    dense = Dense(3, 2)
    SpectralNorm(dense)
    for adopt in (SpectralNorm, Sequential):
        with pytest.raises(ValueError, match=r"already belongs to a network.*copy\(\)"):
            adopt(dense)
    in_a_network = Dense(3, 2)
    Sequential(in_a_network)
    with pytest.raises(ValueError, match="already belongs to a network"):
        SpectralNorm(in_a_network)


def test_spectral_norm_refuses_what_is_not_linear_in_a_kernel():
    unsaid = Dense(2, 2)
    unsaid.output_axis = None
    for layer in (Tanh(), BatchNorm(2), Maxout(2, 2), SpectralNorm(Dense(2, 2)), Flatten(), unsaid):
        with pytest.raises(ValueError, match="linear in a kernel W.*got "):
            SpectralNorm(layer)
        assert layer.owner is None
    with pytest.raises(ValueError, match="all zero"):
        SpectralNorm(Dense(2, 2, init=zeros))
    with pytest.raises(TypeError, match="3.*expected a layer"):
        SpectralNorm(3)


def test_spectral_norm_is_drawn_with_the_weights():
    nets = [Sequential(SpectralNorm(Dense(6, 5)), seed=seed) for seed in (1, 1, 2)]
    assert (nets[0].state == nets[1].state).all() and (nets[0].state != nets[2].state).any()
    layer = nets[0].layers[0]
    sigma = layer.u @ layer.W @ layer.v
    assert 0.95 < sigma / singular_value(layer.W) < 1 + 1e-6
    assert np.allclose([layer.u @ layer.u, layer.v @ layer.v], 1, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-24, 1.0, 1e20])
def test_kernels_of_any_scale_have_the_same_singular_vectors(scale):
    layer, plain = Dense(5, 4), Dense(5, 4)
    layer.W *= np.float32(scale)
    norm, reference = SpectralNorm(layer), SpectralNorm(plain)
    assert np.allclose(norm.u, reference.u, atol=1e-5)
    norm.update_state(None)
    assert np.isfinite(norm.state).all() and np.isclose(norm.u @ norm.u, 1, rtol=1e-5)
    x = draw(1, 3, 5).astype(np.float32)
    assert np.allclose(norm.forward(x)[0], reference.forward(x)[0], rtol=1e-4, atol=1e-5)


def test_a_kernel_that_becomes_zero_leaves_its_vectors_and_gives_the_bias():
    norm = SpectralNorm(Dense(5, 4))
    state = norm.state.copy()
    norm.W[...], norm.b[...] = 0, 3
    norm.update_state(None)
    assert (norm.state == state).all()
    y, cache = norm.forward(np.ones((2, 5), np.float32))
    assert (y == 3).all()
    grad = norm.new_grad()
    assert not norm.backward(np.ones_like(y), cache, grad).any()
    assert np.isfinite(grad).all() and norm.views(grad)["b"].tolist() == [2] * 4


def test_a_large_bias_costs_no_digits():
    layer = Dense(64, 8, seed=3)
    layer.W *= np.float32(1e-5)
    layer.b[...] = 0.5
    norm = SpectralNorm(layer)
    x = draw(0, 16, 64).astype(np.float32)
    W, u, v, b = (a.astype(np.float64) for a in (norm.W, norm.u, norm.v, norm.b))
    exact = x @ (W / (u @ W @ v)) + b
    assert abs(norm.forward(x)[0] - exact).max() < 1e-6 * abs(exact).max()
