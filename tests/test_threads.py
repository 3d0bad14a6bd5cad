"""The threads of BLAS: a number that follows from the networks, and that a resumed run keeps."""

import json
from pathlib import Path

import pytest
from running import AT_THE_END, go, resume
from threadpoolctl import threadpool_info, threadpool_limits

from minigan import (
    SGD,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    NonSaturating,
    Reshape,
    Residual,
    Sequential,
)
from minigan.fast.shares import shares
from minigan.recipes import Setup
from minigan.runs import threads
from minigan.runs.checkpoint import Checkpoint, checkpoints
from minigan.runs.config import Config
from minigan.runs.threads import VARIABLES, largest_product
from minigan.runs.training import train_run
from minigan.runs.versions import versions

pytestmark = pytest.mark.usefixtures("quick_runs")


@pytest.fixture(autouse=True)
def three_threads(monkeypatch):
    """Let BLAS take three threads by itself, whatever this machine has, and nobody say else."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with threadpool_limits(3, user_api="blas"):
        if versions()["threads"] != 3:
            pytest.skip("a BLAS without threads")
        yield


@pytest.fixture(autouse=True)
def small(recipes):
    """Register a recipe whose largest product has 4 · (3 · 5 + 5) multiplications (5: a bias)."""

    @recipes("small", data="ring", source="a test", samples="vectors")
    def small(task):
        """Make networks of a few weights."""
        G = task.network("G", Dense(2, 3), LeakyReLU(0.1), Dense(3, 2))
        D = task.network("D", Dense(2, 3), Residual(Dense(3, 5), Dense(5, 3)), Dense(3, 1))
        return Setup(G, D, NonSaturating(), SGD(0.1), SGD(0.1), batch=4, steps=3)


def blas_alone():
    """Return the threads of NumPy's BLAS, whoever shares what."""
    return max(p["num_threads"] for p in threadpool_info() if "numpy" in p["filepath"])


def written(folder):
    """Return the number that run.json says, and the one that BLAS had when it was saved."""
    (path, *_) = checkpoints(Path(folder)).values()
    settings = json.loads(Path(folder, "run.json").read_text())
    return settings["threads"], Checkpoint.read(path).versions["threads"]


@pytest.mark.parametrize(("large", "number"), [(4 * 20, 3), (4 * 20 + 1, 1)])
def test_it_follows_from_the_largest_product(large, number, monkeypatch):
    monkeypatch.setattr(threads, "LARGE", large)
    go("a", "small")
    assert written("a") == (number, number)
    assert versions()["threads"] == 3  # as it was


def test_a_resumed_run_takes_the_same(monkeypatch, capsys):
    go("a", "small")
    monkeypatch.setattr(threads, "LARGE", 1)
    resume("a", steps=5)
    assert written("a") == (1, 1) and "note:" not in capsys.readouterr().out


@pytest.mark.parametrize("name", VARIABLES)
def test_who_sets_a_variable_has_chosen(name, monkeypatch, capsys):
    go("a", "small")
    monkeypatch.setenv(name, "3")
    go("b", "small")
    assert written("b") == (3, 3)
    capsys.readouterr()
    resume("a", steps=5)
    assert written("a") == (3, 3) and "note: threads 1 → 3: the last" in capsys.readouterr().out


@pytest.mark.parametrize(("large", "number"), [(4 * 16 * 16, 3), (4 * 16 * 16 + 1, 1)])
def test_images_are_shared_out_where_they_are_large(recipes, large, number, monkeypatch):
    """Each of three threads takes a share of them; BLAS has one thread then."""
    pytest.importorskip("numba", reason='pip install "minigan[fast]"')

    @recipes("images", data="digits", source="a test", samples="images")
    def images(task):
        G = task.network("G", Dense(2, 64), Reshape((8, 8, 1)))
        D = task.network("D", Conv2d(1, 4, k=2, stride=2, bias=False), Flatten(), Dense(64, 1))
        return Setup(G, D, NonSaturating(), SGD(0.1), SGD(0.1), batch=4, steps=3)

    monkeypatch.setattr(threads, "LARGE", large)
    seen = []
    config = Config(data="digits", recipe="images")
    train_run(
        config,
        out="a",
        quiet=True,
        policy=AT_THE_END,
        callback=lambda record: seen.append((shares(), blas_alone())),
    )
    assert written("a") == (number, number)
    assert set(seen) == {(number, 1)} and (shares(), blas_alone()) == (1, 3)


def changed(folder, **settings):
    path = Path(folder, "run.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def test_no_more_than_there_are(capsys):
    go("a", "small")
    changed("a", threads=10**9)
    resume("a", steps=5)
    assert written("a") == (3, 3)


def test_a_run_of_before_goes_on_with_a_note(monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(threads, "LARGE", 1)
        go("a", "small")
    settings = json.loads(Path("a/run.json").read_text())
    del settings["threads"]
    Path("a/run.json").write_text(json.dumps(settings))
    resume("a", steps=5)
    assert written("a") == (1, 1)
    assert "note: threads 3 → 1: the last bits may differ" in capsys.readouterr().out


@pytest.mark.parametrize("number", [0, "two", [1], 1.5])
def test_a_number_that_is_none_is_refused(number):
    go("a", "small")
    changed("a", threads=number)
    with pytest.raises(ValueError, match="run.json is damaged: threads is .* remove that line"):
        resume("a", steps=5)


def test_where_blas_does_not_tell(monkeypatch):
    monkeypatch.setattr(threads, "versions", lambda: {"threads": "unknown"})
    assert go("a", "small").steps == 3 and written("a")[0] == "unknown"
    assert resume("a", steps=5).steps == 5


def test_products_are_counted():
    assert largest_product(Sequential(Dense(7, 5, bias=False), Dense(5, 3)), None) == (7 * 5, 1)
    D = Sequential(Conv2d(2, 3, k=4, stride=2, padding=1, bias=False), Flatten(), Dense(75, 1))
    assert largest_product(D, (10, 10, 2)) == (5 * 5 * 2 * 3 * 4 * 4, 3)
    up = ConvTranspose2d(3, 2, k=4, stride=2, padding=1, bias=False)
    assert largest_product(Sequential(Dense(1, 75), Reshape((5, 5, 3)), up), None) == (25 * 96, 3)
