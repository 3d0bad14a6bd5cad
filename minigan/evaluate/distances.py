"""How far generated samples are from real ones, given features of both: (n, d) arrays of floats.

Everything is computed in float64 on the CPU and in blocks of rows, so that 10,000 samples against
10,000 take no more memory than a few hundred megabytes. Real data against other real data give the
best possible value of each measure; put it beside the value of a generator.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array, stream, to_numpy
from .estimate import Estimate, bootstrap, give_or_take, mean_of, share

BLOCK = 250  # rows of a matrix of distances that are in memory at a time
PARTS = 10  # of the sets, whose kernel distances are averaged


def frechet_distance(real: Array, fake: Array, seed: int = 0) -> Estimate:
    r"""Squared Fréchet distance of the two Gaussians with the moments of the features.

        ‖μ_r − μ_f‖² + tr(Σ_r + Σ_f − 2·(Σ_r·Σ_f)^½)          (Heusel et al. 2017, equation 6)

    It is biased: too large for few samples. So compare sets of one size, or extrapolate
    (`frechet_extrapolated`).

    Parameters
    ----------
    real, fake
        Features (n, d) and (m, d), n and m > 1.
    seed
        Of the samples drawn again for the interval.

    Returns
    -------
    Estimate
        0 for sets with the same mean and covariance.

    Raises
    ------
    ValueError
        For features that are not finite, or of different lengths; so does every measure here.
    """
    real, fake = _features(real, fake)
    return bootstrap(_frechet, real, fake, seed=seed, key="frechet")


def frechet_extrapolated(real: Array, fake: Array, seed: int = 0, sizes: int = 15) -> Estimate:
    r"""Fréchet distance extrapolated to infinitely many generated samples.

    The bias of the plain estimate falls with 1/N. A straight line through its values at several
    sizes N between a tenth of the set and all of it, evenly spaced in 1/N, gives the value at
    1/N = 0 (Chong & Forsyth 2020, section 4.1). The moments of the real set are those of all of it.

    Parameters
    ----------
    real, fake
        Features (n, d) and (m, d); m at least 100.
    seed
        Of the subsets.
    sizes
        How many, at least 3.

    Returns
    -------
    Estimate
        The interval is that of the line's intercept.
    """
    real, fake = _features(real, fake)
    n = len(fake)
    if n < 100 or sizes < 3:
        raise ValueError(
            "frechet_extrapolated: expected at least 100 generated samples and 3 sizes, "
            f"got {n} and {sizes}"
        )
    some = np.round(1 / np.linspace(1 / n, 10 / n, sizes)).astype(int)
    rng = stream(seed, "frechet sizes")
    values = np.array([_frechet(real, fake[rng.permutation(n)[:size]]) for size in some])
    line = np.stack([np.ones(sizes), 1 / some], axis=1)  # value = at_zero + slope/N
    inverse = np.linalg.inv(line.T @ line)
    at_zero, slope = inverse @ line.T @ values
    left = values - at_zero - slope / some
    variance = left @ left / (sizes - 2) * inverse[0, 0]
    return give_or_take(at_zero, np.sqrt(variance))


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
        The mean over ten parts of both sets, with its interval: of 10,000 samples these are blocks
        of 1,000, as in the paper. Sets of fewer than 100 are one part, without an interval.
    """
    real, fake = _features(real, fake)
    parts = PARTS if min(len(real), len(fake)) >= 10 * PARTS else 1
    pairs = zip(np.array_split(real, parts), np.array_split(fake, parts), strict=True)
    return mean_of(np.array([_mmd(a, b) for a, b in pairs]))


