"""`product` is `@`, to the bit; in a recording it goes to cuBLAS (tests/test_graph.py)."""

import numpy as np
import pytest

from minigan import stream
from minigan.fast.product import product

SHAPES = [((5, 3), (3, 7)), ((1, 3), (3, 7)), ((5, 3), (3, 1)), ((3,), (3, 7)), ((5, 3), (3,))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("left, right", SHAPES)
def test_a_product_has_the_bits_of_the_operator(left, right, dtype, xp, to_np):
    rng = stream(0, "product")
    a, b = (xp.asarray(rng.standard_normal(shape).astype(dtype)) for shape in (left, right))
    for x, y in ((a, b), (b.T, a.T)):
        c = product(x, y)
        assert type(c) is type(x)
        assert to_np(c).tobytes() == to_np(x @ y).tobytes()


def test_into_adds_and_keeps_the_array(xp, to_np):
    rng = stream(0, "into")
    a, b, c = (xp.asarray(rng.standard_normal(shape)) for shape in ((5, 3), (3, 7), (5, 7)))
    expected = to_np(c + a @ b)
    assert product(a, b, add_to=c) is c
    assert to_np(c).tobytes() == expected.tobytes()


def test_convolutions_keep_the_bits_of_a_tensor_product():
    """As which their formulas are written: Σ over all axes that two arrays share."""
    from minigan.layers.conv import conv, conv_kernel, conv_transposed, patches

    rng = stream(0, "tensor product")
    for n, h, c, o, k, s, p in (
        (2, 7, 3, 5, 4, 2, 1),
        (3, 4, 1, 1, 3, 1, 0),
        (1, 5, 2, 1, 2, 3, 2),
    ):
        x, W = (rng.standard_normal(shape, np.float32) for shape in ((n, h, h, c), (k, k, c, o)))
        P = patches(x, k, s, p)
        y = np.tensordot(P, W, axes=3)
        assert conv(x, W, s, p).tobytes() == y.tobytes()
        dW = np.tensordot(P, y, axes=((0, 1, 2), (0, 1, 2)))
        np.testing.assert_allclose(conv_kernel(x, y, s, p, k), dW, rtol=1e-5)
        terms, dx = np.tensordot(y, W, axes=(3, 3)), np.zeros((n, h + 2 * p, h + 2 * p, c), x.dtype)
        for a in range(k):
            for b in range(k):
                dx[:, a : a + s * P.shape[1] : s, b : b + s * P.shape[2] : s] += terms[
                    :, :, :, a, b
                ]
        assert (
            conv_transposed(y, W, s, p, x.shape).tobytes() == dx[:, p : p + h, p : p + h].tobytes()
        )
