"""The moving picture: every frame is there, nothing but what should move moves, and it is quick."""

import base64
import html
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from minigan import Dense, LeakyReLU, NonSaturating, Reshape, Sequential, Tanh, Wasserstein, cli
from minigan.data import load
from minigan.plot import film as module
from minigan.plot.film import FEWEST, LAST_PAUSE, MOST_BYTES, PAUSE, animate
from minigan.plot.frames import Recorder, list_frames, read_frame


def a_run(folder, steps=5, shape=(2,), loss=None, moves=0.3):
    """Write the frames of a run in which the weights of both players move on and on."""
    n = int(np.prod(shape))
    layers = [Dense(2, 8), LeakyReLU(), Dense(8, n), *([Tanh(), Reshape(shape)] if n > 2 else [])]
    G, D = Sequential(*layers, seed=1), Sequential(Dense(n, 8), Tanh(), Dense(8, 1), seed=2)
    x = load("ring").x if shape == (2,) else np.zeros((9, *shape), np.float32)
    folder.mkdir(exist_ok=True)
    frames = folder / "frames"
    recorder = Recorder(frames, lambda: G, D, loss or NonSaturating(), x, total=steps)
    for step in range(1, steps + 1):
        recorder.look(step)
        for net in (G, D):
            net.theta += np.float32(moves * np.sin(step + np.arange(net.theta.size)) / 5)
    return folder


def gif_of(folder):
    """Return the frames of the GIF as arrays, and how long each is shown."""
    frames, pauses = [], []
    with Image.open(folder / "film.gif") as gif:
        assert gif.info["loop"] == 0
        for i in range(gif.n_frames):
            gif.seek(i)
            frames.append(np.asarray(gif.convert("RGB")).astype(float) / 255)
            pauses.append(gif.info["duration"])
    return frames, pauses


def page_of(folder):
    """Return the text of the page, and its steps and pictures."""
    text = (folder / "film.html").read_text(encoding="utf-8")
    steps = json.loads(re.search(r"const steps = (\[.*?\])", text)[1])
    encoded = json.loads(re.search(r"pictures = (\[.*?\]);", text)[1])
    pictures = []
    for picture in encoded:
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            assert image.format == "PNG"
            pictures.append(np.asarray(image.convert("RGB")).astype(float) / 255)
    return text, steps, pictures


SHAPES = pytest.mark.parametrize("shape", [(2,), (4, 3, 1), (4, 3, 3)])


@SHAPES
def test_a_gif_and_a_page_have_all_frames(tmp_path, shape):
    run = a_run(tmp_path / "run", 5, shape)
    assert animate(run) == [run / "film.gif", run / "film.html"]
    frames, pauses = gif_of(run)
    _, steps, pictures = page_of(run)
    assert steps == [1, 2, 3, 4, 5]
    assert pauses == [PAUSE] * 4 + [LAST_PAUSE]
    for frame, picture in zip(frames, pictures, strict=True):
        np.testing.assert_allclose(frame, picture, atol=1.5 / 255)
    assert all((a != b).any() for a, b in zip(frames, frames[1:], strict=False))


@SHAPES
def test_the_page_needs_nothing_but_a_browser_and_has_its_controls(tmp_path, shape):
    run = a_run(tmp_path / "a <run> & more", 3, shape)
    animate(run)
    text, _, _ = page_of(run)
    assert "http" not in text and "src=" not in text and "<link" not in text
    controls = ('button id="play', 'button id="back', 'button id="forth', 'select id="speed')
    for control in (*controls, 'input id="slider', 'img id="picture'):
        assert text.count(f'<{control}"') == 1
    assert "max-height: calc(100vh - " in text  # the controls are in view on a low screen
    assert "<title>a &lt;run&gt; &amp; more learns</title>" in text
    assert "‹" not in text


@pytest.mark.parametrize(
    "name", ["STEPS", "PICTURES", "WIDTH", "PAUSE", "‹steps›", r"\g<0>", "a$b^$", "caf\udce9"]
)
def test_no_name_of_a_run_is_taken_for_something_else(tmp_path, name):
    run = a_run(tmp_path / name, 2)
    animate(run)
    text, steps, pictures = page_of(run)
    shown = html.escape(name.replace("\udce9", "?"))
    assert f"<title>{shown} learns</title>" in text
    assert steps == [1, 2] and len(pictures) == 2


