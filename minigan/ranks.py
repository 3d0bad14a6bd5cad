"""One run on many processes: each takes its share of every batch, and all follow the mean gradient.

The processes are the *ranks* of MPI, on one machine or on many. A loss is a mean over the batch,
so it is the mean over N equal shares of what it is on each, and so is its gradient:

    L = 1/N·Σ_r L_r          ∂L/∂θ = 1/N·Σ_r ∂L_r/∂θ

θ is one vector. So all that the ranks tell each other in half a step is one vector too, summed by
one all-reduce; each then takes the same step of its own optimiser from the same θ. This is
synchronous data-parallel training (Goyal et al. 2017, section 2.1).

A rank's share is cut from the very rows, noise and other numbers that one process draws. So the
run of N ranks is the run of one, up to the order of sums. What looks at the batch as a whole sees
the share of its rank: BatchNorm and MinibatchStd, as with PyTorch's DistributedDataParallel, and
DRAGAN. On a GPU the steps of ranks are plain, not recorded.

    mpiexec -n 4 python -m mpi4py train_mine.py        # -m mpi4py: an error on one rank ends all
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from .arrays import Array, array_module, to_numpy
from .gpu import pinned
from .loop import Game, Record
from .step import Half, norm

CHECK = 100  # steps from one comparison of the ranks' weights to the next


class Ranks:
    """The processes that an ``mpiexec`` has started, as a training run needs them.

    Each of them makes the same networks and optimisers, has all of the data, and calls `train`
    alike; `game` sees to the rest::

        ranks = Ranks()
        for record in train(G, D, data, …, batch=128, make_game=ranks.game):
            if ranks.rank == 0:
                print(record.step, record["loss_D"])

    What a record has measured is of the whole batch, and the same on all ranks. Optimisers and
    their wrappers see the mean gradient alone, so a clipped norm is the whole batch's, and what
    they remember says nothing of the ranks: a run goes on with any number of them.

    Parameters
    ----------
    communicator
        Of mpi4py; all processes (``MPI.COMM_WORLD``) unless given.

    Attributes
    ----------
    rank, size
        Which process this is, counted from 0, and how many there are.

    Raises
    ------
    ImportError
        Without mpi4py; the message says what to install.
    """

    def __init__(self, communicator: Any = None) -> None:
        self.communicator = _world() if communicator is None else communicator
        self.rank: int = self.communicator.rank
        self.size: int = self.communicator.size

    @property
    def game(self) -> Callable[..., Game]:
        """What makes the game of this rank: the `make_game` of `train`."""
        return partial(SharedGame, ranks=self)

    def expect_even(self, batch: int) -> None:
        """Raise a ValueError for a batch that does not fall into equal shares."""
        if batch % self.size:
            raise ValueError(
                f"{self.size} ranks can't share a batch of {batch} evenly; take a batch of "
                f"{-(-batch // self.size) * self.size}, or another number of ranks"
            )

    def tell(self, what: Any) -> None:
        """Send something to all other ranks, from rank 0; they take it by `told`."""
        self.communicator.bcast(what, root=0)

    def told(self) -> Any:
        """Return what rank 0 tells next; wait for it."""
        return self.communicator.bcast(None, root=0)

    def share(self, rows: Array) -> Array:
        """Return this rank's rows of an array that has one for each sample of a batch."""
        n = len(rows) // self.size
        return rows[self.rank * n : (self.rank + 1) * n]

    def mean(self, half: Half) -> Half:
        """Return the half of the whole batch: the mean of what all ranks have found.

        The losses travel at the end of the gradient.
        """
        xp, p = array_module(half.grad), len(half.grad)
        means = [name for name in half.measured if not name.startswith("grad_")]
        numbers = [xp.asarray(half.measured[name], dtype=half.grad.dtype) for name in means]
        vector = self._sum(xp.concatenate([half.grad, xp.stack(numbers)])) / self.size
        measured = dict(zip(means, vector[p:], strict=True))
        for name in half.measured.keys() - measured.keys():  # a norm of means is no mean of norms
            measured[name] = norm(vector[:p])
        return replace(half, grad=vector[:p], measured=half.measured | measured)

    def _sum(self, vector: Array) -> Array:
        """Return the sum over all ranks.

        An MPI that says so sends from a GPU's memory; elsewhere the vector goes through memory of
        the CPU that the GPU copies to and from at full speed (pinned).
        """
        xp = array_module(vector)
        if xp is np:
            total = np.empty_like(vector)
            self.communicator.Allreduce(vector, total)
        elif _sends_from_gpus(self.communicator):
            total = xp.empty_like(vector)
            xp.cuda.get_current_stream().synchronize()  # MPI knows nothing of streams
            self.communicator.Allreduce(vector, total)
        else:
            mine, summed = (pinned(vector.shape, vector.dtype) for _ in range(2))
            xp.asnumpy(vector, out=mine)  # waits until the numbers are there
            self.communicator.Allreduce(mine, summed)
            total = xp.asarray(summed)
        return total

    def expect_same(self, what: str, *arrays: Array) -> None:
        """Raise a RuntimeError, on all ranks, unless each of them has the same bits in `arrays`."""
        checksum = 0
        for array in arrays:
            checksum = zlib.crc32(np.ascontiguousarray(to_numpy(array)).data, checksum)
        checksums = self.communicator.allgather(checksum)
        others = [str(r) for r, other in enumerate(checksums) if other != checksums[0]]
        if others:
            raise RuntimeError(
                f"{what} of rank {', '.join(others)} differ from those of rank 0, expected the "
                "same bits: see to it that all ranks have the same data, versions, processors and "
                "number of BLAS threads, and go on from the last checkpoint"
            )


