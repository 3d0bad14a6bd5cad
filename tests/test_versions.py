"""What the bits depend on: it is found, and a difference is put into words."""

import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

import minigan
from minigan.runs.versions import difference, versions


def test_all_is_found():
    found = versions()
    assert list(found) == ["minigan", "numpy", "simd", "blas", "threads", "numba", "ranks"]
    assert found["minigan"] == minigan.__version__ and found["numpy"] == np.__version__
    assert found["blas"] and type(found["threads"]) is int and found["threads"] >= 1
    assert versions() == found


def test_older_checkpoints_are_of_one_process():
    now = versions()
    then = {name: value for name, value in now.items() if name != "ranks"}
    assert difference(then, now) == ""
    assert difference(then, versions(ranks=4)) == "ranks 1 → 4"
    assert difference(versions(ranks=4), now) == "ranks 4 → 1"


CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions_where(**variables):
    """Return the versions that a process finds which is started with these variables."""
    code = "import json; from minigan.runs.versions import versions; print(json.dumps(versions()))"
    told = {**variables, "PYTHONPATH": str(minigan.__path__[0]).removesuffix("minigan")}
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.run(command, env=told, capture_output=True, check=True).stdout)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_the_one_that_blas_is_told(threads):
    if threads > CORES:
        pytest.skip("OpenBLAS takes no more threads than there are cores")
    names = ("OPENBLAS", "MKL", "OMP", "VECLIB")
    told = {f"{name}_NUM_THREADS": str(threads) for name in names}
    assert versions_where(**told)["threads"] == threads


def test_the_kernel_is_the_one_that_openblas_is_told():
    here = versions()["blas"]
    if not here.startswith("scipy-openblas") or platform.machine() != "x86_64":
        pytest.skip("for OpenBLAS on x86-64")
    kernels = "Prescott", "Nehalem"
    found = {versions_where(OPENBLAS_CORETYPE=kernel)["blas"] for kernel in kernels}
    assert len(found) == 2
    assert {name.partition("(")[0] for name in found} == {here.partition("(")[0]}


def test_the_instructions_are_those_that_numpy_takes():
    found = versions()["simd"].split()
    if found == ["baseline"]:
        pytest.skip("this processor has no more than NumPy asks for")
    fewer = versions_where(NPY_DISABLE_CPU_FEATURES=found[-1])["simd"]
    assert found[-1] not in fewer.split()


def test_where_no_blas_tells_the_threads_are_unknown(monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [])
    assert versions()["threads"] == "unknown" and "(" not in versions()["blas"]


def test_a_difference_is_named():
    now = versions()
    assert difference(now, now) == ""
    then = now | {"numpy": "0.0.0"}
    then.pop("blas")
    assert difference(then, now) == f"numpy 0.0.0 → {now['numpy']}, blas unknown → {now['blas']}"
