"""Loops over numbers, compiled where numba is installed: ``pip install "minigan[fast]"``.

A NumPy expression of ten operations goes through memory ten times. A compiled loop goes once. The
loops of this folder are plain Python, and do what the NumPy code beside them says; a test compares.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array


def compiled(loop: Callable[..., None], types: str, *arrays: Array | None) -> Any:
    """Return `loop` compiled for these arrays; None where that can't be.

    There is none without numba, on a GPU, for dtypes other than float32 and float64, and for arrays
    that are not plain memory: strided, unaligned, of another byte order or write-protected.

    Parameters
    ----------
    loop
        A function that numba can compile, and that returns nothing.
    types
        Of its arguments, in numba's words, with F for the dtype: ``"F[::1], F, i8"`` for a vector,
        a number of the vector's dtype and an integer.
    """
    for array in arrays:
        if type(array) is not np.ndarray or not array.flags.carray or not array.dtype.isnative:
            return None
    (char, *others) = {array.dtype.char for array in arrays if array is not None}
    return None if others or char not in "fd" else _compiled(loop, types, char)


@functools.cache
def _compiled(loop: Callable[..., None], types: str, char: str) -> Any:
    """Compile a loop for float32, "f", or float64, "d"; None without numba.

    numba keeps the machine code in a file beside the loop's, or in a folder of the user's. Where
    that can't be read or written, a warning says so, and each process compiles for itself.
    """
    try:
        import numba
    except ImportError:
        return None
    signature = f"void({types.replace('F', 'f4' if char == 'f' else 'f8')})"
    # A division by zero gives infinity, as in NumPy, which lets it divide 16 numbers at a time.
    # While a loop runs, other threads may.
    compiler: Any = functools.partial(numba.njit, signature, error_model="numpy", nogil=True)
    for cache in (True, False):
        try:
            return compiler(cache=cache)(loop)
        except Exception as error:  # a damaged file raises whatever its reader runs into
            warnings.warn(
                f"numba can't {'use its cache' if cache else f'compile {loop.__name__}'} "
                f"({type(error).__name__}: {error}); "
                + (_CURE if cache else "NumPy's passes are taken instead"),
                RuntimeWarning,
                stacklevel=3,
            )
    return None


_CURE = (
    "each process compiles for itself, about a second a loop. If a file of it is damaged, delete "
    "*.nbi in minigan/fast/__pycache__ or ~/.cache/numba; or let NUMBA_CACHE_DIR name a "
    "folder that can be written"
)
