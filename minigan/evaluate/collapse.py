"""Has a generator collapsed? How far its samples spread, and which modes of a mixture they cover.

The functions take arrays of either device and return 0-d arrays there, so that none of them waits
for the GPU.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, array_module


def mean_distance(x: Array) -> Array:
    r"""Mean Euclidean distance of two different samples of x: of all n·(n − 1)/2 pairs.

    The diversity in a history is that of generated samples divided by that of the data: 1 where G
    varies as the data do, 0 where it makes one sample only. Odena et al. 2017, section 4.2, compare
    pairs likewise, by MS-SSIM, to see a generator collapse.

    ‖x_i − x_j‖² = ‖x_i‖² + ‖x_j‖² − 2·x_i·x_j is one matrix product; x is centred first, so that
    only its spread is rounded, not its place.

    Parameters
    ----------
    x
        (n, …), n at least 2.
    """
    if len(x) < 2:
        raise ValueError(f"mean_distance compares pairs: expected 2 samples or more, got {len(x)}")
    xp, n = array_module(x), len(x)
    x = x.reshape(n, -1)
    x = x - x.mean(axis=0)
    products = x @ x.T
    lengths = xp.diagonal(products)
    squares = lengths[:, None] + lengths[None, :] - 2 * products
    # Rounding may leave less than nothing of a distance of zero; a sample is no pair with itself.
    return (xp.sqrt(xp.maximum(squares, 0)) * (1 - xp.eye(n))).sum() / (n * (n - 1))


def mixture(x: Array, centres: Array, sigma: float) -> dict[str, Array]:
    r"""Return what G has found of a mixture of k equally likely Gaussians with one σ.

        modes           number of centres with a sample within 3σ of them
        high_quality    share of samples within 3σ of a centre
        reverse_KL      Σ_k q_k·log(q_k/(1/k)), q_k the share of samples that are nearest to
                        centre k: 0 where all modes get their share, log k with a single mode

    The first two are those of VEEGAN (Srivastava et al. 2017), the third is PacGAN's
    (Lin et al. 2018, section 4.1). Of points of the mixture itself in the plane,
    1 − exp(−9/2) = 98.9 % are of high quality.

    Parameters
    ----------
    x
        Samples (n, d).
    centres
        (k, d), on the device of x.
    sigma
        Standard deviation along each axis, the same for all components.
    """
    if x.ndim != 2 or centres.ndim != 2 or x.shape[1] != centres.shape[1]:
        raise ValueError(
            f"mixture: samples have shape {x.shape}, centres {centres.shape}; "
            "expected (n, d) and (k, d)"
        )
    xp, k = array_module(x, centres), len(centres)
    squares = ((x[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)  # (n, k)
    near = squares <= (3 * sigma) ** 2
    nearest = xp.argmin(squares, axis=1)[:, None] == xp.arange(k)
    q = (nearest & xp.isfinite(squares)).mean(axis=0)  # a diverged sample belongs to no mode
    return {
        "modes": near.any(axis=0).sum(),
        "high_quality": near.any(axis=1).mean(),
        "reverse_KL": reverse_kl(q / q.sum(), xp.full(k, 1 / k)),  # NaN if all have diverged
    }


def reverse_kl(q: Array, p: Array) -> Array:
    """Σ_k q_k·log(q_k/p_k) with 0·log 0 = 0, q the generator's shares, p the data's, both (k,).

    It is infinite if the generator makes something that the data do not have, p_k = 0.
    """
    xp = array_module(q, p)
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.where(q == 0, 0, q * xp.log(xp.where(q == 0, 1, q / p))).sum()
