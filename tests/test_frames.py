"""Frames of a run: there are never too many, and each is what the networks were at its step."""

import numpy as np
import pytest

from minigan import (
    BatchNorm,
    Dense,
    LeakyReLU,
    LeastSquares,
    NonSaturating,
    RelativisticPairing,
    Reshape,
    Sequential,
    Tanh,
    Wasserstein,
    save,
    stream,
)
from minigan.plot.frames import (
    ARROWS,
    BYTES,
    FRAMES,
    LINES,
    LONGEST,
    PLACES,
    SAMPLES,
    Recorder,
    list_frames,
    read_frame,
)
from minigan.sampling import draw_noise
from minigan.views import Conditional


def cloud(n=500):
    return stream(0, "x").standard_normal((n, 2), dtype=np.float32) * [1, 3] + [10, 20]


def players(noise=2, told=0, dtype=np.float32):
    G = Sequential(Dense(noise + told, 8), LeakyReLU(), Dense(8, 2), seed=1, dtype=dtype)
    D = Sequential(Dense(2 + told, 8), Tanh(), Dense(8, 1), seed=2, dtype=dtype)
    return G, D


def a_recorder(folder, G=None, D=None, x=None, loss=None, **settings):
    own_G, own_D = players()
    x = cloud().astype(np.float32) if x is None else x
    settings = {"total": 1000} | settings
    return Recorder(folder, lambda: G or own_G, D or own_D, loss or NonSaturating(), x, **settings)


def one_frame(folder, *arguments, **settings):
    a_recorder(folder, *arguments, **settings).look(1)
    return read_frame(folder / "000000000001.safetensors")


# --- which steps ----------------------------------------------------------------------------------


class Counting(Recorder):
    """Takes frames that hold nothing."""

    def _points(self):
        return {}


def steps_of(folder, total, stop=None, done=0, stride=1):
    """Run through a run, and give the steps that have a frame at its end."""
    G, D = players()
    settings = {"total": total, "done": done}
    recorder = Counting(
        folder, lambda: G, D, NonSaturating(), cloud().astype(np.float32), **settings
    )
    for step in range(done + 1, (stop or total) + 1):
        if step == 1 or step % stride == 0 or step == total:
            recorder.look(step)
    return list(list_frames(folder))


@pytest.mark.parametrize("total", [1, 2, 29, 30, 31, 59, 60, 61, 600, 1000, 4001])
def test_a_run_has_about_thirty_frames_with_its_first_and_last(tmp_path, total):
    steps = steps_of(tmp_path / "frames", total)
    assert steps[0] == 1 and steps[-1] == total
    assert min(total, FRAMES) <= len(steps) <= 2 * FRAMES + 1
    gaps = set(np.diff(steps[1:-1]))
    assert len(gaps) <= 1  # evenly


@pytest.mark.parametrize("stop", [512, 30_720, 31_744, 61_440, 507_904])
def test_a_run_without_end_has_no_more(tmp_path, stop):
    steps = steps_of(tmp_path / "frames", 10**12, stop, stride=LONGEST)
    assert len(steps) <= 2 * FRAMES + 1 and steps[0] == 1
    stride = LONGEST
    while stop > 2 * FRAMES * stride:
        stride *= 2
    assert steps[1:] == list(range(stride, stop + 1, stride))


def test_a_run_that_goes_on_ends_with_the_same_frames(tmp_path):
    whole = steps_of(tmp_path / "whole", 1000)
    assert 320 in whole and 333 not in whole
    for done in (320, 333):  # where the last checkpoint was
        steps_of(tmp_path / "parts", 1000, stop=700)
        assert steps_of(tmp_path / "parts", 1000, done=done) == whole


@pytest.mark.thorough(quick=2)
@pytest.mark.parametrize("total", [3, 120, 700, 7_000, 70_000])
def test_a_run_that_becomes_a_longer_one_has_the_frames_of_that(tmp_path, total):
    strides = {"stride": 64} if total > 7_000 else {}
    for shorter in (1, 2, 29, 59, 60, 500, 2_500, 61_000):
        if shorter < total:
            parts = tmp_path / str(shorter)
            steps_of(parts, shorter, **strides)
            steps_of(parts, total, done=shorter, **strides)
            assert list(list_frames(parts)) == steps_of(tmp_path / "whole", total, **strides)


