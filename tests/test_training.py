"""A run that is stopped and resumed has the bits of one that never was; NaN is found and named."""

import contextlib
import dataclasses
import itertools
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from running import AT_THE_END, contents, go, resume, same

from minigan import (
    EMA,
    R1,
    SGD,
    Adam,
    ClipNorm,
    Dense,
    Extragradient,
    LeakyReLU,
    NonSaturating,
    SpectralNorm,
    Tanh,
    Wasserstein,
    load,
)
from minigan.data import Dataset
from minigan.optim import schedules
from minigan.plot import frames
from minigan.plot.film import animate
from minigan.plot.frames import list_frames
from minigan.recipes import RECIPES, Setup, Task
from minigan.recipes.base import innermost
from minigan.recorded import PLAIN
from minigan.runs import output, trainer
from minigan.runs.checkpoint import CheckpointPolicy, checkpoints
from minigan.runs.config import Config
from minigan.runs.history import read_history
from minigan.runs.settings import describe
from minigan.runs.training import train_run
from minigan.runs.versions import versions

pytestmark = pytest.mark.usefixtures("quick_runs")


# --- bit for bit ----------------------------------------------------------------------------------

CASES = {
    "points": {"name": "points", "data": "ring"},
    "an average and two penalties": {"name": "r3", "data": "digits"},
    "labels": {"name": "conditional", "data": "digits"},
    "dropout, momentum schedules, uniform noise": {"name": "goodfellow-2014", "data": "digits"},
    "running means": {"name": "dcgan", "data": "digits", "batch": 16},
    "five steps of D, a penalty that draws": {"name": "wgan-gp", "data": "digits", "batch": 16},
    "a cost of weights": {"name": "stability/l2", "data": "digits"},
    "instance noise": {"name": "stability/instance-noise", "data": "digits"},
    "another loss, no sigmoid": {"name": "tanh-mlp", "data": "digits", "logits": True, "seed": 5},
}


@pytest.mark.thorough(quick=3)
@pytest.mark.parametrize(
    ("case", "drawn"),
    [(case, i in (1, 2)) for i, case in enumerate(CASES.values())],
    ids=CASES,
    indirect=["drawn"],
)
def test_a_resumed_run_is_the_run_in_one_go(case):
    go("whole/run", **case, steps=13)
    go("parts/run", **case, steps=1)
    for steps in (4, 6, 13):
        before = resume("parts/run", steps=steps)
        assert (before.steps, before.total) == (steps, steps)
    same("whole/run", "parts/run")
    assert list(checkpoints(Path("parts/run"))) == [13, 6, 4]


def test_one_with_everything_else(recipes):
    @recipes("everything", data="ring", source="a test", samples="vectors")
    def everything(task):
        """Make what no other recipe has."""
        G = task.network("G", Dense(2, 4), Tanh(), Dense(4, 2))
        D = task.network("D", SpectralNorm(Dense(2, 4)), LeakyReLU(), SpectralNorm(Dense(4, 1)))
        lookers = (
            EMA(ClipNorm(Extragradient(Adam(schedules.warm_up(5, 1e-2), amsgrad=True)), 1.0)),
            Extragradient(SGD(1e-2, momentum=0.5)),
        )
        return Setup(
            G, D, NonSaturating(), *lookers, penalties=[R1(1.0)], order="extragradient", batch=8
        )

    go("whole", "everything", steps=9)
    go("parts", "everything", steps=5)
    resume("parts", steps=9)
    same("whole", "parts")


