"""What each layer is known for, beyond its derivatives being right (see test_registry.py)."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Maxout,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    SpectralNorm,
    Tanh,
    Upsample,
    check,
    stream,
)
from minigan.init import normal, zeros
from minigan.layers.base import Layer

sizes = st.integers(1, 6)
seeds = st.integers(0, 2**32)


@settings(max_examples=8)
@given(n=sizes, p=sizes, q=sizes, bias=st.booleans(), seed=seeds, scale=st.floats(1e-3, 1e3))
def test_dense_of_any_size_is_right(n, p, q, bias, seed, scale):
    layer = Dense(p, q, bias, init=normal(scale), seed=seed)
    x = scale * stream(seed, "x").standard_normal((n, p))
    check.layer(layer, x, seed=seed).assert_ok()


@settings(max_examples=8)
@given(
    shape=st.lists(sizes, min_size=1, max_size=3),
    n=sizes,
    seed=seeds,
    make=st.sampled_from([LeakyReLU, ReLU, Sigmoid, Tanh, Flatten]),
)
def test_layers_without_weights_take_any_shape(shape, n, seed, make):
    x = check.away_from_zero(stream(seed, "x").standard_normal((n, *shape)))
    check.layer(make(), x, seed=seed).assert_ok()


# A slope below 1e-38 has fewer digits than float32 promises.
@settings(max_examples=8)
@given(slope=st.just(0.0) | st.floats(1e-30, 2), seed=seeds)
def test_leaky_relu_of_any_slope_is_right(slope, seed):
    x = check.away_from_zero(stream(seed, "x").standard_normal((2, 3)))
    check.layer(LeakyReLU(slope), x, seed=seed).assert_ok()


@settings(max_examples=8)
@given(seed=seeds, widths=st.lists(sizes, min_size=2, max_size=5), n=sizes)
def test_smooth_network_of_any_widths_is_right(seed, widths, n):
    layers = []
    for i, (p, q) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        layers += [Dense(p, q), (Tanh(), Sigmoid())[i % 2]]
    net = Sequential(*layers, seed=seed)
    check.layer(net, stream(seed, "x").standard_normal((n, widths[0])), seed=seed).assert_ok()


def test_dense_by_hand():
    layer = Dense(2, 2)
    layer.W[...] = [[1, 2], [3, 4]]
    layer.b[...] = [10, 20]
    y, cache = layer.forward(np.array([[1, 1], [0, 2]], np.float32))
    assert y.tolist() == [[14, 26], [16, 28]]
    grad = layer.new_grad()
    dx = layer.backward(np.array([[1, 0], [0, 1]], np.float32), cache, grad)
    assert dx.tolist() == [[1, 3], [2, 4]]
    assert layer.views(grad)["W"].tolist() == [[1, 0], [1, 2]]
    assert layer.views(grad)["b"].tolist() == [1, 1]


def test_dense_without_grad_computes_no_weight_gradient(monkeypatch):
    layer = Dense(2, 3)
    y, cache = layer.forward(np.ones((4, 2), np.float32))
    monkeypatch.setattr(layer, "views", lambda grad: pytest.fail("a weight gradient was computed"))
    layer.backward(y, cache)
    layer.jvp_backward(np.ones((4, 2), np.float32), y, cache)


def test_dense_starts_as_its_initialiser_says():
    assert not Dense(3, 4, init=zeros).theta.any()
    assert np.isclose(Dense(500, 500, init=normal(0.02)).W.std(), 0.02, rtol=0.02)
    assert (Dense(3, 4, seed=1).W == Dense(3, 4, seed=1).W).all()
    assert (Dense(3, 4, seed=1).W != Dense(3, 4, seed=2).W).any()
    assert not Dense(3, 4).b.any()


@pytest.mark.parametrize("make", [Dense, Maxout, Conv2d, ConvTranspose2d])
def test_what_all_layers_with_a_kernel_have_in_common(make):
    sizes = (2, 3) if make in (Dense, Maxout) else (2, 3, 2)
    layer = make(*sizes)
    assert (layer.theta == make(*sizes, seed=0).theta).all(), "drawn from seed 0"
    kernels = {name: view.all() for name, view in layer.views(layer.kernel_mask).items()}
    assert kernels == {"W": True, "b": False}
    layer.theta[...] = 7
    layer.initialise(stream(0, "init"))
    assert (layer.theta == make(*sizes).theta).all() and not layer.b.any()
    if make is not Maxout:
        assert list(make(*sizes, bias=False).parameters()) == ["W"]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Dense(3, 2), (3,)),
        (Maxout(3, 2), (3,)),
        (LayerNorm(3), (3,)),
        (Tanh(), (3,)),
        (Reshape((3, 1)), (3,)),
        (Conv2d(2, 1, 2), (3, 4, 2)),
        (ConvTranspose2d(2, 1, 2), (3, 4, 2)),
        (AvgPool2d(2), (2, 4, 2)),
        (Upsample(2), (2, 4, 2)),
    ],
    ids=str,
)
def test_a_vector_of_another_shape_is_refused_by_its_name(layer, shape):
    x = np.ones((3, *shape), np.float32)
    y, cache = layer.forward(x)
    v, dy = x[:2], y[:2]
    sizes_v, sizes_dy = (re.escape(f"{a.shape}, expected {b.shape}") for a, b in ((v, x), (dy, y)))
    for call, message in (
        (lambda: layer.backward(dy, cache), f"^dy has shape {sizes_dy}"),
        (lambda: layer.jvp(v, cache), f"^v has shape {sizes_v}"),
        (lambda: layer.jvp_backward(v, y, cache), f"^v has shape {sizes_v}"),
        (lambda: layer.jvp_backward(x, dy, cache), f"^dy has shape {sizes_dy}"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("make", [lambda: Dense(3, 3), lambda: SpectralNorm(Dense(3, 3))])
def test_a_copy_belongs_to_nobody(make):
    layer, net = make(), Sequential(Sequential(make()))
    Sequential(layer)
    Sequential(layer.copy())
    Sequential(net.layers[0].copy())


def test_dense_names_the_cure_for_images():
    with pytest.raises(
        ValueError, match=r"samples of shape \(4,\), got \(2, 2, 1\); put a Flatten"
    ):
        Dense(4, 1).forward(np.ones((3, 2, 2, 1), np.float32))
    with pytest.raises(ValueError, match=r"got \(5,\)$"):
        Dense(4, 1).forward(np.ones((3, 5), np.float32))
    with pytest.raises(ValueError, match="at least 1"):
        Dense(0, 1)


@pytest.mark.parametrize("slope", [0.2, 0.0, 1.5])
def test_leaky_relu_at_its_kink_has_the_slope_from_the_left(slope):
    layer = LeakyReLU(slope)
    y, cache = layer.forward(np.array([[-1.0, -0.0, 0.0, 1.0]]))
    assert y.tolist() == [[-slope, 0, 0, 1]]
    assert layer.backward(np.ones((1, 4)), cache).tolist() == [[slope, slope, slope, 1]]


def test_layers_in_print_and_what_they_take_unless_told_otherwise():
    conv = "Conv2d(c_in=1, c_out=2, k=3, stride=1, padding=0, bias=True)"
    assert repr(Conv2d(1, 2, 3)) == conv
    transposed = conv.replace("Conv2d", "ConvTranspose2d").replace("bias", "output_padding=0, bias")
    assert repr(ConvTranspose2d(1, 2, 3)) == transposed
    assert repr(LeakyReLU()) == "LeakyReLU(slope=0.2)"
    assert repr(Upsample()) == "Upsample(factor=2)"
    assert repr(AvgPool2d()) == "AvgPool2d(size=2)"
    assert repr(Dropout()) == "Dropout(p=0.5)"
    assert repr(BatchNorm(3)) == "BatchNorm(c=3, eps=1e-05, momentum=0.1)"
    assert repr(LayerNorm(3)) == "LayerNorm(shape=(3,), eps=1e-05)"


def test_relu_is_the_leaky_relu_of_slope_zero():
    x = np.array([[-2.0, 3.0]])
    assert ReLU().forward(x)[0].tolist() == [[0, 3]]
    assert repr(ReLU()) == "ReLU()"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_tanh_take_any_number_without_a_warning(dtype):
    x = np.array([[-np.inf, -1e4, -100, 0, 100, 1e4, np.inf]], dtype)
    for layer, low in ((Sigmoid(), 0.0), (Tanh(), -1.0)):
        y, cache = layer.forward(x)
        assert (y[0, :2] == low).all() and (y[0, -3:] == 1).all()
        assert np.isfinite(layer.backward(np.ones_like(x), cache)).all()
        assert np.isfinite(layer.jvp_backward(np.ones_like(x), np.ones_like(x), cache)).all()


def test_sigmoid_keeps_all_digits_of_small_probabilities():
    for x in (-3.0, -20.0, -80.0):
        y, _ = Sigmoid().forward(np.array([[x]], np.float32))
        assert math.isclose(float(y[0, 0]), 1 / (1 + math.exp(-x)), rel_tol=3e-7)


def test_tanh_near_zero_keeps_its_digits():
    x = np.array([[1e-4]])
    y, cache = Tanh().forward(x)
    assert math.isclose(y[0, 0], 1e-4 - 1e-12 / 3, rel_tol=1e-15)
    second = Tanh().jvp_backward(np.ones((1, 1)), np.ones((1, 1)), cache)
    assert math.isclose(second[0, 0], -2e-4, rel_tol=1e-7)


def test_reshape_keeps_the_order_of_the_numbers():
    x = np.arange(12.0).reshape(2, 6)
    images, cache = Reshape((3, 2)).forward(x)
    assert images[1].tolist() == [[6, 7], [8, 9], [10, 11]]
    assert (Reshape((3, 2)).backward(images, cache) == x).all()
    assert (Flatten().forward(images)[0] == x).all()
    with pytest.raises(ValueError, match=r"samples of 6 numbers, got \(5,\), which has 5"):
        Reshape((3, 2)).forward(np.ones((2, 5)))


def test_a_layer_without_a_map_says_so():
    class Half(Layer):
        pass

    layer = Half()
    for call in (
        lambda: layer.forward(np.ones((1, 1))),
        lambda: layer.backward(np.ones((1, 1)), None),
        lambda: layer.jvp(np.ones((1, 1)), None),
        lambda: layer.jvp_backward(np.ones((1, 1)), np.ones((1, 1)), None),
    ):
        with pytest.raises(NotImplementedError, match="Half has no "):
            call()


def test_what_is_masked_is_zero_even_at_infinity():
    x = np.array([[-np.inf, np.inf, 1.0, -1.0]])
    assert ReLU().forward(x)[0].tolist() == [[0, np.inf, 1, 0]]
    assert LeakyReLU(0.5).forward(x)[0].tolist() == [[-np.inf, np.inf, 1, -0.5]]
    infinite = np.full((4, 50), np.inf)
    y, mask = Dropout(0.5).forward(infinite, rng=stream(0))
    assert 0 < (y == 0).sum() < 200 and np.array_equal(np.isinf(y), mask > 0)
    assert np.isnan(ReLU().forward(np.array([[np.nan]]))[0])
    layer = Maxout(2, 1, pieces=3, init=zeros)
    _, cache = layer.forward(np.ones((1, 2), np.float32))
    grad = layer.new_grad()
    with np.errstate(invalid="ignore"):  # in dx, where an infinite dz meets a W of zero
        layer.backward(np.full((1, 1), np.inf, np.float32), cache, grad)
    assert layer.views(grad)["b"].tolist() == [np.inf, 0, 0]  # the first of equals has won


def test_float16_is_refused_at_every_door():
    half = np.ones((2, 3), np.float16)
    for door in (
        lambda: Tanh().forward(half),
        lambda: Dense(3, 2).forward(half),
        lambda: Dense(3, 2).astype(np.float16),
        lambda: BatchNorm(3).astype("float16"),
        lambda: Sequential(Dense(3, 2), dtype=np.float16),
        lambda: Sequential(Tanh(), Dense(3, 2)).astype(np.float16),
    ):
        with pytest.raises(TypeError, match=r"dtype float16, expected floating point .*'float32'"):
            door()
    layer = Dense(3, 2)
    with pytest.raises(TypeError):
        Sequential(layer, dtype=np.float16)
    assert Sequential(layer).theta.dtype == np.float32, "a refused network adopts no layer"


def test_a_call_is_forward_in_evaluation():
    x = np.ones((4, 3))
    assert (Dropout()(x) == x).all()
    norm = BatchNorm(3).astype(np.float64)
    assert np.allclose(norm(x), 1, atol=1e-4)  # running mean 0 and variance 1, not the batch's


def test_old_names_still_work_and_say_the_new_ones():
    layer = Dense(2, 3)
    with pytest.warns(DeprecationWarning, match="kernel_mask"):
        assert (layer.kernels == layer.kernel_mask).all()
    with pytest.warns(DeprecationWarning, match="initialise"):
        layer.draw(stream(3, "init"))
    assert (layer.theta == Dense(2, 3, seed=3).theta).all()

    class Scale(Layer):
        def __init__(self):
            super().__init__({"s": (1,)})

        def draw(self, rng):  # as layers were written before
            self.s[...] = 7

    assert Sequential(Scale(), seed=0).theta == 7
