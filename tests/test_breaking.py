"""NaN and infinity: the step, the quantity and the layer are named; a run may go back and on."""

import dataclasses
import itertools
import json
import math
import os
import random
from pathlib import Path

import numpy as np
import pytest
from running import go, resume, same

from minigan import (
    SGD,
    Adam,
    Dense,
    GradientPenalty,
    LeakyReLU,
    NonSaturating,
    Residual,
    Sequential,
    Tanh,
    cli,
    load,
    stream,
    train,
)
from minigan.layers import Elementwise
from minigan.optim.wrappers import Wrapper
from minigan.plot.frames import list_frames
from minigan.recipes import Setup
from minigan.runs import output, recovery, trainer, watch
from minigan.runs.checkpoint import Checkpoint, CheckpointPolicy, Snapshot, checkpoints
from minigan.runs.finite import NAMES, Broken, first_broken
from minigan.runs.history import MEASURED, VITAL, History, read_history
from minigan.runs.run import Run

pytestmark = pytest.mark.usefixtures("quick_runs")


# --- where it began -------------------------------------------------------------------------------

DATA = stream(0, "data").standard_normal((64, 2), dtype=np.float32)


class Breaks(Elementwise):
    """y = x, but for one number that a chosen map gets wrong at its n-th call in training."""

    def __init__(self, wrong="forward", n=1, value=math.nan):
        super().__init__()
        self.wrong, self.n, self.value, self.calls = wrong, n, value, 0

    def spoilt(self, name, array):
        self.calls += name == self.wrong
        if name == self.wrong and self.calls == self.n:
            array = array.copy()
            array.flat[1] = self.value
        return array

    def forward(self, x, train=True, rng=None):
        return self.spoilt("forward", x), x

    def backward(self, dy, cache, grad=None):
        return self.spoilt("backward", dy)

    def jvp_backward(self, v, dy, cache, grad=None):
        return self.spoilt("jvp_backward", 0 * v)

    def derivative(self, cache):
        return 1 + 0 * cache

    def second_derivative(self, cache):
        return 0 * cache


class BreaksWeights(Wrapper):
    """An optimiser whose n-th step makes one weight NaN."""

    def __init__(self, optimiser, n, i):
        super().__init__(optimiser)
        self.n, self.i = n, i

    def after(self, theta):
        self.n -= 1
        if self.n == 0:
            theta[self.i] = math.inf


def broken(G_layer=None, D_layer=None, wrap_G=None, wrap_D=None, upto=9, **settings):
    """Train small networks with a layer, or an optimiser, that breaks; return what is found."""
    G = Sequential(Dense(2, 4), Sequential(LeakyReLU(), *filter(None, [G_layer])), Dense(4, 2))
    D = Sequential(Dense(2, 4), Residual(Tanh(), *filter(None, [D_layer])), Dense(4, 1))
    optimisers = ((wrap_G or (lambda a: a))(SGD(0.1)), (wrap_D or (lambda a: a))(SGD(0.1)))
    loss = settings.pop("loss", NonSaturating())
    records = train(G, D, DATA, loss, *optimisers, batch=8, steps=9, **settings)
    with np.errstate(all="ignore"):
        found = first_broken(records, {"G": G, "D": D}, upto)
    for net in (G, D):  # nothing of the looking is left behind
        assert not any("forward" in vars(layer) for layer in (*net.layers, *net.layers[1].layers))
    return found


def test_all_is_well():
    assert broken() is None
    assert broken(penalties=[GradientPenalty(0.1)]) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_output_of_g(value):
    # G's layers are used twice in a step: in D's half and in its own.
    layer = "layer 1.1 of G, Breaks("
    found = broken(G_layer=Breaks(n=3, value=value))
    assert (found.step, found.quantity) == (2, "the loss of D")
    assert found.layer.startswith(f"the output of {layer}")
    found = broken(G_layer=Breaks(n=4, value=value))
    assert (found.step, found.quantity) == (2, "the loss of G")
    assert found.layer.startswith(f"the output of {layer}")


def test_an_output_of_d():
    found = broken(D_layer=Breaks(n=3 * 3 + 1))  # real, fake, and fake again for G
    assert (found.step, found.quantity) == (4, "the loss of D")
    assert found.layer.startswith("the output of layer 1.1 of D, Breaks(")


