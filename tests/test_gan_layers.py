"""Layers of GANs, Dropout to Residual, beyond their derivatives being right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import (
    BatchNorm,
    Dense,
    Dropout,
    LeakyReLU,
    Maxout,
    MinibatchStd,
    Rescale,
    Residual,
    Sequential,
    Sign,
    Tanh,
    check,
    load,
    save,
    stream,
)


def draw(seed, *shape, dtype=np.float64):
    return stream(seed, "x").standard_normal(shape).astype(dtype)


# --- Dropout ---


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 0.9])
def test_dropout_leaves_out_a_share_p_and_keeps_the_mean(p):
    x = np.ones((400, 250), np.float32)
    y, mask = Dropout(p).forward(x, rng=stream(0, "mask"))
    assert set(np.unique(mask)) <= {np.float32(0), np.float32(1) / np.float32(1 - p)}
    assert abs((mask == 0).mean() - p) < 0.005
    assert abs(y.mean() - 1) < 0.02
    assert y.dtype == mask.dtype == np.float32


def test_dropout_in_evaluation_is_the_identity():
    x = draw(0, 3, 4)
    y, cache = Dropout(0.9).forward(x, train=False)
    assert (y == x).all()
    assert (Dropout(0.9).backward(2 * x, cache) == 2 * x).all()


def test_dropout_leaves_out_what_is_drawn_below_p():
    class Drawn:
        def random(self, shape, dtype):
            return np.array([[0, 0.125, 0.25, 0.5]], dtype)

    x = np.ones((1, 4))
    assert Dropout(0.25).forward(x, rng=Drawn())[0].tolist() == [[0, 0, 4 / 3, 4 / 3]]
    assert (Dropout(0).forward(x, rng=Drawn())[0] == 1).all(), "even where 0 is drawn"


def test_dropout_takes_the_same_mask_for_every_dtype_and_device(xp, to_np):
    layer = Dropout(0.3).to("cpu" if xp is np else "gpu")
    masks = [
        to_np(layer.forward(xp.asarray(draw(0, 5, 6, dtype=dtype)), rng=stream(1))[1])
        for dtype in (np.float32, np.float64)
    ]
    expected = stream(1).random((5, 6), dtype=np.float32) >= 0.3
    assert all(((mask > 0) == expected).all() for mask in masks)


def test_dropout_without_a_generator_says_how_to_pass_one():
    net = Sequential(Dense(2, 2), Dropout())
    x = np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"rng=stream\(seed.*or train=False"):
        net.forward(x)
    net.forward(x, train=False)
    net.forward(x, rng=stream(0))


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_dropout_with_no_such_probability_is_refused(p):
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\)"):
        Dropout(p)


# --- Sign ---


def test_sign_turns_the_first_features_into_signs_and_hands_on_the_rest():
    x = np.array([[-0.5, 0, 1e-30, 2, -3]])
    y, cache = Sign(5, 3).forward(x)
    assert y.tolist() == [[-1, -1, 1, 2, -3]], "at its jump it is -1"
    assert x[0, 0] == -0.5, "x stays as it is"
    dy = np.array([[1.0, 2, 3, 4, 5]])
    assert Sign(5, 3).backward(dy, cache).tolist() == [[0, 0, 0, 4, 5]]


def test_all_values_of_the_signs_are_equally_likely():
    z = draw(0, 500, 3)
    corners = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    mirrored = (np.abs(z)[:, None] * corners).reshape(-1, 3)  # each z in all eight octants
    values, counts = np.unique(Sign(3, 3)(mirrored), axis=0, return_counts=True)
    assert len(values) == 8 and (counts == 500).all()


@pytest.mark.parametrize(("p", "bits"), [(2, 3), (0, 0), (2, -1), (2, 1.0)])
def test_sign_refuses_more_signs_than_features(p, bits):
    with pytest.raises((TypeError, ValueError), match="Sign"):
        Sign(p, bits)


# --- Rescale ---


def test_rescale_takes_pixels_from_minus_one_and_one_to_zero_and_one():
    y, cache = Rescale(0.5, 0.5).forward(np.array([[-1.0, 0, 1]]))
    assert y.tolist() == [[0, 0.5, 1]]
    assert Rescale(0.5, 0.5).backward(np.array([[2.0, 4, 6]]), cache).tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(("scale", "offset"), [(0, 1), (np.nan, 0), (np.inf, 0), (1, np.inf)])
def test_rescale_refuses_what_loses_or_spoils_a_sample(scale, offset):
    with pytest.raises(ValueError, match=r"^Rescale\(scale=.*both must be finite, and scale not 0"):
        Rescale(scale, offset)


# --- Maxout ---


def test_maxout_by_hand():
    layer = Maxout(1, 2, pieces=2)
    layer.W[...] = [[1, -1, 3, 0]]  # y_0 = |x|, y_1 = max(3·x, 1)
    layer.b[...] = [0, 0, 0, 1]
    y, cache = layer.forward(np.array([[2], [-2]], np.float32))
    assert y.tolist() == [[2, 6], [2, 1]]
    grad = layer.new_grad()
    dx = layer.backward(np.array([[1, 10], [100, 1000]], np.float32), cache, grad)
    assert dx.tolist() == [[1 + 30], [-100]]
    assert layer.views(grad)["W"].tolist() == [[2, -200, 20, -2000]]
    assert layer.views(grad)["b"].tolist() == [1, 100, 10, 1000]


def test_of_equal_pieces_the_first_wins(xp, to_np):
    layer = Maxout(2, 1, pieces=3).to("cpu" if xp is np else "gpu")
    layer.theta[...] = 0
    y, cache = layer.forward(xp.ones((4, 2), dtype=np.float32))
    grad = layer.new_grad()
    layer.backward(xp.ones((4, 1), dtype=np.float32), cache, grad)
    assert to_np(layer.views(grad)["b"]).tolist() == [4, 0, 0]


def test_maxout_has_five_pieces_unless_told_otherwise():
    # As in the critic of the first GAN.
    layer = Maxout(2, 3)
    assert repr(layer) == "Maxout(p=2, q=3, pieces=5)" and layer.W.shape == (2, 15)


def test_maxout_of_one_piece_is_dense():
    dense, maxout = Dense(3, 4, seed=1), Maxout(3, 4, pieces=1, seed=1)
    x = draw(0, 5, 3, dtype=np.float32)
    assert (dense.theta == maxout.theta).all()
    assert (dense.forward(x)[0] == maxout.forward(x)[0]).all()


def test_maxout_refuses_sizes_of_nothing():
    for sizes in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            Maxout(*sizes)
    with pytest.raises(ValueError, match=r"samples of shape \(3,\), got \(2,\)"):
        Maxout(3, 1).forward(np.ones((1, 2), np.float32))


# --- MinibatchStd ---


@pytest.mark.parametrize("shape", [(6, 4), (6, 2, 3, 2)])
def test_minibatch_std_appends_the_mean_standard_deviation(shape):
    x = draw(0, *shape)
    y, _ = MinibatchStd().forward(x)
    assert y.shape == (*shape[:-1], shape[-1] + 1)
    assert (y[..., :-1] == x).all()
    f = np.sqrt(x.var(axis=0) + 1e-8).mean()
    assert np.unique(y[..., -1]).size == 1
    assert check.relative_error(y[..., -1], np.full(shape[:-1], f)) < 1e-14


@settings(max_examples=8)
@given(n=st.integers(1, 5), p=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_minibatch_std_of_any_size_is_right(n, p, seed):
    # Samples that lie apart: where two are equal sd has all but a kink, of a width of 1e-4.
    x = draw(seed, n, p) + 10 * np.arange(n)[:, None]
    check.layer(MinibatchStd(), x, seed=seed).assert_ok()


def test_minibatch_std_of_samples_that_are_all_alike():
    x = np.full((3, 2), 7.0)
    y, cache = MinibatchStd().forward(x)
    assert np.allclose(y[:, -1], 1e-4, rtol=1e-12)
    assert (MinibatchStd().backward(np.ones_like(y), cache) == 1).all()


def test_minibatch_std_refuses_the_second_order_in_both_modes():
    layer, x = MinibatchStd(), draw(0, 3, 2)
    for train in (True, False):
        y, cache = layer.forward(x, train)
        with pytest.raises(NotImplementedError, match="leave MinibatchStd out"):
            layer.jvp_backward(x, y, cache)


# --- Residual ---


def test_residual_adds_x():
    f = (Dense(3, 4), Tanh(), Dense(4, 3))
    plain, residual = Sequential(*f, seed=1), Residual(*(layer.copy() for layer in f), seed=1)
    x = draw(0, 5, 3, dtype=np.float32)
    assert (residual.forward(x)[0] == x + plain.forward(x)[0]).all()


def test_residual_hands_on_the_mode_and_the_generator():
    layer, x = Residual(Dropout(0.5)), draw(0, 5, 3)
    y, (mask,) = layer.forward(x, rng=stream(1))
    assert (y == x + mask * x).all() and not mask.all()
    assert (layer.forward(x, train=False)[0] == 2 * x).all()


def test_residual_of_shapes_that_do_not_agree_is_refused():
    with pytest.raises(ValueError, match=r"keeps the shape.*makes \(1,\) of \(3,\)"):
        Residual(Dense(3, 1))
    with pytest.raises(ValueError, match="Residual: layer 1 does not fit"):
        Residual(Dense(3, 4), Dense(3, 3))
    late = Residual(Tanh(), Dense(1, 4))  # x (n, 1) + f(x) (n, 4) would broadcast
    with pytest.raises(ValueError, match=r"makes \(4,\) of \(1,\)"):
        late.forward(np.ones((2, 1), np.float32))
    first = Dense(3, 3)
    with pytest.raises(ValueError, match="Sequential: layer 1 does not fit: Residual"):
        Sequential(first, Residual(Tanh(), Dense(3, 1)))
    Sequential(first)  # a refused network adopts no layer


def test_residual_is_piecewise_linear_where_its_layers_are():
    assert Residual(Dense(2, 2), LeakyReLU()).piecewise_linear
    assert not Residual(Tanh()).piecewise_linear
    assert Residual(BatchNorm(2)).couples_samples


def test_residual_in_print():
    net = Sequential(Dense(2, 3), Residual(Dense(3, 3), Tanh()))
    assert repr(net.layers[1]) == "Residual(Dense(p=3, q=3, bias=True), Tanh())"
    assert "1    Residual" in net.summary() and "1.1  Tanh()" in net.summary()


def test_these_layers_come_back_from_a_file(tmp_path):
    net = Sequential(
        Maxout(3, 4, pieces=2),
        Dropout(0.25),
        Residual(Dense(4, 4), Residual(Tanh())),
        MinibatchStd(),
        Dense(5, 1),
        seed=2,
    )
    save(tmp_path / "net.safetensors", net)
    again = load(tmp_path / "net.safetensors")
    assert repr(again) == repr(net)
    x = draw(0, 4, 3, dtype=np.float32)
    y = [network.forward(x, rng=stream(0, "mask"))[0] for network in (net, again)]
    assert (y[0] == y[1]).all()
