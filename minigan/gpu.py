"""CuPy, imported when somebody asks for the GPU, and what to install where it is missing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_NO_CUPY = """\
the GPU was asked for, but CuPy could not be imported ({reason}). Install the build for the CUDA
version that `nvidia-smi` prints:
    CUDA 12:  pip install "minigan[gpu]"      cupy-cuda12x, and nvmath-python
    CUDA 13:  pip install "minigan[gpu13]"    cupy-cuda13x, and nvmath-python
or stay on the CPU with device "cpu"."""


def on_gpu(x: Any) -> Any:
    """`x` as a CuPy array; errors as `minigan.to_device` has them."""
    try:
        import cupy
    except ImportError as error:
        raise ImportError(_NO_CUPY.format(reason=error)) from error
    try:
        return cupy.asarray(x)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(
            f"the GPU was asked for, but CuPy {cupy.__version__} can't use one ({error}); "
            'see whether `nvidia-smi` lists a GPU, or stay on the CPU with device "cpu"'
        ) from error


def pinned(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an empty NumPy array in memory that the GPU reads and writes by itself.

    CuPy keeps freed memory of this kind for the next request of that size.
    """
    import cupy

    size = math.prod(shape)
    memory = cupy.cuda.alloc_pinned_memory(size * np.dtype(dtype).itemsize)
    return np.frombuffer(memory, dtype, size).reshape(shape)
