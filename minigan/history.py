"""The history of a run: a CSV file with one row a step, written while it goes on."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from .train import Record

COLUMNS = ("step", "epoch", "loss_D", "loss_G", "D_real", "D_fake", "grad_D", "grad_G")


class History:
    """Writes records to a CSV file, a block of rows at a time.

    A record's numbers are read only when its block is written, so that the GPU is waited for once
    in `block` steps; memory does not grow with the length of the run.

    >>> with History("history.csv") as history:     # doctest: +SKIP
    ...     for record in train(...):
    ...         history.add(record)
    """

    def __init__(self, path: str | os.PathLike[str], block: int = 100) -> None:
        self.path, self.block = Path(path), block
        self._waiting: list[Record] = []
        self._file = self.path.open("w", newline="", encoding="utf-8")
        self._rows: Any = csv.writer(self._file)
        self._rows.writerow(COLUMNS)

    def add(self, record: Record) -> None:
        """Take a record; write a block when it is full."""
        self._waiting.append(record)
        if len(self._waiting) == self.block:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        for record in self._waiting:
            numbers = (repr(record[name]) for name in COLUMNS[2:])
            self._rows.writerow((record.step, record.epoch, *numbers))
        self._waiting.clear()
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
        self.flush()
        self._file.close()


def read_history(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Read the columns of a history, by name, as float64 vectors."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        names = next(csv.reader(file))
        table = np.loadtxt(file, delimiter=",", ndmin=2).reshape(-1, len(names))
    return dict(zip(names, table.T, strict=True))