# --- what a frame of points holds -----------------------------------------------------------------


@pytest.mark.parametrize("loss", [NonSaturating(), LeastSquares(), Wasserstein()])
def test_a_frame_of_points(tmp_path, loss):
    G, D = players()
    frame = one_frame(tmp_path / "frames", G, D, loss=loss, seed=3)
    z = draw_noise(G, SAMPLES, stream(3, "frames"))
    np.testing.assert_array_equal(frame["samples"], G.forward(z)[0])
    scene = read_frame(tmp_path / "frames" / "scene.safetensors")
    assert scene["is_critic"] == (not isinstance(loss, NonSaturating))
    # The scene has room around the real points, of which it shows some.
    assert scene["real"].shape == (400, 2)
    low, high = (scene["centre"] + sign * scene["reach"] for sign in (-1, 1))
    assert (scene["real"] > low).all() and (scene["real"] < high).all()
    # D's heat: rows from below, columns from the left.
    row, column = 7, 31
    place = low + (high - low) * [(column + 0.5) / PLACES, (row + 0.5) / PLACES]
    logits, _ = D.forward(place.astype(np.float32)[None])
    assert frame["heat"].shape == (PLACES, PLACES)
    np.testing.assert_allclose(
        frame["heat"][row, column], loss.probability(logits)[0, 0], rtol=1e-4
    )


def test_the_grid_of_noise_cuts_it_into_equal_shares(tmp_path):
    G = Sequential(Dense(2, 2), seed=1)
    G.layers[0].W[...] = np.eye(2)  # hands the noise on
    grid = one_frame(tmp_path / "frames", G)["manifold"]
    assert grid.shape == (LINES, LINES, 2)
    z = stream(0, "z").standard_normal(100_000)
    shares = (z[:, None] < grid[:, 0, 0]).mean(axis=0)
    np.testing.assert_allclose(shares, (np.arange(LINES) + 0.5) / LINES, atol=0.01)
    np.testing.assert_array_equal(grid, grid.swapaxes(0, 1)[..., ::-1])
    uniform = one_frame(tmp_path / "other", G, noise="uniform")["manifold"]
    np.testing.assert_allclose(np.diff(uniform[:, 3, 0]), 2 / LINES, rtol=1e-5)


