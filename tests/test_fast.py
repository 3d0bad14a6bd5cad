"""What is there for speed alone: it changes no result, and it does what it says it gains."""

import math
import platform
import subprocess
import sys

import numpy as np
import pytest

from minigan import Adam, Dense, Flatten, LeakyReLU, OptimisticAdam, Sequential, check, stream
from minigan.fast import adam as fused
from minigan.fast import blocks


def steps(optimiser, length, dtype, count=5):
    rng = stream(0, "fast")
    theta = rng.standard_normal(length).astype(dtype)
    for _ in range(count):
        optimiser.step(theta, rng.standard_normal(length).astype(dtype))
    return theta, *(a for a in optimiser.state_dict().values() if isinstance(a, np.ndarray))


@pytest.mark.parametrize("make", [Adam, OptimisticAdam, lambda: Adam(amsgrad=True)])
def test_the_length_of_a_block_changes_no_bit(make, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    in_parts = steps(make(), 12_345, np.float32)
    monkeypatch.setattr(blocks, "BLOCK", 10**9)
    for part, whole in zip(in_parts, steps(make(), 12_345, np.float32), strict=True):
        assert part.tobytes() == whole.tobytes()


def test_blocks_hold_every_number_once():
    for length in (0, 1, blocks.BLOCK - 1, blocks.BLOCK, 2 * blocks.BLOCK + 3):
        a, b, sizes = np.arange(length), np.zeros(length, int), []
        for part, copied, nothing in blocks.blocks(a, b, None):
            copied += part
            sizes.append(len(part))
            assert nothing is None
        assert (a == b).all()
        assert sum(sizes) == length and max(sizes, default=0) <= blocks.BLOCK
        assert len(sizes) == -(-length // blocks.BLOCK)


def test_on_a_gpu_one_block_is_all(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 2)
    monkeypatch.setattr(blocks, "array_module", lambda *arrays: "cupy")
    assert [len(part) for (part,) in blocks.blocks(np.zeros(7))] == [7]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", [1, 1000, 2 * blocks.BLOCK + 7])
def test_the_compiled_step_has_the_bits_of_the_plain_one(dtype, length, monkeypatch):
    pytest.importorskip("numba", reason='pip install "minigan[fast]"')
    assert fused.fused_adam(np.zeros(3, dtype)) is not None
    compiled = [steps(make(2e-4, 0.5), length, dtype) for make in (Adam, OptimisticAdam)]
    monkeypatch.setattr("minigan.optim.rules.fused_adam", lambda *vectors: None)
    plain = [steps(make(2e-4, 0.5), length, dtype) for make in (Adam, OptimisticAdam)]
    for one, other in zip(sum(compiled, ()), sum(plain, ()), strict=True):
        assert one.tobytes() == other.tobytes()


def test_the_lines_that_are_compiled_are_adam(monkeypatch):
    """As plain Python, so without numba too."""
    theta, grad, m, v = np.random.default_rng(0).standard_normal((4, 20))
    v *= v
    expected = [array.copy() for array in (theta, m, v)]
    root = math.sqrt(1 - 0.75**3)  # of the third step
    fused.adam(theta, grad, m, v, 0.5, 0.5, 0.75, 0.25, 1e-3 * root / (1 - 0.5**3), 1e-8 * root)
    optimiser = Adam(1e-3, 0.5, 0.75)
    optimiser.load_state_dict({"0.t": 2, "0.m": expected[1], "0.v": expected[2]})
    monkeypatch.setattr("minigan.optim.rules.fused_adam", lambda *vectors: None)
    optimiser.step(expected[0], grad)
    for one, other in zip((theta, m, v), (expected[0], optimiser.m, optimiser.v), strict=True):
        assert one.tobytes() == other.tobytes()


def unaligned(array):
    """Return the array one byte further in memory."""
    shifted = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype)
    shifted[...] = array
    return shifted


def read_only(array):
    array.flags.writeable = False
    return array


LAYOUTS = {
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder()),
    "unaligned": unaligned,
    "strided": lambda a: np.repeat(a, 2)[::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "float16": lambda a: a.astype(np.float16),
    "complex": lambda a: a.astype(complex),
    "longdouble": lambda a: a.astype(np.longdouble),
    "read-only": read_only,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_is_compiled_for_arrays_that_are_no_plain_floats(layout):
    plain = np.zeros((4, 3))
    for i in range(4):
        vectors = list(plain)
        vectors[i] = LAYOUTS[layout](plain[i].copy())
        if i == 0 or vectors[i].dtype == plain.dtype:
            assert fused.fused_adam(*vectors) is None


@pytest.mark.parametrize("layout", ["big-endian", "unaligned", "strided", "backwards"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_where_theta_lies_changes_no_number(layout, dtype):
    rng = stream(0, "layouts")
    start, *grads = rng.standard_normal((6, 9)).astype(dtype)
    theta, moved = start.copy(), LAYOUTS[layout](start)
    one, other = Adam(0.1), Adam(0.1)
    for grad in grads:
        one.step(theta, grad)
        other.step(moved, LAYOUTS[layout](grad))
    assert (moved == theta).all()


A_STEP = """
import resource, sys, warnings
import numpy as np
from minigan import Adam

warnings.simplefilter("always")
if sys.argv[1] == "full":  # no file may grow beyond ten bytes
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
if sys.argv[1] == "no folder":  # what numba finds where package and home are read-only
    from numba.core.caching import CompileResultCacheImpl

    CompileResultCacheImpl._locator_classes = []
adam, theta = Adam(), np.ones(5, np.float32)
for _ in range(2):
    adam.step(theta, theta.copy())
sys.stdout.write(theta.tobytes().hex())
"""


@pytest.mark.thorough(quick=1)
@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process")
@pytest.mark.parametrize("trouble", ["none", "no folder", "full", "truncated index"])
def test_numba_without_a_sound_cache_compiles_all_the_same(trouble, tmp_path, monkeypatch):
    pytest.importorskip("numba", reason='pip install "minigan[fast]"')
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONWARNINGS", "default")

    def step():
        return subprocess.run(
            [sys.executable, "-c", A_STEP, trouble], capture_output=True, text=True, check=True
        )

    if trouble == "truncated index":
        step()
        for index in (tmp_path / "cache").rglob("*.nbi"):
            index.write_bytes(index.read_bytes()[:10])
    done = step()
    theta = np.ones(5, np.float32)
    adam = Adam()
    monkeypatch.setattr("minigan.optim.rules.fused_adam", lambda *vectors: None)
    for _ in range(2):
        adam.step(theta, theta.copy())
    assert done.stdout == theta.tobytes().hex()
    assert done.stderr.count("numba can't use its cache") == (trouble != "none")


def test_nobody_computes_the_lowest_dx():
    """Not of the first layer that learns, and nothing of those below it."""
    x, dy = stream(0, "x").standard_normal((4, 2, 3)), stream(0, "dy").standard_normal((4, 1))
    inner = Sequential(Dense(6, 5), LeakyReLU())
    net = Sequential(Flatten(), inner, Dense(5, 1), seed=0).astype(np.float64)
    _, cache = net.forward(x)
    expected, grad = net.new_grad(), net.new_grad()
    net.backward(dy, cache, expected)

    def unwanted(*args):
        raise AssertionError("nobody asked for this dx")

    net.layers[0].backward = net.layers[1].layers[0].backward = unwanted
    net.add_gradient(dy, cache, grad)
    assert grad.tobytes() == expected.tobytes()


def test_a_backward_that_add_gradient_does_not_know_is_found():
    class Own(Dense):  # a right backward, and the add_gradient that it inherits is another
        def forward(self, x, train=True, rng=None):
            return x @ (2 * self.W) + self.b, x

        def backward(self, dy, cache, grad=None):
            if grad is not None:
                d = self.views(grad)
                d["W"] += 2 * cache.T @ dy
                d["b"] += dy.sum(axis=0)
            return dy @ (2 * self.W.T)

    report = check.layer(Own(3, 2), stream(0, "x").standard_normal((5, 3)))
    assert "add_gradient adds what backward adds" in str(report)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_slopes_are_exact(dtype):
    x = np.array([[-1.0, 1.0, 0.0]], dtype)
    for slope in (0, 1, 0.2, 0.01, 1 / 3, *stream(0, "slopes").random(1000)):
        _, derivative = LeakyReLU(slope).forward(x)
        assert derivative.tolist() == [[dtype(slope), 1, dtype(slope)]]


FAULTS = """
import resource, sys
import numpy as np
from minigan import Adam, Dense, LeakyReLU, NonSaturating, Sequential, train
from minigan.fast.memory import keep_freed_memory

keep_freed_memory()
# Arrays of more than 32 MB, which glibc would never keep by itself.
G = Sequential(Dense(2, 2), seed=1)
D = Sequential(Dense(2, 9000), LeakyReLU(), Dense(9000, 1), seed=2)
data = np.zeros((1024, 2), np.float32)
records = train(G, D, data, NonSaturating(), Adam(), Adam(), steps=100, batch=1024)
for _ in range(4):
    next(records)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    next(records)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.thorough
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_a_step_waits_for_no_page(monkeypatch):
    """Page faults are what counts, not what mallopt returns."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")

    def faults_a_step():
        done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, check=True)
        return int(done.stdout) / 4

    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert faults_a_step() < 100
    monkeypatch.setenv("MINIGAN_KEEP_MEMORY", "0")
    assert faults_a_step() > 1_000
