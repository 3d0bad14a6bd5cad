"""A run's folder: its settings and generator come back, and samples are drawn as G was trained."""

import dataclasses
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from minigan import (
    EMA,
    SGD,
    Adam,
    ClipNorm,
    Dense,
    LeastSquares,
    NonSaturating,
    RelativisticPairing,
    Sequential,
    cli,
    load,
    save,
    stream,
)
from minigan.data import Dataset
from minigan.optim.schedules import linear
from minigan.penalties import R1
from minigan.plot.clouds import points
from minigan.plot.stills import loss_curves, sample_grid
from minigan.plot.walk import walk
from minigan.recipes import RECIPES, Recipe, Setup, Task
from minigan.runs.config import Config
from minigan.runs.history import read_history
from minigan.runs.metrics import METRICS
from minigan.runs.run import COLUMNS, Run, picture
from minigan.runs.threads import blas_threads
from minigan.runs.training import train_run
from minigan.sampling import draw_noise, sample
from minigan.views import Conditional

pytestmark = pytest.mark.usefixtures("quick_runs")
real_pictures = pytest.mark.parametrize("drawn", [True], indirect=True, ids=["drawn"])

CLASSES = 3


def data_of(shape, n=12, classes=0):
    x = stream(0, "x").uniform(-1, 1, (n, *shape)).astype(np.float32)
    return Dataset("own", x, np.arange(n) % classes if classes else None)


def a_setup(features=2, outputs=2, conditional=False, **changes):
    told = CLASSES if conditional else 0
    G = Sequential(Dense(features + told, outputs), seed=1)
    D = Sequential(Dense(outputs + told, 1), seed=2)
    settings = {"batch": 4, "steps": 3, "conditional": conditional} | changes
    optimisers = settings.pop("optimisers", (Adam(1e-2), Adam(1e-3)))
    return Setup(G, D, settings.pop("loss", NonSaturating()), *optimisers, **settings)


def go(setup, shape=(2,), out="run", classes=0, data=None, **settings):
    """Train a set-up on data of a shape; return the run that it wrote."""
    data = data_of(shape, classes=classes) if data is None else data
    kind = "images" if len(shape) == 3 else "vectors"
    RECIPES["a test's"] = Recipe("a test's", "", "", "ring", kind, lambda task: setup)
    try:
        return train_run(Config(recipe="a test's", **settings), data, out=out, quiet=True)
    finally:
        del RECIPES["a test's"]


def told(label, n, classes=CLASSES):
    """Return the rows that tell G these labels."""
    return np.eye(classes, dtype=np.float32)[np.broadcast_to(label, (n,))]


def names(folder):
    return {path.name for path in Path(folder).iterdir()}


# --- train_run ------------------------------------------------------------------------------------


def test_the_outcome_says_how_it_went():
    outcome = go(a_setup())
    assert (outcome.folder, outcome.steps, outcome.total) == (Path("run"), 3, 3)
    assert outcome.seconds > 0 and not outcome.interrupted and not outcome.diverged


def test_steps_are_counted_as_the_loop_counts_them():
    outcome = go(a_setup(steps=None, epochs=4, d_steps=2))  # of 12 samples, in batches of 4
    assert outcome.steps == outcome.total == 6
    assert len(read_history("run/history.csv")["step"]) == 6


def test_settings_are_written_and_read_back():
    clipped = ClipNorm(EMA(Adam(0.25)), 1.0)
    setup = a_setup(
        loss=RelativisticPairing(),
        optimisers=(clipped, SGD(linear(1e-3, 1e-4, steps=9))),
        noise="uniform",
        penalties=[R1(3.0)],
    )
    go(setup, seed=7)
    settings = json.loads(Path("run/run.json").read_text())
    assert settings.pop("minigan").count(".") == 2
    assert settings.pop("threads") == blas_threads(setup, Task((2,)))
    made = settings.pop("made")
    assert made["G"] == repr(setup.G) and made["optimiser_D"][0]["class"] == "SGD"
    assert made["loss"] == "RelativisticPairing()" and made["penalties"] == ["R1(gamma=3.0)"]
    assert [inner["class"] for inner in made["optimiser_G"]] == ["ClipNorm", "EMA", "Adam"]
    assert made["optimiser_G"][-1]["lr"] == 0.25
    assert settings == {
        "recipe": "a test's",
        "data": "own",
        "path": str(Path("own").resolve()),
        "checksum": f"{zlib.crc32(data_of((2,)).x.data):08x}",
        "labels": 0,
        "logits": False,
        "on_nan": "stop",
        "shape": [2],
        "classes": 0,
        "seed": 7,
        "device": "cpu",
        "recipe_checksum": None,
        "size": None,
        "loss": None,  # these are the recipe's own
        "penalty": None,
        "beta1": None,
        "clip_norm": None,
        "ema": None,
        "instance_noise": None,
        "latent": None,
        "pack": None,
        "lr_G": None,
        "lr_D": None,
        "noise": "uniform",
        "mean": None,
        "scale": None,
        "batch": 4,
        "d_steps": 1,
        "steps": 3,
        "epochs": None,
    }
    run = Run.open(Path("run"))
    assert (run.noise, run.shape, run.classes) == ("uniform", (2,), 0)