def test_a_derivative():
    found = broken(D_layer=Breaks("backward", n=4))
    assert (found.step, found.quantity) == (2, "the gradient of D")
    assert found.layer.startswith("the derivative that leaves the input of layer 1.1 of D, Breaks(")
    found = broken(D_layer=Breaks("backward", n=6))
    assert (found.step, found.quantity) == (2, "the gradient of G")
    assert found.layer.startswith("the derivative that leaves the input of layer 1.1 of D")
    found = broken(G_layer=Breaks("backward", n=2))
    assert (found.step, found.quantity) == (2, "the gradient of G")
    assert found.layer.startswith("the derivative that leaves the input of layer 1.1 of G")


def test_a_penalty():
    found = broken(D_layer=Breaks("jvp_backward", n=2), penalties=[GradientPenalty()])
    assert (found.step, found.quantity) == (2, "the gradient of D")
    assert found.layer.startswith("the derivative of the penalty that leaves the input of layer 1.")


def test_a_weight():
    found = broken(wrap_D=lambda a: BreaksWeights(a, n=5, i=3))
    assert (found.step, found.quantity) == (5, "the loss of G")  # seen before the step is over
    assert found.layer == "the weights of layer 0 of D, Dense(p=2, q=4, bias=True)"
    found = broken(wrap_G=lambda a: BreaksWeights(a, n=5, i=13))
    assert (found.step, found.quantity, found.layer) == (5, "the weight 2.W of G", None)


def test_a_loss_that_breaks_by_itself():
    class Breaking(NonSaturating):
        def generator(self, fake_logits, real_logits=None):
            value, d_fake = super().generator(fake_logits, real_logits)
            return value / 0, d_fake

    found = broken(loss=Breaking())
    assert (found.step, found.quantity, found.layer) == (1, "the loss of G", None)
    assert str(found) == "step 1: the loss of G is not finite"


def test_the_search_ends_where_it_is_told_to():
    assert broken(G_layer=Breaks(n=9), upto=4) is None
    assert broken(G_layer=Breaks(n=9), upto=5).step == 5


def test_what_is_vital_has_a_name():
    assert set(VITAL) == set(NAMES)
    sentence = str(Broken(1234, "the loss of D", "the output of layer 2 of G, Tanh()"))
    assert sentence == (
        "step 1,234: the loss of D is not finite, first in the output of layer 2 of G, Tanh()"
    )


# --- a run that breaks ----------------------------------------------------------------------------


class Fuse(Wrapper):
    """An optimiser whose weights burn through when a step is too long."""

    def step(self, theta, grad):
        before = theta.copy()
        super().step(theta, grad)
        if abs(theta - before).max() > 0.3:
            theta[1] = np.nan


@pytest.fixture
def fuse(recipes, monkeypatch):
    """Register a recipe whose G breaks in step 126 and step 228, if its rate is as it was."""
    monkeypatch.setattr(trainer, "LOOK", 10)
    monkeypatch.setattr(recovery, "ANCHOR", 50)

    def rate(t):
        return {125: 0.4, 227: 0.8}.get(t, 1e-3)

    @recipes("fuse", data="ring", source="a test", samples="vectors")
    def fuse(task):
        """Make networks that burn through."""
        G, D = task.network("G", Dense(2, 2)), task.network("D", Dense(2, 4), Dense(4, 1))
        optimisers = Fuse(Adam(rate, beta1=0, beta2=0)), Adam(1e-3)
        return Setup(G, D, NonSaturating(), *optimisers, batch=8, steps=260)


@pytest.mark.usefixtures("fuse")
def test_a_run_that_breaks_stops_at_its_last_good_state(capsys):
    outcome = go("a", "fuse")
    assert outcome.diverged and not outcome.interrupted
    assert outcome.broken == Broken(126, "the weight 0.W of G", None)
    assert (outcome.steps, outcome.taken, outcome.total) == (120, 130, 260)
    assert list(checkpoints(Path("a"))) == [120]
    assert len(read_history("a/history.csv")["step"]) == 126
    assert max(list_frames(Path("a/frames"))) == 120
    go("b", "fuse", steps=120)
    for name in ("G.safetensors", "D.safetensors", "samples.png"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()
    assert np.isfinite(Run.open(Path("a")).samples()).all()
    # It breaks again at the same place, wherever it is resumed.
    again = resume("a")
    assert (again.broken, again.steps, again.taken) == (outcome.broken, 120, 10)
    assert len(read_history("a/history.csv")["step"]) == 126


@pytest.mark.usefixtures("fuse")
def test_a_run_is_restored_with_half_the_rates_and_says_so(capsys):
    outcome = go("a", "fuse", on_nan="restore")
    assert (outcome.steps, outcome.broken, outcome.restores) == (260, None, 2)
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if line.startswith("step ")] == [
        "step 126: the weight 0.W of G is not finite; back to step 100, and on with 0.5 of the "
        "learning rates (1 of 3 times)",
        "step 228: the weight 0.W of G is not finite; back to step 200, and on with 0.25 of the "
        "learning rates (2 of 3 times)",
    ]
    history = read_history("a/history.csv")
    assert (history["step"] == np.arange(1, 261)).all()
    assert all(np.isfinite(history[name]).all() for name in MEASURED)
    go("b", "fuse", steps=100)
    head = Path("b/history.csv").read_bytes()
    assert Path("a/history.csv").read_bytes().startswith(head)
    (path, *_) = checkpoints(Path("a")).values()
    assert Checkpoint.read(path).restores == 2
    assert b'lr_factor\\": 0.25' in path.read_bytes()


