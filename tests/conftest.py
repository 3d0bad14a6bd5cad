"""Options and fixtures of the whole suite.

``pytest``               everything quick: NumPy, and the stand-in for CuPy of ``fake_cupy.py``
``pytest --thorough``    all cases of the tests marked ``thorough``, not a few: what CI runs
``pytest --slow``        these, and the tests marked ``slow``
``pytest --device gpu``  real CuPy in the stand-in's place; ``-m device`` for what meets it, alone
``pytest --shuffle 7``   in another order, which follows from the number

A test that takes ``xp`` runs twice, with NumPy and with the device's module. It makes its arrays
with ``xp.asarray`` and looks at results through ``to_np``.
"""

import contextlib
import math
import os
import signal
import sys

# The matrices of the tests are tiny: more threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import fake_cuda
import fake_cupy
import numpy as np
import pytest
import running
from hypothesis import Phase, settings

from minigan.arrays import stream
from minigan.check import compare
from minigan.check.diagnose import repair
from minigan.recipes import RECIPES
from minigan.recipes.base import recipe
from minigan.runs import output, trainer

# No deadline: machines are noisy. The same examples in CI, so that a pull request is not blamed
# for what another draw has found.
settings.register_profile("minigan", deadline=None, max_examples=40, derandomize="CI" in os.environ)
settings.load_profile("minigan")
# A diagnosis takes its time: what is found must not depend on the speed of the machine.
compare.SECONDS = repair.SECONDS = math.inf
# For mutation testing: few examples, always the same, and no search for a simpler one.
settings.register_profile(
    "mutation",
    deadline=None,
    max_examples=8,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)


def pytest_addoption(parser):
    """Add ``--device``, ``--thorough``, ``--slow`` and ``--shuffle``."""
    parser.addoption(
        "--device",
        choices=("cpu", "gpu"),
        default="cpu",
        help="where the device tests run: a stand-in for CuPy, or CuPy on a GPU",
    )
    parser.addoption("--thorough", action="store_true", help="run all cases of every quick test")
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")
    parser.addoption("--shuffle", type=int, metavar="SEED", help="in an order drawn from this seed")


def pytest_configure(config):
    """Refuse ``--device gpu`` at once where there is no CuPy or no GPU."""
    if config.getoption("--device") == "gpu":
        try:
            import cupy

            cupy.zeros(1).get()
        except Exception as error:
            raise pytest.UsageError(
                "--device gpu needs CuPy and a GPU that it can use; "
                f"here: {type(error).__name__}: {error}"
            ) from error


@pytest.hookimpl(tryfirst=True)  # before pytest looks at -m
def pytest_collection_modifyitems(config, items):
    """Mark what meets the device, skip what takes long, shuffle the files and each one's tests."""
    if not (config.getoption("--thorough") or config.getoption("--slow")):
        for item in left_out(items):
            item.add_marker(pytest.mark.skip(reason="thorough: run with --thorough"))
    for item in items:
        module = item.callspec.params.get("xp") if hasattr(item, "callspec") else None
        if "cp" in item.fixturenames or module == "cupy":
            item.add_marker("device")
    seed = config.getoption("--shuffle")
    if seed is not None:  # the tests of a file stay together: they share what it sets up
        order = stream(seed, "order of tests").permutation(len(items))
        place = dict(zip(items, order, strict=True))
        first = {}
        for item in sorted(items, key=place.get):
            first.setdefault(item.path, place[item])
        items.sort(key=lambda item: (first[item.path], place[item]))
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def left_out(items):
    """Return the cases that a quick run leaves out: of each test marked thorough all but a few.

    The few, ``@pytest.mark.thorough(quick=3)``, are spread evenly; without `quick` there are none.
    """
    cases = {}
    for item in items:
        if item.get_closest_marker("thorough"):
            cases.setdefault((item.path, item.originalname), []).append(item)
    for those in cases.values():
        quick = those[0].get_closest_marker("thorough").kwargs.get("quick", 0)
        run = {len(those) * i // quick for i in range(quick)}
        yield from (item for i, item in enumerate(those) if i not in run)


@pytest.fixture
def cp(request, monkeypatch):
    """Give CuPy: the stand-in, in ``sys.modules`` for this test only, or the real one."""
    if request.config.getoption("--device") == "gpu":
        return pytest.importorskip("cupy")
    for name, module in {"cupy": fake_cupy, **fake_cuda.MODULES}.items():
        monkeypatch.setitem(sys.modules, name, module)
    return fake_cupy


@pytest.fixture(params=["numpy", "cupy"])
def xp(request):
    """Give the array module: NumPy, then the device's."""
    return np if request.param == "numpy" else request.getfixturevalue("cp")


@pytest.fixture
def to_np():
    """Give a function that copies an array of either kind, or a number, to NumPy."""
    return lambda x: x.get() if hasattr(x, "get") else np.array(x)


@pytest.fixture
def no_sync(xp):
    """Give a context in which the stand-in refuses to wait for the GPU (others let it pass)."""
    return fake_cupy.no_sync if xp is fake_cupy else contextlib.nullcontext


@pytest.fixture
def drawn(request):
    """Say whether real pictures are drawn: a test parametrises it, indirectly."""
    return getattr(request, "param", False)


@pytest.fixture
def small(recipes):
    """Register the recipe "small", of a few weights."""
    running.add_small()


@pytest.fixture
def quick_runs(tmp_path, monkeypatch, drawn, small):
    """Work in an empty folder; write checkpoints as often as is asked for; draw little.

    What is written need not reach the disk: nobody pulls the plug.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(output, "SHARE", 1e9)
    if not drawn:
        monkeypatch.setattr(output, "FEWEST", 10**9)  # frames before a film is made
        monkeypatch.setattr(output, "loss_curves", running.Drawing)
        monkeypatch.setattr(output, "picture", running.Drawing)


@pytest.fixture
def recipes():
    """Give the decorator of recipes; what a test adds is gone behind it."""
    before = dict(RECIPES)
    yield recipe
    RECIPES.clear()
    RECIPES.update(before)


@pytest.fixture
def ctrl_c_at(monkeypatch):
    """Give a function that lets Ctrl-C come once, in the middle of a step."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def at(step, number=signal.SIGINT):
        show = trainer.Progress.show

        def interrupted(self, record):
            if record.step == step:
                monkeypatch.setattr(trainer.Progress, "show", show)
                signal.raise_signal(number)
            show(self, record)

        monkeypatch.setattr(trainer.Progress, "show", interrupted)

    yield at
    signal.signal(signal.SIGINT, before)
