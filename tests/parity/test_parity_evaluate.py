"""Measures of samples are those of the packages that papers use, where these are installed."""

import numpy as np
import pytest

from minigan import stream
from minigan.evaluate import frechet_distance, kernel_distance, precision_recall


@pytest.fixture
def sets():
    """Give features of 300 real and 200 generated samples, correlated and apart."""
    rng = stream(0, "parity", "evaluate")
    mix = rng.standard_normal((6, 6))
    return rng.standard_normal((300, 6)) @ mix, 1.3 * rng.standard_normal((200, 6)) @ mix + 0.4


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_recall_density_and_coverage_are_those_of_prdc(sets, k):
    """Naeem et al. 2020 published this package."""
    prdc = pytest.importorskip("prdc")
    expected = prdc.compute_prdc(*sets, nearest_k=k)
    found = precision_recall(*sets, k=k)
    assert {name: estimate.value for name, estimate in found.items()} == pytest.approx(expected)


def test_the_frechet_distance_is_that_of_a_matrix_square_root(sets):
    """The formula as pytorch-fid and others compute it, with SciPy's root of a product."""
    linalg = pytest.importorskip("scipy.linalg")
    a, b = (np.cov(x, rowvar=False) for x in sets)
    difference = sets[0].mean(axis=0) - sets[1].mean(axis=0)
    root = linalg.sqrtm(a @ b).real
    expected = difference @ difference + np.trace(a + b - 2 * root)
    assert frechet_distance(*sets).value == pytest.approx(expected, rel=1e-8)


def test_the_kernel_distance_is_that_of_scikit_learn_s_kernel(sets):
    """KID as torch-fidelity computes it: an unbiased MMD with this kernel."""
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    real, fake = sets[0][:99], sets[1][:80]  # fewer than 100: one part
    n, m = len(real), len(fake)
    xx, yy, xy = (
        pairwise.polynomial_kernel(*pair, degree=3, coef0=1)
        for pair in ((real, real), (fake, fake), (real, fake))
    )
    expected = (xx.sum() - np.trace(xx)) / (n * (n - 1)) - 2 * xy.mean()
    expected += (yy.sum() - np.trace(yy)) / (m * (m - 1))
    assert kernel_distance(real, fake).value == pytest.approx(expected, rel=1e-10)
