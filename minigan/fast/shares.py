"""Large layers on several threads: each takes its share of the batch through all of the layer.

BLAS cuts a product into a piece for each of its threads, which wait for each other every time, and
what lies between the products, the copies and sums of a convolution or a BatchNorm, is left to one.
Here each thread does all of it for its share of the samples, its products included. On two cores a
step of the recipe dcgan takes 183 ms; 284 on one, and 266 in NumPy with two threads of BLAS. Where
other programs run, those need three times as long as threads with a share each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")
# The other threads, and how many there are with this one.
_others: ContextVar[tuple[ThreadPoolExecutor | None, int]] = ContextVar("others", default=(None, 1))
LEAST = 2**16  # numbers that are worth a second thread: handing them over takes 35 µs


@contextmanager
def sharing(threads: int) -> Iterator[None]:
    """Let large layers take this many threads within the context; BLAS then takes one in each.

    The last bits of a sum depend on the number of threads, and on nothing else.
    """
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max(1, threads - 1)) as pool:
        token = _others.set((pool, threads))
        try:
            yield
        finally:
            _others.reset(token)


def shares() -> int:
    """Return how many threads share the layers here: 1 outside of `sharing`."""
    return _others.get()[1]


def in_shares(task: Callable[[slice], T], rows: int, numbers: int) -> list[T]:
    """Call ``task(slice)`` for each share of the rows, at the same time; return what they return.

    Parameters
    ----------
    task
        Must not write where another share reads or writes.
    rows
        How many there are to share out.
    numbers
        How many numbers the task goes through, about; fewer than `LEAST` stay in one share.
    """
    pool, threads = _others.get()
    if pool is None or numbers < LEAST or rows < threads:
        return [task(slice(0, rows))]
    cuts = [rows * i // threads for i in range(threads + 1)]
    first, *rest = map(slice, cuts[:-1], cuts[1:])
    # What NumPy is told of overflows, ``np.errstate``, holds in the other threads too.
    waiting = [pool.submit(copy_context().run, _alone, task, share) for share in rest]
    done = [task(first)]
    return done + [future.result() for future in waiting]


def _alone(task: Callable[[slice], T], share: slice) -> T:
    """Call the task where nothing is shared out again: all threads have their share already."""
    _others.set((None, 1))
    return task(share)
