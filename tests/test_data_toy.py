"""The sets that are drawn: their modes, their spread, and the stream that each is drawn from."""

import math

import numpy as np
import pytest

from minigan.arrays import stream
from minigan.data import builtin as toy
from minigan.data import load


def test_ring_has_eight_distinct_centres_45_degrees_apart() -> None:
    ring = load("ring")
    assert ring.centres is not None and ring.centres.shape == (8, 2)
    assert len(np.unique(ring.centres.round(3), axis=0)) == 8
    np.testing.assert_allclose(np.linalg.norm(ring.centres, axis=1), 1, atol=1e-6)
    angles = np.degrees(np.arctan2(ring.centres[:, 1], ring.centres[:, 0])) % 360
    np.testing.assert_allclose(angles, 45 * np.arange(8), atol=1e-4)


def test_grid_has_25_centres() -> None:
    grid = load("grid")
    assert grid.centres is not None and grid.centres.shape == (25, 2)
    assert len(np.unique(grid.centres, axis=0)) == 25
    assert np.unique(grid.centres).tolist() == [-4, -2, 0, 2, 4]


@pytest.mark.parametrize(("name", "sigma"), [("ring", 0.01), ("grid", 0.05)])
def test_mixture_points_lie_around_the_centre_of_their_label(name: str, sigma: float) -> None:
    drawn = load(name)
    assert drawn.sigma == sigma and drawn.centres is not None and drawn.labels is not None
    assert drawn.x.shape == (10_000, 2) and drawn.labels.shape == (10_000,)
    assert drawn.labels.dtype == np.int64 and not drawn.is_images
    residual = drawn.x - drawn.centres[drawn.labels]
    # The standard deviation of 20,000 numbers is off by 0.5 %; the bounds are 5 of those.
    assert 0.975 * sigma < residual.std() < 1.025 * sigma
    assert np.abs(residual).max() < 6 * sigma
    k = len(drawn.centres)
    counts = np.bincount(drawn.labels, minlength=k)
    assert np.all(np.abs(counts - 10_000 / k) < 5 * math.sqrt(10_000 / k))


def test_swissroll_is_a_spiral() -> None:
    roll = load("swissroll")
    assert roll.x.shape == (10_000, 2)
    assert roll.labels is None and roll.centres is None and roll.sigma is None
    radius = np.linalg.norm(roll.x.astype(np.float64), axis=1)
    # Noise of σ = 1/30 around radii 0.63 to 1.88, five σ to each side.
    assert 0.46 < radius.min() < 0.63 and 1.88 < radius.max() < 2.06
    # On the spiral the angle is the radius · 7.5, up to noise: 0.25 across, and along it 0.25 over
    # a radius of at least 1.5π.
    off = np.angle(np.exp(1j * (np.arctan2(roll.x[:, 1], roll.x[:, 0]) - 7.5 * radius)))
    assert abs(off.mean()) < 0.02 and off.std() < 0.27


@pytest.mark.parametrize("name", ["ring", "grid", "swissroll"])
def test_a_seed_fixes_the_points_and_another_gives_others(name: str) -> None:
    np.testing.assert_array_equal(load(name, seed=3).x, load(name, seed=3).x)
    assert np.mean(load(name, seed=3).x == load(name, seed=4).x) < 0.01
    assert load(name).x.dtype == np.float32


@pytest.mark.parametrize("name", ["ring", "grid", "swissroll"])
def test_each_set_is_drawn_from_a_stream_of_its_own(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[int | str, ...]] = []

    def spy(seed: int, *keys: int | str) -> np.random.Generator:
        opened.append((seed, *keys))
        return stream(seed, *keys)

    monkeypatch.setattr(toy, "stream", spy)
    load(name, seed=7)
    assert opened == [(7, "data", name)]
