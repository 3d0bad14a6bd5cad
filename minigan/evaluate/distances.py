"""How far generated samples are from real ones, given features of both: (n, d) arrays of floats.

Everything is computed in float64 on the CPU and in blocks of rows, so that 10,000 samples against
10,000 take no more memory than a few hundred megabytes. Real data against other real data give the
best possible value of each measure; put it beside the value of a generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..arrays import Array, stream, to_numpy

BLOCK = 1000  # rows of a matrix of distances that are in memory at a time
BOOTSTRAPS = 100  # resampled sets for an interval


class Estimate(NamedTuple):
    """A measured value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the value and its interval, to four digits."""
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


@dataclass(frozen=True)
class PrecisionRecall:
    """What `precision_recall` has found."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


def frechet_distance(real: Array, fake: Array, seed: int = 0) -> Estimate:
    r"""Squared Fréchet distance of the two Gaussians with the moments of the features.

        ‖μ_r − μ_f‖² + tr(Σ_r + Σ_f − 2·(Σ_r·Σ_f)^½)          (Heusel et al. 2017, equation 6)

    It is biased: too large for few samples, so compare sets of one size, or extrapolate
    (`frechet_extrapolated`). The interval comes from samples drawn again with replacement; they
    share the bias and add their own, so the interval is shifted back to lie around the value.

    Parameters
    ----------
    real, fake
        Features (n, d) and (m, d), n and m > 1.
    seed
        Of the resampling.

    Returns
    -------
    Estimate
        0 for sets with the same mean and covariance.
    """
    real, fake = _features(real, fake)
    value = _frechet(real, fake)
    draws = _resampled(lambda a, b: _frechet(a, b), real, fake, seed, "frechet")
    return _around(value, draws)


def frechet_extrapolated(real: Array, fake: Array, seed: int = 0, points: int = 15) -> Estimate:
    r"""Fréchet distance extrapolated to infinitely many generated samples.

    The bias of the plain estimate falls with 1/N. A straight line through its values at `points`
    sizes N between a tenth of the set and all of it, evenly spaced in 1/N, gives the value at
    1/N = 0 (Chong & Forsyth 2020, section 4.1). The moments of the real set are those of all of it.

    Parameters
    ----------
    real, fake
        Features (n, d) and (m, d); m at least 100.
    seed
        Of the subsets.
    points
        Number of sizes, at least 3.

    Returns
    -------
    Estimate
        The interval is that of the line's intercept: ± 1.96 standard errors.
    """
    real, fake = _features(real, fake)
    n = len(fake)
    if n < 100 or points < 3:
        raise ValueError(
            f"frechet_extrapolated: got {n} generated samples and {points} points, expected at "
            "least 100 and 3"
        )
    inverse = np.linspace(1 / n, 10 / n, points)
    sizes = np.round(1 / inverse).astype(int)
    rng = stream(seed, "frechet sizes")
    values = [_frechet(real, fake[rng.permutation(n)[:size]]) for size in sizes]
    line = np.stack([np.ones(points), 1 / sizes], axis=1)
    (at_zero, slope), *_ = np.linalg.lstsq(line, np.array(values), rcond=None)
    left = values - line @ [at_zero, slope]
    variance = (left @ left) / (points - 2) * np.linalg.inv(line.T @ line)[0, 0]
    error = 1.96 * float(np.sqrt(variance))
    return Estimate(float(at_zero), float(at_zero) - error, float(at_zero) + error)


