"""The exercises: blanks are named, the library's own code is the solution, wrong answers are seen.

No solution is written down anywhere else, so none can drift: a blank is filled in with the method
of the same name of the class that the exercise's CHECK calls its reference.
"""

import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import minigan
from minigan.check.find.discover import find
from minigan.cli import main

FOLDER = Path(__file__).parents[1] / "tutorials" / "exercises"
FILES = sorted(FOLDER.glob("[0-9]*.py"))

# Of the library's methods, those that no exercise asks for.
NOT_ASKED = {
    "probability": "what a record of a run shows; no derivative",
    "BatchNorm.jvp_backward": "in training there is none: a question of the exercise",
    "add_gradient": "what backward adds, for those who need no dx",
    "numbers_at": "what a recorded step on a GPU is given",
    "output_shape": "it makes errors clear; asked for where a layer can't run without it",
}


def load(path):
    """Return the items of an exercise, and the module that they are of, both made anew."""
    items = find(str(path))
    return items, sys.modules[f"checked_{path.stem}"]


def is_of(module, thing):
    return getattr(thing, "__module__", None) == module.__name__


def classes(module):
    """Return each class of an exercise, with the library's class of the same name."""
    own = [c for c in vars(module).values() if inspect.isclass(c) and is_of(module, c)]
    return [(c, getattr(minigan, c.__name__)) for c in own if hasattr(minigan, c.__name__)]


def own_functions(module):
    return [f for f in vars(module).values() if inspect.isfunction(f) and is_of(module, f)]


def functions(cls):
    return {name: f for name, f in vars(cls).items() if inspect.isfunction(f)}


def is_blank(f):
    return "NotImplementedError" in f.__code__.co_names


def blanks(module):
    """Return (class, method) of every blank, and ("", function)."""
    methods = [
        (cls.__name__, name)
        for cls, _ in classes(module)
        for name, f in functions(cls).items()
        if is_blank(f)
    ]
    return methods + [("", f.__name__) for f in own_functions(module) if is_blank(f)]


def find_owner(module, name):
    return getattr(module, name) if name else module


def fill_in(module):
    """Put the library's code in the place of every blank, and its private helpers beside it."""
    for f in filter(is_blank, own_functions(module)):
        setattr(module, f.__name__, getattr(minigan, f.__name__))
    for cls, right in classes(module):
        for name, f in functions(cls).items():
            if is_blank(f):
                setattr(cls, name, getattr(right, name))
        for name in functions(right).keys() - functions(cls).keys():
            if name in NOT_ASKED or name.startswith("_") and not name.startswith("__"):
                setattr(cls, name, getattr(right, name))


def parameters(f):
    """Return names, kinds and defaults; annotations are simpler in an exercise."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_blank_is_named_with_its_hint(path):
    items, module = load(path)
    assert set(module.CHECK) == {item.name for item in items}
    for item in items:
        report = item.check(0)
        assert not report.ok and report.verdict == "unfinished" and report.broken_rules
        for rule in report.broken_rules:
            assert "is not written yet: " in rule.text and "?" in rule.text
        assert str(report).splitlines()[-1].startswith("  next: ")
        assert "Traceback" not in str(report) and "raised" not in str(report)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_library_is_the_solution(path):
    items, module = load(path)
    fill_in(module)
    for item in items:
        for seed in range(2):
            report = item.check(seed)
            report.assert_ok()
            assert not any("not written" in what for what in report.not_checked)


@pytest.mark.thorough(quick=3)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_blank_is_needed(path):
    """With all but one filled in, that one is what is missing: nothing is asked for in vain."""
    for owner, name in blanks(load(path)[1]):
        items, module = load(path)
        blank = getattr(find_owner(module, owner), name)
        fill_in(module)
        setattr(find_owner(module, owner), name, blank)
        reports = [item.check(0) for item in items]
        unfinished = [report for report in reports if not report.ok]
        assert unfinished, f"{owner}.{name}"
        for report in unfinished:
            assert report.verdict == "unfinished", report
            assert {rule.kind for rule in report.broken_rules} == {"not written"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_exercises_have_the_librarys_names_and_signatures(path):
    _, module = load(path)
    assert classes(module)
    for cls, right in classes(module):
        assert parameters(cls) == parameters(right), cls
        for name, f in functions(cls).items():
            assert parameters(f) == parameters(getattr(right, name)), f"{cls.__name__}.{name}"
        public = {name for name in functions(right) if not name.startswith("_")}
        for name in public - functions(cls).keys():
            assert name in NOT_ASKED or f"{cls.__name__}.{name}" in NOT_ASKED, f"{cls}: {name}"
    for f in own_functions(module):
        assert parameters(f) == parameters(getattr(minigan, f.__name__))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_exercises_start_as_the_library_does(path):
    """What is given is the library's too: names of attributes, settings, first weights, state."""
    _, module = load(path)
    for cls, right in classes(module):
        said = module.CHECK.get(cls.__name__, {})
        arguments = {k: said[k] for k in inspect.signature(right).parameters if k in said}
        mine, theirs = ({k: v for k, v in vars(c(**arguments)).items()} for c in (cls, right))
        assert mine.keys() == theirs.keys(), cls
        for name in mine.keys() - {"bce"}:
            assert np.array_equal(mine[name], theirs[name]), f"{cls.__name__}.{name}"


