"""The history of a run: a CSV file with one row a step, written while it goes on.

Nothing in it comes from a clock, so that a run which was stopped and resumed has the history of one
that never was.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..files.outside import printable
from ..loop import Record
from .folder import open_plain
from .metrics import METRICS

# A row has all of `MEASURED`; those of `METRICS` are empty where they were not computed.
MEASURED = ("step", "epoch", "loss_D", "penalty", "loss_G", "D_real", "D_fake", "grad_D", "grad_G")
COLUMNS = MEASURED + METRICS
# Without these a run can't go on.
VITAL = ("loss_D", "penalty", "loss_G", "grad_D", "grad_G")
EMPTY = re.compile("(?<=,)(?=,|$)")  # the place of a number that is not there
BLOCK = 1 << 14  # rows that are read at a time
LONGEST = 10_000  # characters in a line: a damaged file may have no end of one

_NUMBER = r"(?:-?(?:\d+(?:\.\d+)?(?:e[-+]\d+)?|inf)|nan)"  # as `repr` writes it
_ROW = re.compile(
    rf"\d+,\d+(?:,{_NUMBER}){{{len(MEASURED) - 2}}}(?:,{_NUMBER}?){{{len(METRICS)}}}\n"
)


class History:
    """Writes records to a CSV file, a block of rows at a time.

    A record's numbers are read only when its block is written, so that the GPU is waited for once
    in `block` steps; memory does not grow with the length of the run. A block reaches the file in
    one go, so that whoever reads it meanwhile, or after a crash, finds whole rows.

    >>> with History("history.csv") as history:     # doctest: +SKIP
    ...     for record in train(...):
    ...         history.add(record)

    Parameters
    ----------
    path
        The file; it starts empty, unless `after` is given.
    block
        How many rows are written at a time.
    after
        Go on after the row of this step; rows behind it are removed.

    Attributes
    ----------
    broken
        The step of the first row with a loss or gradient that is NaN or infinite, None without one.

    Raises
    ------
    ValueError
        For a file that does not have all rows up to `after`.
    """

    def __init__(self, path: str | os.PathLike[str], block: int = 100, after: int = 0) -> None:
        if block < 1:
            raise ValueError(f"History: block must be at least 1, got {block}")
        self.path, self.block = Path(path), block
        self.broken: int | None = None
        self._waiting: list[Record] = []
        if after and not self.path.is_file():
            raise ValueError(
                f"{self.path} is missing, expected the rows up to step {after:,}; put it back"
            )
        # The buffer is larger than a block, so that nothing reaches the file but by `flush`.
        mode = "r+" if after else "w"
        self._file = open(
            self.path,
            mode,
            buffering=1 << 20,
            newline="\n",
            encoding="utf-8",
            opener=lambda _, flags: open_plain(self.path, flags),
        )
        try:
            if after:
                self.cut_back(after)
            else:
                self._file.write(",".join(COLUMNS) + "\n")
                self._file.flush()
        except BaseException:
            self._file.close()
            raise

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
            if self.broken is None and not all(math.isfinite(record[name]) for name in VITAL):
                self.broken = record.step
            cells = [repr(record[name]) for name in MEASURED[2:]]  # repr: reads back exactly
            cells += [repr(record[name]) if name in record.measured else "" for name in METRICS]
            rows.append(f"{record.step},{record.epoch},{','.join(cells)}\n")
        self._file.write("".join(rows))
        self._file.flush()

    def sync(self) -> None:
        """Write what is waiting, and bring it to the disk, where it outlives a power failure."""
        self.flush()
        os.fsync(self._file.fileno())

    def cut_back(self, step: int) -> None:
        """Remove the rows behind that of `step`."""
        self.flush()
        self.broken = None
        with open(self.path, "rb+", opener=lambda _, flags: open_plain(self.path, flags)) as file:
            head = file.readline(LONGEST)
            if head.decode(errors="replace") != ",".join(COLUMNS) + "\n":
                raise ValueError(
                    f"{self.path} begins with {head[:80]!r}, expected the columns "
                    f"{','.join(COLUMNS)}; put the file back as it was"
                )
            end = len(head)
            for at in range(1, step + 1):
                line = file.readline(LONGEST)
                if not (line.startswith(b"%d," % at) and _ROW.fullmatch(line.decode("latin-1"))):
                    raise ValueError(
                        f"{self.path} has sound rows up to step {at - 1:,} only, expected "
                        f"{step:,}: the next begins with {line[:80]!r}, expected {at}, its epoch "
                        f"and {len(COLUMNS) - 2} numbers or gaps; put the file back as it was"
                    )
                end += len(line)
            file.truncate(end)
        self._file.seek(0, os.SEEK_END)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is waiting and close the file."""
        try:
            self.flush()
        finally:
            self._file.close()


def read_history(
    path: str | os.PathLike[str], most: int | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Read the columns of a history, by name, as float64 vectors; what is empty there is NaN.

    Parameters
    ----------
    path
        The file.
    most
        Where there are more rows than this, return their means over as few consecutive rows as make
        it at most `most`: enough for a picture, and little memory for a history of any length. The
        mean of a metric is that of what was computed. What does not fill a last window is left out.

    Raises
    ------
    ValueError
        For a file that is no history, or is damaged.
    """
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            names = file.readline(LONGEST).rstrip("\n").split(",")
            if names[0] != "step":
                raise ValueError(f"its first line is {','.join(names)[:80]!r}")
            sparse = np.isin(names, METRICS)
            window = 1 if most is None else max(1, math.ceil((_count_lines(path) - 1) / most))
            blocks = [np.zeros((0, len(names)))]
            read, first = iter(lambda: file.readline(LONGEST), ""), 1
            while lines := list(itertools.islice(read, window * max(1, BLOCK // window))):
                if not any(map(str.strip, lines)):
                    continue
                rows = _numbers(lines, len(names), first)
                first += len(lines)
                windows = rows[: len(rows) // window * window].reshape(-1, window, len(names))
                counts = ~(np.isnan(windows) & sparse)
                with np.errstate(invalid="ignore", over="ignore"):  # the rows of a run that broke
                    blocks.append(np.where(counts, windows, 0).sum(axis=1) / counts.sum(axis=1))
            table = np.concatenate(blocks)
    except ValueError as error:
        raise ValueError(
            f"{printable(path)} is no history, or is damaged ({error}); expected the line "
            f"{','.join(COLUMNS)!r}, and under it a number for each; put the file back as it was"
        ) from error
    return dict(zip(names, table.T, strict=True))


def _numbers(lines: list[str], columns: int, first: int) -> np.ndarray[Any, Any]:
    """Return rows of numbers; for lines that are none, say which. The first is row `first`."""
    try:
        rows = np.loadtxt([EMPTY.sub("nan", line) for line in lines], delimiter=",", ndmin=2)
        if rows.shape[1] == columns:
            return rows
    except ValueError:
        if len(lines) > 1:
            for row, line in enumerate(lines, first):
                if line.strip():
                    _numbers([line], columns, row)
    raise ValueError(f"row {first:,} is {lines[0][:80]!r}, expected {columns} numbers")


def _count_lines(path: str | os.PathLike[str]) -> int:
    """Count the lines of a file, without holding more than a piece of it."""
    with Path(path).open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
