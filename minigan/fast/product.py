"""Matrix products, one function for all devices: also while a GPU step is being recorded.

A recorded step (`minigan.fast.graph`) saves the hundreds of launches that a plain one waits for.
CuPy refuses its own matrix products in a recording (CuPy issue 6290), and nothing else that a layer
needs. So on a stream that records they go to NVIDIA's cuBLAS directly, through nvmath-python, which
the extra ``minigan[gpu]`` brings; everywhere else a product is ``a @ b``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, array_module

WORKSPACE = 2**25  # bytes that cuBLAS may work in: what NVIDIA advises for an H100
# Streams that record, by their pointers → the handle of cuBLAS there, and the memory it works in.
_HANDLES: dict[int, tuple[int, Array]] = {}


def product(a: Array, b: Array, add_to: Array | None = None) -> Array:
    """Return a·b; with `add_to`, add it into that array instead, and return that.

    Parameters
    ----------
    a, b
        (m, k) and (k, n); one of them may be a vector (k,), and so is the result then.
    add_to
        C-contiguous and of the result's shape and dtype.

    Raises
    ------
    TypeError
        On a stream that records, for numbers other than float32 and float64.
    """
    if type(a) is not np.ndarray:
        handle = _HANDLES.get(array_module(a, b).cuda.get_current_stream().ptr)
        if handle is not None:
            return _by_cublas(handle[0], a, b, add_to)
    if add_to is None:
        return a @ b
    add_to += a @ b
    return add_to


def _by_cublas(handle: int, a: Array, b: Array, add_to: Array | None) -> Array:
    """Return `product`, by cuBLAS.

    cuBLAS takes matrices column by column. Ours, row by row, are to it their own transposes, and
    cᵀ = bᵀ·aᵀ. A transposed view lies column by column already: it takes the flag 1.
    """
    if a.dtype != b.dtype or a.dtype.char not in "fd":
        raise TypeError(f"a recorded product takes float32 or float64, got {a.dtype} and {b.dtype}")
    xp, cublas = array_module(a, b), _cublas()
    shape = (*a.shape[:-1], *b.shape[1:])  # of the result
    a, b = a.reshape(-1, a.shape[-1]), b.reshape(len(b), -1)
    a, b = (x if _is_solid(x) else xp.ascontiguousarray(x) for x in (a, b))
    (m, k), n = a.shape, b.shape[1]
    c = xp.empty(shape, dtype=a.dtype) if add_to is None else add_to
    # Where both flags are right, for vectors, CuPy's own choice: it gives CuPy's bits.
    flag_a, flag_b = int(not a.flags.c_contiguous), int(b.flags.f_contiguous)
    one, beta = np.ones(1, a.dtype), np.full(1, add_to is not None, a.dtype)
    gemm = cublas.sgemm if a.dtype.char == "f" else cublas.dgemm
    gemm(
        *(handle, flag_b, flag_a, n, m, k, one.ctypes.data),
        *(_place(b), k if flag_b else n, _place(a), m if flag_a else k),
        *(beta.ctypes.data, _place(c), n),
    )
    return c


def use_cublas_on(stream: int) -> None:
    """Let products on this stream, given by its pointer, go to cuBLAS from now on.

    It has to be called before a recording begins, since it takes memory. That is kept for good: a
    recording uses it whenever it is replayed.

    Raises
    ------
    ImportError
        Without nvmath-python.
    """
    if stream not in _HANDLES:
        import cupy

        cublas = _cublas()
        handle, workspace = cublas.create(), cupy.empty(WORKSPACE, dtype=np.uint8)
        cublas.set_stream(handle, stream)
        cublas.set_workspace(handle, _place(workspace), workspace.nbytes)
        _HANDLES[stream] = handle, workspace


def _is_solid(x: Array) -> bool:
    """Whether a matrix lies in memory without gaps, row by row or column by column."""
    return bool(x.flags.c_contiguous or x.flags.f_contiguous)


def _place(x: Any) -> int:
    """Return where a device array lies."""
    return x.data.ptr


def _cublas() -> Any:
    """NVIDIA's bindings."""
    try:
        from nvmath.bindings import cublas
    except ImportError as error:
        raise ImportError(
            f'recording needs nvmath-python ({error}): pip install "minigan[gpu]", or '
            '"minigan[gpu13]" with CUDA 13'
        ) from error
    return cublas
