"""Runs of one's own: a recipe in a file, networks and data from Python, settings that cure."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from running import AT_THE_END, OWN_RECIPE, Drawing, same

from minigan import R1, Adam, Dense, Hinge, LeakyReLU, NonSaturating, Sequential, stream
from minigan.cli import main, train
from minigan.data import Dataset
from minigan.recipes import RECIPES, Setup
from minigan.runs import output, watch
from minigan.runs.config import Config
from minigan.runs.run import Run
from minigan.runs.training import Outcome, resume_run, train_run

pytestmark = pytest.mark.usefixtures("quick_runs")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(OWN_RECIPE)


def minigan(*arguments):
    try:
        return main([str(a) for a in arguments])
    except SystemExit as stop:
        return stop.code


# --- settings -----------------------------------------------------------------------------------


def test_what_the_warnings_recommend_can_be_given(monkeypatch):
    recommended = " ".join(watch.HELPS.values())
    found = set(re.findall(r"--[a-z0-9-]+(?: [a-z0-9][^ ,;()]*)?", recommended))
    assert {text.split()[0] for text in found} >= {
        *("--penalty", "--pack", "--ema", "--instance-noise", "--beta1", "--clip-norm")
    }
    given = []
    monkeypatch.setattr("minigan.cli.train_command", lambda options: given.append(options) or 0)
    for text in found:
        option, _, value = text.partition(" ")
        if option in ("--steps", "--seed", "--lr-d", "--lr-g"):  # no value is recommended
            value = "1"
        assert minigan("train", option, value) == 0, text
    assert len(given) > 6


def test_settings_reach_the_run_and_stay_on_resume():
    options = "--penalty r1:0.3 --beta1 0.25 --clip-norm 2.5 --ema 0.75 --instance-noise 0.5"
    arguments = ["--data", "ring", *options.split(), "--latent", 5, "--quiet"]
    assert minigan("train", *arguments, "--steps", 12, "--out", "a") == 0
    assert minigan("train", *arguments, "--steps", 7, "--out", "b") == 0
    assert minigan("train", "--resume", "b", "--steps", 12, "--quiet") == 0
    same("a", "b")
    made = json.loads(Path("a/run.json").read_text())["made"]
    assert made["penalties"] == ["R1(gamma=0.3)"] and made["instance_noise"] == 0.5
    assert [part["class"] for part in made["optimiser_G"]] == ["ClipNorm", "EMA", "Adam"]
    assert made["optimiser_D"][1]["beta1"] == 0.25 and Run.open(Path("a")).G.in_shape == (5,)


@pytest.mark.parametrize("loss", ["non-saturating", "relativistic"])
def test_a_packed_d_makes_a_whole_run(loss):
    more = ("--pack", 3, "--batch", 66, "--steps", 12, "--quiet", "--loss", loss)
    more += ("--penalty", "none")  # which the recipe has
    assert minigan("train", "--data", "ring", *more, "--out", "a") == 0
    assert Path("a/samples.png").is_file() and len(list(Path("a/frames").iterdir())) > 2


def test_runs_of_before_have_none_of_these_settings():
    config = Config(data="ring", steps=3).to_json()
    for name in ("penalty", "beta1", "clip_norm", "ema", "instance_noise", "latent", "pack"):
        del config[name]
    assert Config.of_json(config) == Config(data="ring", steps=3)


# --- drawing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ring", "digits"])
def test_many_samples_are_drawn_and_written_some_at_a_time(name, monkeypatch):
    conditional = ("--recipe", "conditional") if name == "digits" else ()
    assert (
        minigan("train", "--data", name, "--steps", 2, "--out", "a", "--quiet", *conditional) == 0
    )
    run = Run.open(Path("a"))
    whole = run.samples(23, seed=3)
    monkeypatch.setattr("minigan.runs.run.AT_ONCE", 10)
    assert [len(batch) for batch in run.batches(23, seed=3)] == [10, 10, 3]
    np.testing.assert_allclose(run.samples(23, seed=3), whole, atol=1e-5)
    assert minigan("sample", "a", "-n", 23, "--seed", 3, "--out", "new/folder/x.npz") == 0
    with np.load("new/folder/x.npz") as file:
        assert file["x"].dtype == np.float32
        np.testing.assert_array_equal(file["x"], run.samples(23, seed=3))
    assert minigan("sample", "a", "--out", "another/x.png") == 0
    assert Path("another/x.png").read_bytes()[:4] == run._repr_png_()[:4] == b"\x89PNG"


def test_where_no_picture_can_be_drawn_the_weights_are_there(monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise ValueError("no font here")

    monkeypatch.setattr("minigan.runs.output.loss_curves", refuse)
    assert minigan("train", "--data", "ring", "--steps", 2, "--out", "a", "--quiet") == 0
    assert Run.open(Path("a")).samples(3).shape == (3, 2)
    out, err = capsys.readouterr()
    assert "could not be drawn (ValueError: no font here)" in err and "next, try" in out


def test_that_matplotlib_draws_is_tried_before_the_training(monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise RuntimeError("no backend")

    monkeypatch.setattr("minigan.cli.train.new_figure", refuse)
    assert minigan("train", "--data", "ring", "--steps", 2, "--out", "a") == 2
    assert "matplotlib can't draw here (RuntimeError: no backend)" in capsys.readouterr().err
    assert not Path("a").exists()


def test_export_makes_its_folder():
    assert minigan("train", "--data", "digits", "--steps", 2, "--out", "a", "--quiet") == 0
    export = ("export", "a", "--format", "pytorch-state-dict", "--out", "new/folder")
    assert minigan(*export) == 0
    assert len(list(Path("new/folder").iterdir())) == 2


def test_recipes_say_what_they_are_without_docstrings():
    command = [sys.executable, "-OO", "-m", "minigan", "recipes"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert minigan("recipes") == 0
    for recipe in RECIPES.values():
        assert recipe.about and (recipe.about in shown) == (recipe.name != "small")


# --- a recipe in a file -------------------------------------------------------------------------


def test_a_recipe_in_a_file_makes_a_run_that_goes_on_if_it_is_named(capsys):
    arguments = ("--data", "ring", "--recipe", "mine.py", "--quiet")
    assert minigan("train", *arguments, "--steps", 12, "--out", "a") == 0
    assert minigan("train", *arguments, "--steps", 7, "--out", "b") == 0
    assert json.loads(Path("a/run.json").read_text())["recipe"] == "mine.py"
    shutil.copy("mine.py", "copy.py")
    Path("mine.py").write_text("raise AssertionError('a folder from elsewhere ran this')")
    assert minigan("train", "--resume", "b", "--steps", 12) == 2
    assert "run only if you name it: add --recipe mine.py" in capsys.readouterr().err
    assert minigan("train", "--resume", "b", "--steps", 12, "--recipe", "mine.py") == 2
    assert "mine.py is not what it was when b was begun" in capsys.readouterr().err
    assert minigan("train", "--resume", "b", "--steps", 12, "--recipe", "copy.py", "--quiet") == 0
    same("a", "b")


def test_a_run_of_the_library_s_recipe_refuses_another(capsys):
    assert minigan("train", "--data", "ring", "--steps", 2, "--out", "a", "--quiet") == 0
    assert minigan("train", "--resume", "a", "--steps", 3, "--recipe", "mine.py") == 2
    assert "a goes on with the recipe points; leave out --recipe" in capsys.readouterr().err


# --- networks and data from Python --------------------------------------------------------------

X = stream(3, "points").standard_normal((200, 2), dtype="float32")


def a_setup(seed=4):
    G = Sequential(Dense(3, 8), LeakyReLU(), Dense(8, 2), seed=seed)
    D = Sequential(Dense(2, 8), LeakyReLU(), Dense(8, 1), seed=seed + 1)
    return Setup(G, D, NonSaturating(), Adam(1e-3), Adam(2e-3), batch=20, steps=12)


def test_networks_and_data_of_one_s_own_make_a_run():
    setup, steps = a_setup(), []
    outcome = train_run(
        Config(seed=7), X, setup=setup, out="a", quiet=True, callback=lambda r: steps.append(r.step)
    )
    assert outcome.steps == 12 and steps == [*range(1, 13)]
    assert {"samples.png", "frames", "history.csv", "checkpoints"} <= {
        path.name for path in Path("a").iterdir()
    }
    run = Run.open(Path("a"))
    assert run.samples(9).shape == (9, 2)
    np.testing.assert_array_equal(run.G.theta, setup.G.theta)


def test_it_goes_on_to_the_same_bits_whatever_the_networks_hold_by_then():
    train_run(Config(seed=7), X, setup=a_setup(), out="a", quiet=True, policy=AT_THE_END)
    train_run(Config(seed=7, steps=5), X, setup=a_setup(), out="b", quiet=True, policy=AT_THE_END)
    resume_run("b", data=X, setup=a_setup(seed=9), steps=12, quiet=True, policy=AT_THE_END)
    same("a", "b")


def test_its_recipe_and_data_are_asked_for_and_must_be_the_same():
    train_run(Config(seed=7), X, setup=a_setup(), out="a", quiet=True)
    with pytest.raises(
        ValueError, match=r"begun from Python .*resume_run\(folder, setup=…, data=…"
    ):
        resume_run("a", steps=15)
    with pytest.raises(ValueError, match="trained on other data"):
        resume_run("a", setup=a_setup(), data=X + 1, steps=15)
    other = a_setup()
    other.optimiser_D = Adam(3e-3)
    with pytest.raises(ValueError, match="makes another optimiser_D"):
        resume_run("a", setup=other, data=X)
    train_run(Config(data="ring", steps=2), out="b", quiet=True)
    with pytest.raises(ValueError, match="begun with the recipe points; leave out the setup"):
        resume_run("b", setup=a_setup(), data=X, steps=3)


def test_a_data_set_brings_its_labels():
    data = Dataset("spots", X, labels=np.arange(200) % 3)
    G = Sequential(Dense(3 + 3, 2), seed=1)
    D = Sequential(Dense(2 + 3, 1), seed=2)
    setup = Setup(
        G, D, NonSaturating(), Adam(1e-3), Adam(1e-3), batch=20, steps=3, conditional=True
    )
    train_run(Config(), data, setup=setup, out="a", quiet=True)
    assert Run.open(Path("a")).classes == 3


def test_points_of_any_scale_are_drawn_on_the_scale_that_d_sees(monkeypatch):
    drawn = []
    monkeypatch.setattr(output, "picture", lambda *given: drawn.append(given) or Drawing(given[0]))
    x = stream(0, "far").standard_normal((300, 2))
    np.savez("far.npz", x=100 + 7 * x)
    train_run(Config(data="far.npz", steps=3), out="a", quiet=True, policy=AT_THE_END)
    ((samples, real, *_),) = drawn
    assert np.abs(samples).max() < 50 and np.abs(real.mean(axis=0)).max() < 1e-6
    assert np.abs(Run.open("a").samples(50)).max() > 50


def test_the_command_to_go_on_names_a_recipe_of_ones_own(capsys, monkeypatch):
    interrupted = Outcome(Path("a"), "ring", 1, 2, 1, 1.0, False, 2, None, 0)
    monkeypatch.setattr(train, "_run", lambda *_: interrupted)
    minigan("train", "--data", "ring", "--recipe", "mine.py")
    assert "train --resume a --recipe mine.py\n" in capsys.readouterr().out


def test_steps_that_are_undone_are_not_counted(capsys):
    minigan("train", "--data", "ring", "--lr-g", "1e3", "--steps", 12, "--on-nan", "restore")
    said = capsys.readouterr().out
    assert "restores" in said and " steps in " not in said


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("    Setup(G, D, NonSaturating(), Adam(), Adam(), steps=5)", "returns None, expected"),
        (
            "    return Setup(Dense(3, 2), D, NonSaturating(), Adam(), Adam(), steps=5)",
            "Sequential",
        ),
    ],
)
def test_a_recipe_that_makes_no_set_up_is_told(end, says, capsys):
    lines = OWN_RECIPE.rstrip().split("\n")
    at = next(i for i, line in enumerate(lines) if line.lstrip().startswith("return Setup"))
    Path("mine.py").write_text("\n".join([*lines[:at], end]))
    assert minigan("train", "--data", "ring", "--recipe", "mine.py") == 2
    assert says in capsys.readouterr().err


def test_an_error_in_a_recipe_in_a_file_has_its_place(capsys):
    bad = "class Bad(NonSaturating):\n    def generator(self, *logits):\n        return 1 + [2]\n"
    text = OWN_RECIPE.replace("NonSaturating()", "Bad()").replace("\n\n", f"\n\n{bad}\n", 1)
    Path("mine.py").write_text(text)
    line = 1 + text.split("\n").index("        return 1 + [2]")
    assert minigan("train", "--data", "ring", "--recipe", "mine.py") == 2
    assert f"(mine.py, line {line})\n" in capsys.readouterr().err


def test_data_and_penalties_from_python():
    x = np.eye(2, dtype=np.float32).repeat(8, axis=0)

    def setup(loss):
        G, D = Sequential(Dense(2, 2), seed=1), Sequential(Dense(2, 1), seed=2)
        return Setup(G, D, loss, Adam(), Adam(), batch=4, steps=2, penalties=R1(1.0))

    train_run(Config(), x, setup=setup(NonSaturating()), out="a", quiet=True, policy=AT_THE_END)
    with pytest.raises(ValueError, match="pass them as data="):
        resume_run("a", setup=setup(NonSaturating()))
    with pytest.raises(ValueError, match="loss of this run was .*NonSat.*Hinge.*begun with"):
        resume_run("a", setup=setup(Hinge()), data=x, steps=4)
    with pytest.raises(TypeError, match="data are uint8.*/ 127.5 - 1"):
        train_run(Config(), x.astype(np.uint8), setup=setup(NonSaturating()), out="b")
    assert len(Run.open("a").samples(3)) == 3
    with pytest.raises(ValueError, match="n must be an integer of at least 1"):
        Run.open("a").samples(0)
