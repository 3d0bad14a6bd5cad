"""The handwritten digits that come with the package; digits.md says whose they are."""

from __future__ import annotations

import importlib.resources

import numpy as np

from .dataset import Dataset


def load_digits() -> Dataset:
    """All 1797 digits of 8 × 8 pixels, with their labels."""
    asset = importlib.resources.files("minigan.data") / "digits.npz"
    with asset.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    x = images[..., None].astype(np.float32) / 8 - 1  # 0..16 → [-1, 1]
    return Dataset("digits", x, labels.astype(np.int64))
