"""Whole networks against their PyTorch counterparts: outputs, gradients, states, and the text."""

import numpy as np
import pytest
from test_pytorch import NETS, filled

from minigan import Dropout, Sequential, check, stream
from minigan.files.pytorch import describe, load_state_dict, state_dict

torch = pytest.importorskip("torch")

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
BATCH = 5


def counterpart(net, in_shape):
    """Make the network that `describe` writes down, with the weights of `state_dict`."""
    theirs = eval(describe(net, in_shape), {"torch": torch})
    arrays = state_dict(net, in_shape)
    assert list(theirs.state_dict()) == list(arrays)
    theirs.load_state_dict({name: torch.from_numpy(a) for name, a in arrays.items()}, strict=True)
    return theirs


def to_theirs(x):
    """Images (n, h, w, c) as PyTorch has them, (n, c, h, w); rows as they are."""
    x = np.moveaxis(x, -1, 1) if x.ndim == 4 else x
    return torch.tensor(np.ascontiguousarray(x))


def to_ours(x):
    x = x.detach().numpy()
    return np.moveaxis(x, 1, -1) if x.ndim == 4 else x


@pytest.fixture(params=TOLERANCE)
def dtype(request):
    return request.param


@pytest.mark.parametrize("train", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize(("make", "in_shape"), NETS.values(), ids=NETS)
def test_networks(make, in_shape, dtype, train):
    net = filled(make().astype(dtype))
    theirs = counterpart(net, in_shape).train(train)

    x = stream(3, "x").standard_normal((BATCH, *in_shape)).astype(dtype)
    y, cache = net.forward(x, train=train, rng=stream(3, "rng"))
    dy = stream(3, "dy").standard_normal(y.shape).astype(dtype)
    grad = net.new_grad()
    dx = net.backward(dy, cache, grad)
    net.update_state(cache)

    x_t = to_theirs(x).requires_grad_()
    y_t = theirs(x_t)
    y_t.backward(to_theirs(dy))

    def assert_close(ours, other):
        assert ours.shape == other.shape and ours.dtype == other.dtype == dtype
        assert check.relative_error(ours, other) <= TOLERANCE[dtype]

    assert_close(y, to_ours(y_t))
    assert_close(dx, to_ours(x_t.grad))
    # The gradient takes the way of the weights: it stands in θ's place in a copy.
    twin = net.copy()
    twin.theta = grad
    dtheta = state_dict(twin, in_shape)
    for name, weight in theirs.named_parameters():
        assert_close(dtheta[name], weight.grad.numpy())
    # The running statistics have moved alike, and all of it comes back bit for bit.
    after = {k: a for k, a in theirs.state_dict().items() if not k.endswith("num_batches_tracked")}
    moved = state_dict(net, in_shape)
    for name in after:
        assert_close(moved[name], after[name].numpy())
    load_state_dict(twin, theirs.state_dict(), in_shape)
    back = state_dict(twin, in_shape)
    assert all((back[name] == after[name].numpy()).all() for name in after)


def test_what_pytorch_has_drawn_and_trained_comes_here():
    make, in_shape = NETS["nested"]
    net = make()
    theirs = eval(describe(net, in_shape), {"torch": torch})
    x = stream(3, "x").standard_normal((BATCH, *in_shape), dtype=np.float32)
    optimiser = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(3):
        optimiser.zero_grad()
        theirs(to_theirs(x)).square().mean().backward()
        optimiser.step()
    load_state_dict(net, theirs.state_dict(), in_shape)
    theirs.eval()
    y, _ = net.forward(x, train=False)
    assert check.relative_error(y, to_ours(theirs(to_theirs(x)))) <= TOLERANCE["float32"]


def test_dropout_has_the_same_probability():
    assert counterpart(Sequential(Dropout(0.3)), (4,))[0].p == 0.3
