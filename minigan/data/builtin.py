"""The handwritten digits that come with the package; digits.md says whose they are."""

from __future__ import annotations

import importlib.resources

import numpy as np

from ..arrays import Array, stream
from .dataset import Dataset


def load_digits() -> Dataset:
    """All 1797 digits of 8 × 8 pixels, with their labels."""
    asset = importlib.resources.files("minigan.data") / "digits.npz"
    with asset.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    x = images[..., None].astype(np.float32) / 8 - 1  # 0..16 → [-1, 1]
    return Dataset("digits", x, labels.astype(np.int64))


_POINTS = 10_000  # in each set


def ring(seed: int = 0) -> Dataset:
    """Mixture of 8 Gaussians on the unit circle, σ = 0.01.

    The k-th centre is (cos 2πk/8, sin 2πk/8), k = 0..7, and all are equally likely: the 2D-ring of
    PacGAN (Lin et al. 2018), after VEEGAN (Srivastava et al. 2017).
    """
    # np.linspace(0, 2π, 8) would put both its ends on one point: seven modes, one of them doubled.
    angle = 2 * np.pi * np.arange(8) / 8
    centres = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _mixture("ring", centres, 0.01, seed)


def grid(seed: int = 0) -> Dataset:
    """Mixture of 25 Gaussians on a square grid, σ = 0.05.

    The centres are (a, b) with a and b in −4, −2, 0, 2, 4, and all are equally likely: the 2D-grid
    of PacGAN (Lin et al. 2018), after VEEGAN (Srivastava et al. 2017).
    """
    ticks = (-4, -2, 0, 2, 4)
    centres = np.array([(a, b) for a in ticks for b in ticks])
    return _mixture("grid", centres, 0.05, seed)


def swissroll(seed: int = 0) -> Dataset:
    """Spiral with noise: ((t·cos t, t·sin t) + 0.25·ε) / 7.5, ε standard normal.

    t is uniform in 1.5π·[1, 3], so up to noise the radius is 0.63 to 1.88: the toy set of WGAN-GP
    (Gulrajani et al. 2017), with the constants of their code.
    """
    rng = stream(seed, "data", "swissroll")
    t = 1.5 * np.pi * (1 + 2 * rng.random(_POINTS, dtype=np.float32))
    spiral = np.stack([t * np.cos(t), t * np.sin(t)], axis=1)
    x = (spiral + 0.25 * rng.standard_normal((_POINTS, 2), dtype=np.float32)) / 7.5
    return Dataset("swissroll", x)


def _mixture(name: str, centres: Array, sigma: float, seed: int) -> Dataset:
    """Draw each point's centre as its label, then the point around it."""
    rng = stream(seed, "data", name)
    centres = centres.astype(np.float32)
    labels = rng.integers(len(centres), size=_POINTS, dtype=np.int64)
    x = centres[labels] + sigma * rng.standard_normal((_POINTS, 2), dtype=np.float32)
    return Dataset(name, x, labels, centres, sigma)
