"""Compiled loops and shared layers: the numbers of the plain NumPy code beside them."""

import itertools

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from minigan import BatchNorm, LeakyReLU, ReLU, stream
from minigan.fast import convolution, shares
from minigan.fast.compiled import compiled
from minigan.fast.shares import in_shares, sharing
from minigan.layers import activations, conv, norm

# k, stride, padding; among them windows that see nothing of x, and pixels that no window sees.
WINDOWS = [(1, 1, 0), (1, 2, 0), (2, 1, 1), (2, 4, 4), (3, 2, 1), (3, 2, 0), (4, 2, 1), (3, 1, 2)]


@pytest.fixture
def plain(monkeypatch):
    """Return a function that calls another without what is compiled."""

    def call(function):
        with monkeypatch.context() as patch:
            patch.setattr(conv, "compiled_loops", lambda *arrays: None)
            patch.setattr(norm, "fused_forward", lambda *arguments: None)
            patch.setattr(norm, "fused_backward", lambda *arguments: None)
            patch.setattr(activations, "fused_leaky", lambda *arguments: None)
            return function()

    return call


@pytest.fixture
def numba():
    pytest.importorskip("numba", reason='pip install "minigan[fast]"')


def whole_numbers(rng, *shape):
    """Floats whose sums of products are exact, in any order."""
    return rng.integers(-9, 10, shape).astype(np.float32)


def three_maps(x, W, y, stride, padding):
    return (
        conv.conv(x, W, stride, padding),
        conv.conv_transposed(y, W, stride, padding, x.shape),
        conv.conv_kernel(x, y, stride, padding, len(W)),
    )


def operands(k, stride, padding, n=5, h=4, w=5, c=2, o=3):
    rng = stream(0, "compiled", k, stride, padding)
    W, x = whole_numbers(rng, k, k, c, o), whole_numbers(rng, n, h, w, c)
    rows, columns = ((size + 2 * padding - k) // stride + 1 for size in (h, w))
    return x, W, whole_numbers(rng, n, rows, columns, o), stride, padding


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("block", [1, 10**9])
def test_the_loops_are_the_three_maps(window, block, plain, monkeypatch):
    """As plain Python, so without numba too, and where numba would write beyond an array."""
    arguments = operands(*window)
    expected = plain(lambda: three_maps(*arguments))
    monkeypatch.setattr(convolution, "BLOCK", block)
    loops = convolution.Loops(convolution.gather, convolution.spread)
    monkeypatch.setattr(conv, "compiled_loops", lambda *arrays: loops)
    for one, other in zip(three_maps(*arguments), expected, strict=True):
        assert one.shape == other.shape and (one == other).all()


@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_compiled_and_shared_they_are_the_same(threads, plain, monkeypatch):
    monkeypatch.setattr(shares, "LEAST", 0)
    for window in WINDOWS:
        arguments = operands(*window)
        with sharing(threads):
            found = three_maps(*arguments)
        for one, other in zip(found, plain(lambda a=arguments: three_maps(*a)), strict=True):
            assert (one == other).all()


def batch_norm(x, dy):
    layer = BatchNorm(x.shape[-1]).astype(x.dtype)
    layer.theta = np.linspace(0.5, 2, layer.theta.size)
    y, cache = layer.forward(x)
    grad = layer.new_grad()
    return y, *cache[:4], layer.backward(dy, cache, grad), grad


@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_a_compiled_batch_norm_is_the_plain_one(dtype, error, plain, monkeypatch):
    monkeypatch.setattr(shares, "LEAST", 0)
    rng = stream(0, "compiled batch norm")
    x, dy = rng.standard_normal((2, 7, 3, 2, 5)).astype(dtype)
    expected = plain(lambda: batch_norm(x, dy))
    with sharing(2):
        shared = batch_norm(x, dy)
    for found in (batch_norm(x, dy), shared):
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == dtype and one.shape == other.shape
            assert abs(one - other).max() <= error * abs(other).max()


@pytest.mark.usefixtures("numba")
def test_a_compiled_mean_keeps_its_digits():
    x = np.full((1_000_000, 1), 0.1, np.float32)
    _, cache = BatchNorm(1).forward(x)
    assert abs(cache.mean / x[0] - 1) < 1e-6


@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize("layer", [LeakyReLU(0.2), ReLU(), LeakyReLU(1.0)], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_compiled_activation_is_the_plain_one(layer, dtype, plain):
    x = np.array([[-np.inf, -2, -0.0, 0, 1e-40], [3, np.inf, np.nan, 0.1, -0.3]], dtype)
    with np.errstate(invalid="ignore"):
        for one, other in zip(layer.forward(x), plain(lambda: layer.forward(x)), strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


def test_what_is_no_plain_memory_is_not_compiled():
    a = np.zeros((4, 3), np.float32)
    for other in (a[:, ::2], a.astype(complex), a.astype(np.float64), None):
        assert compiled(convolution.gather, "", a, other) is None


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_shares_are_all_rows_once_and_come_back_in_order(monkeypatch):
    monkeypatch.setattr(shares, "LEAST", 100)
    for threads, rows in itertools.product((1, 2, 3), (1, 2, 3, 7)):
        with threadpool_limits(2, user_api="blas"):
            with sharing(threads):
                assert shares.shares() == threads and blas_threads() <= {1}
                many = in_shares(lambda share: share, rows, 100)
                few = in_shares(lambda share: share, rows, 99)
                inner = in_shares(lambda share: shares.shares(), rows, 100)
            assert shares.shares() == 1 and blas_threads() <= {2, 1}
        assert [i for share in many for i in range(rows)[share]] == list(range(rows))
        assert few == [slice(0, rows)]
        assert len(many) == (threads if rows >= threads else 1)
        assert set(inner[1:]) <= {1}  # a share is not shared out again


def test_other_threads_are_told_the_same_of_overflows(monkeypatch):
    monkeypatch.setattr(shares, "LEAST", 0)
    with sharing(2), np.errstate(over="ignore", divide="raise"):
        assert in_shares(lambda share: np.geterr(), 2, 1) == [np.geterr()] * 2


def test_an_error_in_a_share_is_raised(monkeypatch):
    monkeypatch.setattr(shares, "LEAST", 0)
    with sharing(2), pytest.raises(ZeroDivisionError):
        in_shares(lambda share: 1 // (1 - min(1, share.start)), 4, 1)
