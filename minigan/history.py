"""The history of a run: a CSV file with one row a step, written while it goes on."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from .metrics import METRICS
from .train import Record

# A row has all of `MEASURED`; those of `METRICS` are empty where they were not computed.
MEASURED = ("step", "epoch", "loss_D", "penalty", "loss_G", "D_real", "D_fake", "grad_D", "grad_G")
COLUMNS = MEASURED + METRICS
EMPTY = re.compile("(?<=,)(?=,|$)")  # the place of a number that is not there


class History:
    """Writes records to a CSV file, a block of rows at a time.

    A record's numbers are read only when its block is written, so that the GPU is waited for once
    in `block` steps; memory does not grow with the length of the run. A block reaches the file in
    one go, so that whoever reads it meanwhile, or after a crash, finds whole rows.

    >>> with History("history.csv") as history:     # doctest: +SKIP
    ...     for record in train(...):
    ...         history.add(record)
    """

    def __init__(self, path: str | os.PathLike[str], block: int = 100) -> None:
        if block < 1:
            raise ValueError(f"History: block must be at least 1, got {block}")
        self.path, self.block = Path(path), block
        self._waiting: list[Record] = []
        # The buffer is larger than a block, so that nothing reaches the file but by `flush`.
        self._file = self.path.open("w", buffering=1 << 20, newline="\n", encoding="utf-8")
        self._file.write(",".join(COLUMNS) + "\n")
        self._file.flush()

    def add(self, record: Record) -> None:
        """Take a record; write a block when it is full."""
        self._waiting.append(record)
        if len(self._waiting) >= self.block:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        waiting, self._waiting = self._waiting, []
        rows = []
        for record in waiting:
            cells = [repr(record[name]) for name in MEASURED[2:]]  # repr: reads back exactly
            cells += [repr(record[name]) if name in record.measured else "" for name in METRICS]
            rows.append(f"{record.step},{record.epoch},{','.join(cells)}\n")
        self._file.write("".join(rows))
        self._file.flush()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is waiting and close the file."""
        try:
            self.flush()
        finally:
            self._file.close()


def read_history(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Read the columns of a history, by name, as float64 vectors; what is empty there is NaN.

    Raises
    ------
    ValueError
        For a file that is no history, or is damaged.
    """
    try:
        head, *rows = Path(path).read_text(encoding="utf-8").splitlines() or [""]
        names = head.split(",")
        if names[0] != "step":
            raise ValueError(f"its first line is {head[:80]!r}")
        rows = [EMPTY.sub("nan", row) for row in rows]
        table = np.loadtxt(rows, delimiter=",", ndmin=2) if any(rows) else np.zeros((0, len(names)))
        if table.shape[1] != len(names):
            raise ValueError(f"{len(names)} names stand over {table.shape[1]} columns")
    except ValueError as error:
        raise ValueError(
            f"{path} is no history, or is damaged ({error}); expected the line "
            f"{','.join(COLUMNS)!r}, and under it a number for each"
        ) from error
    return dict(zip(names, table.T, strict=True))
