"""What the library checks of itself: at least one case of everything public, by its class.

A new layer, loss, penalty or optimiser gets a line here; `tests/test_registry.py` fails until it
has one, and walks all of it, on each device. `minigan check` walks it too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ...arrays import Array, stream
from ...init import normal
from ...layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStd,
    Pack,
    ReLU,
    Rescale,
    Reshape,
    Sigmoid,
    Sign,
    SpectralNorm,
    Tanh,
    Upsample,
)
from ...layers.base import Layer, Shape
from ...losses import Hinge, LeastSquares, Minimax, NonSaturating, RelativisticPairing, Wasserstein
from ...network import Sequential
from ...numerics import sigmoid
from ...optim import schedules
from ...optim.lookahead import OptimisticAdam
from ...optim.regularisers import L1, L2, Regulariser
from ...optim.rules import SGD, Adam, AdamW, RMSProp
from ...penalties import DRAGAN, R1, R2, GradientPenalty, Penalty
from ...residual import Residual
from ..functions import gradient
from ..layers import away_from_zero, layer
from ..losses import loss
from ..optimisers import optimiser
from ..penalties import penalty
from ..report import Report
from .items import Item


def shaken(layer: Layer, seed: int = 2) -> Layer:
    """Move the weights off where they start, so that no gain is 1 and no bias 0."""
    noise = stream(seed, "shake").standard_normal(layer.theta.size, dtype=np.float32)
    layer.theta += 0.3 * noise
    return layer


def mlp(*activations: Layer, seed: int = 1) -> Sequential:
    """Make a network 4 → 6 → … → 2 with biases that are not zero."""
    layers: list[Layer] = [Dense(4, 6, init=normal(0.5))]
    for activation in activations:
        layers += [activation, Dense(6, 6, init=normal(0.5))]
    net = Sequential(*layers, Sequential(Dense(6, 2)), seed=seed)
    net.theta += 0.1 * stream(seed, "bias").standard_normal(net.theta.size, dtype=np.float32)
    return net


def conv_critic() -> Sequential:
    """Make a critic of images, half of it piecewise linear and half smooth."""
    return Sequential(
        Conv2d(1, 2, 3, padding=1, init=normal(0.5)),
        LeakyReLU(),
        AvgPool2d(),
        Upsample(),
        Conv2d(2, 3, 2, stride=2, init=normal(0.5)),
        Tanh(),
        Flatten(),
        Dense(12, 1),
        seed=1,
    )


# Class → a list of (a layer, the shape of one sample).
LAYERS: dict[type[Layer], list[tuple[Layer, Shape]]] = {
    Dense: [
        (Dense(3, 2, init=normal(1.0)), (3,)),
        (Dense(1, 1), (1,)),
        (Dense(4, 5, bias=False, seed=3), (4,)),
    ],
    Conv2d: [
        (Conv2d(2, 3, 3, padding=1, init=normal(0.5)), (3, 4, 2)),
        (Conv2d(1, 2, 2, stride=2), (5, 4, 1)),  # the last row is never read
        (Conv2d(2, 1, 3, stride=3, padding=2, bias=False, seed=3), (3, 5, 2)),
        (Conv2d(3, 2, 1), (1, 2, 3)),
    ],
    ConvTranspose2d: [
        (ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1), (2, 1, 2)),
        (ConvTranspose2d(2, 1, 4, stride=2, padding=1, init=normal(0.5)), (2, 3, 2)),
        (ConvTranspose2d(1, 2, 2, stride=3, bias=False, seed=3), (2, 2, 1)),
        (ConvTranspose2d(3, 2, 1), (1, 2, 3)),
    ],
    Upsample: [(Upsample(), (2, 3, 2)), (Upsample(3), (1, 2, 1)), (Upsample(1), (2, 2, 1))],
    AvgPool2d: [(AvgPool2d(), (4, 2, 2)), (AvgPool2d(3), (3, 6, 1))],
    LeakyReLU: [(LeakyReLU(), (5,)), (LeakyReLU(0.01), (2, 3)), (LeakyReLU(1.5), (4,))],
    ReLU: [(ReLU(), (5,)), (ReLU(), (2, 2, 3))],
    Sigmoid: [(Sigmoid(), (5,)), (Sigmoid(), (2, 2, 1))],
    Rescale: [(Rescale(0.7, -0.4), (5,)), (Rescale(-2.3, 1.6), (2, 2, 3))],
    Sign: [(Sign(5, 2), (5,)), (Sign(3, 0), (3,)), (Sign(2, 2), (2,))],
    Tanh: [(Tanh(), (5,)), (Tanh(), (2, 2, 1))],
    Flatten: [(Flatten(), (2, 3, 2)), (Flatten(), (4,))],
    Reshape: [(Reshape((3, 2)), (6,)), (Reshape((12,)), (2, 3, 2))],
    Pack: [(Pack(1), (3,)), (Pack(1), (2, 2, 3))],  # larger packs: tests/test_views.py
    Sequential: [
        (mlp(Tanh()), (4,)),
        (mlp(LeakyReLU(), ReLU()), (4,)),
        (mlp(Sigmoid(), Tanh(), LeakyReLU()), (4,)),
        (Sequential(Flatten(), Dense(4, 3, seed=5), Tanh(), Reshape((3, 1))), (2, 2, 1)),
        (conv_critic(), (4, 4, 1)),
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

# More of these, checked with batches that they divide. Images of several channels come first: there
# samples, places and features are told apart.
LARGER_PACKS: list[tuple[Layer, Shape]] = [(Pack(3), (1, 4, 2)), (Pack(2), (3,))]

# Class → a list of (a loss, what makes its arguments from normal numbers).
LOSSES: dict[type, list[tuple[Any, Callable[[Array], Array] | None]]] = {
    Minimax: [
        (Minimax(), None),
        (Minimax(label_smoothing=0.1), None),
        (Minimax(logits=False), sigmoid),
    ],
    LeastSquares: [(LeastSquares(), None)],
    Hinge: [(Hinge(), None)],
    Wasserstein: [(Wasserstein(), None)],
    RelativisticPairing: [(RelativisticPairing(), None)],
    NonSaturating: [
        (NonSaturating(), None),
        (NonSaturating(label_smoothing=0.1), None),
        (NonSaturating(logits=False, label_smoothing=0.1), sigmoid),
    ],
}

# Class → a list of penalties.
PENALTIES: dict[type[Penalty], list[Penalty]] = {
    R1: [R1(1.7)],
    R2: [R2(0.7)],
    GradientPenalty: [GradientPenalty(2.6, target=0.7), GradientPenalty(2.3, target=0)],
    DRAGAN: [DRAGAN(2.3, c=0.17)],
}

# Class → a list of functions that make one for a network. By hand they are in tests/test_optim.py.
OPTIMISERS: dict[type, list[Callable[[Layer], Any]]] = {
    SGD: [
        lambda net: SGD(0.13),
        lambda net: SGD(0.13, momentum=0.9),
        lambda net: SGD(0.13, momentum=0.9, nesterov=True),
        lambda net: SGD(schedules.linear(0.2, 0.1, 10), momentum=schedules.linear(0, 0.5, 10)),
    ],
    RMSProp: [lambda net: RMSProp(0.013), lambda net: RMSProp(schedules.cosine(0.02, 0.001, 400))],
    Adam: [
        lambda net: Adam(0.13),
        lambda net: Adam(schedules.warm_up(3, 0.13), beta1=0.6),
        lambda net: Adam(0.13, amsgrad=True),
    ],
    AdamW: [
        lambda net: AdamW(0.13),
        lambda net: AdamW(schedules.linear(0.13, 0.13, 1), weight_decay=0.17, mask=net.kernel_mask),
    ],
    OptimisticAdam: [lambda net: OptimisticAdam(0.13), lambda net: OptimisticAdam(0.13, beta1=0.6)],
}

# Class → a list of what weights cost.
REGULARISERS: dict[type[Regulariser], list[Regulariser]] = {L1: [L1(0.5)], L2: [L2(0.5)]}


def items() -> Iterator[Item]:
    """Give all cases as things to check; what is drawn at random is drawn with the seed."""
    for layers in (*LAYERS.values(), LARGER_PACKS):
        for made, shape in layers:
            for train in (True, False) if _has_two_modes(made, shape) else (True,):
                name = _short(made) + ("" if train else ", evaluation")
                yield Item(name, "layer", partial(_check_layer, made, shape, train))
    for losses in LOSSES.values():
        for a_loss, outputs in losses:
            yield Item(repr(a_loss), "loss", partial(_check_loss, a_loss, outputs))
    for penalties in PENALTIES.values():
        for a_penalty in penalties:
            yield Item(repr(a_penalty), "penalty", partial(_check_penalty, a_penalty))
    for regularisers in REGULARISERS.values():
        for cost in regularisers:
            yield Item(repr(cost), "regulariser", partial(_check_regulariser, cost))
    for optimisers in OPTIMISERS.values():
        for make in optimisers:
            yield Item(_name(make), "optimiser", partial(_check_optimiser, make))


def _check_layer(made: Layer, shape: Shape, train: bool, seed: int) -> Report:
    """Check a case as it is with seed 0, and with weights drawn afresh for every other seed."""
    twin = made.copy()
    if seed:
        twin.initialise(stream(seed, "weights"))
        shaken(twin, seed)
    n = 6 if twin.couples_samples else 3
    x = away_from_zero(stream(seed, "point").standard_normal((n, *shape)))
    return layer(twin, x, seed=seed, train=train)


def _check_loss(made: Any, outputs: Callable[[Array], Array] | None, seed: int) -> Report:
    return loss(made, seed=seed, outputs=outputs)


def _check_penalty(made: Penalty, seed: int) -> Report:
    return penalty(made, seed=seed)


def _check_regulariser(made: Regulariser, seed: int) -> Report:
    net = mlp(Tanh(), seed=seed + 1).astype(np.float64)

    def moved(theta: Array) -> Layer:
        twin = net.astype(theta.dtype)
        twin.theta = theta
        return twin

    def slope(theta: Array) -> Array:
        grad = net.new_grad()
        made(moved(theta), grad)
        return grad

    return gradient(lambda theta: made(moved(theta)), slope, away_from_zero(net.theta))


def _check_optimiser(make: Callable[[Layer], Any], seed: int) -> Report:
    return optimiser(make(Sequential(Dense(4, 1))), seed=seed)


def _name(make: Callable[[Layer], Any]) -> str:
    """Name an optimiser by its class and those of its settings that are not the usual ones."""
    made = make(Sequential(Dense(4, 1)))
    named = []
    for name, parameter in inspect.signature(type(made)).parameters.items():
        value = getattr(made, name, parameter.default)  # an old name is no attribute
        if isinstance(value, (bool, float)) and value != parameter.default:
            named.append(f"{name}={value}")
    return f"{type(made).__name__}({', '.join(named)})"


def _has_two_modes(made: Layer, shape: Shape) -> bool:
    """Whether the layer does in evaluation what it does not do in training."""
    x = stream(0, "point").standard_normal((6, *shape), dtype=np.float32)
    training, evaluating = (made.forward(x, train, stream(0, "rng"))[0] for train in (True, False))
    return training.shape != evaluating.shape or bool((training != evaluating).any())


def _short(made: Layer) -> str:
    """Name a network by its layers' kinds, other layers by the call that makes them."""
    if isinstance(made, Sequential):
        return f"{type(made).__name__}({', '.join(type(part).__name__ for part in made.layers)})"
    return repr(made)
