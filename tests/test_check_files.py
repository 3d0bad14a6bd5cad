"""Files that people bring: what is found in them, the table and its exit codes, pytest's tests."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import find as hypothesis_find
from hypothesis import given, settings

import minigan
from minigan import Dense, Tanh, check, cli
from minigan.check import strategies
from minigan.check.find import command
from minigan.check.find.discover import find
from minigan.check.layers import layer as check_layer

ROOT = Path(minigan.__file__).parent.parent
PLUGIN = ROOT / "minigan" / "check" / "find" / "pytest_plugin" / "__init__.py"

# One of each kind, all of them right.
RIGHT = '''
import numpy as np
from minigan import Dense, SGD, Tanh  # imported: not what this file is about
from minigan.layers import Elementwise
from minigan.layers.base import Layer


class Cube(Elementwise):
    def forward(self, x, train=True, rng=None):
        return x**3, x

    def derivative(self, cache):
        return 3 * cache**2

    def second_derivative(self, cache):
        return 6 * cache


class Half(Layer):
    """Without its second order."""

    piecewise_linear = True

    def __init__(self):
        super().__init__(weights={})

    def forward(self, x, train=True, rng=None):
        return x / 2, None

    def backward(self, dy, cache, grad=None):
        return dy / 2

    def jvp(self, v, cache):
        return v / 2

    def jvp_backward(self, v, dy, cache, grad=None):
        raise NotImplementedError


class Squares:
    def discriminator(self, real_logits, fake_logits):
        n = len(real_logits)
        value = np.asarray(((real_logits - 1) ** 2).mean() + (fake_logits**2).mean())
        return value, 2 * (real_logits - 1) / n, 2 * fake_logits / n

    def generator(self, fake_logits, real_logits=None):
        n = len(fake_logits)
        return np.asarray(((fake_logits - 1) ** 2).mean()), 2 * (fake_logits - 1) / n


class Slope:
    def __call__(self, D, real, fake, grad=None, rng=None):
        logits, cache = D.forward(real)
        ones = np.ones_like(logits)
        g = D.backward(ones, cache)
        if grad is not None:
            D.jvp_backward(2 * g / len(g), ones, cache, grad)
        return np.asarray((g * g).sum() / len(g))


class PlainSGD:
    def __init__(self, lr):
        self.lr = lr

    def step(self, theta, grad):
        theta -= self.lr * grad


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def squared_loss(x, t):
    return ((x - t[:, None]) ** 2).sum(), 2 * (x - t[:, None])


bigger = Dense(5, 2, seed=3)


class _Private(Cube):
    pass


def helper_forward(x):  # no helper_backward: not a pair
    return x


A_NUMBER = 3
'''
KINDS = {
    "Cube": "layer",
    "Half": "layer",
    "Squares": "loss",
    "Slope": "penalty",
    "PlainSGD": "optimiser",
    "affine": "functions",
    "squared_loss": "loss function",
    "bigger": "layer",
}

WRONG = """
from minigan import Dense


class Doubled(Dense):
    def backward(self, dy, cache, grad=None):
        return 2 * super().backward(dy, cache, grad)


class Fine(Dense):
    pass


def twice_forward(x):
    return 2 * x, None


def twice_backward(dout, cache):
    return -2 * dout
