"""Where a run goes back to when its numbers break, and with which learning rates.

What is left of a run whose numbers are not finite are states that it had before: the last good one,
at which all were looked at, and the anchor, far enough back that half the learning rates may lead
elsewhere. Both are of steps that follow from the settings alone, so that a run which was stopped
goes back to the same.
"""

from __future__ import annotations

from ..optim.schedules import scaled
from ..recipes import Setup
from ..recipes.base import innermost
from .checkpoint import Checkpoint, Snapshot
from .finite import is_finite

ANCHOR = 1000  # NaN sends a run back to a multiple of this many steps
RESTORES = 3  # so many times at most


class Recovery:
    """The states that a set-up can go back to, and how often it has.

    Parameters
    ----------
    setup
        What is trained, as its recipe has made it.
    restores
        Whether NaN sends the run back to an anchor at all; else none is kept.

    Attributes
    ----------
    good
        The state at the last multiple of `minigan.runs.trainer.LOOK` steps.
    anchor
        The state at the last multiple of `ANCHOR` steps.
    count
        How often the run was sent back.
    """

    def __init__(self, setup: Setup, restores: bool) -> None:
        self.setup, self.restores = setup, restores
        self._optimisers = innermost(setup.optimiser_G), innermost(setup.optimiser_D)
        self._rates = [optimiser.lr for optimiser in self._optimisers]
        self.count = 0
        self.good = Snapshot.of(setup, 0)
        self.anchor = self.good if restores else None

    def put_back(self, checkpoint: Checkpoint) -> None:
        """Bring the set-up to where a checkpoint has it.

        Raises
        ------
        ValueError
            For a checkpoint that doesn't fit the set-up.
        """
        good = checkpoint.good or checkpoint.now
        anchor = checkpoint.anchor or good
        for snapshot in (anchor, good, checkpoint.now):  # that each fits is better known now
            snapshot.put_back(self.setup)
        self.good, self.anchor = good, anchor if self.restores else None
        self.count = checkpoint.restores
        self._scale_rates()

    def keep(self, snapshot: Snapshot) -> None:
        """Take note of a state whose numbers are all finite."""
        self.good = snapshot
        if self.restores and snapshot.step % ANCHOR == 0:
            self.anchor = snapshot

    def to_good(self) -> Snapshot:
        """Bring the set-up to its last good state, which is returned."""
        self.good.put_back(self.setup)
        self._scale_rates()
        return self.good

    def to_anchor(self) -> Snapshot | None:
        """Bring it to the anchor, with half the learning rates; None if that is not to be."""
        if self.anchor is None or self.count == RESTORES:
            return None
        self.count += 1
        self.good = self.anchor
        return self.to_good()

    def _scale_rates(self) -> None:
        for optimiser, rate in zip(self._optimisers, self._rates, strict=True):
            optimiser.lr = scaled(rate, 0.5**self.count)


def broken_arrays(snapshot: Snapshot) -> list[str]:
    """Return the names of a state's arrays in which a number is NaN or infinite."""
    return [name for name, array in snapshot.arrays.items() if not is_finite(array)]