def kernel_distance(real: Array, fake: Array) -> Estimate:
    r"""Squared maximum mean discrepancy with a cubic kernel, unbiased.

        k(a, b) = (a·b/d + 1)³
        MMD² = mean_{i≠j} k(r_i, r_j) + mean_{i≠j} k(f_i, f_j) − 2·mean_ij k(r_i, f_j)

    (Bińkowski et al. 2018, section 4; Gretton et al. 2012, lemma 6.) Being unbiased, it scatters
    around 0 for equal distributions and may be negative.

    Parameters
    ----------
    real, fake
        Features (n, d) and (m, d), n and m > 1.

    Returns
    -------
    Estimate
        The mean over blocks of up to 1,000 samples of each set, as in the paper; the interval is
        ± 1.96 standard errors of that mean, and infinite if there is one block only.
    """
    real, fake = _features(real, fake)
    blocks = max(1, min(len(real), len(fake)) // BLOCK)
    parts = zip(np.array_split(real, blocks), np.array_split(fake, blocks), strict=True)
    values = np.array([_mmd(a, b) for a, b in parts])
    error = 1.96 * values.std(ddof=1) / np.sqrt(blocks) if blocks > 1 else np.inf
    return Estimate(
        float(values.mean()), float(values.mean() - error), float(values.mean() + error)
    )


def precision_recall(real: Array, fake: Array, k: int = 5) -> PrecisionRecall:
    r"""Fidelity and diversity, told apart: balls around samples, up to their k-th neighbour.

        precision   share of fake samples that lie in the ball of some real one
        recall      share of real samples that lie in the ball of some fake one
                    (Kynkäänniemi et al. 2019, equations 1 and 2)
        density     mean number of real balls that a fake sample lies in, divided by k
        coverage    share of real balls with a fake sample in them
                    (Naeem et al. 2020, equations 3 and 4)

    Outliers among the real samples have large balls, which favours precision; density and coverage
    are less prone to it.

    Parameters
    ----------
    real, fake
        Features (n, d) and (m, d), each of more than k samples.
    k
        Which neighbour; of the set itself, the sample left out.

    Returns
    -------
    PrecisionRecall
        Each with the interval that resampling its samples gives, the balls kept.
    """
    real, fake = _features(real, fake)
    if not 1 <= k < min(len(real), len(fake)):
        raise ValueError(
            f"precision_recall: got k={k} with {len(real)} real and {len(fake)} generated samples, "
            "expected 1 ≤ k and more than k samples of each"
        )
    real_radius, fake_radius = _kth_neighbour(real, k), _kth_neighbour(fake, k)
    in_balls = np.zeros(len(fake))  # how many real balls a fake sample lies in
    covered, in_fake = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, squares in _squared_distances(real, fake):
        inside = squares <= real_radius[rows, None]
        in_balls += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
        in_fake[rows] = (squares <= fake_radius).any(axis=1)
    return PrecisionRecall(
        precision=_mean(in_balls > 0),
        recall=_mean(in_fake),
        density=_mean(in_balls / k),
        coverage=_mean(covered),
    )


def memorisation(train: Array, held_out: Array, fake: Array) -> Estimate:
    r"""How much closer generated samples are to the training data than new data are.

        P(a generated sample's nearest training sample is nearer than a held-out sample's)

    over all pairs of a generated and a held-out sample, ties counting ½: ½ if G draws as the data
    do, 1 if it copies. (The test of Meehan et al. 2020, section 3, without its cells.) Below ½,
    samples are further from the data than data are.

    Parameters
    ----------
    train, held_out, fake
        Features (n, d), (h, d), (m, d).

    Returns
    -------
    Estimate
        ± 1.96 standard errors; both the generated and the held-out samples scatter.
    """
    train, held_out = _features(train, held_out)
    train, fake = _features(train, fake)
    usual, nearest = np.sort(_nearest(held_out, train)), np.sort(_nearest(fake, train))
    # For each generated sample the share of held-out ones beyond it, and the other way round.
    beyond = 1 - _rank(nearest, usual)
    before = _rank(usual, nearest)
    value = float(beyond.mean())
    error = 1.96 * float(np.sqrt(beyond.var() / len(fake) + before.var() / len(held_out)))
    return Estimate(value, value - error, value + error)


def _rank(x: Array, others: Array) -> Array:
    """Share of the sorted `others` below each x, ties counting ½."""
    below, upto = (np.searchsorted(others, x, side=side) for side in ("left", "right"))
    return (below + upto) / (2 * len(others))


def _features(*sets: Array) -> list[Array]:
    """Both sets as float64 rows; raise unless they are finite features of one length."""
    rows = [to_numpy(x).reshape(len(x), -1).astype(np.float64) for x in sets]
    lengths = {x.shape[1] for x in rows}
    if len(lengths) > 1 or min(map(len, rows)) < 2:
        raise ValueError(
            f"got features of shapes {' and '.join(str(x.shape) for x in rows)}, expected two "
            "samples or more of each set, all with the same number of features"
        )
    if not all(np.isfinite(x).all() for x in rows):
        raise ValueError("got features that hold NaN or infinity, expected finite numbers")
    return rows


def _frechet(real: Array, fake: Array) -> float:
    """Fréchet distance; tr (Σ_r·Σ_f)^½ is the sum of the singular values of Σ_r^½·Σ_f^½."""
    difference = real.mean(axis=0) - fake.mean(axis=0)
    a, b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, fake))
    overlap = np.linalg.svd(_root(a) @ _root(b), compute_uv=False).sum()
    return float(difference @ difference + np.trace(a) + np.trace(b) - 2 * overlap)


