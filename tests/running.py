"""Runs in folders, for tests: begin, resume, compare bit for bit."""

from pathlib import Path

import numpy as np

from minigan import SGD, Dense, NonSaturating
from minigan.arrays import to_numpy
from minigan.recipes import Setup
from minigan.recipes.base import recipe
from minigan.runs.checkpoint import Checkpoint, CheckpointPolicy, checkpoints
from minigan.runs.config import Config
from minigan.runs.training import resume_run, train_run

# The warnings and the frames are the same too, where there are any.
THE_SAME = ("G.safetensors", "D.safetensors", "history.csv", "losses.png", "samples.png")
AT_THE_END = CheckpointPolicy(seconds=3600, last=3)


class Drawing:
    """A figure that takes no time."""

    def __init__(self, *shown):
        self.shown = shown[0]["loss_D"] if isinstance(shown[0], dict) else to_numpy(shown[0])

    def savefig(self, path):
        np.save(path.with_suffix(".npy"), self.shown)
        path.with_suffix(".npy").rename(path)


# A file that holds a recipe of one's own, mine.
OWN_RECIPE = """
from minigan import Adam, Dense, NonSaturating
from minigan.recipes import Setup, recipe

@recipe("mine", data="ring", source="a test", samples="vectors")
def make(task):
    \"""Make networks of one layer.\"""
    (n,) = task.shape
    G, D = task.network("G", Dense(task.noise(3), n)), task.network("D", Dense(n, 1))
    return Setup(G, D, NonSaturating(), Adam(1e-3), Adam(1e-3), batch=64, steps=30)
"""


def add_small():
    """Register the recipe "small", of a few weights: for tests of what a run does besides."""

    @recipe("small", data="ring", source="a test", samples="vectors")
    def small(task):
        """Make networks of a few weights."""
        G, D = task.network("G", Dense(2, 2)), task.network("D", Dense(2, 1))
        return Setup(G, D, NonSaturating(), SGD(0.1, 0.5), SGD(0.1, 0.5), batch=4, steps=9)


def go(out, name="small", data="ring", seed=0, logits=False, keeping=AT_THE_END, **changes):
    """Train a recipe in a folder; `changes` are what else a config has."""
    config = Config(data=data, recipe=name, seed=seed, logits=logits, **changes)
    return train_run(config, out=out, quiet=True, policy=keeping)


def resume(out, keeping=AT_THE_END, **more):
    return resume_run(Path(out), quiet=True, policy=keeping, **more)


def contents(folder):
    paths = [Path(folder, name) for name in THE_SAME]
    paths += sorted(Path(folder).glob("warnings.txt")) + sorted(Path(folder, "frames").glob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def same(a, b):
    """Compare two runs bit for bit, their last checkpoints too, but for the settings."""
    ours, theirs = contents(a), contents(b)
    assert ours.keys() == theirs.keys()
    for name, content in ours.items():
        assert content == theirs[name], name
    (step_a, path_a), (step_b, path_b) = (next(iter(checkpoints(Path(f)).items())) for f in (a, b))
    assert step_a == step_b
    one, other = Checkpoint.read(path_a), Checkpoint.read(path_b)
    pairs = (
        (one.now, other.now),
        (one.good or one.now, other.good or other.now),
        (one.anchor or one.now, other.anchor or other.now),
    )
    for x, y in pairs:
        assert (x.step, x.numbers, x.arrays.keys()) == (y.step, y.numbers, y.arrays.keys())
        assert all((x.arrays[name] == y.arrays[name]).all() for name in x.arrays)
    assert one.restores == other.restores
