"""Many processes train as one does, up to the order of sums; on one machine here, by mpiexec."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from minigan import (
    EMA,
    R1,
    R2,
    SGD,
    Adam,
    BatchNorm,
    ClipNorm,
    Dense,
    Dropout,
    Extragradient,
    GradientPenalty,
    LeakyReLU,
    NonSaturating,
    RelativisticPairing,
    Sequential,
    SpectralNorm,
    Tanh,
    Wasserstein,
    stream,
    train,
)
from minigan.loop import Game
from minigan.ranks import CHECK, Ranks, SharedDraws
from minigan.step import discriminator_half

BESIDE = Path(sys.executable).with_name("mpiexec")  # where mpich's wheel has it
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or find_spec("mpi4py") is None, reason='needs MPI: pip install -e ".[mpi]"'
)

BATCH, STEPS = 24, 20
DATA = stream(0, "data").standard_normal((100, 2))
LABELS = np.arange(100) % 3


def networks(conditions=0, *first_of_D):
    G = Sequential(Dense(3 + conditions, 8), LeakyReLU(), Dense(8, 2), dtype="float64", seed=1)
    D = Sequential(
        *first_of_D, Dense(2 + conditions, 8), Tanh(), Dense(8, 1), dtype="float64", seed=2
    )
    return G, D


def adams():
    return Adam(1e-2, beta1=0.5), Adam(1e-2, beta1=0.5)


def settings(case):
    """Return what `train` takes, of a case that has a name."""
    loss, optimisers, more = NonSaturating(), adams(), {}
    nets = networks()
    if case == "penalties":
        loss, more = Wasserstein(), {"penalties": [R1(0.3), R2(0.7), GradientPenalty()]}
    elif case == "conditional":
        nets, more = networks(3), {"labels": LABELS, "noise": "uniform"}
    elif case == "averaged and clipped":
        optimisers = EMA(ClipNorm(SGD(0.5), 0.05), 0.9), ClipNorm(Adam(1e-2), 0.05)
    elif case == "k = 3, by pairs":
        loss, more = RelativisticPairing(), {"d_steps": 3}
    elif case == "extragradient":
        optimisers = Extragradient(SGD(0.1)), EMA(Extragradient(Adam(1e-2)))
        more = {"order": "extragradient"}
    elif case == "simultaneous":
        more = {"order": "simultaneous"}
    elif case == "all that draws":
        nets = networks(0, Dropout(0.3))
        more = {"instance_noise": 0.2, "penalties": GradientPenalty(3.0, target=0)}
    elif case == "a state of the weights":
        nets = networks()
        nets = (
            nets[0],
            Sequential(
                SpectralNorm(Dense(2, 8)), LeakyReLU(), Dense(8, 1), dtype="float64", seed=3
            ),
        )
    elif case == "normalised":
        nets = networks(0, BatchNorm(2))
    else:
        assert case == "plain"
    return (*nets, DATA, loss, *optimisers), {"batch": BATCH, "seed": 5} | more


CASES = [
    "plain",
    "penalties",
    "conditional",
    "averaged and clipped",
    "k = 3, by pairs",
    "extragradient",
    "simultaneous",
    "all that draws",
    "a state of the weights",
]


def trained(case, steps=STEPS, **more):
    """Return all that a run has come to, by name, as float64 vectors."""
    (G, D, *rest), given = settings(case)
    records = list(train(G, D, *rest, steps=steps, **given | more))
    found = {"G": G.theta, "D": D.theta, "state of D": D.state}
    for name in records[0].measured:
        found[name] = np.array([record[name] for record in records])
    for player, optimiser in (("G", rest[-2]), ("D", rest[-1])):
        for name, value in optimiser.state_dict().items():
            found[f"{player} {name}"] = np.atleast_1d(np.float64(value))
    return found


def on_ranks(n, code, *arguments, cwd=None):
    """Run code on n ranks, in which `ranks` and all of this file are known; return the process."""
    head = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    head += "from test_ranks import *\nranks = Ranks()\n"
    return subprocess.run(
        [MPIEXEC, "-n", str(n), sys.executable, "-W", "error", "-m", "mpi4py", "-c", head + code],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        cwd=cwd,
    )


def expect_close(found, expected, tolerance):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        error = np.abs(found[name] - array).max(initial=0)
        assert error <= tolerance * max(1, np.abs(array).max(initial=0)), f"{name}: {error}"


@pytest.mark.thorough(quick=1)
@needs_mpi
@pytest.mark.parametrize("n", [2, 4])
def test_the_run_of_many_ranks_is_the_run_of_one(n, tmp_path):
    code = """
for i, case in enumerate(CASES):
    np.savez(f"{i}-{ranks.rank}.npz", **trained(case, make_game=ranks.game))
"""
    done = on_ranks(n, code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for i, case in enumerate(CASES):
        alone = trained(case)
        for rank in range(n):
            with np.load(tmp_path / f"{i}-{rank}.npz") as found:
                expect_close(dict(found), alone, 1e-12)


@needs_mpi
def test_weights_that_differ_stop_the_run_on_all_ranks(tmp_path):
    code = f"""
