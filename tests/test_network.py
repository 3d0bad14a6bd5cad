"""One vector θ: who owns it, what looks into it, and what a copy of a network is."""

import copy

import numpy as np
import pytest

from minigan import (
    BatchNorm,
    Dense,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Maxout,
    Reshape,
    Sequential,
    Tanh,
    check,
    stream,
)
from minigan.layers.base import Layer


def make(seed=0, **more):
    return Sequential(Dense(3, 4), Tanh(), Sequential(Dense(4, 4), Dense(4, 2)), seed=seed, **more)


def test_theta_is_one_contiguous_vector_that_every_weight_looks_into():
    net = make()
    assert net.theta.shape == (3 * 4 + 4 + 4 * 4 + 4 + 4 * 2 + 2,)
    assert net.theta.flags.c_contiguous
    weights = net.parameters()
    assert list(weights) == ["0.W", "0.b", "2.0.W", "2.0.b", "2.1.W", "2.1.b"]
    assert all(np.shares_memory(view, net.theta) for view in weights.values())
    net.theta[...] = np.arange(net.theta.size)
    joined = np.concatenate([view.ravel() for view in weights.values()])
    assert (joined == net.theta).all()
    inner = net.layers[2]
    assert np.shares_memory(inner.theta, net.theta) and inner.theta.size == 30
    assert inner.layers[1].W[0, 0] == net.theta[36] == 36


def test_assigning_theta_copies_into_it():
    net = make()
    vector, W = net.theta, net.layers[0].W
    net.theta = np.ones(net.theta.size)
    assert net.theta is vector and (W == 1).all()
    net.theta *= 2
    assert net.theta is vector and (W == 2).all()
    with pytest.raises(ValueError, match=r"theta has shape \(3,\), expected \(46,\)"):
        net.theta = np.ones(3)
    net.layers[2].theta = np.zeros(30)
    assert not net.theta[16:].any() and net.theta[:16].all()


def test_adopting_a_layer_twice_is_an_error_that_says_so():
    layer = Dense(2, 2)
    with pytest.raises(ValueError, match="already belongs to a network.*copy()"):
        Sequential(layer, layer)
    net = Sequential(layer)
    with pytest.raises(ValueError, match="already belongs to a network"):
        Sequential(layer)
    with pytest.raises(ValueError, match="already belongs"):
        Sequential(Sequential(net), net)
    twin = Sequential(layer.copy())
    assert not np.shares_memory(twin.theta, net.theta) and (twin.theta == net.theta).all()


def test_a_refused_network_adopts_no_layer():
    first = Dense(2, 3)
    with pytest.raises(ValueError, match="layer 1 does not fit"):
        Sequential(first, Dense(4, 1))
    Sequential(first)


def test_without_a_seed_layers_keep_their_weights_and_with_one_all_are_drawn():
    a, b = Dense(4, 4, seed=1), Dense(4, 4, seed=2)
    brought = np.concatenate([a.theta, b.theta])
    assert (Sequential(a, b).theta == brought).all()
    drawn = Sequential(Dense(4, 4), Dense(4, 4), seed=3)
    assert (drawn.layers[0].W != drawn.layers[1].W).any()
    assert (drawn.theta == Sequential(Dense(4, 4), Dense(4, 4), seed=3).theta).all()
    assert (drawn.theta != Sequential(Dense(4, 4), Dense(4, 4), seed=4).theta).any()
    nested = Sequential(Sequential(Dense(4, 4), Dense(4, 4)), seed=stream(3, "init"))
    assert (nested.theta == drawn.theta).all()


def test_twins_are_equal_and_share_nothing():
    net = make()
    x = stream(0).standard_normal((5, 3), dtype=np.float32)
    for twin in (net.copy(), copy.deepcopy(net), net.to("cpu"), net.astype(np.float32)):
        assert twin.layers[2].layers[0].owner is twin.layers[2]
        assert (twin.forward(x)[0] == net.forward(x)[0]).all()
        assert not np.shares_memory(twin.theta, net.theta)
        twin.theta += 1
        assert np.shares_memory(twin.layers[2].layers[1].W, twin.theta)
        assert (twin.forward(x)[0] != net.forward(x)[0]).any()


