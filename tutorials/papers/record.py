"""Keeps what a script of this folder has found: a small text file with all that one asks later."""

from __future__ import annotations

import datetime
import platform
import time
from pathlib import Path

import numpy as np

import minigan

RESULTS = Path("runs/papers")
BEGUN = time.monotonic()


def record(name: str, text: str, seeds: str, budget: float, minutes: float | None = None) -> None:
    """Print a result, and write it to runs/papers/NAME.md with date, seeds, versions and time.

    The time is that since the script has begun, unless `minutes` are given.
    """
    minutes = (time.monotonic() - BEGUN) / 60 if minutes is None else minutes
    head = (
        f"{datetime.date.today()}, seeds {seeds}, minigan {minigan.__version__}, NumPy "
        f"{np.__version__}, Python {platform.python_version()}, {minutes:.1f} minutes"
    )
    if budget != 1:
        head += f"; BUDGET = {budget:g}, so these are not the numbers of the text"
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.md").write_text(f"{head}\n\n{text}\n", encoding="utf-8")
    print(f"{text}\n\n{head}\n{RESULTS / name}.md")


def table(titles: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table whose columns stand under each other."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = [titles, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
