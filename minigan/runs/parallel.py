"""A run on many processes: rank 0 leads, writes the folder and decides; the others follow.

The followers know no folder, no file and no clock. They are told the settings and the data, then a
state of the run, then each step, until a new state comes (where the run goes back) or the end. So
all that `minigan.runs` does with one process it does with many, and only its rank 0 does it.

    mpiexec -n 4 minigan train --recipe dcgan

What is told goes from process to process of one job, as mpi4py sends objects; no file holds it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..arrays import to_device
from ..data import Dataset
from ..loop import Game, Record
from ..ranks import Ranks
from ..recipes import Setup
from .checkpoint import Snapshot
from .config import Config
from .progress import say
from .recovery import Recovery
from .settings import Settings
from .threads import limited_to

Train = Callable[[Callable[..., Game]], Iterator[Record]]

STEP, END = "step", "end"  # what is told besides states
LOST = 2  # exit code of a job that one rank has ended


def ranks_of_job() -> Ranks | None:
    """Return the processes of the ``mpiexec`` that has started this one; None without others."""
    names = ("PMI_SIZE", "PMIX_RANK", "OMPI_COMM_WORLD_SIZE")  # as MPICH, Slurm and Open MPI say it
    if not any(name in os.environ for name in names):
        return None  # and mpi4py is not asked for
    ranks = Ranks()
    return ranks if ranks.size > 1 else None


class Leader:
    """Rank 0 of a run, as ``with Leader(ranks) as leader: train_run(…, leader=leader)``.

    When it is left the followers are told the end. If an error leaves it in the middle of a step,
    where the others wait for a part of a sum that will not come, the error is printed and the job
    is ended.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks, self._is_in_a_step = ranks, False

    def begin(self, settings: Settings, data: Dataset) -> None:
        """Tell what is trained, and on what.

        Raises
        ------
        ValueError
            For a batch that the ranks can't share evenly.
        """
        self.ranks.expect_even(settings["batch"])
        self.ranks.tell((settings, data))

    def steps(
        self, setup: Setup, taken: int, total: int, restores: int, train: Train
    ) -> Iterator[Record]:
        """Give the records of the steps that are left, which all ranks take together.

        Nothing is told before the first is asked for.

        Parameters
        ----------
        setup
            As it is after the steps that are `taken`, of `total`.
        restores
            How often the run was sent back, which the learning rates follow.
        train
            Returns the records behind `taken`, of the game that it is given.
        """
        self.ranks.tell((Snapshot.of(setup, taken), restores))
        records = self._together(lambda: train(self.ranks.game))
        for _ in range(taken, total):
            self.ranks.tell(STEP)
            yield self._together(lambda: next(records))

    def _together(self, act: Callable[[], Any]) -> Any:
        """Do what all ranks do, and note that they are at it."""
        self._is_in_a_step = True
        done = act()
        self._is_in_a_step = False
        return done

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the followers end."""
        if error is not None and self._is_in_a_step:
            _end_all(error, self.ranks)
        self.ranks.tell(END)


def follow(ranks: Ranks) -> None:
    """Take the steps that the leader takes, on this rank's share of each batch, until the end.

    Ctrl-C and SIGTERM, which ``mpiexec`` hands to all ranks, are the leader's to decide on.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        told = ranks.told()
        if told == END:
            return
        settings, data = told
        setup, task = Config.of_json(settings).set_up(data)
        x, recovery = to_device(data.x, task.device), Recovery(setup, restores=False)
        told = ranks.told()
        # The leader sees to what breaks.
        with (
            np.errstate(over="ignore", invalid="ignore"),
            limited_to(settings["threads"], setup, task),
        ):
            while told != END:
                recovery.good, recovery.count = told
                start = recovery.to_good().step
                records = setup.train(x, data.labels, task.seed, start, ranks.game)
                while (told := ranks.told()) == STEP:
                    next(records)
    except BaseException as error:
        time.sleep(1)  # what all ranks have found rank 0 says, and ends them, before this does
        _end_all(error, ranks)


def _end_all(error: BaseException, ranks: Ranks) -> None:
    """Say what has happened to this rank, and end all of them."""
    say(
        f"minigan: {type(error).__name__} on rank {ranks.rank}: {error}\nall ranks end; the run "
        "goes on from its last checkpoint with minigan train --resume, on any number of ranks",
        sys.stderr,
    )
    ranks.communicator.Abort(LOST)