def test_astype():
    net = make().astype(np.float64)
    assert net.theta.dtype == np.float64 and net.layers[0].W.dtype == np.float64
    assert net.forward(np.ones((1, 3)))[0].dtype == np.float64
    assert make(dtype=np.float64).theta.dtype == np.float64
    assert Sequential(Tanh(), Dense(2, 2).astype(np.float64)).theta.dtype == np.float64
    assert check.relative_error(make(dtype=np.float64).theta, make().theta) < 1e-6


def test_kernels_are_the_weights_that_multiply():
    net = make()
    masked = {name: view.all() for name, view in net.views(net.kernel_mask).items()}
    assert masked == {name: name.endswith("W") for name in net.parameters()}
    assert net.kernel_mask.sum() == 12 + 16 + 8


def test_gradients_of_nested_networks_land_in_their_slices():
    net, flat = make(seed=5), Sequential(Dense(3, 4), Tanh(), Dense(4, 4), Dense(4, 2), seed=5)
    x = stream(1).standard_normal((5, 3), dtype=np.float32)
    grads = []
    for network in (net, flat):
        y, cache = network.forward(x)
        grad = network.new_grad()
        network.backward(y, cache, grad)
        network.jvp_backward(x, y, cache, grad)
        grads.append(grad)
    assert (grads[0] == grads[1]).all() and grads[0].all()


def test_forward_changes_nothing_and_a_network_may_be_used_in_any_order():
    net = make()
    theta = net.theta.copy()
    x1, x2 = (stream(i).standard_normal((4, 3), dtype=np.float32) for i in range(2))
    y1, c1 = net.forward(x1)
    alone = net.backward(y1, c1)
    y1, c1 = net.forward(x1)
    y2, c2 = net.forward(x2)
    net.backward(y2, c2)
    assert (net.backward(y1, c1) == alone).all()
    assert (net.theta == theta).all()


def test_the_third_sweep_is_not_entered_behind_piecewise_linear_layers(monkeypatch):
    net = Sequential(Dense(3, 5), LeakyReLU(), Dense(5, 1), seed=0)
    assert net.piecewise_linear and not make().piecewise_linear
    x = stream(0).standard_normal((4, 3), dtype=np.float32)
    y, cache = net.forward(x)
    count = []
    backward = Dense.backward
    monkeypatch.setattr(Dense, "backward", lambda *args: count.append(1) or backward(*args))
    dx = net.jvp_backward(x, y, cache, net.new_grad())
    assert len(count) == 2 and not dx.any() and dx.shape == x.shape


def test_neighbours_that_do_not_fit_are_refused_when_the_network_is_made():
    with pytest.raises(ValueError, match=r"layer 2 does not fit: Dense\(p=5, .* got \(4,\)"):
        Sequential(Dense(3, 4), Tanh(), Dense(5, 1))
    with pytest.raises(ValueError, match=r"layer 1 does not fit: .*put a Flatten\(\) before it"):
        Sequential(Dense(3, 4), Sequential(Reshape((2, 2)), Dense(4, 1)))


@pytest.mark.parametrize("make", [lambda: Dense(3, 3), lambda: Maxout(3, 3), lambda: LayerNorm(3)])
def test_a_layer_with_features_of_its_own_starts_the_check_of_neighbours(make):
    layer = make()
    assert layer.in_shape == (3,)
    with pytest.raises(ValueError, match=r"layer 2 does not fit: Dense\(p=5, .* got \(3,\)"):
        Sequential(Tanh(), layer, Dense(5, 1))


def test_a_cache_of_a_shorter_network_is_refused():
    net = Sequential(BatchNorm(3), BatchNorm(3))
    x = np.ones((2, 3), np.float32)
    y, cache = net.forward(x)
    for call in (
        lambda: net.update_state(cache[:1]),
        lambda: net.backward(y, cache[:1]),
        lambda: net.jvp(x, cache[:1]),
    ):
        with pytest.raises(ValueError, match="shorter"):
            call()


def test_what_is_no_layer_is_refused():
    with pytest.raises(ValueError, match="^Sequential needs at least one layer"):
        Sequential()
    with pytest.raises(TypeError, match="argument 1 is 'tanh', expected a layer"):
        Sequential(Dense(1, 1), "tanh")