def test_the_readme_lists_every_exercise_and_its_links_lead_somewhere():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!http)(.*?)\)", text)
    assert {path.name for path in FILES} <= set(targets)
    assert all((FOLDER / target).exists() for target in targets)


def test_the_command_says_what_is_to_do(capsys):
    assert main(["check", str(FILES[0])]) == 1
    out = capsys.readouterr().out
    assert "Dense   ← unfinished" in out and "next: forward is not written yet" in out


def test_exercises_are_found_from_anywhere(tmp_path, monkeypatch):
    """A copy of the folder works too, from another directory."""
    copy = tmp_path / FILES[0].name
    copy.write_bytes(FILES[0].read_bytes())
    monkeypatch.chdir(tmp_path)
    assert [item.name for item in find(copy.name)] == ["Dense", "without_bias"]


# --- wrong answers, as they are often given -------------------------------------------------------


def mean_over_the_batch(self, dy, cache, grad=None):
    if grad is not None:
        d = self.views(grad)
        d["W"] += cache.T @ dy / len(dy)
        if self.bias:
            d["b"] += dy.sum(axis=0)
    return dy @ self.W.T


def overwriting(self, dy, cache, grad=None):
    if grad is not None:
        d = self.views(grad)
        d["W"][...] = cache.T @ dy
        if self.bias:
            d["b"][...] = dy.sum(axis=0)
    return dy @ self.W.T


def slope_at_y(self, y):
    z = 1 / (1 + np.exp(-y))
    return z * (1 - z)


def without_the_mean(logits, target):
    value, d = minigan.bce_with_logits(logits, target)
    return value, d * logits.size


def of_the_textbook(logits, target):
    value = (
        target * np.log(1 + np.exp(-logits)) + (1 - target) * np.log(1 + np.exp(logits))
    ).mean()
    return np.asarray(value), (1 / (1 + np.exp(-logits)) - target) / logits.size


def same_sign_for_both(self, real_logits, fake_logits):
    value, _, d_fake = minigan.RelativisticPairing().discriminator(real_logits, fake_logits)
    return value, d_fake, d_fake


def without_the_half(self, real_logits, fake_logits):
    value, d_real, d_fake = minigan.LeastSquares().discriminator(real_logits, fake_logits)
    return value, 2 * d_real, 2 * d_fake


def uncorrected(self, theta, grad):
    if self.m is None:
        self.m, self.v = 0 * grad, 0 * grad
    self.m = self.beta1 * self.m + (1 - self.beta1) * grad
    self.v = self.beta2 * self.v + (1 - self.beta2) * grad * grad
    theta -= self.lr * self.m / (np.sqrt(self.v) + self.eps)


def epsilon_in_the_root(self, theta, grad):
    self.v = (0 if self.v is None else self.rho * self.v) + (1 - self.rho) * grad * grad
    theta -= self.lr * grad / np.sqrt(self.v + self.eps)


def not_rescaled(self, x, train=True, rng=None):
    if not train:
        return x, np.ones_like(x.real)
    mask = (rng.random(x.shape, dtype=np.float32) >= self.p).astype(x.real.dtype)
    return mask * x, mask


def with_statistics_held(self, dy, cache, grad=None):
    minigan.BatchNorm.backward(self, dy, cache, grad)
    return self.gain * cache.r * dy


