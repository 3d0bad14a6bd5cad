"""Convolutions: three functions held against loops, and what the layers made of them promise."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minigan import (
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    Reshape,
    Sequential,
    SpectralNorm,
    Tanh,
    Upsample,
    check,
    load,
    save,
    stream,
)
from minigan.init import glorot, normal
from minigan.layers.conv import conv, conv_kernel, conv_transposed

seeds = st.integers(0, 2**32)
channels = st.integers(1, 3)


@st.composite
def geometries(draw):
    """Draw (k, stride, padding, height of x, width of x) with an output of at least one pixel.

    The sides of x run through everything that leads to the same output (what output padding is
    for), one by one.
    """
    k, stride, padding = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(0, 4))
    sides = []
    for _ in "hw":
        rows, left_out = draw(st.integers(1, 4)), draw(st.integers(0, stride - 1))
        sides.append((rows - 1) * stride + k - 2 * padding + left_out)
    assume(min(sides) >= 1)
    return k, stride, padding, *sides


def output_size(size, k, stride, padding):
    return (size + 2 * padding - k) // stride + 1


def integers(seed, key, *shape):
    """Small integers as float64: sums of their products are exact in any order."""
    return stream(seed, key).integers(-4, 5, shape).astype(np.float64)


def terms(n, c, o, geometry):
    """Every index (n, i, j, o, a, b, c, u, v) of the one sum that lies within the frame of x."""
    k, stride, padding, h, w = geometry
    rows, columns = output_size(h, k, stride, padding), output_size(w, k, stride, padding)
    for i, j, a, b in itertools.product(range(rows), range(columns), range(k), range(k)):
        u, v = stride * i + a - padding, stride * j + b - padding
        if 0 <= u < h and 0 <= v < w:
            for m, q, r in itertools.product(range(n), range(o), range(c)):
                yield m, i, j, q, a, b, r, u, v


def x_W_y(seed, n, c, o, geometry):
    k, stride, padding, h, w = geometry
    rows, columns = output_size(h, k, stride, padding), output_size(w, k, stride, padding)
    x, W = integers(seed, "x", n, h, w, c), integers(seed, "W", k, k, c, o)
    return x, W, integers(seed, "y", n, rows, columns, o)


# --- the three functions ---


@given(seed=seeds, n=st.integers(1, 2), c=channels, o=channels, geometry=geometries())
def test_three_functions_are_the_sum_written_as_loops(seed, n, c, o, geometry):
    x, W, y = x_W_y(seed, n, c, o, geometry)
    k, stride, padding, *_ = geometry
    by_hand = [np.zeros_like(array) for array in (y, x, W)]
    for m, i, j, q, a, b, r, u, v in terms(n, c, o, geometry):
        by_hand[0][m, i, j, q] += x[m, u, v, r] * W[a, b, r, q]
        by_hand[1][m, u, v, r] += y[m, i, j, q] * W[a, b, r, q]
        by_hand[2][a, b, r, q] += y[m, i, j, q] * x[m, u, v, r]
    assert np.array_equal(conv(x, W, stride, padding), by_hand[0])
    assert np.array_equal(conv_transposed(y, W, stride, padding, x.shape), by_hand[1])
    assert np.array_equal(conv_kernel(x, y, stride, padding, k), by_hand[2])


@given(seed=seeds, n=st.integers(1, 3), c=channels, o=channels, geometry=geometries())
def test_three_functions_are_adjoint_to_each_other_exactly(seed, n, c, o, geometry):
    x, W, y = x_W_y(seed, n, c, o, geometry)
    k, stride, padding, *_ = geometry
    number = (y * conv(x, W, stride, padding)).sum()
    assert (conv_transposed(y, W, stride, padding, x.shape) * x).sum() == number
    assert (conv_kernel(x, y, stride, padding, k) * W).sum() == number


def test_the_kernel_is_not_flipped():
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    W = np.array([[0.0, 1.0], [0.0, 0.0]]).reshape(2, 2, 1, 1)  # the pixel to the right
    assert conv(x, W, 1, 0)[0, :, :, 0].tolist() == [[1, 2, 3], [5, 6, 7], [9, 10, 11]]


def test_rows_that_no_window_reaches_have_no_gradient():
    layer = Conv2d(1, 1, 2, stride=3, init=lambda rng, shape: np.ones(shape))
    _, cache = layer.forward(np.ones((1, 7, 5, 1), np.float32))
    dx = layer.backward(np.ones((1, 2, 2, 1), np.float32), cache)
    assert dx[0, :, 0, 0].tolist() == [1, 1, 0, 1, 1, 0, 0]
    assert dx[0, 0, :, 0].tolist() == [1, 1, 0, 1, 1]


# --- the layers ---


@settings(max_examples=8)
@given(seed=seeds, c=st.integers(1, 2), o=st.integers(1, 2), g=geometries(), bias=st.booleans())
def test_convolutions_of_any_geometry_are_right(seed, c, o, g, bias):
    k, stride, padding, h, w = g
    layer = Conv2d(c, o, k, stride, padding, bias, init=normal(1.0), seed=seed)
    check.layer(layer, stream(seed, "x").standard_normal((1, h, w, c)), seed=seed).assert_ok()


@st.composite
def transposed_layers(draw):
    """Draw a ConvTranspose2d and a shape of images for it that leaves something of them."""
    k, stride, padding = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 3))
    output_padding = draw(st.integers(0, stride - 1))
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(channels)
    assume((min(shape[:2]) - 1) * stride - 2 * padding + k + output_padding >= 1)
    layer = ConvTranspose2d(
        shape[2], draw(channels), k, stride, padding, output_padding, init=normal(1.0)
    )
    return layer, shape


@settings(max_examples=8)
@given(seed=seeds, n=st.integers(1, 2), layer_and_shape=transposed_layers())
def test_transposed_convolutions_of_any_geometry_are_right(seed, n, layer_and_shape):
    layer, shape = layer_and_shape
    check.layer(layer, stream(seed, "x").standard_normal((n, *shape)), seed=seed).assert_ok()


@given(seed=seeds, layer_and_shape=transposed_layers())
def test_a_transposed_convolution_is_the_adjoint_of_the_convolution_whose_kernel_it_has(
    seed, layer_and_shape
):
    up, shape = layer_and_shape
    down = Conv2d(up.c_out, up.c_in, up.k, up.stride, up.padding, bias=False)
    up, down = up.astype(np.float64), down.astype(np.float64)
    up.W[...] = down.W[...] = integers(seed, "W", *up.W.shape)
    z = integers(seed, "z", 2, *shape)
    y = integers(seed, "y", 2, *up.output_shape(shape))
    assert down.output_shape(y.shape[1:]) == shape
    assert (y * up.forward(z)[0]).sum() == (down.forward(y)[0] * z).sum()


@pytest.mark.parametrize(
    ("layer", "before", "after"),
    [
        (Conv2d(1, 64, 5, stride=2, padding=2), (28, 28, 1), (14, 14, 64)),
        (Conv2d(3, 8, 4, stride=2, padding=1), (32, 64, 3), (16, 32, 8)),
        (Conv2d(1, 8, 3, stride=2), (28, 28, 1), (13, 13, 8)),
        (Conv2d(2, 4, 3, padding=1), (7, 9, 2), (7, 9, 4)),
        (ConvTranspose2d(128, 64, 5, 2, 2, output_padding=1), (7, 7, 128), (14, 14, 64)),
        (ConvTranspose2d(8, 3, 4, stride=2, padding=1), (16, 32, 8), (32, 64, 3)),
        (ConvTranspose2d(8, 1, 3, stride=2), (13, 13, 8), (27, 27, 1)),
        (ConvTranspose2d(100, 8, 4), (1, 1, 100), (4, 4, 8)),
    ],
    ids=str,
)
def test_sizes(layer, before, after):
    assert layer.output_shape(before) == after
    y, cache = layer.forward(np.ones((2, *before), np.float32))
    assert y.shape == (2, *after)
    assert layer.backward(y, cache).shape == (2, *before)


def test_a_critic_of_images_is_right_to_second_order():
    critic = Sequential(
        Conv2d(2, 3, 3, stride=2, padding=1),
        LeakyReLU(),
        Conv2d(3, 4, 2, padding=1),
        Tanh(),
        Flatten(),
        Dense(36, 1),
        seed=3,
    )
    check.layer(critic, stream(1, "x").standard_normal((2, 4, 4, 2))).assert_ok()


def test_a_generator_of_images_is_right_to_second_order():
    generator = Sequential(
        Dense(3, 8),
        Reshape((2, 2, 2)),
        ConvTranspose2d(2, 2, 3, stride=2, padding=1, output_padding=1),
        Tanh(),
        Upsample(),
        Conv2d(2, 1, 3, padding=1),
        AvgPool2d(),
        seed=4,
    )
    assert generator.output_shape((3,)) == (4, 4, 1)
    check.layer(generator, stream(1, "z").standard_normal((2, 3))).assert_ok()


@pytest.mark.parametrize(
    "layer",
    [Conv2d(16, 32, 5, stride=2, padding=2), ConvTranspose2d(16, 8, 5, 2, 2, output_padding=1)],
    ids=str,
)
def test_maps_belong_together_at_real_sizes_in_float32(layer):
    x = stream(0, "x").standard_normal((16, 14, 14, 16), dtype=np.float32)
    assert check.broken_rules(layer, x) == []


@pytest.mark.parametrize("layer", [Conv2d(2, 3, 2), ConvTranspose2d(2, 3, 2)], ids=str)
def test_without_grad_no_weight_gradient_is_computed(layer, monkeypatch):
    x = np.ones((2, 3, 3, 2), np.float32)
    y, cache = layer.forward(x)
    monkeypatch.setattr(layer, "kernel_gradient", lambda *a: pytest.fail("it was computed"))
    layer.backward(y, cache)
    layer.jvp_backward(x, y, cache)


def test_kernels_are_drawn_with_the_fans_of_their_own_layer():
    rng, shape = stream(7, "init"), (3, 3, 20, 80)
    drawn = glorot(rng, shape).astype(np.float32)
    assert np.array_equal(Conv2d(20, 80, 3, seed=7).W, drawn)
    assert np.array_equal(ConvTranspose2d(20, 80, 3, seed=7).W, drawn.swapaxes(2, 3))
    seen = []
    ConvTranspose2d(20, 80, 3, init=lambda rng, shape: seen.append(shape) or np.zeros(shape))
    assert seen == [shape]
    assert not Conv2d(2, 3, 2).b.any() and not ConvTranspose2d(2, 3, 2).b.any()
    assert Conv2d(2, 3, 2).kernel_mask.sum() == ConvTranspose2d(2, 3, 2).kernel_mask.sum() == 24


@pytest.mark.parametrize(("k", "even"), [(4, True), (6, True), (3, False), (5, False)])
def test_kernels_of_a_multiple_of_the_stride_favour_no_pixel(k, even):
    layer = ConvTranspose2d(1, 1, k, stride=2, init=lambda rng, shape: np.ones(shape))
    counts, _ = layer.forward(np.ones((1, 8, 8, 1), np.float32))
    inner = counts[0, k:-k, k:-k, 0]
    assert (inner.min() == inner.max()) == even


def test_a_network_of_images_comes_back_from_disk(tmp_path):
    net = Sequential(
        Conv2d(1, 2, 3, stride=2, padding=1, bias=False),
        AvgPool2d(2),
        Upsample(3),
        ConvTranspose2d(2, 1, 4, 2, 1, 1),
        seed=5,
    )
    save(tmp_path / "net.safetensors", net)
    twin = load(tmp_path / "net.safetensors")
    assert repr(twin) == repr(net)
    x = stream(0, "x").standard_normal((2, 8, 8, 1), dtype=np.float32)
    assert np.array_equal(twin.forward(x)[0], net.forward(x)[0])


# --- what is refused ---


@pytest.mark.parametrize("make", [Conv2d, ConvTranspose2d])
def test_sizes_that_make_no_convolution_are_refused(make):
    name = make.__name__
    for arguments, message in [
        ((0, 1, 3), "c_in must be an integer of at least 1, got 0"),
        ((1, -2, 3), "c_out must be an integer of at least 1, got -2"),
        ((1, 1, 0), "k must be an integer of at least 1, got 0"),
        ((1, 1, (3, 3)), r"k must be an integer of at least 1, got \(3, 3\)"),
        ((1, 1, 3, 0), "stride must be an integer of at least 1, got 0"),
        ((1, 1, 3, 1, -1), "padding must be an integer of at least 0, got -1"),
        ((1, 1, 3, 1, 0.5), "padding must be an integer of at least 0, got 0.5"),
    ]:
        with pytest.raises(ValueError, match=f"^{name}: {message}$"):
            make(*arguments)


def test_output_padding_is_less_than_the_stride():
    with pytest.raises(ValueError, match="output_padding must be less than the stride, 2, got 2"):
        ConvTranspose2d(1, 1, 3, stride=2, output_padding=2)
    message = "^ConvTranspose2d: output_padding must be an integer of at least 0, got -1$"
    with pytest.raises(ValueError, match=message):
        ConvTranspose2d(1, 1, 3, output_padding=-1)


@pytest.mark.parametrize("make", [Conv2d, ConvTranspose2d])
def test_images_of_another_shape_are_refused_and_the_cure_is_named(make):
    for c_in, shape, message in [
        (
            3,
            (3, 8, 8),
            r"takes images of shape \(h, w, 3\), got \(3, 8, 8\); these are channels-fi",
        ),
        (3, (8, 8, 1), r"got \(8, 8, 1\)$"),
        (3, (27,), r"put a Reshape\(\(h, w, 3\)\) before it"),
        (3, (28,), r"got \(28,\)$"),
        (1, (8, 8), r"got \(8, 8\); give the one channel an axis: x\[..., None\]$"),
        (3, (8, 8), r"got \(8, 8\)$"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(c_in, 2, 3).forward(np.ones((2, *shape), np.float32))


def test_a_kernel_larger_than_the_padded_image_is_refused():
    layer = Conv2d(1, 1, 5, padding=1)
    assert layer.output_shape((3, 3, 1)) == (1, 1, 1)
    with pytest.raises(ValueError, match=r"is 5×5 and the image \(2, 4, 1\) .* only 4×6; take a"):
        layer.forward(np.ones((1, 2, 4, 1), np.float32))
    with pytest.raises(ValueError, match="only 6×4"):
        layer.output_shape((4, 2, 1))
    with pytest.raises(ValueError, match="layer 2 does not fit: .* take a smaller k"):
        Sequential(Dense(4, 4), Reshape((2, 2, 1)), layer)


def test_padding_that_leaves_nothing_is_refused():
    layer = ConvTranspose2d(1, 1, 3, padding=2)
    assert layer.output_shape((3, 3, 1)) == (1, 1, 1)
    with pytest.raises(ValueError, match=r"of an image \(2, 3, 1\) the padding of 2 leaves 0×1"):
        layer.forward(np.ones((1, 2, 3, 1), np.float32))
    with pytest.raises(ValueError, match=r"leaves 1×0; take less padding"):
        layer.output_shape((3, 2, 1))


# --- larger and smaller without weights ---


def test_upsampling_and_pooling_by_hand():
    x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    large, _ = Upsample().forward(x)
    assert large[0, :, :, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert AvgPool2d().forward(x)[0].tolist() == [[[[2.5]]]]
    assert np.array_equal(AvgPool2d().forward(large)[0], x)


@given(seed=seeds, f=st.integers(1, 4), h=st.integers(1, 3), w=st.integers(1, 3), c=channels)
def test_pooling_is_the_adjoint_of_upsampling_up_to_a_factor(seed, f, h, w, c):
    x, y = integers(seed, "x", 2, h, w, c), integers(seed, "y", 2, f * h, f * w, c)
    up, pool = Upsample(f), AvgPool2d(f)
    assert np.array_equal(up.backward(y, up.forward(x)[1]) / f**2, pool.forward(y)[0])
    dx = pool.backward(f**2 * x, pool.forward(y)[1])
    assert np.array_equal(dx, up.forward(x)[0])


def test_pooling_is_a_convolution_with_equal_weights():
    x = integers(0, "x", 2, 6, 8, 1)
    mean = np.full((2, 2, 1, 1), 1 / 4)
    assert np.array_equal(AvgPool2d(2).forward(x)[0], conv(x, mean, 2, 0))


def test_resizing_refuses_what_it_can_not_take():
    with pytest.raises(ValueError, match=r"sides are multiples of 2, got \(4, 5, 1\); crop or pad"):
        AvgPool2d().forward(np.ones((1, 4, 5, 1)))
    with pytest.raises(ValueError, match="multiples of 3"):
        AvgPool2d(3).output_shape((4, 6, 1))
    for layer in (AvgPool2d(), Upsample(3)):
        message = re.escape(f"{layer!r} takes images of shape (h, w, c), got (4, 4)")
        with pytest.raises(ValueError, match=f"^{message}$"):
            layer.forward(np.ones((1, 4, 4)))
    with pytest.raises(ValueError, match="Upsample: factor must be an integer of .*, got 0"):
        Upsample(0)
    with pytest.raises(ValueError, match="AvgPool2d: size must be an integer of .*, got 1.5"):
        AvgPool2d(1.5)


@pytest.mark.parametrize("make", [Conv2d, ConvTranspose2d])
def test_spectral_norm_takes_the_kernel_as_a_matrix_with_a_column_for_each_output(make):
    layer = SpectralNorm(make(2, 5, 3, init=normal(1.0), seed=1)).astype(np.float64)
    x = stream(0).standard_normal((2, 4, 4, 2))
    for _ in range(200):
        layer.update_state(layer.forward(x)[1])
    W = layer.W if make is Conv2d else layer.W.swapaxes(2, 3)  # (k, k, c_in, c_out)
    sigma = np.linalg.svd(W.reshape(3 * 3 * 2, 5), compute_uv=False)[0]
    assert np.isclose(layer.forward(x)[1].sigma, sigma, rtol=1e-12)
    check.layer(layer, x).assert_ok()