def test_a_grad_of_another_network_is_refused():
    net = make()
    y, cache = net.forward(np.ones((2, 3), np.float32))
    with pytest.raises(ValueError, match=r"grad has shape \(3,\), expected \(46,\)"):
        net.backward(y, cache, np.zeros(3, np.float32))
    for layer, size in ((net, 46), (net.layers[0], 16)):
        message = rf"^a vector like theta has shape \(3,\), expected \({size},\)"
        with pytest.raises(ValueError, match=message):
            layer.views(np.zeros(3, np.float32))


def test_summary():
    assert make().summary() == (
        "     layer                       a sample becomes  weights\n"
        "0    Dense(p=3, q=4, bias=True)  (4,)                   16\n"
        "1    Tanh()                      (4,)                    0\n"
        "2    Sequential                  (2,)                   30\n"
        "2.0  Dense(p=4, q=4, bias=True)  (4,)                   20\n"
        "2.1  Dense(p=4, q=2, bias=True)  (2,)                   10\n"
        "     θ, float32                                         46"
    )


def test_summary_of_a_network_that_takes_any_shape():
    net = Sequential(LeakyReLU(), Flatten(), Dense(4, 1))
    before = [line.split()[2] for line in net.summary().splitlines()[1:3]]
    assert before == ["?", "?"]
    assert "(2, 2, 1)" in net.summary((2, 2, 1))
    within = Sequential(Sequential(Flatten(), Dense(4, 1))).summary((2, 2, 1))
    assert "0.0  Flatten()                   (4,)" in within


def test_networks_on_two_devices_are_refused(cp):
    with pytest.raises(TypeError, match="two devices"):
        make().forward(cp.ones((2, 3), dtype=cp.float32))
    with pytest.raises(TypeError, match="two devices"):
        Sequential(Dense(2, 2), Dense(2, 2).to("gpu"))
    on_gpu = Sequential(Tanh(), Dense(2, 2).to("gpu"))
    assert isinstance(on_gpu.theta, cp.ndarray)
    assert isinstance(on_gpu.to("cpu").theta, np.ndarray)


def test_a_network_is_a_list_of_its_layers():
    net = make()
    assert len(net) == 3 and list(net) == list(net.layers)
    assert net[0] is net.layers[0] and net[-1] is net.layers[2]
    x = stream(0, "x").standard_normal((5, 3), dtype=np.float32)
    assert (net(x) == net.forward(x, train=False)[0]).all()


def test_x_is_checked_once_where_it_comes_in(monkeypatch):
    checked = []
    of_each = Dense.output_shape
    monkeypatch.setattr(
        Dense, "output_shape", lambda self, shape: checked.append(shape) or of_each(self, shape)
    )
    net = Sequential(Tanh(), Dense(3, 4), Dense(4, 2))
    checked.clear()
    net.forward(np.ones((5, 3), np.float32))
    assert checked == [(3,), (4,)]
    for bad, message in (
        (np.ones((5, 4), np.float32), r"^Dense\(p=3, .* takes samples of shape \(3,\), got \(4,\)"),
        (np.ones((5, 3)), "^Sequential: x has dtype float64 and the weights are float32"),
        (np.ones((5, 3), int), "^Sequential: x has dtype int64, expected floating point"),
        (np.ones(3, np.float32), r"^Sequential: x has shape \(3,\), expected a batch"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            net.forward(bad)


class Scale(Layer):
    """Gives its weights a start by assigning to them."""

    def __init__(self, n):
        super().__init__({"s": (n,)})
        self.n = n
        self.s = np.full(n, 2, np.float32)

    def forward(self, x, train=True, rng=None):
        return self.s * x, x


def test_what_is_assigned_to_a_weight_is_in_theta():
    net = Sequential(Dense(2, 3), Scale(3), Dense(3, 1))
    assert (net.layers[1].s == 2).all() and (net.views(net.theta)["1.s"] == 2).all()
    net.layers[0].W = np.full((2, 3), 0.5)
    assert (net.views(net.theta)["0.W"] == 0.5).all()
    net.theta += 1
    assert (net.layers[0].W == 1.5).all() and (net.copy().layers[1].s == 3).all()
    with pytest.raises(ValueError, match="broadcast"):
        net.layers[0].W = np.ones((3, 2))
