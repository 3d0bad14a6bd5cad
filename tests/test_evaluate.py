"""The measures of `minigan.evaluate`, held against closed forms and against sets made for them."""

import math

import numpy as np
import pytest

from minigan import stream
from minigan.evaluate import (
    frechet_distance,
    frechet_extrapolated,
    kernel_distance,
    memorisation,
    parzen_log_likelihood,
    precision_recall,
)


def gaussian(key, n, d=4):
    return stream(0, "evaluate", key).standard_normal((n, d))


def with_moments(mean, covariance, n=200):
    """Make a set with exactly these moments (the covariance divides by n − 1)."""
    z = gaussian("moments", n, len(mean))
    z -= z.mean(axis=0)
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z, rowvar=False))).T
    return z @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_is_that_of_two_gaussians():
    # For covariances that commute: ‖μ‖² + Σ (√a − √b)².
    a, b = np.diag([4.0, 9.0, 0.25]), np.diag([1.0, 16.0, 2.25])
    real, fake = with_moments([0, 0, 0], a), with_moments([1.0, -2.0, 0.5], b)
    expected = 1 + 4 + 0.25 + (2 - 1) ** 2 + (3 - 4) ** 2 + (0.5 - 1.5) ** 2
    measured = frechet_distance(real, fake)
    assert measured.value == pytest.approx(expected, rel=1e-10)
    assert measured.low < expected < measured.high
    turn, _ = np.linalg.qr(gaussian("turn", 3, 3))
    assert frechet_distance(real @ turn, fake @ turn).value == pytest.approx(expected, rel=1e-10)
    assert abs(frechet_distance(real, real).value) < 1e-10


def test_frechet_distance_of_general_covariances_is_the_trace_of_the_product_s_root():
    a, b = (x.T @ x for x in (gaussian("a", 3, 3), gaussian("b", 3, 3)))
    zero = np.zeros(3)
    # The eigenvalues of Σ_r·Σ_f are real and ≥ 0; their roots sum up to the trace of its root.
    overlap = np.sqrt(np.linalg.eigvals(a @ b).real).sum()
    expected = np.trace(a) + np.trace(b) - 2 * overlap
    assert frechet_distance(with_moments(zero, a), with_moments(zero, b)).value == pytest.approx(
        expected, rel=1e-8
    )


def test_extrapolation_takes_the_bias_out():
    real, few = gaussian("real", 4000, 12), gaussian("few", 400, 12)
    plain, extrapolated = frechet_distance(real, few).value, frechet_extrapolated(real, few)
    assert plain > 0.05  # of equal distributions: all of it is bias
    assert extrapolated.low < 0 < extrapolated.high and abs(extrapolated.value) < plain / 2


def test_kernel_distance_is_its_definition():
    real, fake = gaussian("r", 7, 3), gaussian("f", 5, 3) + 0.5

    def k(a, b):
        return (a @ b / 3 + 1) ** 3

    expected = (
        np.mean([k(a, b) for i, a in enumerate(real) for j, b in enumerate(real) if i != j])
        + np.mean([k(a, b) for i, a in enumerate(fake) for j, b in enumerate(fake) if i != j])
        - 2 * np.mean([k(a, b) for a in real for b in fake])
    )
    assert kernel_distance(real, fake).value == pytest.approx(expected, rel=1e-12)


def test_kernel_distance_of_equal_distributions_is_zero_within_its_interval():
    measured = kernel_distance(gaussian("one", 5000), gaussian("two", 5000))
    assert measured.low < 0 < measured.high
    moved = kernel_distance(gaussian("one", 5000), gaussian("two", 5000) + 1)
    assert moved.low > 0


def test_precision_and_recall_of_identical_and_of_disjoint_sets():
    real = gaussian("real", 300)
    same = precision_recall(real, real)
    assert same["precision"].value == same["recall"].value == same["coverage"].value == 1
    # Each sample lies in its own ball and in k others on average: k + 1 of them.
    assert same["density"].value == pytest.approx((5 + 1) / 5)
    apart = precision_recall(real, real + 1000)
    for name in ("precision", "recall", "density", "coverage"):
        assert apart[name].value == 0 and apart[name].low == 0