@pytest.mark.usefixtures("fuse")
def test_a_run_that_was_restored_is_resumed_bit_for_bit(ctrl_c_at):
    go("whole", "fuse", on_nan="restore")
    ctrl_c_at(60)
    go("parts", "fuse", on_nan="restore")
    for step in (119, 125, 151, 201, 226, 227):
        ctrl_c_at(step)
        assert resume("parts").steps == step
    assert resume("parts").restores == 2
    same("whole", "parts")


@pytest.mark.usefixtures("fuse")
def test_a_signal_right_behind_the_restore(ctrl_c_at):
    go("whole", "fuse", on_nan="restore")
    ctrl_c_at(126)  # the step that breaks: it is restored, and then the signal is heard
    outcome = go("parts", "fuse", on_nan="restore")
    assert outcome.interrupted and outcome.restores == 1 and outcome.steps == 101
    resume("parts")
    same("whole", "parts")


@pytest.mark.usefixtures("fuse")
def test_warnings_and_frames_of_steps_that_are_undone_are_undone_too(monkeypatch, capsys):
    looks = itertools.count(1)

    def symptoms(self):
        return {"divergence": "it does"} if next(looks) in (11, 12) else {}  # steps 110 and 120

    monkeypatch.setattr(watch, "BLOCK", 10)
    monkeypatch.setattr(watch.Watch, "_symptoms", symptoms)
    assert go("a", "fuse", on_nan="restore").restores == 2  # from step 126 to 100
    assert capsys.readouterr().err.startswith("warning at step 120: it does")
    assert not Path("a/warnings.txt").exists()
    assert list(list_frames(Path("a/frames"))) == [1, *range(8, 260, 8), 260]


class Crash(BaseException):
    """The end of a process, without the mess."""


@pytest.fixture
def crash(monkeypatch):
    """Give a counter of what changes files; when it comes to zero, that is the end of a process."""
    left = {"changes": 10**9, "at the restore": 0}

    def counted(name, change):
        def changed(*arguments, **more):
            left["changes"] -= 1
            if left["changes"] <= 0:
                raise Crash
            if name == "cut_back" and arguments[1] == 100:
                left["at the restore"] = left["changes"]
            return change(*arguments, **more)

        return changed

    for place, name in (
        *((os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "touch")),
        *((History, "flush"), (History, "cut_back")),
    ):
        monkeypatch.setattr(place, name, counted(name, getattr(place, name)))
    return left


OFTEN = CheckpointPolicy(seconds=0, last=2)


@pytest.mark.usefixtures("fuse")
def test_a_crash_at_any_change_of_a_file_is_no_loss(crash):
    go("whole", "fuse", on_nan="restore")
    rng, crashes = random.Random(0), 0
    crash["changes"] = 40
    with pytest.raises(Crash):
        go("a", "fuse", on_nan="restore", keeping=OFTEN)
    while True:
        crash["changes"] = rng.choice([5, 20, 80, 200, 700])
        try:
            outcome = resume("a", keeping=OFTEN)
            break
        except Crash:
            crashes += 1
    crash["changes"] = 10**9
    assert crashes > 10 and outcome.restores == 2
    same("whole", "a")


