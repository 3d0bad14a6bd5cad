"""What the bits depend on: it is found, and a difference is put into words."""

import os
import subprocess
import sys

import numpy as np
import pytest

import minigan
from minigan.runs.versions import difference, versions


def test_all_is_found():
    found = versions()
    assert list(found) == ["minigan", "numpy", "blas", "threads"]
    assert found["minigan"] == minigan.__version__ and found["numpy"] == np.__version__
    assert found["blas"] and type(found["threads"]) is int and found["threads"] >= 1
    assert versions() == found


CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_the_one_that_blas_is_told(threads):
    if threads > CORES:
        pytest.skip("OpenBLAS takes no more threads than there are cores")
    code = "from minigan.runs.versions import versions; print(versions()['threads'])"
    names = ("OPENBLAS", "MKL", "OMP", "VECLIB")
    told = {f"{name}_NUM_THREADS": str(threads) for name in names}
    told["PYTHONPATH"] = str(minigan.__path__[0]).removesuffix("minigan")
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, env=told, capture_output=True, text=True, check=True).stdout
    assert int(output) == threads


def test_without_a_library_that_tells_it_is_what_the_environment_says(monkeypatch):
    monkeypatch.setattr("minigan.runs.versions._openblas", lambda: None)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert versions()["threads"] == 3
    for name in ("OPENBLAS", "MKL", "OMP", "VECLIB"):
        monkeypatch.delenv(f"{name}_NUM_THREADS", raising=False)
    assert versions()["threads"] >= 1


def test_a_difference_is_named():
    now = versions()
    assert difference(now, now) == ""
    then = now | {"numpy": "0.0.0"}
    then.pop("blas")
    assert difference(then, now) == f"numpy 0.0.0 → {now['numpy']}, blas unknown → {now['blas']}"