def precision_recall(real: Array, fake: Array, k: int = 5) -> dict[str, Estimate]:
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
    dict
        The four by name, each with the interval for other samples and the same balls.
    """
    real, fake = _features(real, fake)
    if not 1 <= k < min(len(real), len(fake)):
        raise ValueError(
            "precision_recall: expected k of 1 or more, and more than k samples of each set, got "
            f"k={k} with {len(real)} real and {len(fake)} generated samples"
        )
    real_radius, fake_radius = _kth_neighbour(real, k), _kth_neighbour(fake, k)
    in_balls = np.zeros(len(fake))  # how many real balls a fake sample lies in
    covered, in_fake = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, squares in squared_distances(real, fake):
        inside = squares <= real_radius[rows, None]
        in_balls += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
        in_fake[rows] = (squares <= fake_radius).any(axis=1)
    return {
        "precision": share((in_balls > 0).mean(), len(fake)),
        "recall": share(in_fake.mean(), len(real)),
        "density": mean_of(in_balls / k),
        "coverage": share(covered.mean(), len(real)),
    }


def memorisation(train: Array, held_out: Array, fake: Array) -> Estimate:
    r"""How much closer generated samples are to the training data than new data are.

        P(a generated sample's nearest training sample is nearer than a held-out sample's)

    over all pairs of a generated and a held-out sample, ties counting ½: ½ if G draws as the data
    do, 1 if it copies. (The test of Meehan et al. 2020, section 3, without its cells.) Below ½,
    samples are further from the data than data are.

    Parameters
    ----------
    train, held_out, fake
        Features (n, d), (h, d), (m, d): of what G has seen, all of it; of real samples that it has
        not seen; of its own.

    Returns
    -------
    Estimate
        Its interval counts that both the generated and the held-out samples scatter.
    """
    train, held_out, fake = _features(train, held_out, fake)
    usual, nearest = np.sort(_nearest(held_out, train)), np.sort(_nearest(fake, train))
    # For each generated sample the share of held-out ones beyond it, and the other way round.
    beyond, before = 1 - _rank(nearest, usual), _rank(usual, nearest)
    return give_or_take(
        beyond.mean(), np.sqrt(beyond.var() / len(fake) + before.var() / len(held_out))
    )


def _rank(x: Array, others: Array) -> Array:
    """Share of the sorted `others` below each x, ties counting ½."""
    below, upto = (np.searchsorted(others, x, side=side) for side in ("left", "right"))
    return (below + upto) / (2 * len(others))


def _features(*sets: Array) -> list[Array]:
    """Return the sets as float64 rows; raise unless they are finite features of one length."""
    rows = [to_numpy(x).reshape(len(x), -1).astype(np.float64) for x in sets]
    lengths = {x.shape[1] for x in rows}
    if len(lengths) > 1 or min(map(len, rows)) < 2:
        raise ValueError(
            "expected two samples or more of each set, all with the same number of features, got "
            f"features of shapes {' and '.join(str(x.shape) for x in rows)}"
        )
    if not all(np.isfinite(x).all() for x in rows):
        raise ValueError("expected finite features, got some that hold NaN or infinity")
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


def squared_distances(a: Array, b: Array) -> Iterator[tuple[slice, Array]]:
    """Yield (rows of a, their squared distances to all of b), block by block.

    ‖a − b‖² = ‖a‖² + ‖b‖² − 2·a·b is one matrix product. Both are centred first, so that only the
    spread is rounded and not the place.

    Parameters
    ----------
    a, b
        (n, d) and (m, d); a block is (up to `BLOCK`, m), and the caller's to change.
    """
    middle = b.mean(axis=0)
    a, b = a - middle, b - middle
    lengths = (b * b).sum(axis=1)
    for start in range(0, len(a), BLOCK):
        rows = slice(start, start + BLOCK)
        squares = -2 * a[rows] @ b.T
        squares += lengths
        squares += (a[rows] * a[rows]).sum(axis=1)[:, None]
        yield rows, np.maximum(squares, 0, out=squares)


def _kth_neighbour(x: Array, k: int) -> Array:
    """Squared distance of each sample to its k-th neighbour in the same set, (n,)."""
    radius = np.empty(len(x))
    for rows, squares in squared_distances(x, x):
        own = np.arange(len(squares))
        squares[own, rows.start + own] = -1  # itself comes first, whatever rounding left of 0
        radius[rows] = np.partition(squares, k, axis=1)[:, k]
    return radius


def _nearest(x: Array, others: Array) -> Array:
    """Squared distance of each sample to the nearest of others, (n,)."""
    return np.concatenate([squares.min(axis=1) for _, squares in squared_distances(x, others)])
