"""NaN and infinity in a run: at which step, in what, and in which layer they came up first.

While a run goes on nobody looks inside its layers, which would take time. A run is a pure function
of its settings and the step: so when numbers are found to be broken, it goes back to where all were
finite, and takes the same steps again with a look behind every layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..arrays import Array, array_module
from ..layers.base import Layer
from ..loop import Record
from ..network import Sequential

NAMES = {
    "loss_D": "the loss of D",
    "penalty": "the penalty in the loss of D",
    "grad_D": "the gradient of D",
    "loss_G": "the loss of G",
    "grad_G": "the gradient of G",
}


@dataclass(frozen=True)
class Broken:
    """Where NaN or infinity came up first.

    `quantity` is the first loss, gradient or weight of the step that is not finite; `layer` is
    where the first such number of the step came out, None if no layer has made one.
    """

    step: int
    quantity: str
    layer: str | None

    def __str__(self) -> str:
        """Return it as the beginning of a sentence."""
        where = f", first in {self.layer}" if self.layer else ""
        return f"step {self.step:,}: {self.quantity} is not finite{where}"


def is_finite(array: Array) -> bool:
    """Return whether no number of an array is NaN or infinite; this waits for the GPU."""
    return bool(array_module(array).isfinite(array).all())


def first_broken(records: Iterator[Record], nets: Mapping[str, Layer], upto: int) -> Broken | None:
    """Take steps, with a look at every number, until one is not finite.

    Parameters
    ----------
    records
        Of a training run.
    nets
        The two networks that it trains, by their names, ``"G"`` and ``"D"``.
    upto
        The last step to take.
    """
    with _looked_at(nets) as found:
        for record in records:
            quantities = [
                NAMES[name]
                for name in record.measured
                if name in NAMES and not math.isfinite(record[name])
            ]
            for name, net in nets.items():
                for key, weight in net.parameters().items():
                    if not is_finite(weight):
                        quantities.append(f"the weight {key} of {name}")
                if not is_finite(net.state):
                    quantities.append(f"the state of {name}")
            if quantities:
                return Broken(record.step, quantities[0], found[0] if found else None)
            found.clear()
            if record.step >= upto:
                break
    return None


@contextmanager
def _looked_at(nets: Mapping[str, Layer]) -> Iterator[list[str]]:
    """Give a list to which each layer adds what comes out of it that is not finite."""
    found: list[str] = []
    layers = [
        (f"layer {name} of {player}, {layer!r}", layer)
        for player, net in nets.items()
        for name, layer in _layers(net, "")
    ]
    for name, layer in layers:
        _look_at(layer, name, found)
    try:
        yield found
    finally:
        for _, layer in layers:
            for method in ("forward", "backward", "add_gradient", "jvp_backward"):
                delattr(layer, method)  # the class's own are back


def _layers(net: Layer, prefix: str) -> Iterator[tuple[str, Layer]]:
    """Give all layers by their names, such as ``"0"`` and ``"1.0"``, but no network itself."""
    if not isinstance(net, Sequential):
        yield prefix or "0", net
        return
    for i, layer in enumerate(net.layers):
        yield from _layers(layer, f"{prefix}.{i}" if prefix else str(i))


def _look_at(layer: Layer, name: str, found: list[str]) -> None:
    """Put a look around the maps of a layer that a training step calls."""
    forward, backward, jvp_backward = layer.forward, layer.backward, layer.jvp_backward
    add_gradient = layer.add_gradient

    def note(what: str, array: Array | None) -> None:
        if array is not None and not is_finite(array):
            found.append(f"{what} of {name}")

    def looked_forward(*arguments: Any, **more: Any) -> Any:
        note("the weights", layer.theta)
        y, cache = forward(*arguments, **more)
        note("the output", y)
        return y, cache

    def looked_backward(dy: Array, cache: Any, grad: Array | None = None) -> Array:
        dx = backward(dy, cache, grad)
        note("the gradient", grad)
        note("the derivative that leaves the input", dx)
        return dx

    def looked_add_gradient(dy: Array, cache: Any, grad: Array) -> None:
        add_gradient(dy, cache, grad)
        note("the gradient", grad)

    def looked_jvp_backward(v: Array, dy: Array, cache: Any, grad: Array | None = None) -> Array:
        dx = jvp_backward(v, dy, cache, grad)
        note("the gradient of the penalty", grad)
        note("the derivative of the penalty that leaves the input", dx)
        return dx

    for method, looked in (
        ("forward", looked_forward),
        ("backward", looked_backward),
        ("add_gradient", looked_add_gradient),
        ("jvp_backward", looked_jvp_backward),
    ):
        setattr(layer, method, looked)