def test_precision_and_recall_tell_a_collapse_from_a_smear():
    real = np.concatenate([gaussian("a", 200, 2) - 50, gaussian("b", 200, 2) + 50])
    one_mode = precision_recall(real, gaussian("c", 400, 2) - 50)
    # One of two modes: all samples are good, half of the data is missed.
    assert one_mode["precision"].value > 0.9 and abs(one_mode["recall"].value - 0.5) < 0.1
    assert abs(one_mode["coverage"].value - 0.5) < 0.1
    smeared = precision_recall(real, np.linspace(-50, 50, 400)[:, None] * np.ones(2))
    assert smeared["precision"].value < 0.2


def test_precision_by_hand():
    # k = 1: the balls of 0, 1, 3 and 7 have radii 1, 1, 2 and 4.
    real = np.array([[0.0], [1.0], [3.0], [7.0]])
    fake = np.array([[-0.5], [4.5], [20.0], [30.0]])
    measured = precision_recall(real, fake, k=1)
    assert measured["precision"].value == 0.5  # −0.5 (ball of 0); 4.5 (balls of 3 and of 7)
    assert measured["density"].value == 3 / 4
    assert measured["coverage"].value == 3 / 4  # the ball of 1, [0, 2], is empty
    assert measured["recall"].value == 1  # the balls of −0.5 and 4.5 have a radius of 5


def test_memorisation_is_a_half_for_fresh_samples_and_one_for_copies():
    train, held_out, fresh = (gaussian(key, 2000) for key in ("train", "held out", "fresh"))
    measured = memorisation(train, held_out, fresh)
    assert measured.low < 0.5 < measured.high
    assert memorisation(train, held_out, train).value == 1
    assert memorisation(train, held_out, fresh + 100).value == 0


def test_parzen_of_one_sample_is_a_gaussian_s_log_density():
    x, sigma = np.array([[0.3, 0.7]]), 0.5
    test = np.array([[0.1, 0.4], [0.9, 0.2]])
    expected = -((test - x) ** 2).sum(axis=1) / (2 * sigma**2) - math.log(2 * math.pi * sigma**2)
    measured, chosen = parzen_log_likelihood(x, test, test, np.array([sigma]))
    assert measured.value == pytest.approx(expected.mean(), rel=1e-12) and chosen == sigma


def test_parzen_of_many_samples_is_their_mixture_and_far_images_do_not_underflow():
    samples = gaussian("samples", 50, 3)
    x = np.concatenate([gaussian("x", 4, 3), np.full((1, 3), 100.0)])
    density = np.array([-((a - samples) ** 2).sum(axis=1) / (2 * 0.04) for a in x])
    expected = np.logaddexp.reduce(density, axis=1) - math.log(50)
    expected -= 1.5 * math.log(2 * math.pi * 0.04)
    measured, _ = parzen_log_likelihood(samples, x, x, np.array([0.2]))
    assert measured.value == pytest.approx(expected.mean(), rel=1e-12)


def test_parzen_takes_the_sigma_of_the_validation_images():
    samples = stream(0, "parzen").random((500, 2))
    _, sigma = parzen_log_likelihood(samples, samples + 1e-3, samples)
    assert sigma == pytest.approx(0.1)
    _, sigma = parzen_log_likelihood(samples, samples + 3, samples)
    assert sigma == pytest.approx(1)


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, precision_recall])
def test_sets_that_do_not_fit_are_refused(measure):
    with pytest.raises(ValueError, match=r"same number .* got .*\(9, 4\) and \(9, 3\)"):
        measure(gaussian("a", 9), gaussian("b", 9, 3))
    with pytest.raises(ValueError, match="NaN or infinity"):
        measure(gaussian("a", 9), np.full((9, 4), np.nan))