@pytest.mark.parametrize("loss", [NonSaturating(), Wasserstein()])
def test_axes_and_colours_stay_where_they_are(tmp_path, loss):
    run = a_run(tmp_path / "run", 4, loss=loss)
    animate(run)
    frames, _ = gif_of(run)
    height, width, _ = frames[0].shape
    moving = np.zeros((height, width), bool)
    for frame in frames[1:]:
        moving |= abs(frame - frames[0]).max(axis=2) > 0.02
    rows, columns = np.flatnonzero(moving.any(axis=1)), np.flatnonzero(moving.any(axis=0))
    # What moves lies within the axes; only the number of the step is above them.
    assert 0.07 * width < columns[0] and columns[-1] < 0.83 * width
    assert rows[-1] < 0.87 * height
    above = moving[: int(0.05 * height)]
    assert above.any() and np.flatnonzero(above.any(axis=0))[-1] < 0.3 * width


def test_the_dots_have_their_colours(tmp_path):
    run = a_run(tmp_path / "run", 2)
    animate(run)
    frames, _ = gif_of(run)
    for colour in (module.D_COLOUR, module.G_COLOUR):
        rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        near = abs(frames[0] - rgb).max(axis=2) < 0.1
        assert near.sum() > 50, colour


def test_images_are_the_samples(tmp_path):
    run = a_run(tmp_path / "run", 2, (4, 3, 1))
    animate(run)
    frames, _ = gif_of(run)
    path = list_frames(run / "frames")[2]
    images = read_frame(path)["images"]
    gap, scale = 1, round(640 / (8 * 5 + 1))  # 8 × 8 images of 4 × 3, a gap of 1 around each
    top = frames[1].shape[0] - scale * (8 * 5 + 1)
    for i, (row, column) in ((0, (0, 0)), (13, (1, 5)), (63, (7, 7))):
        y, x = top + scale * (gap + 5 * row), scale * (gap + 4 * column)
        shown = frames[1][y : y + 4 * scale, x : x + 3 * scale, 0]
        middles = shown[scale // 2 :: scale, scale // 2 :: scale]
        np.testing.assert_allclose(middles, images[i, ..., 0] / 255, atol=3 / 255)


def test_what_has_diverged_is_drawn(tmp_path):
    run = a_run(tmp_path / "run", 4, moves=np.nan)
    animate(run)
    assert len(gif_of(run)[0]) == 4


def test_a_page_has_a_limit_and_leaves_every_second_frame_out(tmp_path, monkeypatch):
    run = a_run(tmp_path / "run", 8)
    animate(run)
    whole = (run / "film.html").stat().st_size
    assert MOST_BYTES < 3_000_000 and page_of(run)[1] == list(range(1, 9))
    for most, expected in ((3 * whole // 4, [1, 3, 5, 7, 8]), (0, [1, 8])):
        monkeypatch.setattr(module, "MOST_BYTES", most)
        animate(run)
        assert page_of(run)[1] == expected
        assert len(gif_of(run)[0]) == len(expected)


def test_the_same_frames_make_the_same_film(tmp_path, monkeypatch):
    run = a_run(tmp_path / "run", 8)
    animate(run)
    files = [(run / name).read_bytes() for name in ("film.gif", "film.html")]
    monkeypatch.setattr("time.monotonic", iter(range(0, 10**9, 1000)).__next__)  # a busy machine
    animate(run)
    assert files == [(run / name).read_bytes() for name in ("film.gif", "film.html")]


# --- the command ----------------------------------------------------------------------------------


def test_animate_by_the_command(tmp_path, capsys):
    run = a_run(tmp_path / "run", 3)
    assert cli.main(["animate", str(run)]) == 0
    assert capsys.readouterr().out == f"{run}/film.gif\n{run}/film.html\n"


def test_train_animates_a_run_that_has_something_to_show(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, steps in (("short", FEWEST - 1), ("long", FEWEST)):
        assert cli.main(["train", "--out", name, "--steps", str(steps), "--quiet"]) == 0
        has = steps >= FEWEST
        assert (tmp_path / name / "film.gif").is_file() == has
        assert (f"{name}/film.html" in capsys.readouterr().out) == has


def test_a_run_without_frames_is_refused(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    for folder in (tmp_path / "run", tmp_path / "nowhere"):
        assert cli.main(["animate", str(folder)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith(f"minigan: {folder} has no frames to animate")
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("damage", ["scene", "frame", "another run"])
def test_damaged_frames_are_refused(tmp_path, damage, capsys):
    run = a_run(tmp_path / "run", 3)
    frames = run / "frames"
    if damage == "scene":
        (frames / "scene.safetensors").write_bytes(b"no")
    elif damage == "frame":
        (frames / "000000000002.safetensors").write_bytes(b"no")
    else:
        other = list_frames(a_run(tmp_path / "other", 3, (4, 3, 1)) / "frames")
        other[2].replace(frames / other[2].name)
    assert cli.main(["animate", str(run)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("minigan: ") == 1 and str(frames) in err
    assert not (run / "film.gif").exists()
