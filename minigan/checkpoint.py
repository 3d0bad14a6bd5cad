"""Networks on disk: safetensors files, which hold arrays and a description, and can run nothing.

Each weight is stored under its name (``"0.W"``), so that any reader of safetensors can look into
the file. Beside the arrays stands a JSON text that says which layers to make. A file is not
believed: it may be damaged, or made by somebody who means harm.
"""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from . import layers as layers_module
from .arrays import Array, to_numpy
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
        For a file that is damaged, that something else or a newer minigan has written, or that has
        layers which are not known here.
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


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], format: str, text: str
) -> None:
    """Write arrays to a safetensors file, and beside them a text under the name of its format.

    The file appears whole or not at all.
    """
    _import_safetensors()
    import safetensors.numpy

    on_cpu = {name: to_numpy(array) for name, array in arrays.items()}
    with replacing(path) as temporary:
        # One entry only: safetensors writes several in an order that changes from run to run.
        temporary.write_bytes(safetensors.numpy.save(on_cpu, {format: text}))


def read_arrays(
    path: str | os.PathLike[str], format: str, writer: str
) -> tuple[dict[str, np.ndarray[Any, Any]], str]:
    """Read the arrays and the text of a file that `write_arrays` has written.

    No more memory is taken than the file has bytes: its header is checked against them.

    Parameters
    ----------
    path
        The file.
    format
        Its name and version, ``"minigan-network-1"``.
    writer
        What writes such files, for the error messages.

    Raises
    ------
    FileNotFoundError
        For a file that does not exist.
    ValueError
        For one that is damaged, foreign, or of another version of the format.
    """
    _import_safetensors()
    import safetensors

    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"{path} {what}, expected a file written by {writer}")
    arrays = {}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if format in metadata:  # others may hold dtypes that NumPy has not
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file ({error}), expected one written by "
            f"{writer}; write it anew"
        ) from error
    if format not in metadata:
        kind = format.rpartition("-")[0]
        if other := [key for key in metadata if re.fullmatch(rf"{kind}-\d+", key)]:
            raise ValueError(
                f"{path} is a file of the format {other[0]}, expected {format}: another version of "
                "minigan has written it; install that one to read it"
            )
        raise ValueError(
            f"{path} was not written by {writer}: its metadata are {sorted(metadata)}, "
            f"expected {format!r}"
        )
    return arrays, metadata[format]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; on success it takes the place of `path` in one go.

    So a reader sees the old file or the new one, never half of one, whatever stops the writer; a
    power failure too: the new file is on the disk before it takes the name, and the name is before
    this returns.
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
        sync_folder(path.parent)
    except OSError as error:
        raise OSError(
            f"can't write {path} ({error.strerror or error}); what was there is as it was before"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where it can be opened (not on Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # it may be entered, but not be listed
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    """Makes what `_describe` described, of no more weights than `size` numbers.

    A few letters, ``"p": 1000000``, can ask for more memory than there is. So each layer is first
    asked for its size, and all of them together may not have more weights than the file has
    numbers (twice as many, since a SpectralNorm and the layer in it have the same ones).
    """

    def __init__(self, custom: dict[str, type[Layer]], size: int) -> None:
        self.known = {name: getattr(layers_module, name) for name in layers_module.__all__}
        self.known |= {"Sequential": Sequential, "Residual": Residual} | custom
        self.left = 2 * size

    def build(self, description: Any) -> Any:
        """Make a layer, or an argument of one."""
        if isinstance(description, list):
            return tuple(self.build(item) for item in description)
        if not isinstance(description, dict):
            return description
        name = description["class"]
        if name not in self.known:
            raise ValueError(
                f"unknown layer {name!r}, expected one of {', '.join(sorted(self.known))}; "
                "pass a class of your own to load(path, MyLayer)"
            )
        kind = self.known[name]
        arguments = {key: self.build(v) for key, v in description.items() if key != "class"}
        # What an __init__ takes as *layers goes in without a name.
        parameters = inspect.signature(kind).parameters.values()
        starred = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
        unnamed = [item for key in starred for item in arguments.pop(key)]
        if not issubclass(kind, Sequential):  # which has no weights but those of its layers
            self.left -= _size(kind, unnamed, arguments)
            if self.left < 0:
                raise ValueError(f"{name} has more weights than the file has numbers")
        return kind(*unnamed, **arguments)


class _Size(Exception):
    """Ends the making of a layer before it has any weights; its argument says how many."""


def _size(kind: type[Layer], unnamed: list[Any], arguments: dict[str, Any]) -> int:
    """How many weights such a layer has, and numbers in its state."""

    def make_vectors(self: Layer, size: int, state_size: int) -> None:
        raise _Size(size + state_size)

    def bind(self: Layer, theta: Array, state: Array) -> None:
        raise _Size(theta.size + state.size)  # of a layer that takes the vectors of another

    asked = {"_make_vectors": make_vectors, "bind": bind}
    try:
        type(kind.__name__, (kind,), asked)(*unnamed, **arguments)
    except _Size as size:
        return int(size.args[0])
    return 0


def _import_safetensors() -> None:
    try:
        import safetensors  # noqa: F401
    except ImportError as error:
        raise ImportError("files of networks need safetensors: pip install safetensors") from error
