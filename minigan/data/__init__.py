"""Data sets to train on: each is one array in the form that the networks take.

    name            x                     labels         where it comes from
    digits          (1797, 8, 8, 1)       0..9           lies in the package
    mnist           (60000, 28, 28, 1)    0..9           $MINIGAN_DATA, or downloaded once
    fashion-mnist   (60000, 28, 28, 1)    0..9           $MINIGAN_DATA, or downloaded once
    ring            (10000, 2)            component      drawn: 8 Gaussians on the unit circle
    grid            (10000, 2)            component      drawn: 5 × 5 Gaussians
    swissroll       (10000, 2)            none           drawn: a noisy spiral
    FILE.npz        images or vectors     if it has any  your own arrays
    FOLDER          (n, h, w, c)          class folders  your own PNG, JPEG, BMP or WebP

Images are channels-last and lie in [-1, 1], the range of a generator that ends in Tanh; everything
is float32. Files are checked before they are believed, and nothing in them is ever run: no pickle.

`load` below gives any of them; `minigan.data.builtin` has what lies in the package or is drawn,
`minigan.data.mnist` finds and downloads, `minigan.data.npz` and `images` read what you bring.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from ..files.outside import did_you_mean, printable
from .builtin import grid, load_digits, ring, swissroll
from .dataset import Dataset
from .images import IMAGE_PATTERNS, load_folder
from .mnist import SHA256, load_mnist, read_idx
from .npz import load_npz

__all__ = ["NAMES", "SHA256", "Dataset", "load", "read_idx"]

NAMES = ("digits", "mnist", "fashion-mnist", "ring", "grid", "swissroll")


def load(
    name: str | os.PathLike[str],
    *,
    split: str = "train",
    seed: int = 0,
    size: int | None = None,
    standardise: bool = True,
) -> Dataset:
    """Load a data set by its name, or from a file or folder of your own.

    Parameters
    ----------
    name
        One of `NAMES`, or a path to FILE.npz, or to a FOLDER of images. A name goes before a
        folder that is called the same, with a warning; write ./digits for the folder.

        FILE.npz holds one array, or one of them is named "x" or "images"; beside it there may be
        integer "labels" or "y", of shape (n,). uint8 images (n, h, w) or (n, h, w, c) are mapped
        from 0..255 to [-1, 1]. Float images lie in [0, 1] or in [-1, 1] already; which of the two
        is told by the smallest value in the whole array: min >= 0 means [0, 1], which is mapped
        to [-1, 1]. Float vectors (n, d) may have any scale; see `standardise`. Labels lie below
        1,000. An array may grow to 64 MB, or to 200 times the bytes that it takes in the file.

        FOLDER holds images of one size, or, as torchvision's ImageFolder takes it, a folder of
        images for each class; the classes are numbered in the order of their names. PNG, JPEG, BMP
        and WebP are known by their content. They are turned as their EXIF data say; all become
        grey if all are grey, else RGB; an alpha channel is dropped, and of 16 bits the upper 8 are
        kept. What is hidden (``._a.png``) is passed over. An image may have 16,777,216 pixels,
        with a `size` 55 million.
    split
        Which part of mnist or fashion-mnist, ``"train"`` or ``"test"``; the other sets have no
        test part.
    seed
        For the sets that are drawn (ring, grid, swissroll): the same seed gives the same points.
    size
        For a FOLDER: all images are resized and cropped around their middle to size × size pixels.
    standardise
        Give each feature of your own vectors mean 0 and standard deviation 1. The data set keeps
        `mean` and `scale`, and its `unscaled` takes samples back. False keeps them as they are.

    Raises
    ------
    ValueError
        An unknown name, a file that is not what it should be, or data that are too large.
    FileNotFoundError
        A file that is missing from where it was said to be.
    ImportError
        A download without pooch, or a folder of images without Pillow.
    OSError
        A download that failed from every source.

    Examples
    --------
    >>> ring = load("ring")
    >>> ring.x.shape, ring.centres.shape, ring.is_images
    ((10000, 2), (8, 2), False)
    """
    name = os.fspath(name)
    if split not in ("train", "test"):
        raise ValueError(f"split is {split!r}: expected 'train' or 'test'")
    if split == "test" and name not in SHA256:
        raise ValueError(
            f"{name!r} has no test part: split='test' is for {' and '.join(SHA256)}; leave it out"
        )
    if size is not None and (name in NAMES or not os.path.isdir(name)):
        raise ValueError(f"size={size} is for a FOLDER of images, {name!r} is none; leave it out")
    if name in NAMES:
        _warn_of_namesake(name)
    if name == "digits":
        return load_digits()
    if name in SHA256:
        return load_mnist(name, split)
    if name == "ring":
        return ring(seed)
    if name == "grid":
        return grid(seed)
    if name == "swissroll":
        return swissroll(seed)
    path = Path(name)
    if name and path.is_dir():  # Path("") would be the current folder
        return load_folder(path, size)
    if path.suffix.lower() == ".npz":
        return load_npz(path, standardise)
    if path.suffix.lower() in (".npy", ".csv", ".txt", ".tsv"):
        read = "np.load(file)" if path.suffix.lower() == ".npy" else "np.loadtxt(file, …)"
        raise ValueError(
            f"{printable(path)} is a {path.suffix} file, expected .npz; write it as one, "
            f"np.savez_compressed({path.with_suffix('.npz').name!r}, x={read})"
        )
    raise ValueError(
        f"unknown data set {name!r}: {did_you_mean(name, NAMES)}expected one of "
        f"{', '.join(NAMES)}, or a path to FILE.npz, or to a FOLDER of images ({IMAGE_PATTERNS}); "
        "check the spelling, and that the path exists"
    )


def _warn_of_namesake(name: str) -> None:
    """Warn if something lies here that has the name of a data set and is not it."""
    root = os.environ.get("MINIGAN_DATA") if name in SHA256 else None
    is_it = root and Path(root, name).resolve() == Path(name).resolve()
    if os.path.exists(name) and not is_it:
        warnings.warn(
            f"{name!r} is the data set of that name, not the {name} that lies here; for that, "
            f"say {os.path.join('.', name)!r}",
            stacklevel=3,
        )
