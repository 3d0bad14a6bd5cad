"""Whatever exists is checked: the public layers, losses and optimisers are walked, none is missed.

A new layer, loss or optimiser fails `test_everything_public_has_cases` until it has a line here.
"""

import inspect

import numpy as np
import pytest

import minigan
from minigan import (
    SGD,
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStd,
    Minimax,
    NonSaturating,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    SpectralNorm,
    Tanh,
    check,
    stream,
)
from minigan.init import normal
from minigan.layers import Elementwise, LinearMap
from minigan.layers.base import Layer
from minigan.numerics import sigmoid


def mlp(*activations, seed=1):
    """Make a network 4 → 6 → … → 2 with biases that are not zero."""
    layers = [Dense(4, 6, init=normal(0.5))]
    for activation in activations:
        layers += [activation, Dense(6, 6, init=normal(0.5))]
    net = Sequential(*layers, Sequential(Dense(6, 2)), seed=seed)
    net.theta += 0.1 * stream(seed, "bias").standard_normal(net.theta.size, dtype=np.float32)
    return net


def shaken(layer, seed=2):
    """Move the weights off where they start, so that no gain is 1 and no bias 0."""
    layer.theta += 0.3 * stream(seed, "shake").standard_normal(layer.theta.size, dtype=np.float32)
    return layer


# Class → a list of (a layer, the shape of one sample).
LAYERS = {
    Dense: [
        (Dense(3, 2, init=normal(1.0)), (3,)),
        (Dense(1, 1), (1,)),
        (Dense(4, 5, bias=False, seed=3), (4,)),
    ],
    LeakyReLU: [(LeakyReLU(), (5,)), (LeakyReLU(0.01), (2, 3)), (LeakyReLU(1.5), (4,))],
    ReLU: [(ReLU(), (5,)), (ReLU(), (2, 2, 3))],
    Sigmoid: [(Sigmoid(), (5,)), (Sigmoid(), (2, 2, 1))],
    Tanh: [(Tanh(), (5,)), (Tanh(), (2, 2, 1))],
    Flatten: [(Flatten(), (2, 3, 2)), (Flatten(), (4,))],
    Reshape: [(Reshape((3, 2)), (6,)), (Reshape((12,)), (2, 3, 2))],
    Sequential: [
        (mlp(Tanh()), (4,)),
        (mlp(LeakyReLU(), ReLU()), (4,)),
        (mlp(Sigmoid(), Tanh(), LeakyReLU()), (4,)),
        (Sequential(Flatten(), Dense(4, 3, seed=5), Tanh(), Reshape((3, 1))), (2, 2, 1)),
        (shaken(Sequential(Dense(3, 4), BatchNorm(4), LeakyReLU(), Dense(4, 2), seed=6)), (3,)),
        (shaken(Sequential(Dense(3, 5), LayerNorm(5), Tanh(), Dense(5, 1), seed=7)), (3,)),
        (Sequential(SpectralNorm(Dense(3, 4)), Tanh(), SpectralNorm(Dense(4, 1)), seed=8), (3,)),
        (Sequential(Maxout(3, 4, 3), Dropout(0.3), LayerNorm(4), Dense(4, 2), seed=9), (3,)),
        (shaken(Sequential(BatchNorm(2), MinibatchStd(), Flatten(), Dense(12, 1))), (2, 2, 2)),
    ],
    Residual: [
        (Residual(Dense(3, 5), Tanh(), Dense(5, 3), seed=1), (3,)),
        (Residual(LeakyReLU()), (2, 2, 1)),
        (shaken(Residual(Residual(Tanh()), Dense(4, 4), LayerNorm(4), seed=2)), (4,)),
        (shaken(Residual(Dense(3, 3), BatchNorm(3), ReLU(), seed=3)), (3,)),
    ],
    BatchNorm: [
        (shaken(BatchNorm(4)), (4,)),
        (shaken(BatchNorm(1, eps=0.1, momentum=1.0)), (1,)),
        (shaken(BatchNorm(3)), (2, 2, 3)),
    ],
    LayerNorm: [
        (shaken(LayerNorm(5)), (5,)),
        (shaken(LayerNorm((2, 2, 3), eps=0.1)), (2, 2, 3)),
        (LayerNorm((3, 2)), (3, 2)),
    ],
    SpectralNorm: [
        (shaken(SpectralNorm(Dense(3, 4, init=normal(1.0)))), (3,)),
        (SpectralNorm(Dense(4, 3, bias=False, init=normal(0.01))), (4,)),
        (shaken(SpectralNorm(Dense(5, 1))), (5,)),
    ],
    Dropout: [(Dropout(), (5,)), (Dropout(0.1), (2, 2, 3)), (Dropout(0.0), (3,))],
    Maxout: [
        (shaken(Maxout(3, 2)), (3,)),
        (shaken(Maxout(4, 3, pieces=2, seed=1)), (4,)),
        (Maxout(2, 2, pieces=1), (2,)),
    ],
    MinibatchStd: [(MinibatchStd(), (4,)), (MinibatchStd(), (2, 2, 3))],
}