"""


@pytest.fixture(autouse=True)
def forget():
    """Take what was imported out again."""
    before = set(sys.modules)
    path = list(sys.path)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("checked_", "my_")):
            del sys.modules[name]
    assert sys.path == path


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Give a function that writes a file in an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="mine.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


# --- what is found --------------------------------------------------------------------------------


def test_each_kind_of_thing_is_found_and_is_right(write):
    items = find(write(RIGHT))
    assert {item.name: item.kind for item in items} == KINDS
    for item in items:
        report = item.check(0)
        assert report.ok, report


def test_one_thing_can_be_asked_for(write):
    path = write(RIGHT)
    assert [item.name for item in find(f"{path}:Cube")] == ["Cube"]
    assert [item.name for item in find(f"{path}:_Private")] == ["_Private"]
    assert [item.name for item in find(f"{path}:bigger")] == ["bigger"]
    assert [item.name for item in find(f"{path}:affine_forward")] == ["affine"]


def test_a_module_and_one_in_a_package(write, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(tmp_path))
    write("", "my_package/__init__.py")
    write(RIGHT, "my_package/parts.py")
    write(WRONG, "my_module.py")
    assert {item.name: item.kind for item in find("my_package.parts")} == KINDS
    assert [item.name for item in find("my_package.parts:Squares")] == ["Squares"]
    assert [item.name for item in find("my_module")] == ["Doubled", "Fine", "twice"]
    assert [item.name for item in find("minigan.layers.dense")] == ["Dense"]


def test_a_file_may_import_its_neighbours(write):
    write("from minigan import Tanh\nclass Neighbour(Tanh):\n    pass\n", "my_neighbour.py")
    path = write("from my_neighbour import Neighbour\nclass Mine(Neighbour):\n    pass\n")
    (item,) = find(path)
    assert item.name == "Mine" and item.check(0).ok


@pytest.mark.parametrize(
    ("target", "error", "says"),
    [
        ("missing.py", FileNotFoundError, "missing.py: no such file"),
        ("no.such.module", ImportError, "no.such.module: no such file or module"),
        ("notes.txt", ValueError, "expected a file that ends in .py"),
        ("empty.py", ValueError, "nothing to check.*got nothing"),
        ("other.py", ValueError, "nothing to check.*got Plain, f"),
        (
            "other.py:Plian",
            ValueError,
            "other.py:Plian: there is no 'Plian'.*you mean 'Plain'",
        ),
        ("leaving.py", ImportError, "leaving.py can't be imported: it raised SystemExit"),
        ("syntax.py", ImportError, "syntax.py can't be imported: it raised SyntaxError"),
        ("raising.py", ImportError, r"it raised ZeroDivisionError.*raising.py, line 3"),
        ("imports.py", ImportError, "it raised ModuleNotFoundError.*not_there"),
    ],
)
def test_what_can_not_be_found_is_said(write, target, error, says):
    write("", "empty.py")
    write("words", "notes.txt")
    write("class Plain:\n    pass\ndef f(x):\n    return x\n", "other.py")
    write("def f(:\n", "syntax.py")
    write("x = 1\n\ny = x / 0\n", "raising.py")
    write("import not_there\n", "imports.py")
    write("import sys\nsys.exit()\n", "leaving.py")
    with pytest.raises(error, match=says):
        find(target)


SCRIPT = """
import numpy as np

SCALE = open("scale.txt").read()

def double_forward(x):
    return helper(x), None

def double_backward(dout, cache):
    return 2 * dout

def helper(x):
    return 2 * x

def scaled_forward(x):
    return SCALE * x, None

def scaled_backward(dout, cache):
    return SCALE * dout

def fit(x, y, lr=0.1):
    w = np.zeros(3)
    for _ in range(10):
        w -= lr * x.T @ (x @ w - y)
    return w

class Trained:
    def __init__(self):
        self.W = np.ones((3, 2))

    def squash(self, x):
        return np.tanh(x)

    def squash_prime(self, x):
        return 1 - np.tanh(x) ** 2

    def train(self, x, t, lr=0.1):
        self.W -= lr * x.T @ (x @ self.W - t)

for step in range(3):
    w = np.ones(3)
    w -= 0.1 * np.ones((4, 3)).T @ np.ones(4)
    w += np.ones((4, 3)).T.dot(np.ones(4))

fit(np.load("data.npy"), 1)
"""


def test_a_script_is_checked_as_far_as_it_runs_and_says_what_it_left_out(write, capsys):
    code, out, _ = run(capsys, write(SCRIPT))
    assert code == 3
    reasons = dict(re.findall(r"not checked: (line \d+|\w+): (.*)", out))
    assert reasons["line 4"].startswith("it raised FileNotFoundError: ")
    assert reasons["line 45"].startswith("it raised FileNotFoundError: ")
    assert "name 'SCALE' is not defined" in reasons["scaled"]
    assert reasons["fit"] == "it moves weights in a form that is not known"
    assert reasons["Trained"] == "train: weights are moved by gradients that nothing returns"
    assert reasons["line 40"].startswith("a loop that moves weights")
    assert "Trained.squash\n" in out  # the pair is checked, and the rest of its class is listed
    assert "helper" not in reasons and "double" not in reasons  # it is called by what is checked


def test_check_says_what_a_pair_of_methods_takes(write):
    text = """