@pytest.mark.parametrize("wrap", [EMA, lambda a: ClipNorm(EMA(a), 1.0)])
def test_g_is_written_with_its_average_and_drawn_with_it(wrap):
    optimiser = wrap(Adam(0.1))
    setup = a_setup(optimisers=(optimiser, Adam(0.1)))
    go(setup)
    average = getattr(optimiser, "average", None)
    average = optimiser.optimiser.average if average is None else average
    written = load("run/G.safetensors")
    np.testing.assert_array_equal(written.theta, average)
    assert abs(written.theta - setup.G.theta).max() > 0.01  # training went on with another
    np.testing.assert_array_equal(Run.open(Path("run")).samples(5), sample(written, 5))
    np.testing.assert_array_equal(load("run/D.safetensors").theta, setup.D.theta)


def test_without_an_average_g_is_written_as_it_is():
    setup = a_setup()
    go(setup)
    np.testing.assert_array_equal(load("run/G.safetensors").theta, setup.G.theta)


def pixels(figure, path="expected.png"):
    figure.savefig(path)
    return imread(path)


@real_pictures
@pytest.mark.parametrize("loss", [NonSaturating(), LeastSquares()])
def test_the_pictures_know_d_and_its_loss(loss):
    setup = a_setup(loss=loss)
    setup.D.theta[...] = [0.01, 0.01, 0.5]  # its outputs look like probabilities
    go(setup)
    curves = loss_curves(read_history("run/history.csv"), loss)
    np.testing.assert_array_equal(imread("run/losses.png"), pixels(curves))
    drawn = Run.open(Path("run")).samples()
    expected = points(drawn, data_of((2,)).x, setup.D, loss)
    np.testing.assert_array_equal(imread("run/samples.png"), pixels(expected))


def test_what_can_not_be_trained_leaves_nothing_behind():
    for setup, words in (
        (a_setup(batch=13), "only 12 samples of data; take a batch of 12 or less"),
        (a_setup(outputs=3), r"samples of shape \(3,\)"),
        (a_setup(noise="loud"), "noise must be one of"),
    ):
        with pytest.raises(ValueError, match=words):
            go(setup)
    assert list(Path().iterdir()) == []


# --- watching it ----------------------------------------------------------------------------------


def test_a_run_that_goes_wrong_says_so_once_and_keeps_it(capsys):
    diverging = a_setup(optimisers=(SGD(1e-9), SGD(1.0)), loss=LeastSquares(), steps=200)
    go(diverging)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("warning at step 100: the losses diverge")
    assert Path("run/warnings.txt").read_text().splitlines() == lines
    go(a_setup(steps=200), out="well")
    assert capsys.readouterr().err == "" and not Path("well/warnings.txt").exists()


@pytest.mark.parametrize("of_mixture", [False, True])
def test_the_history_has_the_metrics_of_its_kind_of_run(of_mixture):
    data = data_of((2,), n=250)
    if of_mixture:
        data = dataclasses.replace(data, centres=np.eye(2, dtype=np.float32), sigma=0.2)
    setup = a_setup(batch=250, steps=120)
    go(setup, data=data)
    history = read_history("run/history.csv")
    for name in METRICS:
        there = list(np.flatnonzero(~np.isnan(history[name])) + 1)
        is_there = of_mixture or name in METRICS[:3]
        assert there == ([50, 100] if is_there else []), name