def without_the_variance(self, dy, cache, grad=None):
    minigan.BatchNorm.backward(self, dy, cache, grad)
    dxc = self.gain * cache.r * dy
    return dxc - cache.train * dxc.mean(axis=tuple(range(dy.ndim - 1)))


def over_n(self, cache):
    if cache.train:
        self.running_mean += self.momentum * (cache.mean - self.running_mean)
        self.running_var += self.momentum * (cache.var - self.running_var)


def gain_divided_out(self, dy, cache, grad=None):
    minigan.LayerNorm.backward(self, dy, cache, grad)
    return minigan.LayerNorm.backward(self, dy / self.gain, cache)


def flipped(self, x, dy):
    return minigan.Conv2d.kernel_gradient(self, x, dy)[::-1, ::-1]


def twice(self, g):
    value, v = minigan.R1.of_gradient(self, g)
    return value, 2 * v


def not_divided_by_the_norm(self, g):
    n, norm = len(g), np.sqrt((g * g).sum(axis=1, keepdims=True))
    value = self.weight / n * ((norm - self.target) ** 2).sum()
    return value, 2 * self.weight / n * (norm - self.target) * g


def not_pulled_back(self, D, real, fake, grad=None, rng=None):
    x = self.points(real, fake, rng)
    logits, cache = D.forward(x)
    value, v = self.of_gradient(D.backward(np.ones_like(logits), cache))
    if grad is not None:
        D.backward(np.ones_like(logits), cache, grad)
    return np.asarray(value)


# File, class (or "" for a function) and blank, the wrong answer, and what the report has to name.
WRONG = [
    ("01_dense", "Dense.backward", mean_over_the_batch, "factor", "backward dW"),
    ("01_dense", "Dense.backward", overwriting, "overwritten", "backward"),
    (
        "02_activations",
        "Tanh.second_derivative",
        lambda self, y: 2 * y * (1 - y * y),
        "sign",
        "jvp_backward dx",
    ),
    ("02_activations", "Sigmoid.derivative", slope_at_y, "slope", "backward dx"),
    ("03_losses", "bce_with_logits", without_the_mean, "factor", "discriminator"),
    ("03_losses", "bce_with_logits", of_the_textbook, "nan", "discriminator"),
    (
        "04_critics",
        "RelativisticPairing.discriminator",
        same_sign_for_both,
        "sign",
        "discriminator d_real",
    ),
    (
        "04_critics",
        "LeastSquares.discriminator",
        without_the_half,
        "factor",
        "discriminator d_real",
    ),
    ("05_optimisers", "Adam.step", uncorrected, "bias correction", "step theta"),
    ("05_optimisers", "RMSProp.step", epsilon_in_the_root, "epsilon", "step theta"),
    ("06_maxout_dropout", "Dropout.forward", not_rescaled, "factor", "forward y"),
    ("07_batchnorm", "BatchNorm.backward", with_statistics_held, "term", "backward dx"),
    ("07_batchnorm", "BatchNorm.backward", without_the_variance, "term", "backward dx"),
    ("07_batchnorm", "BatchNorm.update_state", over_n, "value", "update_state"),
    ("08_layernorm", "LayerNorm.backward", gain_divided_out, "extra factor", "backward dx"),
    ("09_conv", "Conv2d.kernel_gradient", flipped, "kernel", "backward dW"),
    ("10_r1", "R1.of_gradient", twice, "factor", "penalty"),
    ("10_r1", "GradientPenalty.of_gradient", not_divided_by_the_norm, "extra factor", "penalty"),
    ("10_r1", "R1.__call__", not_pulled_back, "wrong array", "penalty"),
    ("10_r1", "R1.points", lambda self, real, fake, rng: fake, "value", "penalty"),
]


@pytest.mark.thorough(quick=5)
@pytest.mark.parametrize(("stem", "blank", "answer", "kind", "where"), WRONG)
def test_a_wrong_answer_is_named(stem, blank, answer, kind, where):
    items, module = load(FOLDER / f"{stem}.py")
    fill_in(module)
    owner, _, name = blank.rpartition(".")
    setattr(find_owner(module, owner), name, answer)
    report = next(item for item in items if item.name == (owner or "Minimax")).check(0)
    assert not report.ok and report.verdict == "WRONG"
    assert report.diagnosis.kind == kind and report.diagnosis.where.startswith(where), report