class Powers:
    def __init__(self, n):
        self.n = n

    def power(self, x):
        assert x.shape == (2, 3), "these two sizes"
        return x**self.n

    def power_prime(self, x):
        return self.n * x ** (self.n - 1)
"""
    (item,) = find(write(text))
    (reason,) = item.check(0).not_checked
    assert "CHECK = {'Powers': dict(…)}" in reason
    (item,) = find(write(text + "\nCHECK = {'Powers': dict(n=3, x=(2, 3))}\n", "said.py"))
    item.check(0).assert_ok()


def test_what_is_not_written_yet_is_no_mistake(write, capsys):
    text = "def f_forward(x):\n    return x, 0\ndef f_backward(dout, cache):\n    pass\n"
    code, out, _ = run(capsys, write(text))
    assert code == 3 and "not checked: f: f_backward: not written" in out


def test_a_file_imports_what_lies_beside_it_without_an_init(write, capsys):
    write("def double(x):\n    return 2 * x\n", "inner/tools.py")
    text = "from .tools import double\n\ndef f_forward(x):\n    return double(x), 0\n"
    text += "def f_backward(dout, cache):\n    return double(dout)\n"
    code, out, _ = run(capsys, write(text, "inner/layers.py"))
    assert code == 0, out


def test_a_guard_is_no_mistake_and_said_and_a_wrong_sign_in_it_is_one(write):
    text = """
import numpy as np

EPS = 1e-8

def entropy_loss(p, t):
    return -np.sum(t * np.log(p + EPS)), -t / p

def root_forward(x):
    return 1 / np.sqrt(x * x + EPS), x

def root_backward(dout, x):
    return -dout * x / (x * x - EPS) ** 1.5
"""
    entropy, root = (item.check(0) for item in find(write(text)))
    entropy.assert_ok()
    assert entropy.notes == ["right but for small numbers in the code, which guard it: 1e-08"]
    assert not root.ok and "(x * x + EPS) ** 1.5" in root.diagnosis.reason


# --- constructors, shapes, and CHECK --------------------------------------------------------------

DECLARED = """
import numpy as np
from minigan import Dense, LayerNorm, LeakyReLU, Minimax, Tanh

class Picky(Dense):
    def __init__(self, p, q, mode):
        if mode != "wide":
            raise ValueError(f"mode {mode!r}, expected 'wide'")
        super().__init__(p, q)

class OfImages(Tanh):
    def forward(self, x, train=True, rng=None):
        n, h, w, c = x.shape
        return super().forward(x, train, rng)

class OfProbabilities(Minimax):
    def __init__(self):
        super().__init__(logits=False)

class Mine(LayerNorm):
    pass

def leaky_forward(x, slope):
    return np.where(x > 0, x, slope * x), (x, slope)

def leaky_backward(dout, cache):
    x, slope = cache
    return np.where(x > 0, 1, slope) * dout

CHECK = {
    "Picky": dict(p=3, q=2, mode="wide", x=(4, 3)),
    "OfImages": dict(x=(2, 5, 4, 3)),
    "OfProbabilities": dict(outputs="sigmoid"),
    "Mine": dict(shape=4, reference="minigan.LayerNorm"),
    "leaky_forward": dict(x=(6, 2), slope=0.2),
}
"""


def test_a_declaration_says_what_can_not_be_guessed(write):
    reports = {item.name: item.check(0) for item in find(write(DECLARED))}
    assert all(report.ok for report in reports.values()), reports
    shapes = {name: report.findings[0].shape for name, report in reports.items()}
    assert shapes["Picky"] == (4, 3) and shapes["OfImages"] == (2, 5, 4, 3)
    assert shapes["leaky"] == (6, 2)


def test_without_its_declaration_the_report_asks_for_one(write):
    (item,) = find(write(DECLARED.partition("CHECK")[0]) + ":Picky")
    report = item.check(0)
    assert report.verdict == "not checked" and "expected 'wide'" in str(report)
    assert "CHECK = {'Picky': dict(…)}" in report.not_checked[0]


def test_code_that_ends_the_process_ends_no_check(write):
    backward = "def f_backward(dout, cache):\n    exit(0)\n"
    (item,) = find(write(f"def f_forward(x):\n    return 2 * x, x\n\n\n{backward}"))
    report = item.check(0)
    assert report.verdict == "WRONG" and "raised SystemExit" in str(report)


UNGUESSED = """
import numpy as np
from minigan.layers.base import Layer