@real_pictures
def test_a_conditional_run_of_rows_is_watched():
    go(
        a_setup(outputs=4, conditional=True, flat=True, steps=400, batch=12),
        (2, 2, 1),
        classes=CLASSES,
    )
    assert np.isfinite(read_history("run/history.csv")["accuracy"]).any()
    assert {"film.gif", "film.html", "frames"} <= names("run")


# --- samples of a conditional run -----------------------------------------------------------------

SHAPE = (2, 2, 1)


@pytest.fixture
def conditional():
    """Give a conditional run of images with 3 labels, and what else is in its folder."""
    go(a_setup(outputs=4, conditional=True, flat=True), SHAPE, classes=CLASSES)
    return Run.open(Path("run"))


@real_pictures
def test_labels_come_in_turn(conditional):
    assert conditional.classes == CLASSES
    drawn = conditional.samples(7, seed=5)
    assert drawn.shape == (7, *SHAPE)
    turns = told(np.arange(7) % 3, 7)
    expected = sample(Conditional(conditional.G, turns), 7, seed=5)
    np.testing.assert_array_equal(drawn.reshape(7, 4), expected)
    assert conditional.samples().shape == (100, *SHAPE)
    assert imread("run/samples.png").shape[0] > 100


@pytest.mark.parametrize(("classes", "columns"), [(2, 10), (3, 9), (6, 6), (20, 20), (21, 10)])
def test_a_column_of_a_picture_shows_one_class(classes, columns):
    samples = np.zeros((2 * columns, 2, 2, 1), np.float32)
    drawn = picture(samples, classes=classes)
    plain = sample_grid(samples, columns)
    assert drawn.get_figwidth() == plain.get_figwidth()
    above = [text.get_text() for text in drawn.texts]
    expected = [str(i % classes) for i in range(columns)] if classes <= 20 else []
    assert above == expected


@pytest.mark.parametrize("label", range(CLASSES))
def test_one_label_is_drawn(conditional, label):
    drawn = conditional.samples(6, label=label)
    expected = sample(Conditional(conditional.G, told(label, 6)), 6)
    np.testing.assert_array_equal(drawn.reshape(6, 4), expected)
    # The same noise as in turn: there sample i has the label i mod 3.
    np.testing.assert_array_equal(drawn[label], conditional.samples(6)[label])
    assert (drawn[label - 1] != conditional.samples(6)[label - 1]).any()


@pytest.mark.parametrize("label", [-1, 3, 10**30])
def test_a_label_out_of_range_is_refused(conditional, label):
    with pytest.raises(ValueError, match=f"label is {label}, the labels of this run are 0 to 2"):
        conditional.samples(6, label=label)


def test_a_label_on_a_run_without_labels_is_refused():
    go(a_setup(), classes=CLASSES)  # the data have labels, G is not told them
    run = Run.open(Path("run"))
    assert run.classes == 0
    with pytest.raises(ValueError, match="label is 0, .* are none: G is not conditional"):
        run.samples(6, label=0)


def test_a_walk_keeps_a_label_a_row(conditional):
    n = 3 * COLUMNS
    drawn = conditional.samples(n, interpolate=True, seed=4)
    turns = told(np.arange(3).repeat(COLUMNS), n)
    expected = walk(Conditional(conditional.G, turns), 3, COLUMNS, seed=4)
    np.testing.assert_array_equal(drawn.reshape(n, 4), expected)
    one = conditional.samples(n, interpolate=True, seed=4, label=1)
    expected = walk(Conditional(conditional.G, told(1, n)), 3, COLUMNS, seed=4)
    np.testing.assert_array_equal(one.reshape(n, 4), expected)
    np.testing.assert_array_equal(one[COLUMNS : 2 * COLUMNS], drawn[COLUMNS : 2 * COLUMNS])


