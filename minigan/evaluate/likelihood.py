"""Parzen windows: a log-likelihood for a generator that has none, as the first GAN paper had it."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, to_numpy
from .distances import squared_distances
from .estimate import Estimate, mean_of

SIGMAS = np.logspace(-1, 0, 10)  # the ten that Goodfellow et al. 2014 chose from


def parzen_log_likelihood(
    samples: Array, validation: Array, test: Array, sigmas: Array = SIGMAS
) -> tuple[Estimate, float]:
    r"""Mean log-likelihood of test images under Gaussians around generated samples.

        log p(x) = log Σ_i exp(−‖x − s_i‖²/(2σ²)) − log n − d/2·log(2πσ²)

    (Breuleux et al. 2011; Goodfellow et al. 2014, table 1: 10,000 samples, pixels in [0, 1], σ by
    the likelihood of the first 1,000 validation images.) It is a poor measure, since a blurred
    image has many near neighbours (Theis et al. 2016); it is here because the paper's table is.

    Parameters
    ----------
    samples
        Generated (n, …), pixels in [0, 1].
    validation
        Images that choose σ, (v, …).
    test
        Images whose likelihood is measured, (t, …).
    sigmas
        Candidates for σ.

    Returns
    -------
    tuple
        The mean, in nats, with its interval, and the chosen σ.

    Raises
    ------
    ValueError
        For images of different sizes.
    """
    samples, validation, test = (
        to_numpy(x).reshape(len(x), -1).astype(np.float64) for x in (samples, validation, test)
    )
    if not samples.shape[1] == validation.shape[1] == test.shape[1]:
        raise ValueError(
            "expected images of one size, got samples, validation and test images of "
            f"{samples.shape[1]}, {validation.shape[1]} and {test.shape[1]} numbers"
        )
    candidates = _log_likelihood(samples, validation, np.asarray(sigmas, np.float64)).mean(axis=1)
    sigma = float(sigmas[int(np.argmax(candidates))])
    return mean_of(_log_likelihood(samples, test, np.array([sigma]))[0]), sigma


def _log_likelihood(samples: Array, x: Array, sigmas: Array) -> Array:
    """Log-likelihood of each x for each σ, (σs, n)."""
    n, d = samples.shape
    found = np.empty((len(sigmas), len(x)))
    for rows, squares in squared_distances(x, samples):
        # The largest term is taken out of the sum, so that no exponential underflows to 0.
        least = squares.min(axis=1)
        squares -= least[:, None]
        for of_sigma, sigma in zip(found, sigmas, strict=True):
            total = np.exp(squares / (-2 * sigma**2)).sum(axis=1)
            of_sigma[rows] = np.log(total) - least / (2 * sigma**2)
    constant = math.log(n) + d / 2 * np.log(2 * math.pi * sigmas**2)
    return found - constant[:, None]
