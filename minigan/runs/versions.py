"""What the last bits of a run depend on besides its settings: versions, BLAS, its threads."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np

from .. import __version__


def versions() -> dict[str, str | int]:
    """Return what must be the same for two runs to have the same bits, by name.

    Sums of floating-point numbers depend on their order, which is BLAS's choice: it goes by its
    version, by the kind of processor (`blas` names both, as far as it tells) and by the number of
    threads.
    """
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    library = _openblas()
    name = f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
    if library is not None and hasattr(library, "scipy_openblas_get_corename64_"):
        ask = library.scipy_openblas_get_corename64_
        ask.restype = ctypes.c_char_p
        name += f" ({ask().decode()})"
    return {
        "minigan": __version__,
        "numpy": np.__version__,
        "blas": name,
        "threads": _threads(library),
    }


def difference(then: dict[str, str | int], now: dict[str, str | int]) -> str:
    """Return what differs, "numpy 2.1.0 → 2.2.0, threads 1 → 8"; nothing if nothing does."""
    return ", ".join(
        f"{name} {then.get(name, 'unknown')} → {value}"
        for name, value in now.items()
        if then.get(name) != value
    )


def _openblas() -> ctypes.CDLL | None:
    """Return the OpenBLAS that lies in NumPy's wheels, which is loaded already; None elsewhere."""
    folder = Path(np.__file__).parents[1] / "numpy.libs"
    for path in sorted(folder.glob("*openblas*")):
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            continue
    return None


def _threads(library: ctypes.CDLL | None) -> int:
    """Return how many BLAS takes: what it says itself, what it is told, or one a processor."""
    if library is not None and hasattr(library, "scipy_openblas_get_num_threads64_"):
        return int(library.scipy_openblas_get_num_threads64_())
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")
    told = [os.environ[name] for name in names if os.environ.get(name, "").isdecimal()]
    return int(told[0]) if told else os.cpu_count() or 1
