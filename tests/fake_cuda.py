"""A stand-in for what CUDA does besides arrays: streams, captures, graphs, pools, cuBLAS.

``fake_cupy`` hands every computation to `run`. While a stream captures, nothing is computed, as on
a GPU: what comes out holds NaN, what would be changed stays, and the call is written down. A graph
repeats these calls, on the same memory. Refused is what a capture refuses:

- a value on the host, a wait, a copy from the host (but by ``set`` from pinned memory, outside);
- cuBLAS by way of CuPy: CuPy says so itself (its issue 6290);
- memory that the pool in use does not have: it would come from cudaMalloc.

A real capture permits the last in relaxed mode; but a recording needs a pool of its own, and one
that was not warmed up is a mistake. What has taken part in a capture refuses to hand out memory
afterwards, which a replay would write to.

``cublas`` stands for ``nvmath.bindings.cublas``: it works on addresses, column by column.

What this can't show: a graph here runs at once, so nothing comes too late; and no kernel of CuPy's
is asked whether it can be captured.
"""

import contextlib
import ctypes
import itertools
import types
import weakref

import numpy as np

_ROUND = 512  # CuPy's pool hands out multiples of this


class CaptureError(RuntimeError):
    """A capture refuses what it can't record."""


class State:
    """Which stream is current, which pool is in use, whose memory is alive."""

    def __init__(self):
        self.streams, self.pool, self.blocks = [], None, weakref.WeakValueDictionary()


class Stream:
    """A stream; ``with stream:`` makes it the current one."""

    _count = itertools.count(1)

    def __init__(self, null=False, non_blocking=False):
        self.ptr, self.tape = 0 if null else next(self._count), None

    def __enter__(self):
        state.streams.append(self)
        return self

    def __exit__(self, *error):
        state.streams.pop()

    def is_capturing(self):
        return self.tape is not None

    def begin_capture(self, mode=None):
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        assert mode == runtime.streamCaptureModeRelaxed
        self.tape = []

    def end_capture(self):
        tape, self.tape = self.tape, None
        if state.pool is not None:
            state.pool.sealed = True
        return Graph(tape)

    def synchronize(self):
        expect_no_capture("a wait for a stream")

    def record(self, event=None):
        return event or Event()

    def wait_event(self, event):
        pass


class Event:
    """A mark in a stream."""

    def record(self, stream=None):
        pass

    def synchronize(self):
        expect_no_capture("a wait for an event")


class Graph:
    """What a capture has written down."""

    launched = 0  # how many graphs were, all together

    def __init__(self, tape):
        self.tape = tape

    def launch(self, stream=None):
        expect_no_capture("a launch")
        Graph.launched += 1
        with np.errstate(all="ignore"):
            for call in self.tape:
                call()


class MemoryPool:
    """Memory that was taken from CUDA once, in blocks that are free or in use."""

    def __init__(self):
        self.free, self.sealed = {}, False

    def malloc(self, size):
        raise NotImplementedError("the stand-in asks the pool itself")

    def take(self, size):
        if self.sealed:
            raise CaptureError("memory of a recording was taken for something else")
        fitting = [s for s, count in self.free.items() if count and s >= size]
        if size in fitting or (fitting and capturing() is not None):
            found = min(fitting)
            self.free[found] -= 1
            if found > size:  # the rest stays free
                self.free[found - size] = self.free.get(found - size, 0) + 1
        elif capturing() is not None:
            raise CaptureError(f"cudaMalloc of {size} bytes: the pool was not warmed up")
        return Block(self, size)


class Block:
    """A block in use, for as long as an array on the device holds it."""

    def __init__(self, pool, size):
        self.pool, self.size = pool, size

    def __del__(self):
        self.pool.free[self.size] = self.pool.free.get(self.size, 0) + 1


@contextlib.contextmanager
def using_allocator(malloc):
    """Take memory from a pool, given by its method."""
    before, state.pool = state.pool, malloc.__self__
    try:
        yield
    finally:
        state.pool = before


def get_current_stream():
    """Return the current stream."""
    return state.streams[-1] if state.streams else Stream.null


def capturing():
    """Return the tape of the current stream, None unless it captures."""
    return get_current_stream().tape


def expect_no_capture(what):
    """Refuse what a capture can't record."""
    if any(stream.tape is not None for stream in state.streams):
        raise CaptureError(f"{what} while a stream captures")


def run(function, args, kwargs, by_cublas=False):
    """Return what a function makes of NumPy arrays, or write the call down."""
    tape = capturing()
    if tape is None and state.pool is None:
        return function(*args, **kwargs)
    inputs = list(_arrays((args, kwargs)))
    if tape is None:
        result = function(*args, **kwargs)
    else:
        if by_cublas:
            raise NotImplementedError(
                "calling cuBLAS API during stream capture is currently unsupported"
            )
        before = [array.copy() for array in inputs]
        with np.errstate(all="ignore"):
            result = function(*args, **kwargs)
        for array, old in zip(inputs, before, strict=True):
            if array.tobytes() != old.tobytes():
                array[...] = old
    if not isinstance(result, (tuple, list, type(None))):
        result = np.asarray(result)
    roots = {id(_root(array)) for array in inputs}
    new = [array for array in _arrays(result) if id(_root(array)) not in roots]
    for array in new:
        if state.pool is not None:
            _hold(array)
        elif tape is not None:
            raise CaptureError("memory from outside of the recording's own pool")
    if tape is not None and (new or _writes(function, result, inputs)):
        for array in new:
            array.fill(np.nan if array.dtype.kind in "fc" else 0)

        def call():
            again = function(*args, **kwargs)
            for array, value in zip(new, _arrays(_as_list(again)), strict=bool(new)):
                array[...] = value

        tape.append(call)
    return result


