"""A GPU step recorded once, as a CUDA graph, and replayed: one launch instead of hundreds.

On a GPU a plain step of a small network waits: each of its hundreds of array operations is launched
by itself, and starting one takes longer than computing it. While a stream captures, CUDA computes
nothing and writes down what is launched, on which memory; replayed, all of it is one launch. On an
H100 a prototype's step of G 100-128-128-784 against D 784-128-128-1 took 0.5 ms instead of 7.7.

A recording knows memory, not Python: whatever changes from step to step has to lie in device arrays
that are filled before a replay (`Feed`), and the memory in which it computes must be its own for
good (`Recording`). What goes into one, and when it is trusted, is in `minigan.recorded`.

This file has not yet run on a GPU: it was tested against the stand-in of ``tests/fake_cuda.py``.
"""

from __future__ import annotations

import functools
import gc
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..arrays import Array
from ..gpu import pinned
from .product import use_cublas_on

WARM_UPS = 2
ALIGNED = 256  # bytes: where each array of a feed begins is a multiple of this


class Recording:
    """What `work` does on the GPU, recorded: `launch` does it again, on the current stream.

    `work` is done a few times before, on a stream and with a memory pool of their own: that
    compiles what it needs, and leaves in the pool all the memory that a recording may take. The
    pool serves nobody else: whenever the recording is launched, it computes in that memory.

    Parameters
    ----------
    cupy
        The array module.
    work
        What it reads and changes are device arrays; what it does in Python is not recorded.

    Attributes
    ----------
    result
        What `work` has returned while it was recorded: device arrays that each launch fills.

    Raises
    ------
    ImportError
        Without nvmath-python.
    Exception
        Whatever `work` raises, and CUDA or CuPy for what can't be recorded.
    """

    def __init__(self, cupy: Any, work: Callable[[], Any]) -> None:
        self.pool = cupy.cuda.MemoryPool()
        caller = cupy.cuda.get_current_stream()
        stream = _stream_beside(cupy.cuda.runtime.getDevice(), caller.ptr)
        use_cublas_on(stream.ptr)
        stream.wait_event(caller.record())  # this is done behind what the caller has asked for,
        collects = gc.isenabled()
        gc.collect()
        gc.disable()  # a finalizer that frees device memory would spoil the recording
        try:
            with cupy.cuda.using_allocator(self.pool.malloc), stream:
                for _ in range(WARM_UPS):
                    work()
                stream.begin_capture(cupy.cuda.runtime.streamCaptureModeRelaxed)
                try:
                    self.result = work()
                except BaseException:
                    with suppress(Exception):  # the first error is the one to tell
                        stream.end_capture()
                    raise
                self.graph = stream.end_capture()
        finally:
            caller.wait_event(stream.record())  # and before what it asks for next
            if collects:
                gc.enable()

    def launch(self) -> None:
        """Do the work once more."""
        self.graph.launch()


@functools.cache
def _stream_beside(device: int, caller: int) -> Any:
    """Return the one stream on which is recorded what another stream, by its pointer, replays.

    There is one for each, since recordings of one stream share the memory that cuBLAS works in.
    """
    import cupy

    return cupy.cuda.Stream(non_blocking=True)


class Feed:
    """Device arrays that are filled from the host before each replay: one copy for all of them.

    Parameters
    ----------
    cupy
        The array module.
    values
        Arrays of the shapes and dtypes that will come.

    Attributes
    ----------
    slots
        The device arrays, in the order of `values`.
    """

    def __init__(self, cupy: Any, values: Sequence[Array]) -> None:
        self.cupy = cupy
        sizes = [-(-max(1, value.nbytes) // ALIGNED) * ALIGNED for value in values]
        starts = list(itertools.accumulate(sizes, initial=0))
        self.device = cupy.empty(starts[-1], dtype=np.uint8)
        # Two, so that one can be written to while the GPU still reads the other. They are pinned:
        # the GPU fetches from such memory by itself, and nobody waits.
        hosts = [pinned((starts[-1],), np.uint8) for _ in range(2)]
        self.turns = itertools.cycle([(host, cupy.cuda.Event()) for host in hosts])
        self.places = list(zip(starts, values, strict=False))
        self.slots = [self._view(self.device, *place) for place in self.places]

    def fill(self, values: Sequence[Array]) -> None:
        """Send values, one for each slot, on the current stream."""
        host, copied = next(self.turns)
        copied.synchronize()  # the copy of two steps ago
        for place, value in zip(self.places, values, strict=True):
            self._view(host, *place)[...] = value
        self.device.set(host, stream=self.cupy.cuda.get_current_stream())
        copied.record()

    @staticmethod
    def _view(buffer: Array, start: int, like: Array) -> Array:
        """Return the part of a buffer that begins at `start`, as an array like `like`."""
        return buffer[start : start + like.nbytes].view(like.dtype).reshape(like.shape)
