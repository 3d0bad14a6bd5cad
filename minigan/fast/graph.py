"""A GPU step recorded once, as a CUDA graph, and replayed: one launch instead of hundreds.

On a GPU a plain step of a small network waits: each of its hundreds of array operations is launched
by itself, and starting one takes longer than computing it. While a stream captures, CUDA computes
nothing and writes down what is launched, on which memory; replayed, all of it is one launch. On an
H100 a prototype's step of G 100-128-128-784 against D 784-128-128-1 took 0.5 ms instead of 7.7.

A recording knows memory, not Python: whatever changes from step to step has to lie in device arrays
that are filled before a replay (`Feed`), and the memory in which it computes must be its own for
good (`Stage`). What may go into a recording, and when it is trusted, is in `minigan.recorded`.

This file has not yet run on a GPU: it was tested against the stand-in of ``tests/fake_cuda.py``.
"""

from __future__ import annotations

import functools
import gc
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import numpy as np

from ..arrays import Array
from .product import handle_on

T = TypeVar("T")
SPARE = 2**20  # bytes
ALIGNED = 256  # bytes: where each array of a feed begins is a multiple of this


class Stage:
    """A stream and a memory pool of their own, on which a step is warmed up and recorded.

    Once a recording is made, nothing else may take memory from the pool: a replay computes in what
    was free there.

    Raises
    ------
    ImportError
        Without nvmath-python.
    """

    def __init__(self, cupy: Any) -> None:
        self.cupy, self.pool = cupy, cupy.cuda.MemoryPool()
        self.stream = _stream_beside(cupy.cuda.get_current_stream().ptr)
        handle_on(self.stream.ptr)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Work here: behind what the caller's stream has to do, and before what it does next."""
        caller = self.cupy.cuda.get_current_stream()
        self.stream.wait_event(caller.record())
        try:
            with self.cupy.cuda.using_allocator(self.pool.malloc), self.stream:
                yield
        finally:
            caller.wait_event(self.stream.record())

    def record(self, work: Callable[[], T]) -> tuple[Any, T]:
        """Return the graph of what `work` does, ``graph.launch()`` replays it; and its result.

        The pool must have been warmed up: by work of the same kind, done here.
        """
        collects = gc.isenabled()
        gc.collect()
        gc.disable()  # a finalizer that frees device memory would spoil the recording
        try:
            with self.entered():
                # Room for what somebody has kept of the steps before, such as their records.
                self.cupy.empty(SPARE, dtype=np.uint8)
                self.stream.begin_capture(self.cupy.cuda.runtime.streamCaptureModeRelaxed)
                try:
                    result = work()
                except BaseException:
                    with suppress(Exception):  # the first error is the one to tell
                        self.stream.end_capture()
                    raise
                return self.stream.end_capture(), result
        finally:
            if collects:
                gc.enable()


@functools.cache
def _stream_beside(caller: int) -> Any:
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
        hosts = [self._pinned(starts[-1]) for _ in range(2)]
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

    def _pinned(self, size: int) -> Array:
        return np.frombuffer(self.cupy.cuda.alloc_pinned_memory(size), np.uint8, size)

    @staticmethod
    def _view(buffer: Array, start: int, like: Array) -> Array:
        """Return the part of a buffer that begins at `start`, as an array like `like`."""
        return buffer[start : start + like.nbytes].view(like.dtype).reshape(like.shape)
