"""Noise, samples and walks: what they are drawn from, and that they stay where G has been."""

import numpy as np
import pytest

from minigan import BatchNorm, Dense, LeakyReLU, Sequential, Tanh, stream
from minigan.plot.walk import walk
from minigan.sampling import draw_noise, sample
from minigan.views import Conditional


def a_generator(features=3):
    return Sequential(Dense(features, 8), LeakyReLU(), Dense(8, 2), seed=1)


def the_noise_itself(features, dtype=np.float32):
    """Return a G that hands its noise on as it is."""
    G = Sequential(Dense(features, features), dtype=dtype)
    G.layers[0].W[...] = np.eye(features)
    return G


# --- noise and samples ----------------------------------------------------------------------------


def test_noise_is_normal_or_uniform_and_the_same_for_every_dtype():
    G = a_generator()
    z = draw_noise(G, 20_000, stream(0))
    assert z.shape == (20_000, 3) and z.dtype == np.float32
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02
    wide = draw_noise(G.astype(np.float64), 20_000, stream(0))
    assert wide.dtype == np.float64 and (wide == z).all()
    u = draw_noise(G, 20_000, stream(0), "uniform")
    assert -1 <= u.min() < -0.999 and 0.999 < u.max() < 1 and abs(u.mean()) < 0.02


def test_noise_is_the_same_on_the_device(cp, to_np):
    G = a_generator()
    there = draw_noise(G.to("gpu"), 5, stream(0))
    assert isinstance(there, cp.ndarray)
    assert (to_np(there) == draw_noise(G, 5, stream(0))).all()


def test_noise_for_a_g_of_any_width_is_refused():
    with pytest.raises(ValueError, match="must fix its number of noise features.*LeakyReLU"):
        draw_noise(Sequential(LeakyReLU(), Dense(2, 2)), 3, stream(0))


def test_noise_of_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="normal, uniform, got 'gauss'"):
        sample(a_generator(), 3, noise="gauss")


def test_samples_depend_on_their_seed_only():
    G = a_generator()
    assert sample(G, 7).shape == (7, 2)
    assert (sample(G, 7) == sample(G, 7)).all() and (sample(G, 7, seed=1) != sample(G, 7)).any()
    assert (sample(G, 7, noise="uniform") != sample(G, 7)).any()


def test_samples_are_what_g_makes_of_the_noise():
    z = sample(the_noise_itself(4), 6, seed=3)
    assert (z == draw_noise(the_noise_itself(4), 6, stream(3, "sample"))).all()
    u = sample(the_noise_itself(4), 600, noise="uniform")
    assert -1 <= u.min() < -0.95 and 0.95 < u.max() < 1


def test_a_sample_does_not_depend_on_its_company():
    G = Sequential(Dense(3, 4), BatchNorm(4), Tanh(), seed=2)
    z = stream(0).standard_normal((50, 3), dtype=np.float32)
    G.update_state(G.forward(3 * z + 1)[1])  # the running means are no longer those of a batch
    np.testing.assert_allclose(sample(G, 9)[:2], sample(G, 2), rtol=1e-6)
    np.testing.assert_allclose(walk(G, 1, 5)[:1], walk(G, 1, 1), rtol=1e-5)


def test_samples_of_a_conditional_g_are_those_of_their_conditions():
    G = Sequential(Dense(2 + 3, 1), seed=4)
    G.layers[0].W[:2] = 0
    G.layers[0].W[2:, 0] = [10, 20, 30]
    conditions = np.eye(3, dtype=np.float32)[[2, 0, 0, 1]]
    assert sample(Conditional(G, conditions), 4).ravel().tolist() == [30, 10, 10, 20]


# --- walks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "steps"), [(1, 1), (1, 2), (4, 2), (3, 7)])
def test_a_walk_goes_from_one_noise_to_the_other(rows, steps):
    G = the_noise_itself(5)
    z = walk(G, rows, steps, seed=8)
    assert z.shape == (rows * steps, 5) and z.dtype == np.float32
    z = z.reshape(rows, steps, 5)
    ends = draw_noise(G, 2 * rows, stream(8, "walk"))
    np.testing.assert_array_equal(z[:, 0], ends[:rows])
    if steps > 1:
        np.testing.assert_array_equal(z[:, -1], ends[rows:])


def test_a_walk_stays_near_the_sphere_where_a_straight_line_does_not():
    p, rows, steps = 100, 50, 9
    z = walk(the_noise_itself(p), rows, steps).reshape(rows, steps, p)
    radius = np.linalg.norm(z, axis=-1)
    assert abs(radius / p**0.5 - 1).max() < 0.3
    straight = np.linalg.norm((z[:, 0] + z[:, -1]) / 2, axis=-1)
    assert abs(radius[:, 4] / p**0.5 - 1).mean() < 0.06 < 0.25 < 1 - straight.mean() / p**0.5


def test_a_walk_turns_and_grows_evenly_in_the_plane_of_its_ends():
    z = walk(the_noise_itself(20), 30, 6).astype(np.float64).reshape(30, 6, 20)
    lengths = np.linalg.norm(z, axis=-1)
    evenly = np.linspace(lengths[:, 0], lengths[:, -1], 6, axis=1)
    np.testing.assert_allclose(lengths, evenly, rtol=1e-6)
    unit = z / lengths[..., None]
    angles = np.arccos((unit[:, 1:] * unit[:, :-1]).sum(axis=-1))
    whole = np.arccos((unit[:, -1] * unit[:, 0]).sum(axis=-1))
    np.testing.assert_allclose(angles, (whole / 5)[:, None].repeat(5, 1), rtol=1e-5)
    for path in unit:
        assert np.linalg.matrix_rank(path, tol=1e-5) == 2


def test_a_walk_between_noises_that_nearly_meet_is_a_walk(monkeypatch):
    a = np.array([[1, 1], [3, -4]], np.float32)
    b = a * np.float32(1.5)
    b[:, 0] *= 1 + np.float32(1e-6)  # an angle that float32 takes for 0
    monkeypatch.setattr("minigan.plot.walk.draw_noise", lambda *args: np.concatenate([a, b]))
    z = walk(the_noise_itself(2), 2, 3).reshape(2, 3, 2)
    np.testing.assert_allclose(z, np.stack([a, (a + b) / 2, b], axis=1), rtol=1e-5)


def test_walks_depend_on_their_seed_only():
    G = a_generator()
    assert walk(G, 2, 3).shape == (6, 2)
    assert (walk(G, 2, 3) == walk(G, 2, 3)).all()
    assert (walk(G, 2, 3, seed=1) != walk(G, 2, 3)).any()


def test_a_walk_of_every_dtype_and_device_is_the_same(cp, to_np):
    G = a_generator()
    wide = walk(G.astype(np.float64), 3, 4)
    assert wide.dtype == np.float64 and walk(G, 3, 4).dtype == np.float32
    np.testing.assert_allclose(wide, walk(G, 3, 4), rtol=1e-4, atol=1e-6)
    there = walk(G.to("gpu"), 3, 4)
    assert isinstance(there, cp.ndarray) and there.dtype == np.float32
    np.testing.assert_allclose(to_np(there), walk(G, 3, 4), rtol=1e-5, atol=1e-6)


def test_a_walk_in_one_dimension_is_refused():
    with pytest.raises(ValueError, match="noise of 1 feature, expected 2 or more"):
        walk(a_generator(1), 2, 3)
