"""Sums that stay accurate; sigmoid and softplus are tested with the losses that need them."""

import numpy as np
import pytest

from minigan import BatchNorm, Conv2d, Dense, LayerNorm, Maxout, MinibatchStd
from minigan.init import zeros
from minigan.numerics import sum_rows


@pytest.mark.parametrize("n", [0, 1, 63, 64, 127, 128, 129, 4095, 4096, 8193, 300_001])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_sum_rows_is_the_sum_over_the_first_axis(xp, to_np, n, dtype):
    rows = np.arange(6).reshape(3, 2).astype(dtype) + 1  # whole numbers: every sum is exact
    a = np.broadcast_to(rows, (n, 3, 2)) * (np.arange(n) % 3 - 1).reshape(n, 1, 1).astype(dtype)
    total = to_np(sum_rows(xp.asarray(a)))
    assert total.dtype == dtype and (total == rows * sum(i % 3 - 1 for i in range(n))).all()


@pytest.mark.parametrize("number", [0.1, 1 / 3, 0.7 + 0.3j])
def test_sums_of_ten_million_rows_are_right_to_a_millionth(number):
    a = np.full((10**7, 1), number, np.result_type(np.float32, np.min_scalar_type(number)))
    assert abs(sum_rows(a)[0] / (10**7 * complex(a[0, 0])) - 1) < 1e-6


def test_a_batch_normalisation_of_many_pixels_knows_their_mean():
    x = np.full((8, 256, 256, 3), 0.1, np.float32)
    x[::2] += 1  # mean 0.6, variance 1/4
    _, cache = BatchNorm(3).forward(x)
    assert np.allclose(cache.mean, 0.6, rtol=1e-6) and np.allclose(cache.var, 0.25, rtol=1e-6)


def test_gradients_of_biases_and_gains_over_many_rows():
    n = 65_536  # equal rows of 0.1, which NumPy's sum gets wrong by 5e-4
    x = np.full((n, 3), 0.1, np.float32)
    for layer, name in (
        (Dense(3, 3), "b"),
        (Maxout(3, 3, pieces=1, init=zeros), "b"),
        (BatchNorm(3), "shift"),
        (LayerNorm(3), "shift"),
    ):
        y, cache = layer.forward(x, train=False)
        grad = layer.new_grad()
        layer.backward(np.full_like(y, 0.1), cache, grad)
        assert np.allclose(layer.views(grad)[name], 6553.6, rtol=1e-6), layer
    conv = Conv2d(1, 2, 1)
    y, cache = conv.forward(np.ones((n // 256, 16, 16, 1), np.float32))
    grad = conv.new_grad()
    conv.backward(np.full_like(y, 0.1), cache, grad)
    assert np.allclose(conv.views(grad)["b"], 6553.6, rtol=1e-6)


def test_minibatch_std_of_a_large_batch():
    x = np.full((65_536, 2), 0.1, np.float32)
    x[::2] += 1
    assert np.allclose(MinibatchStd().forward(x)[0][:, 2], 0.5, rtol=1e-6)
