"""How good are a generator's samples? Measures, each with its definition, source and interval.

    distances     of two sets of features: Fréchet, kernel (MMD), precision, recall, density, coverage
    likelihood    Parzen windows, as Goodfellow et al. 2014 estimated it
    classifier    a small network that turns images into features and classes
    evaluation    all of them for a run, an .npz file or a folder of images

The features come from a classifier that the library trains itself, so no number here is comparable
with one that an Inception network gave.
"""

from .distances import (
    Estimate,
    frechet_distance,
    frechet_extrapolated,
    kernel_distance,
    memorisation,
    precision_recall,
)
from .likelihood import parzen_log_likelihood

__all__ = [
    "Estimate",
    "frechet_distance",
    "frechet_extrapolated",
    "kernel_distance",
    "memorisation",
    "parzen_log_likelihood",
    "precision_recall",
]
