"""Networks on disk: safetensors files, which hold arrays and a description, and can run nothing.

Each weight is stored under its name (``"0.W"``), so that any reader of safetensors can look into
the file. Beside the arrays stands a JSON text that says which layers to make.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from . import layers as layers_module
from .arrays import to_numpy
from .layers.base import Layer
from .network import Residual, Sequential

FORMAT = "minigan-network-1"
DTYPES = ("float32", "float64")

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
    _import_safetensors()
    import safetensors.numpy

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
    # One entry only: safetensors writes several in an order that changes from run to run.
    metadata = {FORMAT: json.dumps(_describe(net))}
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(arrays, metadata))


def load(path: str | os.PathLike[str], *custom_layers: type[Layer]) -> Any:
    """Read a network that `save` has written, onto the CPU.

    Parameters
    ----------
    path
        The file.
    *custom_layers
        Layer classes of your own that occur in it.

    Raises
    ------
    FileNotFoundError
        For a file that does not exist.
    ValueError
        For a file that is damaged, that something else has written, or that has layers which are
        not known here.
    """
    _import_safetensors()
    import safetensors

    for custom in custom_layers:
        if not (isinstance(custom, type) and issubclass(custom, Layer)):
            raise TypeError(f"load: {custom!r} is no layer class; pass the class, not a layer")
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"{path} {what}, expected a file written by minigan.save")
    arrays = {}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if FORMAT in metadata:  # others may hold dtypes that NumPy has not
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file ({error}), expected one written by "
            "minigan.save; write it anew"
        ) from error
    if FORMAT not in metadata:
        raise ValueError(
            f"{path} was not written by minigan.save: its metadata are {sorted(metadata)}, "
            f"expected {FORMAT!r}"
        )
    try:
        net = _build(json.loads(metadata[FORMAT]), {c.__name__: c for c in custom_layers})
        if not isinstance(net, Layer):
            raise ValueError(f"{net!r} came, expected a layer")
    except _NO_NETWORK as error:
        raise ValueError(
            f"{path}: can't make the network that it describes: {type(error).__name__}: {error}"
        ) from error
    expected = {name: view.shape for name, view in net.parameters().items()}
    if net.state.size:
        expected["state"] = net.state.shape
    found = {name: array.shape for name, array in arrays.items()}
    dtypes = {array.dtype.name for array in arrays.values()}
    if found != expected or len(dtypes) > 1 or not dtypes.issubset(DTYPES):
        raise ValueError(
            f"{path}: the arrays don't fit the network that it describes: {found} of dtype "
            f"{', '.join(sorted(dtypes))}; expected {expected}, all {' or all '.join(DTYPES)}"
        )
    for dtype in dtypes:
        net = net.astype(dtype)
    for name, view in net.parameters().items():
        view[...] = arrays[name]
    net.state = arrays.get("state", net.state)
    return net


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; on success it takes the place of `path` in one go.

    So a reader sees the old file or the new one, never half of one, whatever stops the writer.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"can't write {path}: it is a folder; name a file in it")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        temporary.touch()
    except OSError as error:
        raise OSError(
            f"can't write {path} ({error.strerror}); see whether the folder {path.parent} is there "
            "and can be written to, or name another"
        ) from error
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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


def _build(description: Any, custom: dict[str, type[Layer]]) -> Any:
    """Make what `_describe` described."""
    if isinstance(description, list):
        return tuple(_build(item, custom) for item in description)
    if not isinstance(description, dict):
        return description
    known = {name: getattr(layers_module, name) for name in layers_module.__all__}
    known |= {"Sequential": Sequential, "Residual": Residual} | custom
    name = description["class"]
    if name not in known:
        raise ValueError(
            f"unknown layer {name!r}, expected one of {', '.join(sorted(known))}; "
            "pass a class of your own to load(path, MyLayer)"
        )
    arguments = {key: _build(v, custom) for key, v in description.items() if key != "class"}
    # What an __init__ takes as *layers goes in without a name.
    parameters = inspect.signature(known[name]).parameters.values()
    starred = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
    unnamed = [item for key in starred for item in arguments.pop(key)]
    return known[name](*unnamed, **arguments)


def _import_safetensors() -> None:
    try:
        import safetensors  # noqa: F401
    except ImportError as error:
        raise ImportError("files of networks need safetensors: pip install safetensors") from error