def _as_list(result):
    return result if isinstance(result, (tuple, list)) else [np.asarray(result)]


def _writes(function, result, inputs):
    """Whether a call that made no array has written to one."""
    return result is None or any(result is array for array in inputs)


def _arrays(thing):
    """Give all arrays in lists, tuples and dicts."""
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, (tuple, list)):
        for part in thing:
            yield from _arrays(part)
    elif isinstance(thing, dict):
        yield from _arrays(list(thing.values()))


def _root(array):
    """Return the array whose memory this one shows, a part or a window of."""
    while array.base is not None:
        base = array.base if isinstance(array.base, np.ndarray) else _behind(array.base)
        if base is None:
            break
        array = base
    return array


def _behind(base):
    """Return the array behind what as_strided puts between; None for other memory."""
    return base.base if type(base).__name__ == "DummyArray" else None


def _hold(array):
    root = _root(array)
    state.hold = state.pool.take(-(-max(1, root.nbytes) // _ROUND) * _ROUND)
    state.blocks[id(root)] = state.hold


def block_of(array):
    """Return the block in which an array lies, for its wrapper to keep."""
    state.hold, block = None, state.blocks.get(id(_root(array))) if state.blocks else None
    return block


# --- memory that both sides see ---

_pinned = weakref.WeakValueDictionary()


def alloc_pinned_memory(size):
    """Return memory of the host that the device can fetch from."""
    memory = np.zeros(size, np.uint8)
    _pinned[memory.ctypes.data] = memory
    return memory


def set_from_host(device, host, stream):
    """Copy to a device array, without waiting: from pinned memory, on a stream."""
    if stream is None:
        expect_no_capture("a synchronous copy from the host")
    expect_no_capture("a copy of what the host holds now")
    if host.ctypes.data not in _pinned:
        raise CaptureError("a copy from pageable memory waits; take pinned memory")
    device[...] = host


# --- nvmath.bindings.cublas ---


def _gemm(char):
    def gemm(handle, flag_a, flag_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
        stream, workspace = _handles[handle]
        if workspace is None:
            raise CaptureError("cuBLAS would take memory by itself: give it a workspace")
        alpha, beta = _matrix(char, alpha, 1, 1, 1)[0, 0], _matrix(char, beta, 1, 1, 1)[0, 0]
        A = _matrix(char, a, *((k, m) if flag_a else (m, k)), lda)
        B = _matrix(char, b, *((n, k) if flag_b else (k, n)), ldb)
        C = _matrix(char, c, m, n, ldc)
        A, B = A.T if flag_a else A, B.T if flag_b else B

        def call():
            product = alpha * (B.T @ A.T)  # as rows: the call of NumPy's that a plain step makes
            if beta:
                C.T[...] = beta * C.T + product
            else:
                C.T[...] = product

        if get_current_stream().ptr != stream:
            raise CaptureError("this handle is for another stream")
        tape = capturing()
        if tape is None:
            call()
        else:
            tape.append(call)

    return gemm


def _matrix(char, address, rows, columns, stride):
    """Return a matrix in memory, given column by column."""
    assert stride >= rows, "the leading dimension is at least the number of rows"
    number = ctypes.c_float if char == "f" else ctypes.c_double
    length = (columns - 1) * stride + rows
    flat = np.ctypeslib.as_array((number * length).from_address(address))
    size = flat.itemsize
    return np.lib.stride_tricks.as_strided(flat, (rows, columns), (size, stride * size))


def _create():
    expect_no_capture("cublasCreate")
    _handles.append([None, None])
    return len(_handles) - 1


def _set_stream(handle, stream):
    _handles[handle] = [stream, None]  # as in cuBLAS, which then forgets the workspace


def _set_workspace(handle, address, size):
    _handles[handle][1] = address, size


_handles = []
cublas = types.SimpleNamespace(
    create=_create,
    set_stream=_set_stream,
    set_workspace=_set_workspace,
    sgemm=_gemm("f"),
    dgemm=_gemm("d"),
)
nvmath = types.ModuleType("nvmath")
nvmath.bindings = types.ModuleType("nvmath.bindings")
nvmath.bindings.cublas = cublas
MODULES = {
    "nvmath": nvmath,
    "nvmath.bindings": nvmath.bindings,
    "nvmath.bindings.cublas": cublas,
}

state = State()
Stream.null = Stream(null=True)
runtime = types.SimpleNamespace(
    getDeviceCount=lambda: 1,
    getDevice=lambda: 0,
    pointerGetAttributes=lambda address: types.SimpleNamespace(type=int(address in _pinned)),
    memoryTypeHost=1,
    streamCaptureModeRelaxed=2,
)
cuda = types.SimpleNamespace(
    Stream=Stream,
    Event=Event,
    MemoryPool=MemoryPool,
    alloc_pinned_memory=alloc_pinned_memory,
    get_current_stream=get_current_stream,
    get_elapsed_time=lambda begin, end: 1.0,
    is_available=lambda: True,
    runtime=runtime,
    using_allocator=using_allocator,
)