@dataclass
class SharedGame(Game):
    """A game that is played on this rank's share of each batch; see `Ranks`."""

    ranks: Ranks

    def __post_init__(self) -> None:
        """Begin, if the ranks can share a batch and begin alike."""
        super().__post_init__()
        self.ranks.expect_even(self.batch)
        self.ranks.expect_same("the data and first weights", self.data, *self._weights())

    def step(self, step: int) -> Record:
        """Take one step; now and then see that the weights are the same on all ranks."""
        record = super().step(step)
        if record.step % CHECK == 0:
            self.ranks.expect_same(f"step {record.step:,}: the weights", *self._weights())
        return record

    def half_of_D(self, i: int, step: int) -> Half:
        """Find D's gradient on batch i, from those on its shares."""
        return self.ranks.mean(super().half_of_D(i, step))

    def half_of_G(self, i: int, step: int) -> Half:
        """Find G's gradient, from those on the shares of its batch."""
        return self.ranks.mean(super().half_of_G(i, step))

    def drawn(self, player: str, count: int, i: int, step: int) -> tuple[Any, ...]:
        """Return this rank's share of what one process would draw."""
        _, _, rows, z, rng = super().drawn(player, count, i, step)
        rows, z = self.ranks.share(rows), self.ranks.share(z)
        return *self.seen(rows, step), rows, z, SharedDraws(rng, self.ranks)

    def _weights(self) -> tuple[Array, Array]:
        return self.G.theta, self.D.theta


class SharedDraws:
    """Draws what a generator does for a whole batch, and gives this rank's rows of it.

    For layers and penalties that draw in `forward`: every array that they ask for has a row for
    each sample that they see.
    """

    def __init__(self, rng: np.random.Generator, ranks: Ranks) -> None:
        self.rng, self.ranks = rng, ranks

    def random(self, size: Any, dtype: Any = np.float64) -> Array:
        """Return this rank's uniform numbers in [0, 1)."""
        return self._rows(self.rng.random, size, dtype)

    def standard_normal(self, size: Any, dtype: Any = np.float64) -> Array:
        """Return this rank's normal numbers."""
        return self._rows(self.rng.standard_normal, size, dtype)

    def _rows(self, draw: Callable[..., Array], size: Any, dtype: Any) -> Array:
        n, *rest = size if isinstance(size, tuple) else (size,)
        return self.ranks.share(draw((n * self.ranks.size, *rest), dtype=dtype))

    def __getattr__(self, name: str) -> Any:
        """Refuse what else a generator can draw."""
        raise AttributeError(
            f"the ranks of a run share rng.random and rng.standard_normal, but rng.{name} was "
            "asked for: make the numbers from one of these"
        )


def _sends_from_gpus(communicator: Any) -> bool:
    """Whether this MPI takes arrays on a GPU, by the memory kinds that MPI 4.1 has it name.

    They are words such as ``mpi``, ``system`` and ``cuda:device``, with commas between them.
    """
    kinds = communicator.Get_info().get("mpi_memory_alloc_kinds", "")
    return any(kind.partition(":")[0] == "cuda" for kind in kinds.split(","))


def _world() -> Any:
    """Return the communicator of all processes."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: it finds no MPI library
        raise ImportError(
            f"training on many processes needs mpi4py and an MPI library ({error}): "
            'pip install "minigan[mpi]"'
        ) from error
    return MPI.COMM_WORLD