class Needs(Layer):
    def __init__(self, folder):
        self.numbers = np.load(folder + "/w.npy")

def odd_forward(x, table):
    return x @ table["key"], None

def odd_backward(dout, cache):
    return dout
"""


def test_a_constructor_that_can_not_be_guessed_is_a_report_and_no_traceback(write):
    for item in find(write(UNGUESSED)):
        report = item.check(0)
        assert report.verdict == "not checked"
        assert "arguments that are guessed" in report.not_checked[0]
        assert f"CHECK = {{{item.name!r}: dict(…)}}" in str(report)


@pytest.mark.thorough
def test_guesses_come_from_names_and_annotations(write):
    text = """
from minigan import BatchNorm, Conv2d, Dense, LayerNorm, LeakyReLU, Dropout, SpectralNorm
class A(Conv2d):
    def __init__(self, c_in, c_out, k, stride, padding):
        super().__init__(c_in, c_out, k, stride=stride, padding=padding)
class B(BatchNorm):
    def __init__(self, features, eps, momentum):
        super().__init__(features, eps, momentum)
class C(LeakyReLU):
    def __init__(self, how_much: float):
        super().__init__(how_much)
class D(SpectralNorm):
    def __init__(self, layer):
        super().__init__(layer)
class E(LayerNorm):
    def __init__(self, shape):
        super().__init__(shape)
class F(Dropout):
    pass
class G(Dense):
    def __init__(self, *sizes, **more):
        super().__init__(3, 2)
"""
    for item in find(write(text)):
        assert item.check(0).ok, item.check(0)


def test_another_seed_is_another_point(write):
    (item,) = find(write(RIGHT) + ":Cube")
    first, again, other = item.check(0), item.check(0), item.check(1)
    numbers = [[f.numbers for f in report.findings] for report in (first, again, other)]
    assert numbers[0] == numbers[1] != numbers[2]


# --- minigan check --------------------------------------------------------------------------------


def run(capsys, *arguments):
    """Run the command here; return its exit code, what it prints, and what it complains of."""
    code = cli.main(["check", *arguments])
    return code, *capsys.readouterr()


def test_what_is_right_is_a_table_and_exit_code_0(write, capsys):
    code, out, err = run(capsys, write(RIGHT.replace("helper_forward", "helper")))
    assert code == 0 and not err
    head, *lines = out.splitlines()
    columns = ["map", "shapes", "finite diff.", "complex step", "dot product", "time"]
    assert re.split(r"\s{2,}", head) == columns
    for name in KINDS:
        assert name in lines
    at = lines.index("affine")
    assert re.match(
        r"  backward +dx 5×3, dw 3×4, db 4 +\d\.\de-\d\d +\S+ +\d\.\d\d s$", lines[at + 1]
    )
    at = lines.index("Cube")
    maps = [line.split()[0] for line in lines[at + 1 : at + 4]]
    assert maps == ["backward", "jvp", "jvp_backward"]
    assert lines[lines.index("Half") + 3] == "  not checked: jvp_backward: not written"
    assert re.fullmatch(r"8 checked in \d+\.\d s, all right", lines[-1])


def test_what_is_wrong_comes_with_its_report_and_exit_code_1(write, capsys):
    code, out, err = run(capsys, write(WRONG))
    assert code == 1 and not err
    assert "Doubled   ← WRONG" in out and "twice   ← WRONG" in out and "\nFine\n" in out
    assert "\nlayer Doubled(" in out and "\nfunctions twice_forward, twice_backward: WRONG" in out
    assert "most likely: backward dx" in out and "sign" in out
    assert out.splitlines()[-1].endswith("s, 2 wrong: Doubled, twice")


def test_one_thing_of_a_file_and_several_targets(write, capsys):
    wrong, right = write(WRONG, "wrong.py"), write(RIGHT, "right.py")
    assert run(capsys, f"{wrong}:Fine")[0] == 0
    code, out, _ = run(capsys, f"{right}:Cube", f"{wrong}:Doubled", f"{wrong}:Fine")
    assert code == 1 and "3 checked in" in out


@pytest.mark.parametrize("target", ["missing.py", "no.such.module", "empty.py", "empty.py:Name"])
def test_what_can_not_be_checked_is_one_line_and_exit_code_2(write, capsys, target):
    write("", "empty.py")
    code, out, err = run(capsys, target)
    assert code == 2 and not out
    assert err.startswith(f"minigan: {target}: ") and len(err.splitlines()) == 1


def test_seeds(write, capsys):
    path = write(RIGHT)
    code, out, _ = run(capsys, f"{path}:Cube", "--seeds", "3")
    assert code == 0 and "  right with 3 seeds" in out.splitlines()
    sometimes = write(
        """