@pytest.mark.parametrize("n", [1, 9, 10, 11, 25])
def test_a_walk_of_any_number_is_the_beginning_of_whole_rows(conditional, n):
    # Which noises a walk goes between depends on the number of rows, so these are the same.
    whole = conditional.samples(-(-n // COLUMNS) * COLUMNS, interpolate=True)
    np.testing.assert_array_equal(conditional.samples(n, interpolate=True), whole[:n])


def test_a_walk_starts_and_ends_at_samples_of_the_noise():
    go(a_setup(features=5))
    run = Run.open(Path("run"))
    drawn = run.samples(20, interpolate=True).reshape(2, COLUMNS, 2)
    ends = run.G.forward(draw_noise(run.G, 4, stream(0, "walk")))[0]
    np.testing.assert_allclose(drawn[:, 0], ends[:2], rtol=1e-6)
    np.testing.assert_allclose(drawn[:, -1], ends[2:], rtol=1e-6)


def test_a_walk_through_uniform_noise_is_refused():
    go(a_setup(noise="uniform"))
    run = Run.open(Path("run"))
    with pytest.raises(ValueError, match="a walk needs normal noise; this run has uniform noise"):
        run.samples(6, interpolate=True)
    u = run.samples(600)
    np.testing.assert_array_equal(u, sample(run.G, 600, noise="uniform"))


def test_a_conditional_run_on_the_device_draws_there(cp, to_np, conditional):
    there = Run.open(Path("run"), "gpu")
    for options in ({}, {"label": 2}, {"interpolate": True}, {"label": 0, "interpolate": True}):
        drawn = there.samples(12, **options)
        assert isinstance(drawn, cp.ndarray)
        expected = conditional.samples(12, **options)
        np.testing.assert_allclose(to_np(drawn), expected, rtol=1e-5, atol=1e-6)


# --- the same by the command ----------------------------------------------------------------------


def test_sample_takes_a_label_and_a_walk(conditional, capsys):
    for options, name, expected in (
        ("", "samples-seed0", conditional.samples(20)),
        ("--label 2", "samples-seed0-label2", conditional.samples(20, label=2)),
        ("--interpolate", "samples-seed0-walk", conditional.samples(20, interpolate=True)),
        (
            "--label 1 --interpolate --seed 3",
            "samples-seed3-label1-walk",
            conditional.samples(20, 3, 1, True),
        ),
    ):
        command = ["sample", "run", "-n", "20", *options.split()]
        assert cli.main(command) == 0
        assert capsys.readouterr().out.endswith(f"run/{name}.png\n")
        assert imread(f"run/{name}.png").shape[0] > 50
        assert cli.main([*command, "--out", "x.npz"]) == 0
        np.testing.assert_array_equal(np.load("x.npz")["x"], expected)


def test_sample_answers_a_label_that_is_not_there(conditional, capsys):
    before = names("run")
    for label in ("3", "-1"):
        assert cli.main(["sample", "run", "--label", label]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err == (
            f"minigan: label is {label}, the labels of this run are 0 to 2\n"
        )
    assert names("run") == before


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"noise": None},
        {"noise": "loud"},
        {"shape": None},
        {"shape": 3},
        {"shape": [2.5]},
        {"shape": [0]},
        {"shape": ["2"]},
        {"classes": None},
        {"classes": -1},
        {"classes": "3"},
        {"classes": 1.5},
    ],
    ids=str,
)
def test_damaged_settings_are_refused(changes):
    go(a_setup())
    path = Path("run/run.json")
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | changes))
    with pytest.raises(ValueError, match=r"run\.json is damaged .*expected the settings of a run"):
        Run.open(Path("run"))
    for name in changes:
        del settings[name]
        path.write_text(json.dumps(settings))
        with pytest.raises(ValueError, match=rf"run\.json is damaged \(KeyError: '{name}'\)"):
            Run.open(Path("run"))


@pytest.mark.parametrize(
    "changes", [{"shape": [3]}, {"shape": []}, {"shape": [2, 2, 1]}, {"classes": 2}], ids=str
)
def test_settings_that_g_does_not_fit_are_refused(changes):
    go(a_setup())
    settings = json.loads(Path("run/run.json").read_text())
    Path("run/run.json").write_text(json.dumps(settings | changes))
    with pytest.raises(ValueError, match=r"G\.safetensors holds no generator of this run, it hold"):
        Run.open(Path("run"))


def test_another_network_in_the_place_of_g_is_refused():
    go(a_setup(outputs=4, conditional=True, flat=True), SHAPE, classes=CLASSES)
    save("run/G.safetensors", load("run/D.safetensors"))
    with pytest.raises(ValueError, match=r"G\.safetensors holds no generator of this run, it hold"):
        Run.open(Path("run"))


def test_a_folder_without_a_run_is_refused():
    with pytest.raises(FileNotFoundError, match="nowhere holds no run: there is no nowhere/run"):
        Run.open(Path("nowhere"))


def test_an_outcome_stays_as_it_is():
    with pytest.raises(dataclasses.FrozenInstanceError):
        go(a_setup()).steps = 9
