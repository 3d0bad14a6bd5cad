"""The layers that recipes are made of: dense ones in a row, and a D that judges packs.

And whether the computer has the memory for them, which is better said than met.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence

from ..data.dataset import memory
from ..init import Initialiser, glorot, he
from ..layers import Conv2d, ConvTranspose2d, Dense, Pack
from ..layers.base import Layer, Shape
from ..network import Sequential

BYTES_A_WEIGHT = 64  # θ, gradient, Adam's two, copies to go back to, and drawing it in float64
SMALLER = "take smaller images, --size 64 for a FOLDER"


def mlp(
    *widths: int, activation: Callable[[], Layer], init: Initialiser | None = None
) -> list[Layer]:
    """Return dense layers of these widths with activations between them, and none at the end.

    Unless `init` is given, the hidden layers are drawn by He's rule and the last by Glorot's.
    """
    *hidden, (p, q) = zip(widths[:-1], widths[1:], strict=True)
    expect_room_for_weights(*hidden, (p, q))
    layers: list[Layer] = []
    for pair in hidden:
        layers += [Dense(*pair, init=init or he), activation()]
    return [*layers, Dense(p, q, init=init or glorot)]


def packed(m: int, layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return layers that judge m samples together: see `minigan.layers.minibatch.Pack`.

    The first weights are made again, for m times as many features (channels).

    Raises
    ------
    ValueError
        Where these belong to a layer whose features have no name, p or c_in.
    """
    i, first = next((i, layer) for i, layer in enumerate(layers) if layer.theta.size)
    names = inspect.signature(type(first)).parameters.keys() - {"seed"}
    settings = {name: getattr(first, name) for name in names if hasattr(first, name)}
    features = settings.keys() & {"p", "c_in"}
    if not features:
        raise ValueError(f"--pack goes with dense and convolutional layers; D begins with {first}")
    for name in features:
        settings[name] *= m
    return (Pack(m), *layers[:i], type(first)(**settings), *layers[i + 1 :])


def expect_room_for_weights(*shapes: tuple[int, int]) -> None:
    """Raise a ValueError, before they are drawn, for dense layers that the memory can't hold."""
    weights = sum(p * q for p, q in shapes)
    if BYTES_A_WEIGHT * weights > memory():
        widths = ", ".join(f"{p:,} to {q:,}" for p, q in shapes)
        raise ValueError(
            f"dense layers of {widths} features have {weights:,} weights, which take "
            f"{BYTES_A_WEIGHT * weights / 1e9:,.1f} GB to train, the computer has "
            f"{memory() / 1e9:,.1f} GB; {SMALLER}, or convolutions, --recipe dcgan"
        )


def expect_room_for_step(G: Sequential, D: Sequential, shape: Shape, batch: int) -> None:
    """Raise a ValueError for a step on samples of this shape that the memory can't hold.

    D's half keeps the caches of two passes, G's half one of each network. `shape` is what D sees.
    """
    kept_G, most_G = _numbers_a_sample(G, G.in_shape or ())
    kept_D, most_D = _numbers_a_sample(D, shape)
    numbers = max(2 * kept_D, kept_G + kept_D) + max(most_G, most_D)
    size = G.theta.itemsize * batch * numbers
    if size > memory():
        raise ValueError(
            f"a step on {batch} samples of shape {shape} takes {size / 1e9:,.1f} GB, the computer "
            f"has {memory() / 1e9:,.1f} GB; take --batch {max(1, batch * memory() // (2 * size))}, "
            f"or {SMALLER.removeprefix('take ')}"
        )


def _numbers_a_sample(net: Sequential, in_shape: Shape) -> tuple[int, int]:
    """Return how many numbers a sample leaves in the caches, and the most patches of a layer."""
    kept, most = math.prod(in_shape), 0
    for layer in net.layers:
        out_shape = layer.output_shape(in_shape)
        kept += math.prod(out_shape)
        if isinstance(layer, (Conv2d, ConvTranspose2d)):
            few, many = sorted(
                (in_shape, out_shape)
            )  # the window stands at each of the fewer pixels
            most = max(most, few[0] * few[1] * layer.W.shape[0] ** 2 * many[2])
        in_shape = out_shape
    return kept, most
