"""Networks on disk: safetensors files, which hold arrays and a description, and can run nothing.

Each weight is stored under its name (``"0.W"``), so that any reader of safetensors can look into
the file. Beside the arrays stands a JSON text that says which layers to make.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import layers as layers_module
from .arrays import to_numpy
from .layers.base import Layer
from .network import Sequential

FORMAT = "minigan-network-1"


def save(path: str | os.PathLike[str], net: Layer) -> None:
    """Write a network, or a single layer, to a file.

    The file appears whole or not at all.

    Parameters
    ----------
    path
        By custom with the ending .safetensors.
    net
        Its layers must be made again by the arguments that they report (`Layer.config`).
    """
    import safetensors.numpy

    arrays = {name: to_numpy(view) for name, view in net.parameters().items()}
    if net.state.size:
        arrays["state"] = to_numpy(net.state)
    metadata = {"format": FORMAT, "network": json.dumps(_describe(net))}
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
    import safetensors

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist, expected a file written by minigan.save")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file ({error})") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} was not written by minigan.save: its format is {metadata.get('format')!r}, "
            f"expected {FORMAT!r}"
        )
    try:
        net = _build(json.loads(metadata["network"]), {c.__name__: c for c in custom_layers})
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: its description of the network is damaged: {error}") from error
    state = arrays.pop("state", net.state)
    expected = {name: view.shape for name, view in net.parameters().items()}
    found = {name: array.shape for name, array in arrays.items()}
    dtypes = {array.dtype for array in arrays.values()}
    if found != expected or state.shape != net.state.shape or len(dtypes) > 1:
        raise ValueError(
            f"{path}: the arrays don't fit the network that it describes: "
            f"{found}, expected {expected}, all of one dtype"
        )
    for dtype in dtypes:
        net = net.astype(dtype)
    for name, view in net.parameters().items():
        view[...] = arrays[name]
    net.state = state
    return net


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; on success it takes the place of `path` in one go.

    So a reader sees the old file or the new one, never half of one, whatever stops the writer.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _describe(value: Any) -> Any:
    """Put a layer as JSON: its class and the arguments that make it, layers within layers too."""
    if isinstance(value, Layer):
        return {"layer": type(value).__name__} | {
            key: _describe(argument) for key, argument in value.config().items()
        }
    return [_describe(item) for item in value] if isinstance(value, (tuple, list)) else value


def _build(description: Any, custom: dict[str, type[Layer]]) -> Any:
    """Make what `_describe` described."""
    if isinstance(description, list):
        return tuple(_build(item, custom) for item in description)
    if not isinstance(description, dict):
        return description
    known = {name: getattr(layers_module, name) for name in layers_module.__all__}
    known |= {"Sequential": Sequential} | custom
    name = description["layer"]
    if name not in known:
        raise ValueError(
            f"unknown layer {name!r}, expected one of {', '.join(sorted(known))}; "
            "pass a class of your own to load(path, MyLayer)"
        )
    arguments = {key: _build(v, custom) for key, v in description.items() if key != "layer"}
    return known[name](*arguments.pop("layers", ()), **arguments)
