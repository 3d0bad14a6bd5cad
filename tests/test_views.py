"""A view is a network in x alone: its four maps are checked as a layer's are."""

import numpy as np
import pytest

from minigan import R1, Dense, GradientPenalty, Reshape, Sequential, Sigmoid, Tanh, check, stream
from minigan.layers import Pack
from minigan.views import Conditional, InstanceNoise

CONDITIONS = np.eye(3)[[0, 2, 1, 2]]


def net(inputs=5, seed=0):
    made = Sequential(Dense(inputs, 6), Tanh(), Dense(6, 1), seed=seed)
    return made.astype(np.float64)


def on_images(seed=0):
    return Sequential(Reshape((20,)), net(20), seed=seed).astype(np.float64)


VIEWS = {
    "joined": (lambda: Conditional(net(), CONDITIONS), (4, 2)),
    "joined images": (lambda: Conditional(on_images(), CONDITIONS), (4, 2, 2, 2)),
    "blurred": (lambda: InstanceNoise(net(), 0.3), (4, 5)),
    "blurred and joined": (lambda: InstanceNoise(Conditional(net(), CONDITIONS), 0.3), (4, 2)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_four_maps_of_a_view(name):
    make, shape = VIEWS[name]
    check.layer(make(), stream(0).standard_normal(shape)).assert_ok()


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("penalty", [R1(), GradientPenalty()], ids=repr)
def test_a_penalty_on_a_view_is_taken_in_x_alone(penalty, name):
    make, shape = VIEWS[name]
    D = make()
    real, fake = (stream(1, key).standard_normal(shape) for key in "rf")

    def at(theta):
        moved = D.astype(theta.dtype)
        moved.theta = theta
        return moved

    def df(theta):
        moved = at(theta)
        grad = moved.new_grad()
        penalty(moved, real, fake, grad, rng=stream(2))
        return grad

    check.gradient(
        lambda theta: penalty(at(theta), real, fake, rng=stream(2)), df, D.theta
    ).assert_ok()


def test_a_view_has_the_theta_of_its_network():
    network = net()
    view = InstanceNoise(Conditional(network, CONDITIONS), 0.1)
    assert view.theta is network.theta and view.in_shape == (2,)
    assert list(view.parameters()) == list(network.parameters())
    assert (view.kernel_mask == network.kernel_mask).all()
    assert view.kernel_axes() == network.kernel_axes()
    twin = view.copy()
    twin.theta += 1
    assert (twin.net.net.theta == network.theta + 1).all()
    larger = Sequential(view, Dense(1, 1))
    larger.theta += 1
    assert view.theta.base is larger.theta and (twin.theta == network.theta).all()


def test_joined_puts_labels_behind_features_and_into_channels():
    assert Conditional(net(), CONDITIONS).join(np.full((4, 2), 7.0), CONDITIONS)[1].tolist() == [
        *(7, 7),
        *(0, 0, 1),
    ]
    image = Conditional(net(), CONDITIONS).join(np.full((4, 2, 2, 1), 7.0), CONDITIONS)[1]
    assert image.shape == (2, 2, 4) and (image == [7, 0, 0, 1]).all()


def test_blurring_is_for_training_only_and_has_the_size_it_says():
    layer = InstanceNoise(Sequential(Reshape((5,))), 0.3)
    x = np.zeros((4000, 5))
    y, _ = layer.forward(x, rng=stream(0))
    assert abs(y.std() - 0.3) < 0.01 and abs(y.mean()) < 0.01
    assert (layer.forward(x, train=False)[0] == x).all()


def test_bad_input():
    with pytest.raises(ValueError, match="4 conditions|3 samples meet conditions for 4"):
        Conditional(net(), CONDITIONS).forward(np.ones((3, 2)))
    with pytest.raises(ValueError, match="sigma must be at least 0, got -1"):
        InstanceNoise(net(), -1)
    with pytest.raises(ValueError, match="pass forward"):
        InstanceNoise(net(), 1.0).forward(np.ones((4, 5)))
    with pytest.raises(ValueError, match="D ends in a Sigmoid"):
        R1()(InstanceNoise(Sequential(net(), Sigmoid()), 0.1), np.ones((4, 5)), np.ones((4, 5)))


def test_packs():
    x = np.arange(12.0).reshape(6, 2)
    y, cache = Pack(3).forward(x)
    assert y.tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    assert (Pack(3).backward(y, cache) == x).all()
    assert (Pack(1).forward(x)[0] == x).all()
    images = stream(0).standard_normal((6, 4, 4, 2))
    packs, _ = Pack(3).forward(images)
    assert packs.shape == (2, 4, 4, 6) and (packs[1, ..., 2:4] == images[4]).all()
    check.layer(Pack(3), x).assert_ok()
    check.layer(Pack(2), images).assert_ok()
    with pytest.raises(ValueError, match="a batch of 4 does not fill packs of 3"):
        Pack(3).forward(x[:4])
    with pytest.raises(ValueError, match="at least 1"):
        Pack(0)
