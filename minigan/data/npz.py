"""FILE.npz, your own arrays. Whatever is wrong with them is said, with what to do."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..files.outside import expect_file, printable
from .dataset import Dataset, expect_room, from_bytes

# An array may have GROWTH times the bytes that it takes in the file, or FREE if that is more.
GROWTH, FREE = 200, 1 << 26
MOST_CLASSES = 1000


def load_npz(path: Path, standardise: bool = True) -> Dataset:
    """Points of an .npz file, and its labels if it has any; `minigan.data.load` has the rules."""
    path, where = expect_file(path, "an .npz file; check the path"), printable(path)
    try:
        opened = path.open("rb")
    except OSError as error:
        raise OSError(
            f"{where} can't be read ({error.strerror}); check whose file it is and its permissions"
        ) from error
    with opened:
        if not zipfile.is_zipfile(opened):
            raise ValueError(f"{where} is not an .npz file; write it with np.savez_compressed")
        opened.seek(0)
        try:
            with np.load(opened, allow_pickle=False) as file:
                names = list(file.files)
                x_key, label_key = _keys(names)
                x = None if x_key is None else _read(file, x_key, path.stat().st_size)
                labels = None
                if label_key is not None:
                    labels = _read(file, label_key, path.stat().st_size)
        except _DAMAGED as error:
            raise ValueError(
                f"{where} cannot be read ({printable(error)}); expected arrays of numbers, no "
                "Python objects; write it again with np.savez_compressed"
            ) from error
    if x is None:
        raise ValueError(
            f"{where} holds arrays named {sorted(names)}: expected one array, or one named 'x' or "
            "'images', and at most one named 'labels' or 'y'; rename them"
        )
    x = _check_points(x, f"{where}, array {x_key!r}")
    mean = scale = None
    if standardise and x.ndim == 2:
        mean, scale = x.mean(axis=0), x.std(axis=0)
        scale[scale == 0] = 1  # a feature that never changes
        x = (x - mean) / scale
    expect_room(x.shape, where)
    x = x.astype(np.float32, copy=False)
    if labels is None:
        return Dataset(str(path), x, mean=mean, scale=scale)
    if labels.dtype.kind not in "iu" or labels.shape != (len(x),):
        raise ValueError(
            f"{where}, array {label_key!r}: {labels.dtype} of shape {labels.shape} came, "
            f"expected integers of shape ({len(x)},), one a point; save them so, or leave them out"
        )
    odd = labels[(labels < 0) | (labels >= MOST_CLASSES)]
    if odd.size:
        raise ValueError(
            f"{where}, array {label_key!r}: {odd[0]} is among the labels, expected classes "
            f"0, 1, 2 … and no more than {MOST_CLASSES:,} of them; number them again, labels = "
            "np.unique(labels, return_inverse=True)[1], or leave them out"
        )
    return Dataset(str(path), x, labels.astype(np.int64), mean=mean, scale=scale)


# What a damaged .npz file, a zip archive of arrays, may raise; no file that is sound.
_DAMAGED = (
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def _keys(names: list[str]) -> tuple[str | None, str | None]:
    """Return which of the arrays are the points, None if that can't be told, and the labels."""
    x_keys = [name for name in names if name not in ("labels", "y")]
    if len(x_keys) != 1:
        x_keys = [name for name in names if name in ("x", "images")]
    label_keys = [name for name in names if name in ("labels", "y")]
    if len(x_keys) != 1 or len(label_keys) > 1:
        return None, None
    return x_keys[0], label_keys[0] if label_keys else None


def _read(file: Any, key: str, size: int) -> Array:
    """Read one array of a file of so many bytes, if it takes no more memory than it may."""
    info = file.zip.getinfo(f"{key}.npy" if f"{key}.npy" in file.zip.namelist() else key)
    # Of others zipfile would unpack all at once.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"array {key!r} is packed otherwise than np.savez_compressed does it")
    most = max(FREE, GROWTH * min(info.compress_size, size))
    if info.file_size > most:
        raise ValueError(
            f"array {key!r} would grow to {info.file_size:,} bytes, expected at most {most:,}, "
            f"{GROWTH} times what it takes in the file; if it is meant, write it with np.savez"
        )
    with file.zip.open(info) as member:
        version = np.lib.format.read_magic(member)
        header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        shape, _, dtype = header[version[0]](member)
    promised = math.prod(shape) * dtype.itemsize
    if promised > info.file_size:
        raise ValueError(
            f"array {key!r} promises {promised} bytes (shape {shape}), {info.file_size} are there"
        )
    return np.asarray(file[key])


def _check_points(x: Array, where: str) -> Array:
    """Return images (n, h, w, c) in [-1, 1] or float64 vectors (n, d), or say what is wrong."""
    came = f"{where}: {x.dtype} of shape {x.shape} came"
    if x.ndim not in (2, 3, 4) or x.size == 0:
        raise ValueError(
            f"{came}, expected images (n, h, w) or (n, h, w, c), or vectors (n, d), none of it 0; "
            "reshape it"
        )
    is_byte_images = x.dtype == np.uint8 and x.ndim > 2
    if not is_byte_images and x.dtype.kind != "f":
        raise ValueError(
            f"{came}, expected floats, or uint8 for images; convert it, or reshape flat images to "
            "(n, h, w)"
        )
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        raise ValueError(
            f"{came}, which looks like channels first, expected (n, h, w, c); "
            "save x.transpose(0, 2, 3, 1)"
        )
    if is_byte_images:
        return from_bytes(x)
    with np.errstate(over="ignore"):  # what is too large for float32 becomes inf, seen next
        as_float32 = x.astype(np.float32)
    bad = x.size - np.count_nonzero(np.isfinite(as_float32))
    if bad:
        raise ValueError(
            f"{came}, with {bad} of {x.size} values NaN, infinite or too large for float32, "
            "expected finite numbers; remove or repair those points"
        )
    if x.ndim == 2:
        return x.astype(np.float64)
    x = as_float32
    low, high = float(x.min()), float(x.max())
    if low < -1 or high > 1:
        raise ValueError(
            f"{came}, with values in [{low:g}, {high:g}], expected [0, 1] or [-1, 1]; divide by "
            "the largest possible value first, or save 0..255 as uint8"
        )
    return x * 2 - 1 if low >= 0 else x