@pytest.mark.thorough
@pytest.mark.usefixtures("fuse")
def test_a_crash_within_a_restore_is_no_loss(crash, monkeypatch):
    clock = itertools.count()  # a second goes by whenever somebody looks at it
    monkeypatch.setattr(output.time, "monotonic", lambda: next(clock))
    sometimes = CheckpointPolicy(seconds=8, last=2)
    go("whole", "fuse", on_nan="restore", steps=130, keeping=sometimes)
    at_the_restore = 10**9 - crash["at the restore"]
    for i, changes in enumerate(range(at_the_restore - 9, at_the_restore + 4)):
        clock = itertools.count()
        crash["changes"] = changes
        with pytest.raises(Crash):
            go(str(i), "fuse", on_nan="restore", steps=130, keeping=sometimes)
        crash["changes"] = 10**9
        assert next(iter(checkpoints(Path(str(i))))) >= 100  # little is lost
        assert resume(str(i), keeping=sometimes).restores == 1
        same("whole", str(i))


@pytest.mark.usefixtures("fuse")
def test_a_run_that_stopped_goes_on_with_restore():
    go("whole", "fuse", on_nan="restore")
    go("a", "fuse")
    outcome = resume("a", on_nan="restore")
    assert outcome.restores == 2 and not outcome.diverged
    assert json.loads(Path("a/run.json").read_text())["on_nan"] == "restore"


def test_no_more_than_three_restores(recipes, monkeypatch, capsys):
    monkeypatch.setattr(trainer, "LOOK", 2)

    @recipes("hopeless", data="ring", source="a test", samples="vectors")
    def hopeless(task):
        """Make networks that burn through at once."""
        G, D = task.network("G", Dense(2, 2)), task.network("D", Dense(2, 1))
        return Setup(G, D, NonSaturating(), Fuse(SGD(1e9)), Adam(), batch=8, steps=20)

    outcome = go("a", "hopeless", on_nan="restore")
    assert outcome.diverged and outcome.restores == 3 and outcome.steps == 0
    assert capsys.readouterr().out.count("back to step 0") == 3
    assert list(checkpoints(Path("a"))) == [0]
    with pytest.raises(ValueError, match="on_nan is 'pray', expected stop or restore"):
        go("b", "hopeless", on_nan="pray")


def test_infinity_that_only_an_optimiser_remembers_is_not_saved(recipes):
    @recipes("overflow", data="ring", source="a test", samples="vectors")
    def overflow(task):
        """Make an optimiser whose v overflows."""
        G, D = task.network("G", Dense(2, 2)), task.network("D", Dense(2, 1))
        setup = Setup(G, D, NonSaturating(), Adam(1e-30), Adam(), batch=8, steps=5)
        setup.optimiser_G.v = np.full(6, np.inf, np.float32)
        setup.optimiser_G.m = np.zeros(6, np.float32)
        return setup

    outcome = go("a", "overflow")
    assert outcome.diverged and str(outcome.broken) == "step 5: optimiser_G.0.v is not finite"


# --- by the command -------------------------------------------------------------------------------


def minigan(*arguments):
    return cli.main([str(a) for a in arguments])


@pytest.mark.thorough(quick=1)
@pytest.mark.parametrize("name", ["ring", "digits"])
def test_the_command_says_what_broke_and_what_to_do(name, capsys):
    arguments = ("--data", name, "--lr-g", "1e30", "--steps", 40, "--out", name, "--quiet")
    assert minigan("train", *arguments) == cli.DIVERGED == 3
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[2].startswith("step 2: the loss of D is not finite, first in the output of la")
    assert lines[3] == "what follows is of step 0, the last good one"
    assert lines[-1].endswith(f"train --resume {name} --on-nan restore") and err == ""
    assert load(f"{name}/G.safetensors").theta.any()
    assert minigan("sample", name) == 0
    assert minigan("train", "--resume", name, "--on-nan", "restore", "--quiet") == 3
    assert "after 3 restores too; train again with smaller" in capsys.readouterr().out


def test_a_snapshot_that_does_not_fit_is_refused():
    def setup(hidden):
        G = Sequential(Dense(2, hidden), Dense(hidden, 2))
        return Setup(G, Sequential(Dense(2, 1)), NonSaturating(), Adam(), Adam())

    snapshot = Snapshot.of(setup(3), 5)
    with pytest.raises(ValueError, match=r"G.theta is float32 of .*17,\), expected .*22,\)"):
        snapshot.put_back(setup(4))
    other = dataclasses.replace(snapshot, arrays={"G.theta": snapshot.arrays["G.theta"]})
    with pytest.raises(ValueError, match="D.theta is missing"):
        other.put_back(setup(3))
    wrong = dataclasses.replace(snapshot, numbers=snapshot.numbers | {"optimiser_D.0.q": 3})
    with pytest.raises(ValueError, match="Adam remembers .* state of another optimiser"):
        wrong.put_back(setup(3))
