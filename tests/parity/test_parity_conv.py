"""The convolutions against PyTorch's, in float64; skipped where PyTorch is not installed."""

import numpy as np
import pytest

from minigan import AvgPool2d, Conv2d, ConvTranspose2d, Upsample, check, stream
from minigan.init import normal

torch = pytest.importorskip("torch")
F = torch.nn.functional


def normals(key, *shape):
    return stream(3, key).standard_normal(shape)


def channels_first(images):
    """Images (n, h, w, c) as PyTorch has them, (n, c, h, w), with a gradient to come."""
    return torch.tensor(images.transpose(0, 3, 1, 2).copy(), requires_grad=True)


def theirs_of_kernel(W):
    """Turn a kernel (k, k, c, o) to (o, c, k, k): for both layers it is the convolution's."""
    return torch.tensor(W.transpose(3, 2, 0, 1).copy(), requires_grad=True)


def assert_close(ours, theirs):
    assert ours.shape == theirs.shape
    assert check.relative_error(ours, theirs) < 1e-12


def channels_last(theirs):
    return theirs.detach().numpy().transpose(0, 2, 3, 1)


def compare(layer, theirs, x):
    """Compare y, dx, dW and db of a layer with PyTorch's function ``theirs(x, W, b)``."""
    layer = layer.astype(np.float64)
    layer.b[...] = normals("b", *layer.b.shape)
    y, cache = layer.forward(x)
    dy, grad = normals("dy", *y.shape), layer.new_grad()
    dx = layer.backward(dy, cache, grad)

    x_t, W_t = channels_first(x), theirs_of_kernel(layer.W)
    b_t = torch.tensor(layer.b.copy(), requires_grad=True)
    y_t = theirs(x_t, W_t, b_t)
    y_t.backward(channels_first(dy).detach())

    d = layer.views(grad)
    assert_close(y, channels_last(y_t))
    assert_close(dx, channels_last(x_t.grad))
    assert_close(d["W"], W_t.grad.numpy().transpose(2, 3, 1, 0))
    assert_close(d["b"], b_t.grad.numpy())


@pytest.mark.parametrize("padding", [0, 1, 2, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 3, 4, 5])
def test_conv2d(k, stride, padding):
    layer = Conv2d(3, 4, k, stride, padding, init=normal(1.0))
    compare(
        layer,
        lambda x, W, b: F.conv2d(x, W, b, stride, padding),
        normals("x", 2, 9, 12, 3),
    )


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(("stride", "output_padding"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 2)])
@pytest.mark.parametrize("k", [1, 3, 4, 5])
def test_conv_transpose2d(k, stride, output_padding, padding):
    layer = ConvTranspose2d(3, 4, k, stride, padding, output_padding, init=normal(1.0))
    compare(
        layer,
        lambda x, W, b: F.conv_transpose2d(x, W, b, stride, padding, output_padding),
        normals("x", 2, 5, 6, 3),
    )


@pytest.mark.parametrize("f", [1, 2, 3])
@pytest.mark.parametrize(
    ("make", "theirs"),
    [
        (Upsample, lambda x, f: F.interpolate(x, scale_factor=f, mode="nearest")),
        (AvgPool2d, F.avg_pool2d),
    ],
    ids=["Upsample", "AvgPool2d"],
)
def test_resizing(make, theirs, f):
    x, layer = normals("x", 2, 6, 12, 3), make(f)
    y, cache = layer.forward(x)
    dy = normals("dy", *y.shape)
    x_t = channels_first(x)
    y_t = theirs(x_t, f)
    y_t.backward(channels_first(dy).detach())
    assert_close(y, channels_last(y_t))
    assert_close(layer.backward(dy, cache), channels_last(x_t.grad))


@pytest.mark.parametrize(("k", "stride", "padding"), [(3, 1, 1), (5, 2, 2), (4, 2, 1)])
def test_second_order(k, stride, padding):
    """The gradient of ½‖∂L/∂x‖² in W: what a gradient penalty asks of a convolution."""
    x, layer = normals("x", 2, 7, 8, 2), Conv2d(2, 3, k, stride, padding, init=normal(1.0))
    layer = layer.astype(np.float64)
    y, cache = layer.forward(x)
    dy, grad = normals("dy", *y.shape), layer.new_grad()
    layer.jvp_backward(layer.backward(dy, cache), dy, cache, grad)

    x_t, W_t = channels_first(x), theirs_of_kernel(layer.W)
    y_t = F.conv2d(x_t, W_t, None, stride, padding)
    (dx_t,) = torch.autograd.grad(y_t, x_t, channels_first(dy).detach(), create_graph=True)
    (dW_t,) = torch.autograd.grad(0.5 * dx_t.square().sum(), W_t)
    assert_close(layer.views(grad)["W"], dW_t.numpy().transpose(2, 3, 1, 0))