import numpy as np
from minigan import Tanh

class Sometimes(Tanh):
    def derivative(self, cache):
        return super().derivative(cache) * (2 if cache[0, 0] > 0 else 1)
""",
        "sometimes.py",
    )
    signs = [item.check(seed).ok for item in find(sometimes) for seed in range(8)]
    assert True in signs and False in signs
    first_right, first_wrong = signs.index(True), signs.index(False)
    code, out, _ = run(capsys, sometimes, "--seed", str(first_right))
    assert code == 0
    code, out, _ = run(capsys, sometimes, "--seeds", "8")
    assert code == 1 and ("(with --seed" in out) == (first_wrong > 0)
    if first_wrong:
        assert f"(with --seed {first_wrong})" in out


def test_full_prints_the_report_of_what_is_right_too(write, capsys):
    path = write(RIGHT)
    assert "limit" not in run(capsys, f"{path}:Cube")[1]
    assert "Cube(): ok" in run(capsys, f"{path}:Cube", "--full")[1]


@pytest.mark.slow
def test_the_library_checks_itself(capsys):
    code, out, _ = run(capsys)
    assert code == 0 and "all right" in out


# --- pytest --minigan -----------------------------------------------------------------------------


def pytest_in(folder, *arguments):
    """Run pytest in a process of its own, with this plugin, installed or not."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "pytest_minigan"]
    links = folder / "links"
    if not links.exists():
        links.mkdir()
        (links / "pytest_minigan").symlink_to(PLUGIN.parent, target_is_directory=True)
    paths = [str(links), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


MAPS = {
    "Cube": ["forward", "backward", "jvp", "jvp_backward", "rules"],
    "Half": ["forward", "backward", "jvp", "jvp_backward", "rules"],
    "Squares": ["discriminator", "generator", "rules"],
    "Slope": ["penalty", "rules"],
    "PlainSGD": ["step", "rules"],
    "affine": ["forward", "backward", "rules"],
    "squared_loss": ["backward", "rules"],
    "bigger": ["forward", "backward", "jvp", "jvp_backward", "rules"],
}


def test_each_map_of_each_thing_is_a_test(write, tmp_path):
    write(RIGHT)
    code, out = pytest_in(tmp_path, "--minigan", "mine.py", "-v")
    assert code == 0, out
    outcomes = dict(re.findall(r"mine\.py::(\S+) (PASSED|SKIPPED|FAILED|ERROR)", out))
    assert list(outcomes) == [f"{name}::{map}" for name, maps in MAPS.items() for map in maps]
    skipped = [name for name, outcome in outcomes.items() if outcome == "SKIPPED"]
    assert skipped == ["Half::jvp_backward"]
    assert "jvp_backward: not written" in out
    assert f"{len(outcomes) - 1} passed, 1 skipped" in out


def test_a_failure_is_the_report_and_no_traceback(write, tmp_path):
    write(WRONG)
    code, out = pytest_in(tmp_path, "--minigan", "mine.py", "-rf")
    assert code == 1
    failed = re.findall(r"^FAILED mine\.py::(\S+)", out, re.MULTILINE)
    assert "Doubled::backward" in failed and "twice::backward" in failed
    assert not any(name.startswith("Fine") for name in failed)
    assert "backward dx" in out and "← wrong" in out and "most likely: backward dx" in out
    assert "Traceback" not in out and "runtest" not in out and "assert" not in out


def test_without_the_option_nothing_is_collected(write, tmp_path):
    write(WRONG)
    code, out = pytest_in(tmp_path, "mine.py")
    assert code == pytest.ExitCode.NO_TESTS_COLLECTED, out


def test_only_files_that_are_named_are_checked(write, tmp_path):
    write(WRONG)
    write(RIGHT, "other.py")
    code, out = pytest_in(tmp_path, "--minigan", "other.py:".rstrip(":"))
    assert code == 0 and "mine.py" not in out


@pytest.mark.parametrize("text", ["", "def f(:\n", "import not_there\n"])
def test_a_file_that_can_not_be_checked_is_an_error_in_words(write, tmp_path, text):
    write(text)
    code, out = pytest_in(tmp_path, "--minigan", "mine.py")
    assert code == pytest.ExitCode.INTERRUPTED
    assert "nothing to check" in out or "can't be imported" in out


def test_another_seed_from_the_command_line(write, tmp_path):
    write(RIGHT)
    code, out = pytest_in(tmp_path, "--minigan", "mine.py", "--minigan-seed", "5", "-q")
    assert code == 0, out


def test_the_plugin_imports_neither_numpy_nor_minigan():
    code = (
        "import importlib.util, sys; "
        f"spec = importlib.util.spec_from_file_location('pytest_minigan', {str(PLUGIN)!r}); "
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module); "
        "print(*(m for m in sys.modules if m.partition('.')[0] in ('numpy', 'minigan')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_plugin_is_announced_and_lies_where_it_is_said_to():
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("installed, not checked out")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    name = project["project"]["entry-points"]["pytest11"]["minigan"]
    assert name in project["tool"]["setuptools"]["packages"]
    assert ROOT / project["tool"]["setuptools"]["package-dir"][name] == PLUGIN.parent


# --- strategies -----------------------------------------------------------------------------------


@given(x=strategies.batches(3))
def test_the_five_lines_of_the_docstring(x):
    assert "@given(x=strategies.batches(3))" in strategies.__doc__
    check_layer(Dense(3, 2), x).assert_ok()


@given(x=strategies.batches(2, 3, least=2, most=4, margin=0.5, scale=3.0))
def test_batches_keep_their_shape_and_their_margin(x):
    assert x.dtype == np.float64 and x.shape[1:] == (2, 3) and 2 <= len(x) <= 4
    assert np.abs(x).min() >= 0.5


@given(shape=strategies.shapes(least_axes=2, most_axes=3, least=2, most=4))
def test_shapes_keep_their_limits(shape):
    assert isinstance(shape, tuple) and 2 <= len(shape) <= 3
    assert all(2 <= size <= 4 for size in shape)


@given(x=strategies.arrays((4, 3)), y=strategies.arrays(strategies.shapes(), margin=0))
def test_arrays_take_a_shape_or_draw_one(x, y):
    assert x.shape == (4, 3) and np.abs(x).min() >= 0.1
    assert 1 <= y.ndim <= 3 and max(y.shape) <= 5


@given(seed=strategies.seeds(), x=strategies.batches(2, 2, most=3))
def test_seeds_go_into_a_check(seed, x):
    check_layer(Tanh(), x, seed=seed).assert_ok()


@pytest.mark.thorough
def test_a_failing_example_shrinks_to_a_small_batch():
    class Wrong(Tanh):
        def derivative(self, cache):
            return 2 * super().derivative(cache)

    x = hypothesis_find(
        strategies.batches(3),
        lambda x: not check.layer(Wrong(), x).ok,
        settings=settings(derandomize=True, database=None),
    )
    assert x.shape == (1, 3)


def test_without_hypothesis_it_is_said_what_to_install():
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import minigan.check\n"  # works without
        "try:\n    import minigan.check.find.strategies\n"
        "except ImportError as error:\n    print(error)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert (
        done.stdout.strip()
        == "minigan.check.find.strategies needs hypothesis: pip install hypothesis"
    )