def test_epochs_may_change_too_and_the_settings_say_so():
    go("whole", "digits", "digits", epochs=2)
    go("parts", "digits", "digits", steps=20)
    outcome = resume("parts", epochs=2)
    assert outcome.total == outcome.steps == 2 * (1797 // 64) and outcome.taken == 36
    same("whole", "parts")
    settings = json.loads(Path("parts/run.json").read_text())
    assert (settings["steps"], settings["epochs"]) == (None, 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_step_is_no_loss(ctrl_c_at, number):
    go("whole", steps=230)
    ctrl_c_at(7, number)
    outcome = go("parts", steps=230)
    assert (outcome.steps, outcome.total, outcome.signal) == (7, 230, number)
    for step in (8, 100, 101, 199, 200):  # at, before and behind a look
        ctrl_c_at(step, number)
        assert resume("parts").steps == step
        assert len(read_history("parts/history.csv")["step"]) == step
    assert resume("parts").steps == 230
    same("whole", "parts")


def test_what_is_seen_of_a_resumed_run_is_what_was_seen_of_one_in_one_go(
    ctrl_c_at, monkeypatch, recipes
):
    @recipes("diverging", data="ring", source="a test", samples="vectors")
    def diverging(task):
        """Make a linear critic whose loss falls by lr·‖mean(x) − mean(G(z))‖² a step, for ever."""
        G, D = task.network("G", Dense(2, 2)), task.network("D", Dense(2, 1))
        G.layers[0].b[:] = 100, 0  # far from the ring, and it stays there
        return Setup(G, D, Wasserstein(), SGD(1e-9), SGD(1.0), batch=256, steps=260)

    monkeypatch.setattr(frames, "FRAMES", 10)  # so that films are drawn quickly
    go("whole/run", "diverging")
    ctrl_c_at(7)
    go("parts/run", "diverging")
    for step in (50, 203, 251):  # at metrics, between frames, behind a warning
        ctrl_c_at(step)
        assert resume("parts/run").steps == step
    resume("parts/run")
    same("whole/run", "parts/run")
    measured = ~np.isnan(read_history("parts/run/history.csv")["modes"])
    assert list(np.flatnonzero(measured) + 1) == [50, 100, 150, 200, 250]
    assert "the losses diverge" in Path("parts/run/warnings.txt").read_text()
    assert list(list_frames(Path("parts/run/frames"))) == [1, *range(16, 260, 16), 260]
    films = [animate(Path(run, "run")) for run in ("whole", "parts")]
    for one, other in zip(*films, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_film_is_made_unless_the_run_was_interrupted(ctrl_c_at, monkeypatch):
    made = []
    monkeypatch.setattr(output, "FEWEST", 3)
    monkeypatch.setattr(output, "animate", made.append)
    ctrl_c_at(7)
    go("a", steps=9)
    assert made == []
    resume("a")
    go("b", steps=2)  # has two frames
    assert made == [Path("a")]


def test_a_run_that_is_at_its_end_is_finished_again():
    go("a", steps=5)
    before = contents("a")
    for name in ("G.safetensors", "losses.png", "samples.png"):
        Path("a", name).unlink()
    outcome = resume("a")
    assert (outcome.steps, outcome.total, outcome.taken) == (5, 5, 0)
    assert contents("a") == before


def test_a_run_without_a_checkpoint_begins_anew():
    go("whole", steps=5)
    go("a", steps=5)
    for path in checkpoints(Path("a")).values():
        path.unlink()
    Path("a/history.csv").write_text("half a li")
    assert resume("a").taken == 5
    same("whole", "a")


def test_rows_behind_the_checkpoint_are_taken_again():
    go("whole", steps=9)
    go("a", steps=9)
    go("b", steps=4)
    for path in checkpoints(Path("a")).values():
        path.unlink()
    path = next(iter(checkpoints(Path("b")).values()))
    Path("a/checkpoints", path.name).write_bytes(path.read_bytes())
    with Path("a/history.csv").open("a") as file:
        file.write("10,1,0.5,0.0,0.")
    resume("a", steps=9)
    same("whole", "a")


def test_a_run_on_the_gpu_is_resumed_there(cp):
    def on_gpu(out, steps):
        train_run(Config(data="ring", device="gpu", steps=steps), out=out, quiet=True)

    on_gpu("whole", 6)
    on_gpu("parts", 2)
    resume("parts", steps=6)
    assert load("parts/G.safetensors").theta == pytest.approx(load("whole/G.safetensors").theta)


def test_no_second_process_trains_in_a_folder(monkeypatch):
    go("whole", steps=9)
    go("a", steps=5)
    look = trainer.Trainer._look

    def meanwhile(self, output):
        monkeypatch.setattr(trainer.Trainer, "_look", look)
        for _ in range(2):
            with pytest.raises(ValueError, match="another process is training in a; wait for its"):
                resume("a", steps=9)
        return look(self, output)

    monkeypatch.setattr(trainer.Trainer, "_look", meanwhile)
    resume("a", steps=9)
    same("whole", "a")


def test_between_two_looks_nothing_waits_for_the_gpu(cp, monkeypatch):
    looks, data = [], Dataset("own", np.zeros((9, 4, 4, 1), np.float32))
    config = Config(recipe="r3", device="gpu", steps=7, batch=4)
    setup, task = config.set_up(data)
    settings = describe(config, setup, data, task)
    monkeypatch.setattr(trainer.Trainer, "_look", lambda self, output: looks.append(self.step))
    monkeypatch.setattr(output, "has_picture", lambda shape: False)  # a frame is copied at once
    going = trainer.Trainer(setup, data, task, settings)
    # Those in which the step is recorded and proved, which waits, once.
    first = [next(going.records) for _ in range(PLAIN + 1)]
    going.records = itertools.chain(first, going.records)
    more = {"total": 7, "done": 0, "written": 7, "policy": AT_THE_END}
    with output.Output(Path(), setup, task, settings, going.x, **more) as files:
        with getattr(cp, "no_sync", contextlib.nullcontext)():
            assert going.train(files, lambda: False, quiet=True) is None
    assert looks == [7] and len(read_history("history.csv")["step"]) == 7


# --- what is kept ---------------------------------------------------------------------------------


def test_checkpoints_are_written_at_looks_and_the_last_are_kept(monkeypatch):
    monkeypatch.setattr(trainer, "LOOK", 2)
    go("a", steps=9, keeping=CheckpointPolicy(seconds=0, last=4))
    assert list(checkpoints(Path("a"))) == [9, 8, 7, 6]
    go("b", steps=9, keeping=CheckpointPolicy(seconds=3600, last=4))
    assert list(checkpoints(Path("b"))) == [9]


def test_writing_takes_no_more_than_its_share(monkeypatch):
    monkeypatch.setattr(output, "SHARE", 0.01)
    clock = itertools.count(step=0.001)  # each time it is looked at, a millisecond has gone by
    monkeypatch.setattr(output.time, "monotonic", lambda: next(clock))
    written = []
    monkeypatch.setattr(output.Checkpoint, "write", lambda self, folder: written.append(self.now))
    go("a", steps=1000, keeping=CheckpointPolicy(seconds=0))
    # A write takes a millisecond, and the next one comes no sooner than a hundred later.
    steps = [snapshot.step for snapshot in written]
    assert len(steps) < 15 and min(np.diff(steps[:-1])) > 70


@pytest.mark.parametrize("wrong", [{"seconds": -1}, {"seconds": float("inf")}, {"last": 0}])
def test_keeping_that_is_impossible_is_refused(wrong):
    with pytest.raises(ValueError, match="expected seconds of at least 0 and at least 1"):
        CheckpointPolicy(**wrong)


def test_a_damaged_checkpoint_is_passed_over(capsys):
    go("whole", steps=9)
    go("a", steps=4)
    resume("a", steps=6)
    path = Path("a/checkpoints/step-000000006.safetensors")
    content = bytearray(path.read_bytes())
    content[-100] ^= 1  # one bit of one weight
    path.write_bytes(content)
    capsys.readouterr()
    outcome = resume("a", steps=9)
    assert outcome.taken == 5
    assert "its checksum is not that of what it holds" in capsys.readouterr().out
    same("whole", "a")


def test_if_all_checkpoints_are_damaged_nothing_is_touched():
    go("a", steps=4)
    (path,) = checkpoints(Path("a")).values()
    path.write_bytes(path.read_bytes()[:-1])
    before = contents("a")
    with pytest.raises(
        ValueError, match=r"no checkpoint can be read:\n.*damaged.*\n.*begin from the first step"
    ):
        resume("a", steps=9)
    assert contents("a") == before


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else():
    go("a", steps=4)
    left = ["a/.G.123.safetensors", "a/.run.7.json", "a/checkpoints/.step-000000001.9.safetensors"]
    mine = ["a/.mine", "a/.git.1.json", "a/checkpoints/.x.1.y"]
    for name in left + mine:
        Path(name).touch()
    resume("a")
    assert [Path(name).exists() for name in left + mine] == [False] * 3 + [True] * 3


# --- what may change, and what may not ------------------------------------------------------------


def test_other_versions_are_said_in_one_line_and_the_run_goes_on(monkeypatch, capsys):
    go("a", steps=2)
    now = versions()
    capsys.readouterr()
    with monkeypatch.context() as elsewhere:
        other = now | {"numpy": "9.9.9", "threads": 77}
        elsewhere.setattr(trainer, "versions", lambda ranks: other)
        resume("a", steps=3)
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == (
        f"note: numpy {now['numpy']} → 9.9.9, threads {now['threads']} → 77: the last bits may "
        "differ from those of a run in one go"
    )
    resume("a", steps=4)
    assert "note: numpy 9.9.9 →" in capsys.readouterr().out


def test_a_length_that_is_over_is_refused():
    go("a", steps=5)
    before = contents("a")
    with pytest.raises(ValueError, match="a has taken 5 steps already, which is more than 4"):
        resume("a", steps=4)
    assert contents("a") == before
    assert json.loads(Path("a/run.json").read_text())["steps"] == 5


def test_a_schedule_that_depends_on_the_total_refuses_another_one(recipes):
    class Falling(Setup):
        """A set-up whose learning rate reaches zero with the last step."""

        def change(self, **given):
            super().change(**given)
            innermost(self.optimiser_G).lr = schedules.linear(1e-3, 0, self.steps)

    @recipes("falling", data="ring", source="a test", samples="vectors")
    def falling(task):
        """Make a learning rate that falls to zero."""
        return Falling(**{f.name: getattr(made, f.name) for f in dataclasses.fields(made)})

    made = RECIPES["small"].set_up(Task((2,)))
    go("a", "falling", steps=5)
    with pytest.raises(
        ValueError,
        match="^optimiser_G of this run was .*schedule in it depends on how long .* leave out",
    ):
        resume("a", steps=9)
    assert resume("a").steps == 5


def test_a_recipe_that_has_changed_is_refused(monkeypatch):
    go("a", steps=2)
    make = RECIPES["small"].make

    def changed(task):
        setup = make(task)
        setup.optimiser_D.momentum = 0.25
        return setup

    monkeypatch.setitem(RECIPES, "small", dataclasses.replace(RECIPES["small"], make=changed))
    with pytest.raises(ValueError, match="makes another optimiser_D than .*0.5,.*got .*0.25"):
        resume("a")


def test_data_that_have_changed_or_are_gone_are_refused(monkeypatch, tmp_path):
    np.savez("x.npz", x=np.random.default_rng(0).standard_normal((300, 2)))
    go("a", data="x.npz", steps=2)
    os.mkdir("elsewhere")
    monkeypatch.chdir("elsewhere")
    resume("../a", steps=3)  # the data are found from everywhere
    monkeypatch.chdir("..")
    np.savez("x.npz", x=np.random.default_rng(1).standard_normal((300, 2)))
    with pytest.raises(ValueError, match="a was trained on other data: .*x.npz has changed since"):
        resume("a")
    Path("x.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"x\.npz does not exist"):
        resume("a")


def test_a_checkpoint_of_another_run_is_refused():
    go("a", steps=2)
    go("b", steps=2, seed=1)
    Path("a/checkpoints/step-000000002.safetensors").write_bytes(
        Path("b/checkpoints/step-000000002.safetensors").read_bytes()
    )
    with pytest.raises(ValueError, match="another run: its checksum|another run: its seed"):
        resume("a")


@pytest.mark.parametrize("name", ["made", "seed", "recipe", "batch", "labels", "path"])
def test_settings_that_do_not_suffice_are_refused(name):
    go("a", steps=2)
    settings = json.loads(Path("a/run.json").read_text())
    settings.pop(name)
    Path("a/run.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="run.json does not say all that a run needs to go on"):
        resume("a")


def test_history_with_missing_rows_is_refused():
    go("a", steps=5)
    path, settings = Path("a/history.csv"), Path("a/run.json").read_text()
    lines = path.read_text().splitlines(keepends=True)
    for damaged, words in (
        (lines[:4], "sound rows up to step 3 only, expected 5"),
        (lines[:3] + lines[4:], "sound rows up to step 2 only"),
        (["step,x\n", *lines[1:]], "begins with b'step,x"),
    ):
        path.write_text("".join(damaged))
        with pytest.raises(ValueError, match=words):
            resume("a", steps=9)
        assert path.read_text() == "".join(damaged)
        assert Path("a/run.json").read_text() == settings
    path.unlink()
    with pytest.raises(ValueError, match="history.csv is missing"):
        resume("a", steps=9)
