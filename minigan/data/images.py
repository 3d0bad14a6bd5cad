"""A FOLDER of your own images. Pillow reads them; which kinds it may read is said here.

A file may be made by somebody who means harm: its kind is known by its content, never by its name,
only a few decoders are used, and a picture's size is read before its pixels.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..files.outside import printable
from .dataset import Dataset, expect_room, from_bytes

IMAGE_PATTERNS = "*.png *.jpg *.jpeg *.bmp *.webp"
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")  # as Pillow calls them
MOST_PIXELS = 1 << 24  # of one picture, 4,096 × 4,096
MOST_PIXELS_TO_RESIZE = 55_000_000  # of one that is resized at once; all this is within 1 GB
RESIZE = "minigan train --size 64, or load(folder, size=64),"  # as errors recommend it
GREY = ("1", "L", "LA")  # Pillow's modes


def load_folder(folder: Path, size: int | None = None) -> Dataset:
    """Images of a folder, or of the folder of each class; `minigan.data.load` has the rules."""
    if size is not None and size < 1:
        raise ValueError(f"size is {size}, expected the height of the images, 1 or more")
    classes = _find(folder)
    paths = [path for found in classes.values() for path in found]
    if not paths:
        raise ValueError(
            f"folder {printable(folder)} holds no images, expected {IMAGE_PATTERNS} in it, or in a "
            "folder for each class; check the path"
        )
    images: list[Array] = []
    for path in paths:
        images.append(image := _read(path, size))
        h, w = images[0].shape[:2]
        if image.shape[:2] != (h, w):
            raise ValueError(
                f"{printable(path)} has {image.shape[0]}×{image.shape[1]} pixels, but "
                f"{printable(paths[0])} has {h}×{w}; expected images of one size: "
                f"{RESIZE} resizes and crops all to 64×64"
            )
        if len(images) == 1:
            expect_room((len(paths), *image.shape), printable(folder))
    shape = (len(paths), h, w, max(image.shape[2] for image in images))
    expect_room(shape, printable(folder))
    x = np.empty(shape, np.float32)
    for i, image in enumerate(images):
        x[i] = from_bytes(image)  # a grey one among coloured ones: three equal channels
    if len(classes) == 1:
        return Dataset(str(folder), x)
    labels = np.repeat(np.arange(len(classes)), [len(found) for found in classes.values()])
    return Dataset(str(folder), x, labels.astype(np.int64), class_names=tuple(classes))


def _find(folder: Path) -> dict[str, list[Path]]:
    """Return the paths of the images of each class, one class where they lie in the folder itself.

    All in the order of their names; what is hidden is passed over, such as the ``._a.png`` that
    macOS puts beside a.png on other disks, and so is what is no file and an empty class.
    """
    endings = IMAGE_PATTERNS.replace("*", "").split()

    def images(paths: Iterable[Path]) -> list[Path]:
        found = (path for path in paths if path.suffix.lower() in endings and path.is_file())
        return sorted(path for path in found if not _is_hidden(path.relative_to(folder)))

    if here := images(folder.iterdir()):
        return {"": here}
    classes = {sub.name: images(sub.rglob("*")) for sub in sorted(folder.iterdir()) if sub.is_dir()}
    return {name: found for name, found in classes.items() if found}


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _read(path: Path, size: int | None) -> Array:
    """Return the pixels of an image: uint8 (h, w, 1) if it is grey, else (h, w, 3)."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError("reading a folder of images needs Pillow: pip install pillow") from error
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            _WhatIsThere(io.FileIO(path)) as file,
            Image.open(file, formats=FORMATS) as image,
        ):
            w, h = image.size
            most = MOST_PIXELS if size is None else MOST_PIXELS_TO_RESIZE
            if w * h > most:
                cure = f"; {RESIZE} takes larger ones" if size is None else ""
                raise ValueError(f"it has {h:,}×{w:,} pixels, expected at most {most:,}{cure}")
            return _pixels(image, size)
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{printable(path)} is no image that is read, expected PNG, JPEG, BMP or WebP; replace "
            "or remove it"
        ) from error
    except Exception as error:  # the decoders fail in many ways, SyntaxError among them
        raise ValueError(
            f"{printable(path)} cannot be read as an image ({type(error).__name__}: "
            f"{printable(error)}); replace or remove it"
        ) from error


class _WhatIsThere(io.BufferedReader):
    """A file of which no more is asked for than it has.

    Pillow asks for as many bytes as a part of a PNG claims to have, and Python takes memory for all
    of them before it reads: 4 GB for a damaged file of 131 bytes.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes; all that are left if there is no size."""
        left = max(0, os.fstat(self.fileno()).st_size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def _pixels(image: Any, size: int | None) -> Array:
    """Turn an image as its EXIF data say, make it grey or RGB, and give it a size."""
    from PIL import Image, ImageOps

    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16 bits a pixel, of which the upper 8 are kept
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    mode = "L" if image.mode in GREY else "RGB"  # alpha is dropped
    image = image if image.mode == mode else image.convert(mode)
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)
