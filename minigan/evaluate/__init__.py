"""How good are a generator's samples? Measures, each with its definition, source and interval.

    collapse      of samples alone: their mean distance, the modes of a mixture that they cover
    distances     of two sets of features: Fréchet, kernel (MMD), precision, recall, memorisation …
    likelihood    Parzen windows, as Goodfellow et al. 2014 estimated it
    classifier    a small network that turns images into features and classes
    judge         all of them for samples of a data set, beside the best possible values
    estimate      a value and its interval

The features come from a classifier that the library trains itself, so no number here is comparable
with one that an Inception network gave.
"""

from .collapse import mean_distance, mixture
from .distances import (
    frechet_distance,
    frechet_extrapolated,
    kernel_distance,
    memorisation,
    precision_recall,
)
from .estimate import Estimate
from .likelihood import parzen_log_likelihood

__all__ = [
    "Estimate",
    "frechet_distance",
    "frechet_extrapolated",
    "kernel_distance",
    "mean_distance",
    "memorisation",
    "mixture",
    "parzen_log_likelihood",
    "precision_recall",
]
