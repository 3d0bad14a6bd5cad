"""Files that are written whole or not at all, and arrays in such files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array, to_numpy


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


def _import_safetensors() -> None:
    try:
        import safetensors  # noqa: F401
    except ImportError as error:
        raise ImportError("files of networks need safetensors: pip install safetensors") from error
