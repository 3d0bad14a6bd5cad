"""Which module an array belongs to, moving it, and streams of random numbers."""

import subprocess
import sys

import numpy as np
import pytest

from minigan import array_module, stream, to_device, to_numpy
from minigan.arrays import as_like


def test_array_module_comes_from_the_arrays(cp):
    assert array_module(np.ones(2), np.float32(1)) is np
    assert array_module(cp.ones(2)) is cp
    with pytest.raises(TypeError, match="two devices meet.*to_device"):
        array_module(np.ones(2), cp.ones(2))
    with pytest.raises(TypeError, match="expected NumPy or CuPy arrays, got float, list"):
        array_module([1.0], 1.0)


def test_array_module_is_the_first_part_of_the_name_of_an_arrays_module(cp):
    deep = type("ndarray", (), {"__module__": "cupy._core.core"})
    assert array_module(deep()) is cp
    inner = type("ndarray", (), {"__module__": "numpy._core.core"})
    assert array_module(inner()) is np


def test_arrays_whose_operations_mean_something_else_are_refused(tmp_path):
    file = np.memmap(tmp_path / "x", np.float32, "w+", shape=(2, 3))
    assert array_module(file, np.ones(2)) is np
    with pytest.raises(TypeError, match=r"got a MaskedArray: .* x.filled"):
        array_module(np.ones(2), np.ma.masked_array([1.0, 2.0], [True, False]))
    with pytest.raises(TypeError, match=r"got a matrix: .* numpy.asarray"):
        array_module(np.ones((1, 1)).view(np.matrix))


def test_moving_to_a_device_and_back(cp):
    x = np.arange(6.0).reshape(2, 3)
    there = to_device(x, "gpu")
    assert isinstance(there, cp.ndarray) and to_device(there, "gpu") is there
    assert (to_device(there, "cpu") == x).all() and (to_numpy(there) == x).all()
    assert to_device(x, "cpu") is x
    with pytest.raises(ValueError, match='device must be "cpu" or "gpu", got \'cuda\''):
        to_device(x, "cuda")


def test_what_was_drawn_takes_the_dtype_and_the_place_of_an_array(xp):
    drawn = np.array([0.1, 0.2])
    for dtype, expected in ((np.float32, np.float32), (np.complex128, np.float64)):
        there = as_like(drawn, xp.ones(3, dtype=dtype))
        assert isinstance(there, xp.ndarray) and there.dtype == expected


def test_asking_for_a_gpu_without_cupy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(
        ImportError, match=r"CUDA 12:  pip install .minigan\[gpu\]. +cupy-cuda12x"
    ) as error:
        to_device(np.ones(2), "gpu")
    assert f"could not be imported ({error.value.__cause__})" in str(error.value)
    assert "cupy-cuda13x" in str(error.value)


def test_a_cupy_without_a_gpu_is_told_apart(cp, monkeypatch):
    class CUDARuntimeError(RuntimeError):
        pass

    def fail(x):
        raise CUDARuntimeError("cudaErrorNoDevice")

    monkeypatch.setattr(cp, "asarray", fail)
    runtime = type("runtime", (), {"CUDARuntimeError": CUDARuntimeError})
    monkeypatch.setattr(cp, "cuda", type("cuda", (), {"runtime": runtime}), raising=False)
    with pytest.raises(RuntimeError, match="can't use one .*cudaErrorNoDevice"):
        to_device(np.ones(2), "gpu")


def test_streams_are_golden():
    # Golden numbers: they may never change, or no run could be repeated.
    noise = stream(0, "noise D", 3).standard_normal(4, dtype=np.float32)
    uniform = stream(2**70, "é").random(2, dtype=np.float32)
    order = stream(-1, "order", 0).permutation(6)
    assert noise.tolist() == [
        0.6354452967643738,
        -0.9812430143356323,
        0.09044653177261353,
        -0.0789707601070404,
    ]
    assert uniform.tolist() == [0.7225370407104492, 0.24638313055038452]
    assert order.tolist() == [1, 0, 5, 3, 4, 2]


def test_streams_depend_on_every_key_and_on_nothing_else():
    keys = [(0,), (1,), (0, 0), (0, "0"), (0, "a", 1), (0, "a1"), (0, 1, "a"), (0, "a", 11), (-1,)]
    draws = [tuple(stream(*k).random(4, dtype=np.float64)) for k in keys]
    assert len(set(draws)) == len(keys)
    assert draws == [tuple(stream(*k).random(4, dtype=np.float64)) for k in keys]
    assert draws[0] == tuple(stream(np.int64(0)).random(4, dtype=np.float64))


def test_streams_are_the_same_in_another_process():
    # hash() of a string is not: it is salted anew in each process.
    code = "from minigan import stream; print(stream(0, 'a', 1).random())"
    outputs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert outputs == {f"{stream(0, 'a', 1).random()}\n".encode()}


@pytest.mark.parametrize("arguments", [(0.5,), (0, 1.5), (None,), (0, b"key")])
def test_streams_refuse_other_keys(arguments):
    with pytest.raises(TypeError, match="integer seed and keys that are integers or strings"):
        stream(*arguments)


def test_neighbouring_streams_are_independent():
    rows = np.stack([stream(0, "noise", i).standard_normal(1000) for i in range(50)])
    correlation = np.corrcoef(rows) - np.eye(50)
    assert np.abs(correlation).max() < 5 / np.sqrt(1000)
