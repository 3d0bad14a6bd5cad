"""The layers that recipes are made of: dense ones in a row, and a D that judges packs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from ..data.dataset import memory
from ..init import Initialiser, glorot, he
from ..layers import Dense, Pack
from ..layers.base import Layer

BYTES_A_WEIGHT = 64  # θ, gradient, Adam's two, copies to go back to, and drawing it in float64


def mlp(
    *widths: int, activation: Callable[[], Layer], init: Initialiser | None = None
) -> list[Layer]:
    """Return dense layers of these widths with activations between them, and none at the end.

    Unless `init` is given, the hidden layers are drawn by He's rule and the last by Glorot's.
    """
    *hidden, (p, q) = zip(widths[:-1], widths[1:], strict=True)
    weights = sum(p * q for p, q in (*hidden, (p, q)))
    if BYTES_A_WEIGHT * weights > memory():
        raise ValueError(
            f"dense layers of {', '.join(map(str, widths))} have {weights:,} weights, which take "
            f"{BYTES_A_WEIGHT * weights / 1e9:,.1f} GB to train, the computer has "
            f"{memory() / 1e9:,.1f} GB; take smaller images, --size 64 for a FOLDER, or "
            "convolutions, --recipe dcgan"
        )
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