# --- nothing is right that was not checked --------------------------------------------------------

SQUARE = """
def square_forward{suffix}(x):
    return x * x, x

def square_backward{suffix}(dout, cache):
    return {factor} * dout * cache
"""


def test_a_file_is_read_as_it_is_now(write, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # as where nobody has set anything
    for factor, verdict in ((2, "ok"), (3, "WRONG"), (2, "ok")):  # within a second
        path = write(SQUARE.format(suffix="", factor=factor))
        assert [item.check(0).verdict for item in find(path)] == [verdict]
    assert not list(Path(path).parent.rglob("*.pyc"))


@pytest.mark.parametrize("suffix", ["", "_naive", "_fast"])
def test_pairs_are_found_with_a_word_behind(write, suffix):
    right, wrong = (SQUARE.format(suffix=suffix, factor=c) for c in (2, 3))
    assert [item.check(0).verdict for item in find(write(right))] == ["ok"]
    assert [item.check(0).verdict for item in find(write(wrong))] == ["WRONG"]


@pytest.mark.parametrize("names", [("square_fwd", "square_bwd"), ("forward_square",) * 2])
def test_pairs_are_found_by_other_words(write, names):
    forward, backward = names[0], names[1].replace("forward", "backward")
    text = SQUARE.format(suffix="", factor=2)
    text = text.replace("square_forward", forward).replace("square_backward", backward)
    (item,) = find(write(text))
    assert item.name == "square" and item.check(0).ok


def test_one_pair_of_a_file_is_chosen_by_its_stem(write, capsys):
    path = write(SQUARE.format(suffix="", factor=2) + "\ndef cube_forward(x):\n    return x, x\n")
    assert command.run([f"{path}:square"]) == command.ALL_RIGHT
    assert command.run([str(path)]) == command.NOT_ALL_CHECKED
    output = capsys.readouterr().out
    assert "not checked: cube_forward: no cube_backward beside it" in output
    assert "1 checked in" in output and "all right" not in output.splitlines()[-1]


@pytest.mark.parametrize(
    "text, reason",
    [
        (
            "class Yogi:\n    def step(self, theta, grad):\n        pass\n",
            "no definition of Yogi",
        ),
        (
            "class Mine:\n    def gradient(self, x):\n        pass\n",
            "Mine: has gradient, but is no",
        ),
        ("def conv_grad(x):\n    pass\n", "conv_grad: a function is checked as a pair"),
    ],
)
def test_what_is_passed_over_is_listed_and_the_exit_code_tells(write, capsys, text, reason):
    path = write(SQUARE.format(suffix="", factor=2) + text)
    assert command.run([str(path)]) == command.NOT_ALL_CHECKED
    assert reason in capsys.readouterr().out


def test_a_gradient_that_nobody_asked_for_is_not_right(write, capsys):
    text = SQUARE.format(suffix="", factor=2)
    path = write(text.replace("2 * dout * cache", "2 * dout * cache, dout"))
    assert command.run([str(path)]) == command.NOT_ALL_CHECKED
    assert "1 more than the 1 arrays of floats" in capsys.readouterr().out


CELL = """
import numpy as np

class Cell:
    def __init__(self, d, h):
        self.W, self.U = np.ones((d, h)), np.eye(h)

    def forward(self, z, before):
        self.z, self.before = z, before
        return z @ self.W + before @ self.U

    def backward(self, dout):
        self.dW, self.dU = self.z.T @ dout, self.before.T @ dout
        return dout @ self.W.T, dout @ self.U.T

CHECK = {"Cell": dict(d=2, h=3, z=(4, 2), before=(4, 3))}
"""


def test_check_names_what_forward_takes_too(write):
    (item,) = find(write(CELL))
    report = item.check(0)
    assert report.ok and not report.not_checked
    assert [f.array for f in report.findings] == ["dz", "dbefore", "dW", "dU"]
    # What is not said is guessed, and a guess is nobody's mistake.
    (item,) = find(write(CELL.replace(", before=(4, 3)", "").replace("h=3", "h=11")))
    report = item.check(0)
    assert not report.broken_rules and report.not_checked


def test_matrices_of_1_by_1_prove_nothing(write):
    text = """
def f_forward(x, w):
    assert x.shape[1] == w.shape[0] == w.shape[1] == 1
    return x @ w, (x, w)

def f_backward(dout, cache):
    x, w = cache
    return dout * w, x.T @ dout
"""
    (item,) = find(write(text))
    assert "1×1, which hide much" in item.check(0).not_checked[0]


def test_unknown_keys_of_check_are_errors_with_a_hint(write):
    with pytest.raises(ValueError, match=r"CHECK has 'squre': did you mean 'square'. expected a"):
        find(write(SQUARE.format(suffix="", factor=2) + "CHECK = {'squre': dict(x=(2, 3))}"))
    text = SQUARE.format(suffix="", factor=2)
    with pytest.raises(ValueError, match=r"CHECK\['square'\] is None, expected dict\(x="):
        find(write(text + "CHECK = {'square': None}"))
    (item,) = find(write(text + "CHECK = {'square': dict(x=(2, 7))}"))
    assert item.check(0).findings[0].shape == (2, 7)
    (item,) = find(write(text + "CHECK = {'square_forward': dict(z=(2, 7))}"))
    assert "CHECK says z, but square_forward takes x" in str(item.check(0))


def test_a_package_of_the_library_is_found_through_its_names():
    names = {item.name for item in find("minigan.losses")}
    assert {"Minimax", "Hinge", "Wasserstein"} <= names
    names = {item.name for item in find("minigan.layers")}
    assert {"Dense", "Conv2d", "Pack", "Reshape"} <= names and not {"Layer", "LinearMap"} & names


def test_packs_and_shapes_find_their_batches():
    for name in ("Pack", "Reshape"):
        (item,) = find(f"minigan.layers:{name}")
        item.check(0).assert_ok()


# --- for programs, and the page that shows it -----------------------------------------------------

SUBMISSION = """
import numpy as np

print("printed by the submission")

def relu_forward(x):
    return np.maximum(x, 0), x

def relu_backward(dout, cache):
    return dout * (cache > 0)

def affine_forward(x, w, b):
    return x @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout / len(x), dout.sum(axis=0)

def l2_loss(x):
    return (x * x).sum()
"""


def test_json_has_the_verdict_the_array_the_cause_and_the_line(write, capsys):
    code, out, err = run(capsys, "--json", write(SUBMISSION, "submission.py"))
    found = json.loads(out)
    assert code == 1 and found["verdict"] == "wrong" and "printed by the submission" in err
    relu, affine, loss = found["items"]
    assert relu == {"name": "relu", "kind": "functions", "verdict": "right"}
    assert affine["verdict"] == "wrong" and affine["array"] == "dw"
    assert affine["mistake"] == "factor" and "a mean where a sum is meant" in affine["cause"]
    assert affine["file"] == "submission.py" and affine["line"] == 17
    assert affine["suggestion"] == "return (dout @ w.T, x.T @ dout, dout.sum(axis=0))"
    assert (
        loss["verdict"] == "not checked"
        and "returns no gradient" in found["not_checked"]["l2_loss"]
    )


def test_the_lines_of_the_page_for_courses_run(write, monkeypatch):
    page = ROOT / "tutorials" / "check_your_assignment.md"
    if not page.is_file():
        pytest.skip("installed, not checked out")
    blocks = dict.fromkeys(re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
    test, grader = (
        next(b for b in blocks if f"def {name}(" in b) for name in ("test_affine", "grade")
    )
    path = write(SUBMISSION, "layers.py")
    monkeypatch.syspath_prepend(Path(path).parent)
    with pytest.raises(AssertionError, match="backward dw: it is 1/5"):
        exec(f"{test}\ntest_affine()", {})
    names = {}
    exec(grader, names)

    def minigan_here(command, **more):
        return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, **more)

    names["subprocess"] = type("subprocess", (), {"run": staticmethod(minigan_here)})
    assert names["grade"](path) == (1, ["affine: look at dw"])
    assert names["grade"](str(Path(path).parent / "absent.py"))[0] == 0
