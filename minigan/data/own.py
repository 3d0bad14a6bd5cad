"""Your own data: FILE.npz and FOLDER. Whatever is wrong with them is said, with what to do."""

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
from .dataset import Dataset, from_bytes

_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")
IMAGE_PATTERNS = "*.png *.jpg *.jpeg"


def load_npz(path: Path) -> Dataset:
    """Points of an .npz file, and its labels if it has any; `minigan.data.load` has the rules."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist, expected an .npz file; check the path")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not an .npz file; write it with np.savez_compressed")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = list(file.files)
            x_key, label_key = _keys(names)
            x = None if x_key is None else _read(file, x_key)
            labels = None if label_key is None else _read(file, label_key)
    except _DAMAGED as error:
        raise ValueError(
            f"{path} cannot be read ({error}); expected arrays of numbers, no Python objects; "
            "write it anew with np.savez_compressed"
        ) from error
    if x is None:
        raise ValueError(
            f"{path} holds arrays named {sorted(names)}: expected one array, or one named 'x' or "
            "'images', and at most one named 'labels' or 'y'; rename them"
        )
    x = _check_points(x, f"{path}, array {x_key!r}")
    if labels is None:
        return Dataset(str(path), x)
    if labels.dtype.kind not in "iu" or labels.shape != (len(x),):
        raise ValueError(
            f"{path}, array {label_key!r}: {labels.dtype} of shape {labels.shape} came, "
            f"expected integers of shape ({len(x)},), one a point; save them so, or leave them out"
        )
    return Dataset(str(path), x, labels.astype(np.int64))


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


def _read(file: Any, key: str) -> Array:
    """Read one array, unless it promises more bytes than the file says it has."""
    info = file.zip.getinfo(f"{key}.npy" if f"{key}.npy" in file.zip.namelist() else key)
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
    """Return float32 images (n, h, w, c) in [-1, 1] or vectors (n, d), or say what is wrong."""
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
        x = x.astype(np.float32)
    bad = x.size - np.count_nonzero(np.isfinite(x))
    if bad:
        raise ValueError(
            f"{came}, with {bad} of {x.size} values NaN, infinite or too large for float32, "
            "expected finite numbers; remove or repair those points"
        )
    if x.ndim == 2:
        return x
    low, high = float(x.min()), float(x.max())
    if low < -1 or high > 1:
        raise ValueError(
            f"{came}, with values in [{low:g}, {high:g}], expected [0, 1] or [-1, 1]; divide by "
            "the largest possible value first, or save 0..255 as uint8"
        )
    return x * 2 - 1 if low >= 0 else x


def load_folder(folder: Path) -> Dataset:
    """Images of a folder, sorted by file name; all have one shape."""
    try:
        from matplotlib.image import imread
    except ImportError as error:
        raise ImportError(
            "reading a folder of images needs matplotlib: pip install matplotlib"
        ) from error
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in _IMAGE_ENDINGS)
    if not paths:
        raise ValueError(
            f"folder {folder} holds no images, expected {IMAGE_PATTERNS} in it, not in folders "
            "below it; check the path"
        )
    images: list[Array] = []
    for path in paths:
        try:
            image = imread(path)
        except Exception as error:  # the decoders fail in many ways, SyntaxError among them
            raise ValueError(
                f"{path} cannot be read as an image ({type(error).__name__}: {error}); "
                "replace or remove it"
            ) from error
        # A PNG comes as float in [0, 1], the others as uint8.
        image = from_bytes(image) if image.dtype == np.uint8 else image.astype(np.float32) * 2 - 1
        image = image[..., None] if image.ndim == 2 else image[..., :3]  # the fourth is alpha
        if images and image.shape != images[0].shape:
            raise ValueError(
                f"{path} has shape {image.shape}, but {paths[0]} has {images[0].shape}; expected "
                "images of one shape (h, w, c): resize or convert them first"
            )
        images.append(image)
    return Dataset(str(folder), np.stack(images))
