"""Networks on disk: safetensors files, which hold arrays and a description, and can run nothing.

Each weight is stored under its name (``"0.W"``), so that any reader of safetensors can look into
the file. Beside the arrays stands a JSON text that says which layers to make. A file is not
believed: it may be damaged, or made by somebody who means harm.
"""

from __future__ import annotations

import inspect
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import layers as layers_module
from ..arrays import to_numpy
from ..layers.base import Layer, Shape
from ..network import Residual, Sequential
from .arrays import read_arrays, write_arrays
from .outside import printable

FORMAT = "minigan-network-1"
DTYPES = ("float32", "float64")
LARGEST_SAMPLE = 1 << 24  # numbers: 64 MB in float32, an image of 1024×1024 pixels and 16 channels

# What a damaged description may raise on the way to a network.
_NO_NETWORK = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def save(path: str | os.PathLike[str], net: Layer) -> None:
    """Write a network, or a single layer, to a file.

    The file appears whole or not at all.

    Parameters
    ----------
    path
        By custom with the ending .safetensors.
    net
        Its layers must be made again by the arguments that they report (`Layer.config`); these are
        numbers, text, layers, and tuples of them.

    Raises
    ------
    TypeError
        For something that is no layer, or one that a file can't hold.
    OSError
        For a place that can't be written to.
    """
    if not isinstance(net, Layer):
        raise TypeError(f"save(path, net): net is {net!r}, expected a network or a layer")
    if net.theta.dtype.name not in DTYPES:
        raise TypeError(
            f"save: the weights are {net.theta.dtype}, which a file can't hold, expected "
            f"{' or '.join(DTYPES)}; convert them with net.astype"
        )
    arrays = {name: to_numpy(view) for name, view in net.parameters().items()}
    if net.state.size:
        arrays["state"] = to_numpy(net.state)
    write_arrays(path, arrays, FORMAT, json.dumps(_describe(net)))


def load(
    path: str | os.PathLike[str], *custom_layers: type[Layer], largest_sample: int = LARGEST_SAMPLE
) -> Any:
    """Read a network that `save` has written, onto the CPU.

    Parameters
    ----------
    path
        The file.
    *custom_layers
        Layer classes of your own that occur in it.
    largest_sample
        How many numbers one sample may be anywhere in the network, as far as the layers fix its
        shape: a file of a few bytes, ``Upsample(4500)``, can ask for much memory when it is used.

    Raises
    ------
    FileNotFoundError
        For a file that does not exist.
    ValueError
        For a file that is damaged, that something else or a newer minigan has written, or that has
        layers which are not known here, or that asks for more memory than it may.
    """
    for custom in custom_layers:
        if not (isinstance(custom, type) and issubclass(custom, Layer)):
            raise TypeError(f"load: {custom!r} is no layer class; pass the class, not a layer")
    arrays, description = read_arrays(path, FORMAT, "minigan.save")
    try:
        known = {custom.__name__: custom for custom in custom_layers}
        net = _Builder(known, sum(array.size for array in arrays.values())).build(
            json.loads(description)
        )
        if not isinstance(net, Layer):
            raise ValueError(f"{net!r} came, expected a layer")
        _check_samples(net, None, largest_sample)
    except _NO_NETWORK as error:
        raise ValueError(
            f"{printable(path)}: can't make the network that it describes: "
            f"{type(error).__name__}: {printable(error)}"
        ) from error
    expected = {name: view.shape for name, view in net.parameters().items()}
    if net.state.size:
        expected["state"] = net.state.shape
    found = {name: array.shape for name, array in arrays.items()}
    dtypes = {array.dtype.name for array in arrays.values()}
    if found != expected or len(dtypes) > 1 or not dtypes.issubset(DTYPES):
        raise ValueError(
            f"{printable(path)}: the arrays don't fit the network that it describes: {found} of "
            f"dtype {', '.join(sorted(dtypes))}; expected {expected}, all {' or all '.join(DTYPES)}"
        )
    for dtype in dtypes:
        net = net.astype(dtype)
    for name, view in net.parameters().items():
        view[...] = arrays[name]
    net.state = arrays.get("state", net.state)
    return net


