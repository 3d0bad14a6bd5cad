"""Arrays, wherever they live: NumPy on the CPU, CuPy on the GPU, and random numbers for both.

The whole library asks one question of its arrays, ``xp = array_module(x)``, and then writes
``xp.exp(x)``. No layer takes a device argument and nothing global says where to compute: an array
carries its device with it. CuPy is imported only when somebody asks for the GPU.
"""

from __future__ import annotations

import hashlib
import json
import operator
import sys
from typing import Any, TypeAlias

import numpy as np

from .gpu import on_gpu

# A numpy.ndarray or a cupy.ndarray. CuPy's class has the same interface, so one name serves both.
Array = np.ndarray[Any, Any]
# What a layer draws from, and what its weights are drawn from. In quotes, since naming the class
# would import numpy.random: 15 ms that can wait.
Rng: TypeAlias = "np.random.Generator | None"
Seed: TypeAlias = "int | np.random.Generator"

# Arrays whose operations mean something else, and what to do about it.
_NOT_PLAIN = {
    "MaskedArray": "decide what its masked entries are with x.filled(...)",
    "matrix": "in which * is a matrix product; convert it with numpy.asarray(...)",
}


def array_module(*arrays: Any) -> Any:
    """Return the module that the arrays belong to: ``numpy`` or ``cupy``.

    Parameters
    ----------
    *arrays
        One or more arrays, all on the same device.

    Raises
    ------
    TypeError
        For something that is no array, for arrays of two devices, and for ``numpy.ma.MaskedArray``
        and ``numpy.matrix``.
    """
    kinds = set(map(type, arrays))
    if kinds == {np.ndarray}:
        return np
    for kind in kinds:
        if cure := _NOT_PLAIN.get(kind.__name__):
            raise TypeError(f"expected plain NumPy or CuPy arrays, got a {kind.__name__}: {cure}")
    names = {kind.__module__.partition(".")[0] for kind in kinds}
    if names == {"numpy"}:
        return np
    if names == {"cupy"}:
        return sys.modules["cupy"]
    if names == {"numpy", "cupy"}:
        raise TypeError(
            "arrays of two devices meet: one lives on the CPU (NumPy), another on the GPU (CuPy); "
            'move one of them with to_device(x, "gpu") or to_device(x, "cpu")'
        )
    got = ", ".join(sorted(kind.__qualname__ for kind in kinds))
    raise TypeError(f"expected NumPy or CuPy arrays, got {got}; convert with numpy.asarray(...)")


def to_device(x: Array, device: str) -> Array:
    """`x` on ``"cpu"`` (as a NumPy array) or ``"gpu"`` (as a CuPy array).

    Raises
    ------
    ValueError
        For another device name.
    ImportError
        For ``"gpu"`` where CuPy is not installed; the message says what to install.
    RuntimeError
        For ``"gpu"`` where CuPy finds no GPU.
    """
    if device == "cpu":
        return to_numpy(x)
    if device != "gpu":
        raise ValueError(f'device must be "cpu" or "gpu", got {device!r}')
    return on_gpu(x)


def to_numpy(x: Array) -> np.ndarray[Any, Any]:
    """`x` as a NumPy array; a CuPy array is copied to the CPU, which waits for the GPU."""
    xp = array_module(x)
    return np.asarray(x) if xp is np else xp.asnumpy(x)


def as_like(numbers: Any, other: Array) -> Array:
    """Return what was drawn on the CPU with the (real) dtype of `other`, on its device."""
    return array_module(other).asarray(numbers, dtype=other.real.dtype)


def stream(seed: int, *keys: int | str) -> np.random.Generator:
    """Random numbers that depend on `seed` and `keys` and on nothing else.

    ``stream(seed, "noise", step)`` gives the noise of that step, whichever steps were drawn before
    it, on every machine: there is no generator state to save. Always draw with an explicit dtype,
    ``stream(0, "z").standard_normal(5, dtype=np.float32)``, and on the CPU; move the array after.

    The generator is Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), a
    counter encrypted with a key; the key is the first 128 bits of SHA-256 over the JSON text of
    ``[seed, *keys]``, so two different lists never share numbers.

    Raises
    ------
    TypeError
        For a seed that is no integer, or a key that is neither an integer nor a string.
    """
    try:
        words: list[int | str] = [operator.index(seed)]
        words += [k if isinstance(k, str) else operator.index(k) for k in keys]
    except TypeError:
        raise TypeError(
            "stream takes an integer seed and keys that are integers or strings, "
            f"got {(seed, *keys)!r}"
        ) from None
    digest = hashlib.sha256(json.dumps(words).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
