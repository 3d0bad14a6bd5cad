"""A run that minigan 0.1.0 has written, in tests/data/old_run, can be read and goes on.

It was trained on the ring by the recipe below, with ``--lr-g 5e-4 --loss least-squares --batch 32
--d-steps 2 --steps 30 --seed 5``.
"""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from running import AT_THE_END, resume

from minigan import EMA, R1, SGD, Adam, ClipNorm, Dense, LeakyReLU, NonSaturating, load
from minigan.data import load as load_data
from minigan.optim.schedules import linear
from minigan.recipes import RECIPES, Setup
from minigan.runs.checkpoint import Checkpoint, checkpoints
from minigan.runs.config import Config
from minigan.runs.run import Run
from minigan.runs.training import train_run

OLD = Path(__file__).parent / "data" / "old_run"

pytestmark = pytest.mark.usefixtures("quick_runs")


@pytest.fixture(autouse=True)
def tiny(recipes):
    """Register the recipe that the run was trained by."""

    @recipes("tiny", data="ring", source="a test", samples="vectors")
    def tiny(task):
        """Make networks of a few weights."""
        G = task.network("G", Dense(2, 3), LeakyReLU(0.1), Dense(3, 2))
        D = task.network("D", Dense(2, 3), LeakyReLU(0.1), Dense(3, 1))
        return Setup(
            G,
            D,
            NonSaturating(),
            ClipNorm(EMA(Adam(1e-3, 0.5)), 5.0),
            SGD(linear(0.1, 0.0, steps=100), 0.5),
            penalties=[R1(0.5)],
            batch=16,
            steps=50,
        )


@pytest.fixture
def a_run():
    shutil.copytree(OLD, "a")
    return Path("a")


def test_its_settings_are_those_that_it_was_trained_with():
    config = Config.of_json(json.loads((OLD / "run.json").read_text()))
    assert config == Config(
        data="ring",
        recipe="tiny",
        seed=5,
        loss="least-squares",
        lr_G=5e-4,
        batch=32,
        d_steps=2,
        steps=30,
    )


def test_samples_are_drawn_from_it():
    assert Run.open(OLD).samples(3).shape == (3, 2)


def test_it_goes_on_as_a_run_of_today_goes_on_from_the_same_state(a_run):
    outcome = resume(a_run, steps=40)
    assert (outcome.steps, outcome.taken) == (40, 10)
    # The bare loop, from the same weights and memories: no folder, no run.json, no checkpoint.
    config, data = (
        Config.of_json(json.loads((OLD / "run.json").read_text())),
        load_data("ring", seed=5),
    )
    setup, _ = config.lasting(40, None).set_up(data)
    (path,) = checkpoints(OLD).values()
    Checkpoint.read(path).now.put_back(setup)
    assert setup.optimiser_G.optimiser.optimiser.lr == 5e-4 and setup.batch == 32
    assert len(list(setup.train(data.x, data.labels, 5, start=30))) == 10
    np.testing.assert_array_equal(load("a/G.safetensors").theta, setup.sampler().theta)
    np.testing.assert_array_equal(load("a/D.safetensors").theta, setup.D.theta)
    # What it writes from here on is as today's runs write it, and goes on in turn.
    assert "changes" not in json.loads(Path("a/run.json").read_text())
    assert resume(a_run, steps=43).taken == 3


def test_run_json_of_today_says_the_same(a_run):
    resume(a_run, steps=40)
    config = Config.of_json(json.loads((OLD / "run.json").read_text())).lasting(40, None)
    train_run(config, out="b", quiet=True, policy=AT_THE_END)
    assert json.loads(Path("a/run.json").read_text()) == json.loads(Path("b/run.json").read_text())


@pytest.mark.parametrize(
    ("part", "value"),
    [("optimiser_G", EMA(Adam(1e-3, 0.5))), ("penalties", [R1(0.25)]), ("noise", "uniform")],
)
def test_a_recipe_that_has_changed_since_is_refused(part, value, a_run, monkeypatch):
    make = RECIPES["tiny"].make

    def changed(task):
        return dataclasses.replace(make(task), **{part: value})

    monkeypatch.setitem(RECIPES, "tiny", dataclasses.replace(RECIPES["tiny"], make=changed))
    with pytest.raises(ValueError, match=f"recipe tiny makes another {part} than"):
        resume(a_run)