# Class → a list of (a loss, what makes its arguments from normal numbers).
LOSSES = {
    Minimax: [(Minimax(), None), (Minimax(logits=False), sigmoid)],
    NonSaturating: [
        (NonSaturating(), None),
        (NonSaturating(label_smoothing=0.1), None),
        (NonSaturating(logits=False, label_smoothing=0.1), sigmoid),
    ],
}

# The tests of these are in test_optim.py.
OPTIMISERS = {SGD, Adam}

# Public, but not a layer, a loss or an optimiser.
OTHERS = {"array_module", "bce", "bce_with_logits", "load", "save", "stream", "to_device"}
OTHERS |= {"to_numpy", "train"}

LAYER_CASES = [case for cases in LAYERS.values() for case in cases]
# A batch of one is enough where no sample looks at another one.
LAYER_BATCHES = [
    (*case, n) for case in LAYER_CASES for n in (1, 3) if n > 1 or not case[0].couples_samples
]
LOSS_CASES = [case for cases in LOSSES.values() for case in cases]


def a_point(shape, n, seed=0):
    return check.away_from_zero(stream(seed, "point").standard_normal((n, *shape)))


def forward(layer, x):
    return layer.forward(x, rng=stream(0, "rng"))


def test_everything_public_has_cases():
    public = {name: getattr(minigan, name) for name in minigan.__all__ if name not in OTHERS}
    assert set(public.values()) == set(LAYERS) | set(LOSSES) | OPTIMISERS
    layers = {value for value in vars(minigan.layers).values() if inspect.isclass(value)}
    networks = {Sequential, Residual}
    made_of_layers = {c for c in layers if issubclass(c, Layer)} - {Layer, Elementwise, LinearMap}
    assert made_of_layers | networks == set(LAYERS)
    assert all(LAYERS.values()) and all(LOSSES.values())


@pytest.mark.parametrize(("layer", "shape", "n"), LAYER_BATCHES, ids=str)
def test_layer(layer, shape, n):
    check.layer(layer, a_point(shape, n)).assert_ok()


@pytest.mark.parametrize(("layer", "shape"), LAYER_CASES, ids=str)
def test_layer_in_evaluation_mode(layer, shape):
    check.layer(layer, a_point(shape, 2, seed=1), train=False).assert_ok()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("layer", "shape"), LAYER_CASES, ids=str)
def test_layer_keeps_the_rules_on_each_device(layer, shape, dtype, xp):
    device = "cpu" if xp is np else "gpu"
    x = xp.asarray(a_point(shape, 3).astype(dtype))
    assert check.broken_rules(layer.astype(dtype).to(device), x) == []


@pytest.mark.parametrize(("layer", "shape"), LAYER_CASES, ids=str)
def test_layer_gives_the_same_numbers_on_each_device(layer, shape, cp, to_np):
    x, twin = a_point(shape, 3), layer.astype(np.float64)
    y, _ = forward(twin, x)
    y_device, _ = forward(twin.to("gpu"), cp.asarray(x))
    assert check.relative_error(to_np(y_device), y) < 1e-13


@pytest.mark.parametrize(("layer", "shape"), LAYER_CASES, ids=str)
def test_layer_refuses_what_it_can_not_take(layer, shape):
    x = a_point(shape, 3).astype(np.float32)
    with pytest.raises(TypeError, match="int64, expected floating point"):
        forward(layer, x.astype(np.int64))
    with pytest.raises(TypeError, match="got list"):
        forward(layer, x.tolist())
    with pytest.raises(ValueError, match="one or more samples"):
        forward(layer, x[:0])
    if layer.theta.size:
        with pytest.raises(TypeError, match="float64 and the weights are float32"):
            forward(layer, x.astype(np.float64))
    y, cache = forward(layer, x)
    with pytest.raises(ValueError, match="dy has shape"):
        layer.backward(y[:2], cache)
    with pytest.raises(ValueError, match="v has shape"):
        layer.jvp(x[:2], cache)
    if layer.couples_samples:
        with pytest.raises(NotImplementedError, match="jvp_backward.* each sample by itself"):
            layer.jvp_backward(x, y, cache)
    else:
        with pytest.raises(ValueError, match="has shape"):
            layer.jvp_backward(x[:2], y, cache)


@pytest.mark.parametrize(("layer", "shape"), LAYER_CASES, ids=str)
def test_layer_says_the_shape_of_its_output(layer, shape):
    y, _ = forward(layer, a_point(shape, 3).astype(np.float32))
    assert layer.output_shape(shape) == y.shape[1:]


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize(("loss", "outputs"), LOSS_CASES, ids=str)
def test_loss(loss, outputs, n):
    check.loss(loss, n=n, outputs=outputs).assert_ok()


@pytest.mark.parametrize(("loss", "outputs"), LOSS_CASES, ids=str)
def test_loss_does_not_wait_for_the_device(loss, outputs, xp, no_sync, to_np):
    real, fake = (
        (outputs or np.array)(stream(0, key).standard_normal((4, 1))) for key in ("r", "f")
    )
    with no_sync():
        on_device = loss.discriminator(xp.asarray(real), xp.asarray(fake))
        on_device += loss.generator(xp.asarray(fake), xp.asarray(real))
    on_cpu = loss.discriminator(real, fake) + loss.generator(fake, real)
    for a, b in zip(on_device, on_cpu, strict=True):
        assert check.relative_error(to_np(a), b) < 1e-13
