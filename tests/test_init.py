"""Each initialiser draws the variance that its paper derives."""

import numpy as np
import pytest

from minigan import stream
from minigan.init import fans, glorot, he, normal, orthogonal, zeros


def test_fans_of_dense_and_convolution_kernels():
    assert fans((100, 256)) == (100, 256)
    assert fans((5, 5, 64, 128)) == (25 * 64, 25 * 128)
    with pytest.raises(ValueError, match="two or more axes"):
        fans((3,))


@pytest.mark.parametrize("shape", [(300, 500), (3, 3, 40, 200)])
@pytest.mark.parametrize(
    ("init", "variance"),
    [
        (glorot, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        (he, lambda fan_in, fan_out: 2 / fan_in),
        (normal(0.02), lambda fan_in, fan_out: 0.0004),
    ],
)
def test_variance(init, variance, shape):
    W = init(stream(0), shape)
    assert W.shape == shape
    assert np.isclose(W.var(), variance(*fans(shape)), rtol=0.02)
    assert abs(W.mean()) < 5 * W.std() / np.sqrt(W.size)


def test_glorot_is_uniform_up_to_its_limit():
    W = glorot(stream(0), (300, 500))
    limit = np.sqrt(6 / 800)
    assert 0.999 * limit < np.abs(W).max() < limit
    assert np.isclose(np.median(np.abs(W)), limit / 2, rtol=0.02)


def test_signal_keeps_its_size_through_twenty_relu_layers_of_he():
    x = stream(0).standard_normal((200, 400))
    for i in range(20):
        x = np.maximum(x, 0) @ he(stream(i, "he"), (400, 400))
    assert 0.5 < x.std() < 2


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 3, 2, 8)])
def test_orthogonal(shape):
    Q = orthogonal(stream(1), shape).reshape(-1, shape[-1])
    small = Q.T @ Q if len(Q) >= shape[-1] else Q @ Q.T
    assert np.allclose(small, np.eye(len(small)), rtol=0, atol=1e-14)


def test_orthogonal_matrices_are_uniform():
    # Without the signs of R's diagonal, Q's own diagonal would be negative far more often.
    diagonal = np.array([np.diag(orthogonal(stream(i), (3, 3))) for i in range(500)])
    assert abs((diagonal > 0).mean() - 0.5) < 0.06


def test_zeros():
    assert not zeros(stream(0), (3, 4)).any()


def test_normal_refuses_a_sigma_that_is_not_positive():
    with pytest.raises(ValueError, match="sigma must be positive, got 0"):
        normal(0)