def _describe(value: Any) -> Any:
    """Put a layer as JSON: its class and the arguments that make it, layers within layers too.

    No argument can be named "class", so that key is free.
    """
    if isinstance(value, Layer):
        return {"class": type(value).__name__} | {
            key: _describe(argument) for key, argument in value.config().items()
        }
    if isinstance(value, (tuple, list)):
        return [_describe(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"save: a layer has the argument {value!r}, which a file can't hold, expected numbers, "
        "text, layers or tuples of them; give the layer a config() and an __init__ of such"
    )


class _Builder:
    """Makes what `_describe` described, of no more weights than the file has numbers.

    A few letters, ``"p": 1000000``, can ask for more memory than there is. `size` counts the
    numbers in the file; all layers together may have twice as many, so that a file that lacks an
    array is told so by its name.
    """

    def __init__(self, custom: dict[str, type[Layer]], size: int) -> None:
        self.known = {name: getattr(layers_module, name) for name in layers_module.__all__}
        self.known |= {"Sequential": Sequential, "Residual": Residual} | custom
        self.kinds: dict[str, tuple[type[Layer], type[Layer], list[str]]] = {}
        self.left = 2 * size

    def build(self, description: Any) -> Any:
        """Make a layer, or an argument of one."""
        if isinstance(description, list):
            return tuple(self.build(item) for item in description)
        if not isinstance(description, dict):
            return description
        kind, budgeted, starred = self.kind(description["class"])
        arguments = {key: self.build(v) for key, v in description.items() if key != "class"}
        unnamed = [item for key in starred for item in arguments.pop(key)]
        layer = budgeted(*unnamed, **arguments)
        layer.__class__ = kind  # made within the budget, it is a layer like any other
        return layer

    def kind(self, name: str) -> tuple[type[Layer], type[Layer], list[str]]:
        """Return a class by its name, its twin with a budget, and what it takes as *layers."""
        if name not in self.known:
            raise ValueError(
                f"unknown layer {name!r}, expected one of {', '.join(sorted(self.known))}; "
                "pass a class of your own to load(path, MyLayer)"
            )
        if name not in self.kinds:
            kind = self.known[name]
            parameters = inspect.signature(kind).parameters.values()
            starred = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
            self.kinds[name] = kind, type(name, (kind, _Budgeted), {"budget": self}), starred
        return self.kinds[name]

    def spend(self, name: str, size: int) -> None:
        """Take this many numbers off what is left, or refuse the layer that asks for them."""
        self.left -= size
        if self.left < 0:
            raise ValueError(f"{name} has more weights than the file has numbers")


class _Budgeted(Layer):
    """Comes between a layer's class and `Layer`, and sees the weights before they are made.

    In a class made of ``(Dense, _Budgeted)``, Dense's ``super().__init__`` is the one below.
    """

    budget: _Builder

    def __init__(
        self,
        weights: Mapping[str, Shape] | None = None,
        state: Mapping[str, Shape] | None = None,
        kernels: tuple[str, ...] = (),
    ) -> None:
        shapes = [*(weights or {}).values(), *(state or {}).values()]
        self.budget.spend(type(self).__name__, sum(map(math.prod, shapes)))
        super().__init__(weights, state, kernels)


def _check_samples(layer: Layer, shape: Shape | None, largest: int) -> Shape | None:
    """Follow one sample through the layers, from the first one that fixes its shape.

    Returns its shape behind the last layer, None where no layer has fixed it.
    """
    if isinstance(layer, Sequential):
        for inner in layer.layers:
            shape = _check_samples(inner, shape, largest)
        return shape
    shape = layer.in_shape if shape is None else shape
    if shape is None:
        return None
    shape = layer.output_shape(shape)
    if math.prod(shape) > largest:
        raise ValueError(
            f"{layer!r} makes {math.prod(shape):,} numbers of one sample, expected at most "
            f"{largest:,}; if the file is from someone you trust, load(path, largest_sample=…)"
        )
    return shape