(G, D, *rest), given = settings("plain")
reached = 0
try:
    for record in train(G, D, *rest, steps=3 * {CHECK}, make_game=ranks.game, **given):
        reached = record.step
        if reached == {CHECK} + 7 and ranks.rank == 1:
            G.theta[3] = np.nextafter(G.theta[3], 1)
except RuntimeError as error:
    # Not printed: mpiexec mixes what its ranks print.
    Path(f"told-{{ranks.rank}}").write_text(f"{{reached}} {{error}}")
"""
    done = on_ranks(2, code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    words = f"{2 * CHECK - 1} step {2 * CHECK}: the weights of rank 1 differ from those of rank 0"
    for rank in (0, 1):  # at the next look
        assert (tmp_path / f"told-{rank}").read_text().startswith(words)


@needs_mpi
@pytest.mark.parametrize(
    ("unlike", "what"),
    [
        ("D.theta[0] += ranks.rank == 2", "the data and first weights of rank 2 differ"),
        ("given['batch'] = 27", "4 ranks can't share a batch of 27 evenly; take a batch of 28"),
    ],
)
def test_what_does_not_fit_is_refused_at_the_call(unlike, what, tmp_path):
    code = f"""
(G, D, *rest), given = settings("plain")
{unlike}
try:
    train(G, D, *rest, steps=1, make_game=ranks.game, **given)
except (ValueError, RuntimeError) as error:
    Path(f"told-{{ranks.rank}}").write_text(str(error))
"""
    done = on_ranks(4, code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(what in (tmp_path / f"told-{rank}").read_text() for rank in range(4))


@needs_mpi
@pytest.mark.parametrize("end", ["raise OSError('no more')", "os.kill(os.getpid(), 9)"])
def test_a_rank_that_dies_ends_all(end):
    code = f"""
(G, D, *rest), given = settings("plain")
for record in train(G, D, *rest, steps=10**9, make_game=ranks.game, **given):
    if record.step == 5 and ranks.rank == 1:
        {end}
"""
    done = on_ranks(2, code)  # else it would wait for rank 1 until the test's time is out
    assert done.returncode != 0


class Alone:
    """A communicator of rank 1 of 2 whose partner finds the same as it does."""

    rank, size = 1, 2

    def __init__(self, kinds="mpi,system"):
        self.kinds, self.sent = kinds, []

    def Get_info(self):
        return {"mpi_memory_alloc_kinds": self.kinds} if self.kinds else {}

    def Allreduce(self, vector, total):
        self.sent += [vector, total]
        total[...] = 2 * vector

    def allgather(self, value):
        return [value, value]


def test_a_share_of_what_is_drawn_is_a_slice_of_what_one_process_draws():
    ranks, whole = Ranks(Alone()), stream(1, "all")
    mine = SharedDraws(stream(1, "all"), ranks)
    assert (mine.random((3, 4), dtype=np.float32) == whole.random((6, 4), np.float32)[3:]).all()
    assert (mine.standard_normal(5) == whole.standard_normal(10)[5:]).all()
    with pytest.raises(AttributeError, match="but rng.integers was asked for"):
        mine.integers(3, size=5)


def test_batchnorm_sees_the_share_of_its_rank():
    (G, D, data, loss, *_), given = settings("normalised")
    game = Game(G, D, data, loss, None, None, BATCH, 1, 5, "normal", [], 0.0, None, "simultaneous")
    _, _, rows, z, _ = game.drawn("D", 0, 0, 0)
    half = discriminator_half(G, D, loss, data[rows][12:], z[12:])  # what rank 1 of 2 has
    expected = D.theta - half.grad
    state = D.state.copy()
    (twin_G, twin_D, *_), _ = settings("normalised")
    twins = twin_G, twin_D, data, loss, SGD(1.0), SGD(1.0)
    next(train(*twins, steps=1, make_game=Ranks(Alone()).game, **given))
    np.testing.assert_allclose(twin_D.theta, expected, rtol=1e-13)
    assert (twin_D.state != state).any()
    half.move(SGD(1.0).step)
    assert (twin_D.state == D.state).all()


@pytest.mark.parametrize(
    ("kinds", "by_gpu"),
    [("mpi,system", False), (None, False), ("system,mpi,cuda:host,cuda:device", True)],
)
def test_on_a_gpu_a_sum_goes_by_pinned_memory_unless_mpi_takes_the_gpus_own(kinds, by_gpu, cp):
    communicator = Alone(kinds)
    G, D = (net.to("gpu") for net in networks())
    half = discriminator_half(
        G, D, NonSaturating(), *map(cp.asarray, (DATA[:6], DATA[:6, [0, 1, 1]]))
    )
    mean = Ranks(communicator).mean(half)  # the partner has found the same
    for array in communicator.sent:
        assert isinstance(array, cp.ndarray if by_gpu else np.ndarray)
        if not by_gpu:
            memory = cp.cuda.runtime.pointerGetAttributes(array.ctypes.data)
            assert memory.type == cp.cuda.runtime.memoryTypeHost
    assert (mean.grad == half.grad).all() and mean.measured.keys() == half.measured.keys()
    for name, number in mean.measured.items():
        assert type(number) is type(half.measured[name]) and float(number) == half.measured[name]


def test_without_mpi_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r'pip install "minigan\[mpi\]"'):
        Ranks()