@pytest.mark.parametrize("features", [1, 5])
def test_other_noise_is_cut_along_its_first_features(tmp_path, features):
    G, _ = players(features)
    grid = one_frame(tmp_path / "frames", G)["manifold"]
    z = np.zeros((1, features), np.float32)
    middle = G.forward(z)[0][0]
    np.testing.assert_allclose(grid[LINES // 2, LINES // 2], middle, rtol=1e-5)
    assert (grid[0, 0] != grid[0, 1]).any() == (features > 1)


@pytest.mark.parametrize("loss", [NonSaturating(), Wasserstein(), RelativisticPairing()])
def test_the_pull_is_downhill_on_the_loss_of_g(tmp_path, loss):
    G, D = players(dtype=np.float64)
    x = cloud()
    frame = one_frame(tmp_path / "frames", G, D, x, loss)
    samples, pull = frame["samples"], frame["pull"]
    assert pull.shape == (ARROWS, 2)
    real = read_frame(tmp_path / "frames" / "scene.safetensors")["real"]

    def value(fake):
        return loss.generator(D.forward(fake)[0], D.forward(real)[0])[0]

    for i, axis in ((0, 0), (17, 1), (ARROWS - 1, 0)):
        step = np.zeros_like(samples)
        step[i, axis] = 1e-5
        slope = (value(samples + step) - value(samples - step)) / 2e-5
        assert pull[i, axis] == pytest.approx(-SAMPLES * slope, rel=1e-5, abs=1e-9)


def test_a_frame_leaves_the_networks_as_they_are(tmp_path):
    G = Sequential(Dense(2, 4), BatchNorm(4), Dense(4, 2), seed=1)
    _, D = players()
    before = [v.copy() for v in (G.theta, G.state, D.theta)]
    one_frame(tmp_path / "frames", G, D)
    for a, b in zip(before, (G.theta, G.state, D.theta), strict=True):
        np.testing.assert_array_equal(a, b)


def test_conditional_points_have_samples_of_each_label_and_no_grid(tmp_path):
    G, D = players(told=3)
    frame = one_frame(tmp_path / "frames", G, D, classes=3)
    told = np.eye(3, dtype=np.float32)[np.arange(SAMPLES) % 3]
    z = draw_noise(Conditional(G, told), SAMPLES, stream(0, "frames"))
    np.testing.assert_array_equal(frame["samples"], Conditional(G, told).forward(z)[0])
    assert frame["heat"].size == frame["manifold"].size == 0 and (frame["pull"] != 0).any()


def test_few_data_and_frames_on_the_device(tmp_path, cp):
    G, D = players()
    x = cloud(7).astype(np.float32)
    here = one_frame(tmp_path / "here", G, D, x, RelativisticPairing())
    there = one_frame(
        tmp_path / "there", G.to("gpu"), D.to("gpu"), cp.asarray(x), RelativisticPairing()
    )
    for name in here:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-4, atol=1e-5)


# --- what a frame of images holds -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "n"), [((2, 3, 1), 64), ((28, 28, 1), 64), ((64, 64, 3), 5), ((400, 400, 3), 1)]
)
def test_a_frame_of_images_has_a_bounded_size(tmp_path, shape, n):
    numbers = int(np.prod(shape))
    G = Sequential(Dense(2, numbers), Tanh(), Reshape(shape), seed=1)
    x = np.zeros((9, *shape), np.float32)
    frame = one_frame(tmp_path / "frames", G, x=x)
    assert frame["images"].shape == (n, *shape) and frame["images"].dtype == np.uint8
    assert frame["images"].nbytes <= max(BYTES, numbers)
    z = draw_noise(G, n, stream(0, "frames"))
    np.testing.assert_allclose(frame["images"], 127.5 * (G.forward(z)[0] + 1), atol=0.51)


def test_images_that_are_told_labels_or_diverged(tmp_path):
    G = Sequential(Dense(2 + 3, 4), seed=1)  # makes rows
    x = np.zeros((9, 2, 2, 1), np.float32)
    frame = one_frame(tmp_path / "frames", G, x=x, classes=3)
    assert frame["images"].shape == (64, 2, 2, 1)
    G.theta[...] = np.nan
    assert (one_frame(tmp_path / "other", G, x=x, classes=3)["images"] == 0).all()


# --- files ----------------------------------------------------------------------------------------


def test_the_same_run_writes_the_same_bytes_and_nothing_else(tmp_path):
    for name in "ab":
        one_frame(tmp_path / name)
    files = [sorted((tmp_path / name).iterdir()) for name in "ab"]
    assert [p.name for p in files[0]] == ["000000000001.safetensors", "scene.safetensors"]
    for a, b in zip(*files, strict=True):
        first, second = read_frame(a), read_frame(b)
        assert first.keys() == second.keys()
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("damage", [b"", b"hallo", None])
def test_a_damaged_frame_is_named(tmp_path, damage):
    one_frame(tmp_path / "frames")
    path = tmp_path / "frames" / "000000000001.safetensors"
    path.write_bytes(path.read_bytes()[:-700] if damage is None else damage)
    with pytest.raises(ValueError, match=r"00001\.safetensors is damaged .*one written .*deleted"):
        read_frame(path)


def test_a_file_that_holds_no_frame_is_refused(tmp_path):
    save(tmp_path / "1.safetensors", players()[0])
    with pytest.raises(ValueError, match="was not written by minigan train"):
        read_frame(tmp_path / "1.safetensors")
    with pytest.raises(FileNotFoundError, match="expected a file written by minigan train"):
        read_frame(tmp_path / "2.safetensors")
