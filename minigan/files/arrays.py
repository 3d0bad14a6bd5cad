"""Named arrays in a safetensors file, and a text beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import Array, to_numpy
from .atomic import replacing
from .outside import expect_file, printable


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], format: str, text: str
) -> None:
    """Write arrays to a safetensors file, and beside them a text under the name of its format.

    The file appears whole or not at all.
    """
    _import_safetensors()
    import safetensors.numpy

    plain = {name: in_plain_order(to_numpy(array)) for name, array in arrays.items()}
    with replacing(path) as temporary:
        # One entry only: safetensors writes several in an order that changes from run to run.
        temporary.write_bytes(safetensors.numpy.save(plain, {format: text}))


def in_plain_order(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array as files hold it: C-contiguous, in the machine's own byte order.

    safetensors writes memory as it lies. Of a transposed array it would write the numbers in
    another order, and with a negative stride others that the array does not hold.
    """
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")


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
        For one that is no plain file, is damaged, foreign, or of another version of the format.
    """
    _import_safetensors()
    import safetensors

    path = expect_file(path, f"a file written by {writer}")
    arrays = {}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if format in metadata:  # others may hold dtypes that NumPy has not
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{printable(path)} is damaged or no safetensors file ({printable(error)}), expected "
            f"one written by {writer}; write it again"
        ) from error
    if format not in metadata:
        kind = format.rpartition("-")[0]
        if other := [key for key in metadata if re.fullmatch(rf"{kind}-\d+", key)]:
            raise ValueError(
                f"{printable(path)} is a file of the format {other[0]}, expected {format}: another "
                "version of minigan has written it; install that one to read it"
            )
        raise ValueError(
            f"{printable(path)} was not written by {writer}: its metadata are {sorted(metadata)}, "
            f"expected {format!r}"
        )
    return arrays, metadata[format]


def _import_safetensors() -> None:
    try:
        import safetensors  # noqa: F401
    except ImportError as error:
        raise ImportError("files of networks need safetensors: pip install safetensors") from error