def _root(covariance: Array) -> Array:
    """Symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _mmd(a: Array, b: Array) -> float:
    """Unbiased squared MMD of two sets, cubic kernel."""

    def kernel(x: Array, y: Array) -> Array:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Array) -> float:
        gram, n = kernel(x, x), len(x)
        return float((gram.sum() - np.trace(gram)) / (n * (n - 1)))

    return within(a) + within(b) - 2 * float(kernel(a, b).mean())


def _squared_distances(a: Array, b: Array) -> Iterator[tuple[slice, Array]]:
    """Yield (rows of a, their squared distances to all of b), block by block.

    ‖a − b‖² = ‖a‖² + ‖b‖² − 2·a·b is one matrix product. Both are centred first, so that only the
    spread is rounded and not the place.
    """
    middle = b.mean(axis=0)
    a, b = a - middle, b - middle
    lengths = (b * b).sum(axis=1)
    for start in range(0, len(a), BLOCK):
        rows = slice(start, start + BLOCK)
        x = a[rows]
        yield rows, np.maximum((x * x).sum(axis=1)[:, None] + lengths - 2 * x @ b.T, 0)


def _kth_neighbour(x: Array, k: int) -> Array:
    """Squared distance of each sample to its k-th neighbour in the same set, (n,)."""
    radius = np.empty(len(x))
    for rows, squares in _squared_distances(x, x):
        own = np.arange(len(squares))
        squares[own, rows.start + own] = -1  # itself comes first, whatever rounding left of 0
        radius[rows] = np.partition(squares, k, axis=1)[:, k]
    return radius


def _nearest(x: Array, others: Array) -> Array:
    """Squared distance of each sample to the nearest of others, (n,)."""
    return np.concatenate([squares.min(axis=1) for _, squares in _squared_distances(x, others)])


def _mean(numbers: Array) -> Estimate:
    """Mean of independent numbers, ± 1.96 of its standard errors."""
    value, error = float(numbers.mean()), 1.96 * float(numbers.std() / np.sqrt(len(numbers)))
    return Estimate(value, value - error, value + error)


def _resampled(
    measure: Callable[[Array, Array], float], real: Array, fake: Array, seed: int, key: str
) -> Array:
    """Values of a measure for sets drawn again, with replacement."""
    rng = stream(seed, "bootstrap", key)
    return np.array(
        [
            measure(
                real[rng.integers(len(real), size=len(real))],
                fake[rng.integers(len(fake), size=len(fake))],
            )
            for _ in range(BOOTSTRAPS)
        ]
    )


def _around(value: float, draws: Array) -> Estimate:
    """The value, and the spread of the draws around it (their mean's shift is their own bias)."""
    low, high = np.quantile(draws - draws.mean(), [0.025, 0.975])
    return Estimate(value, value + float(low), value + float(high))
