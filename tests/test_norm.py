"""BatchNorm and LayerNorm, beyond their derivatives at ordinary points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import (
    BatchNorm,
    Dense,
    LayerNorm,
    Sequential,
    SpectralNorm,
    Tanh,
    check,
    load,
    save,
    stream,
)
from minigan.check.numerical import complex_step, gradient

seeds = st.integers(0, 2**32)


def draw(seed, *shape, dtype=np.float64):
    return stream(seed, "x").standard_normal(shape).astype(dtype)


def in_float64(layer, seed=0):
    """Give the layer in float64, its weights and its state moved off where they start."""
    layer = layer.astype(np.float64)
    layer.theta += 0.3 * stream(seed, "theta").standard_normal(layer.theta.size)
    return layer


def checked(report):
    """Names of the derivatives that a report has found right."""
    report.assert_ok()
    return [finding.what for finding in report.findings]


# --- BatchNorm ---


# The mean and the variance of N numbers take two directions out of the N, so that for N = 3 and 4 a
# random v may have next to nothing left in J·v; a relative error would then say nothing. Hence 5.
@settings(max_examples=8)
@given(n=st.integers(5, 8), c=st.integers(1, 4), hw=st.integers(0, 2), seed=seeds)
def test_batch_norm_of_any_size_is_right(n, c, hw, seed):
    x = draw(seed, n, *((hw, hw) if hw else ()), c)
    for train in (True, False):
        check.layer(in_float64(BatchNorm(c), seed), x, train=train, seed=seed).assert_ok()


def test_batch_norm_of_one_image_is_right():
    check.layer(in_float64(BatchNorm(2)), draw(0, 1, 2, 3, 2)).assert_ok()


@pytest.mark.parametrize("shape", [(7, 3), (2, 4, 5, 3)])
def test_batch_norm_makes_mean_0_and_variance_1_of_each_channel(shape):
    x = 5 + 3 * draw(0, *shape)
    layer = BatchNorm(3).astype(np.float64)
    y = layer.forward(x)[0].reshape(-1, 3)
    var = x.reshape(-1, 3).var(axis=0)
    assert np.abs(y.mean(axis=0)).max() < 1e-14
    assert check.relative_error(y.var(axis=0), var / (var + 1e-5)) < 1e-13
    layer.gain[...], layer.shift[...] = [1, 2, 3], [4, 5, 6]
    moved = layer.forward(x)[0].reshape(-1, 3)
    assert check.relative_error(moved, y * [1, 2, 3] + [4, 5, 6]) < 1e-14


@pytest.mark.parametrize("make", [BatchNorm, LayerNorm])
def test_eps_stands_under_the_root(make):
    # Two values a distance of 1 apart have the variance 1/4: without eps y is ±1, and 1/(2·√(…))
    # with it, 2e-5 less. At a variance of 1e-8, eps is a thousand times larger than it.
    layer = make(2).astype(np.float64)
    for half in (0.5, 1e-4):
        x = 3 + half * np.array([[1.0, -1.0], [-1.0, 1.0]])
        y = half / np.sqrt(half**2 + 1e-5) * np.array([[1, -1], [-1, 1]])
        assert check.relative_error(layer.forward(x)[0], y) < 1e-11  # x has lost digits to the 3
    assert abs(1 - 0.5 / np.sqrt(0.25 + 1e-5)) > 1.9e-5


@pytest.mark.parametrize("variance", [0.25, 1e-8, 1e-14])
@pytest.mark.parametrize("make", [BatchNorm, LayerNorm])
def test_derivatives_where_eps_matters(make, variance):
    # Finite differences would need a step far below 1e-4 here; complex step has no such trouble.
    layer = in_float64(make(3))
    x = np.sqrt(variance) * draw(1, 3, 3)
    v, w = draw(2, 3, 3), draw(3, 3, 3)
    _, cache = layer.forward(x)
    dx = gradient(complex_step, lambda x: (w * layer.forward(x)[0]).sum(), x)
    t = complex_step(lambda x: layer.forward(x)[0], x, v)
    assert check.relative_error(layer.backward(w, cache), dx) < 1e-10
    assert check.relative_error(layer.jvp(v, cache), t) < 1e-10
    if make is LayerNorm:
        exact = gradient(complex_step, lambda x: (w * layer.jvp(v, layer.forward(x)[1])).sum(), x)
        assert check.relative_error(layer.jvp_backward(v, w, cache), exact) < 1e-10


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [BatchNorm, LayerNorm])
def test_what_does_not_vary_becomes_the_shift(make, dtype):
    layer = make(2).astype(dtype)
    layer.shift[...] = 0.5
    y, cache = layer.forward(np.full((4, 2), 7, dtype))
    assert (y == 0.5).all()
    assert np.isfinite(layer.backward(draw(0, 4, 2, dtype=dtype), cache)).all()


@pytest.mark.parametrize("shape", [(5, 3), (2, 2, 2, 3)])
def test_running_statistics_follow_the_batches(shape):
    layer = BatchNorm(3, momentum=0.25).astype(np.float64)
    mean, var = np.zeros(3), np.ones(3)
    for step in range(3):
        x = 2 + draw(step, *shape)
        _, cache = layer.forward(x)
        layer.update_state(cache)
        columns = x.reshape(-1, 3)
        mean = 0.75 * mean + 0.25 * columns.mean(axis=0)
        var = 0.75 * var + 0.25 * columns.var(axis=0, ddof=1)  # unbiased: divided by N − 1
        assert check.relative_error(layer.running_mean, mean) < 1e-14
        assert check.relative_error(layer.running_var, var) < 1e-14
    y, _ = layer.forward(x, train=False)
    assert check.relative_error(y, (x - mean) / np.sqrt(var + 1e-5)) < 1e-14


def test_batch_norm_starts_with_mean_0_and_variance_1():
    layer = BatchNorm(2)
    assert layer.gain.tolist() == [1, 1] and layer.shift.tolist() == [0, 0]
    assert layer.state.tolist() == [0, 0, 1, 1]
    net = Sequential(Dense(2, 2), BatchNorm(2), seed=0)
    net.update_state(net.forward(draw(0, 4, 2, dtype=np.float32))[1])
    assert net.state.tolist() != [0, 0, 1, 1]
    net.initialise(stream(1))
    assert net.state.tolist() == [0, 0, 1, 1]


def test_only_update_state_moves_the_state_and_only_after_training_passes(xp):
    net = Sequential(Dense(2, 3), BatchNorm(3), SpectralNorm(Dense(3, 1)), seed=0)
    net = net.to("cpu" if xp is np else "gpu")
    x = xp.asarray(draw(0, 4, 2, dtype=np.float32))
    state = net.state.copy()
    _, cache = net.forward(x)
    _, evaluation = net.forward(x, train=False)
    assert (net.state == state).all()
    net.layers[1].update_state(evaluation[1])
    assert (net.state == state).all()
    net.update_state(cache)
    assert (net.layers[1].running_mean != state[:3]).all()
    assert net.state.dtype == np.float32


def test_a_cache_outlives_a_move_of_the_state():
    net = in_float64(Sequential(Dense(3, 3), BatchNorm(3), SpectralNorm(Dense(3, 2)), seed=0))
    x = draw(0, 4, 3)
    for train in (True, False):
        y, cache = net.forward(x, train)
        before = net.backward(y, cache)
        net.update_state(net.forward(2 * x)[1])
        assert (net.backward(y, cache) == before).all()


def test_batch_norm_neither_gain_nor_shift_is_a_kernel():
    assert not BatchNorm(3).kernel_mask.any() and not LayerNorm(3).kernel_mask.any()


@pytest.mark.parametrize("x", [np.ones((1, 3)), np.ones((1, 1, 1, 3))])
def test_training_on_one_value_per_channel_is_refused(x):
    layer = BatchNorm(3).astype(np.float64)
    with pytest.raises(ValueError, match="one value per channel, .* larger batch"):
        layer.forward(x)
    layer.forward(x, train=False)


def test_batch_norm_refuses_the_second_order_in_training_only():
    layer = in_float64(BatchNorm(3))
    x = draw(0, 4, 3)
    with pytest.raises(NotImplementedError, match="in training.*LayerNorm"):
        layer.jvp_backward(x, x, layer.forward(x)[1])
    assert "jvp_backward dgain" in checked(check.layer(layer, x, train=False))
    report = check.layer(layer, x)
    assert "jvp_backward dgain" not in checked(report)
    assert "not checked: jvp_backward, refused: the layer couples" in str(report)


def test_batch_norm_in_evaluation_refuses_vectors_of_another_shape():
    layer, x = BatchNorm(3), np.ones((4, 3), np.float32)
    y, cache = layer.forward(x, train=False)
    with pytest.raises(ValueError, match=r"^v has shape \(2, 3\), expected \(4, 3\)"):
        layer.jvp_backward(x[:2], y, cache)
    with pytest.raises(ValueError, match=r"^dy has shape \(2, 3\), expected \(4, 3\)"):
        layer.jvp_backward(x, y[:2], cache)


def test_a_map_that_is_not_written_is_named_as_such():
    class Refusing(Tanh):
        def jvp_backward(self, v, dy, cache, grad=None):
            raise NotImplementedError

    report = check.layer(Refusing(), draw(0, 3, 2))
    assert report.not_checked == ["jvp_backward: not written"]


def test_networks_know_whether_they_couple_samples():
    assert BatchNorm(2).couples_samples and not LayerNorm(2).couples_samples
    assert Sequential(Tanh(), Sequential(BatchNorm(2))).couples_samples
    assert not Sequential(Dense(2, 2), LayerNorm(2)).couples_samples


def test_a_bias_before_a_batch_norm_does_nothing():
    net = in_float64(Sequential(Dense(3, 4), BatchNorm(4), Tanh(), Dense(4, 2)))
    report = check.layer(net, draw(0, 5, 3))
    assert "backward d0.b, terms cancel" in checked(report)
    assert "backward d0.W" in checked(report)


class BiasOfOneSample(Dense):
    """A gradient of the bias that leaves out the last sample: it does not cancel as it should."""

    def backward(self, dy, cache, grad=None):
        dx = super().backward(dy, cache, grad)
        if grad is not None:
            self.views(grad)["b"][...] -= dy[-1]
        return dx


def test_a_gradient_that_should_cancel_and_does_not_is_rejected():
    report = check.layer(Sequential(BiasOfOneSample(3, 4), BatchNorm(4)), draw(0, 5, 3))
    assert [f.what for f in report.findings if not f.ok] == ["backward d0.b, terms cancel"]


def test_arguments_of_norms_are_checked():
    for make in (
        lambda: BatchNorm(0),
        lambda: BatchNorm(2, eps=0),
        lambda: BatchNorm(2, momentum=0),
        lambda: BatchNorm(2, momentum=1.5),
        lambda: LayerNorm(1),
        lambda: LayerNorm((1, 1)),
        lambda: LayerNorm((-2, -2)),
        lambda: LayerNorm(3, eps=-1.0),
        lambda: LayerNorm(3, eps=0),
    ):
        with pytest.raises(ValueError, match="must"):
            make()
    assert BatchNorm(2, momentum=1).momentum == 1 and LayerNorm((1, 2)).theta.size == 4
    with pytest.raises(ValueError, match=r"\(3,\) or \(h, w, 3\), got \(2,\)"):
        BatchNorm(3).forward(np.ones((4, 2), np.float32))
    with pytest.raises(ValueError, match=r"samples of shape \(3,\), got \(2,\)"):
        LayerNorm(3).forward(np.ones((4, 2), np.float32))


# --- LayerNorm ---


@settings(max_examples=8)
@given(n=st.integers(1, 4), p=st.integers(5, 8), seed=seeds)
def test_layer_norm_of_any_size_is_right(n, p, seed):
    check.layer(in_float64(LayerNorm(p), seed), draw(seed, n, p), seed=seed).assert_ok()


def test_layer_norm_makes_mean_0_and_variance_1_of_each_sample():
    x = 5 + 3 * draw(0, 4, 2, 3, 2)
    y = LayerNorm((2, 3, 2)).astype(np.float64).forward(x)[0].reshape(4, -1)
    var = x.reshape(4, -1).var(axis=1)
    assert np.abs(y.mean(axis=1)).max() < 1e-14
    assert check.relative_error(y.var(axis=1), var / (var + 1e-5)) < 1e-13


def test_layer_norm_takes_a_number_of_features_as_a_shape():
    assert LayerNorm(4).shape == LayerNorm((4,)).shape == (4,)
    assert LayerNorm(4).in_shape == (4,)


@pytest.mark.parametrize("train", [True, False])
def test_layer_norm_couples_no_samples(train):
    layer = in_float64(LayerNorm(4))
    x = draw(0, 5, 4)
    alone = np.concatenate([layer.forward(row[None], train)[0] for row in x])
    assert (layer.forward(x, train)[0] == alone).all()


def test_second_order_through_layer_norm_is_right_in_a_critic():
    net = Sequential(Dense(3, 5), LayerNorm(5), Tanh(), Dense(5, 4), LayerNorm(4), Dense(4, 1))
    report = check.layer(in_float64(net), draw(0, 3, 3))
    assert "jvp_backward d1.gain" in checked(report)


# --- on disk ---


def test_norms_come_back_from_a_file(tmp_path):
    net = Sequential(
        SpectralNorm(Dense(3, 4)),
        BatchNorm(4, eps=1e-3, momentum=0.2),
        LayerNorm((4,), eps=1e-4),
        SpectralNorm(Dense(4, 1, bias=False)),
        seed=3,
    )
    x = draw(0, 5, 3, dtype=np.float32)
    for _ in range(3):
        net.update_state(net.forward(x)[1])
    save(tmp_path / "net.safetensors", net)
    again = load(tmp_path / "net.safetensors")
    assert repr(again) == repr(net)
    assert (again.theta == net.theta).all() and (again.state == net.state).all()
    for train in (True, False):
        assert (again.forward(x, train)[0] == net.forward(x, train)[0]).all()
    assert again.layers[0].layer.owner is again.layers[0]
