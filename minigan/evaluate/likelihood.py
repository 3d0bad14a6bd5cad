"""Parzen windows: a log-likelihood for a generator that has none, as the first GAN paper had it."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, to_numpy
from .distances import Estimate

SIGMAS = np.logspace(-1, 0, 10)  # the ten that Goodfellow et al. 2014 chose from
BLOCK = 100  # test images at a time


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
        The mean, in nats, with ± 1.96 standard errors, and the chosen σ.
    """
    samples, validation, test = (
        to_numpy(x).reshape(len(x), -1).astype(np.float64) for x in (samples, validation, test)
    )
    if not samples.shape[1] == validation.shape[1] == test.shape[1]:
        raise ValueError(
            f"got images of {samples.shape[1]}, {validation.shape[1]} and {test.shape[1]} numbers, "
            "expected the same number in samples, validation and test"
        )
    candidates = _log_likelihood(samples, validation, np.asarray(sigmas, np.float64)).mean(axis=1)
    sigma = float(sigmas[int(np.argmax(candidates))])
    values = _log_likelihood(samples, test, np.array([sigma]))[0]
    error = 1.96 * float(values.std() / math.sqrt(len(values)))
    mean = float(values.mean())
    return Estimate(mean, mean - error, mean + error), sigma


def _log_likelihood(samples: Array, x: Array, sigmas: Array) -> Array:
    """Log-likelihood of each x for each σ, (σs, n)."""
    n, d = samples.shape
    lengths = (samples * samples).sum(axis=1)
    found = np.empty((len(sigmas), len(x)))
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        squares = (block * block).sum(axis=1)[:, None] + lengths - 2 * block @ samples.T
        least = squares.min(axis=1, keepdims=True)
        for row, sigma in zip(found, sigmas, strict=True):
            # The largest term is taken out of the sum, so that no exponential underflows to 0.
            total = np.exp((least - squares) / (2 * sigma**2)).sum(axis=1)
            row[start : start + BLOCK] = np.log(total) - least[:, 0] / (2 * sigma**2)
    constant = math.log(n) + d / 2 * np.log(2 * math.pi * sigmas**2)
    return found - constant[:, None]
