"""The scripts in tutorials/papers run, at a small budget; each keeps its full result."""

import re
import runpy
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from minigan import data
from minigan.cli.ladder import read_changes
from minigan.evaluate import classifier
from minigan.recipes import RECIPES

FOLDER = Path(__file__).parents[1] / "tutorials" / "papers"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.stem != "record")
BUDGET = re.compile(r"^BUDGET = 1\.0\b", re.MULTILINE)


def small_mnist(split="train"):
    """Return a few of the package's digits, as large as MNIST's."""
    digits, rows = data.load("digits"), slice(120) if split == "train" else slice(120, 180)
    large = np.kron(digits.x[rows, :, :, 0], np.ones((1, 3, 3), np.float32))
    x = np.pad(large, [(0, 0), (2, 2), (2, 2)], constant_values=-1)[..., None]
    return data.Dataset("mnist", x, digits.labels[rows])


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Give a function that runs a script, in an empty folder, with little data and few steps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "train", partial(classifier.train, steps=2))
    monkeypatch.setattr("minigan.evaluate.estimate.BOOTSTRAPS", 3)

    def run_script(path, *arguments, budget):
        text, count = BUDGET.subn(f"BUDGET = {budget}", path.read_text(encoding="utf-8"))
        assert count == 1, "one line BUDGET = 1.0 is asked for"
        script = tmp_path / path.name
        script.write_text(text, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", [path.name, *arguments])
        return runpy.run_path(str(script), run_name="__main__")

    return run_script


CASES = [  # script, arguments, budget
    ("dirac_gan", (), 0.005),
    ("losses_and_penalties", ("ring", "1"), 1e-4),
    ("parzen", ("goodfellow-2014",), 1e-4),
    ("parzen", ("steady",), 1e-4),
    ("ring_and_grid", ("ring", "1"), 1e-4),
    ("ring_and_grid", ("grid", "1", "points"), 1e-4),
    ("ring_and_grid", ("grid", "1", "2"), 1e-6),
    ("stacked_mnist", (), 1e-4),
    ("wgan_gp_tracks_quality", (), 0.001),
]


@pytest.mark.thorough(quick=3)
@pytest.mark.parametrize(("name", "arguments", "budget"), CASES)
def test_it_runs_and_writes_what_it_has_found(name, arguments, budget, run, monkeypatch):
    sets = {split: small_mnist(split) for split in ("train", "test")}
    load = data.load
    monkeypatch.setattr(
        data,
        "load",
        lambda name, split="train", **more: sets[split] if name == "mnist" else load(name, **more),
    )
    run(FOLDER / f"{name}.py", *arguments, budget=budget)
    (found,) = Path("runs/papers").glob("*.md")
    first, *rest = found.read_text(encoding="utf-8").splitlines()
    kept = r"20\d\d-\d\d-\d\d, seeds? .*, minigan .*, NumPy .*, Python .* minutes; BUDGET"
    assert re.match(kept, first)
    assert any(line.startswith("| ") for line in rest)


def test_every_script_has_a_case():
    assert [path.stem for path in SCRIPTS] == sorted({name for name, *_ in CASES})


def test_the_rows_of_the_stability_ladder_are_the_patient_and_its_cures():
    rows = read_changes(FOLDER / "stability.txt")
    recipes = [name for name in RECIPES if name.partition("/")[0] == "stability"]
    assert list(rows.values()) == [["--data", "mnist", "--recipe", name] for name in recipes]
