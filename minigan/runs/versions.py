"""What the last bits of a run depend on besides its settings: versions, SIMD, BLAS, its threads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

import numpy as np

from .. import __version__
from ..fast.shares import shares

Versions = Mapping[str, str | int]


def versions(ranks: int = 1) -> dict[str, str | int]:
    """Return what must be the same for two runs to have the same bits, by name.

    Sums of floating-point numbers depend on their order. In matrix products that is BLAS's choice:
    it goes by its version, by its kernel for the kind of processor (`blas` names both) and by the
    number of threads. In all else it is NumPy's, by the instructions that it finds (`simd`), or
    that of the loops which numba has compiled; and where ranks share a batch, MPI's.
    """
    from threadpoolctl import threadpool_info  # looks at the libraries that NumPy has loaded

    config: Any = np.show_config(mode="dicts")
    blas = config["Build Dependencies"]["blas"]
    name = f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
    loaded = [library for library in threadpool_info() if library["user_api"] == "blas"]
    # Where another package has brought a BLAS of its own, NumPy's lies beside NumPy.
    loaded.sort(key=lambda library: "numpy" not in library["filepath"])
    kernel = loaded[0].get("architecture") if loaded else None
    return {
        "minigan": __version__,
        "numpy": np.__version__,
        "simd": " ".join(config.get("SIMD Extensions", {}).get("found", [])) or "baseline",
        "blas": f"{name} ({kernel})" if kernel else name,
        "threads": max(int(loaded[0]["num_threads"]), shares()) if loaded else "unknown",
        "numba": _numba(),
        "ranks": ranks,
    }


@cache  # a checkpoint asks for it too, and must not fail where numba's files can't be read
def _numba() -> str:
    """Return numba's version without importing it, which takes a second."""
    try:
        told = metadata("numba")
    except PackageNotFoundError:
        return "none"
    return told["Version"] if "Version" in told else "unknown"


def difference(then: Versions, now: Versions) -> str:
    """Return what differs, "numpy 2.1.0 → 2.2.0, threads 1 → 8"; nothing if nothing does."""
    then = {"ranks": 1, **then}  # older checkpoints are of one process
    return ", ".join(
        f"{name} {then.get(name, 'unknown')} → {value}"
        for name, value in now.items()
        if then.get(name) != value
    )
