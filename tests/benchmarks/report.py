"""Medians, quartiles and ratios of timings, as plain tables and as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FOLDER = Path("runs/benchmarks")


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return ``1.25 [1.20, 1.31]``."""
        return f"{self.median:.2f} [{self.low:.2f}, {self.high:.2f}]"


def spread(numbers: Sequence[float]) -> Spread:
    """Return the median and the quartiles of some numbers."""
    low, median, high = np.quantile(numbers, [0.25, 0.5, 0.75])
    return Spread(float(median), float(low), float(high))


def ratio(times: Sequence[float], base: Sequence[float]) -> Spread:
    """Return how many times as long as the base, round by round."""
    return spread([a / b for a, b in zip(times, base, strict=True)])


UNITS = {"ms": 1e3, "µs": 1e6}


def table(times: Mapping[str, Sequence[float]], bases: Sequence[str], unit: str = "ms") -> str:
    """Return the time of a step, and the ratios to each base, for all competitors.

    The least time stands beside the median: what a quiet machine would show.
    """
    bases = [base for base in bases if base in times]
    rows = [["", f"{unit} a step", "least", *(f"/ {base}" for base in bases)]]
    for name, seconds in times.items():
        scaled = [UNITS[unit] * s for s in seconds]
        ratios = [str(ratio(seconds, times[base])) for base in bases]
        rows.append([name, str(spread(scaled)), f"{min(scaled):.2f}", *ratios])
    return columns(rows)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text in aligned columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def best(times: Mapping[str, Sequence[float]], names: Sequence[str]) -> str | None:
    """Return which of these has the least median, if any was timed."""
    there = [name for name in names if name in times]
    return min(there, key=lambda name: spread(times[name]).median, default=None)


def machine() -> dict[str, Any]:
    """Return what the numbers depend on besides the code."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "processor": platform.processor() or platform.machine(),
    }
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        found["blas"] = "unknown: threadpoolctl is not installed"
    else:
        np.ones((8, 8)) @ np.ones((8, 8))
        found["blas"] = [
            {k: pool.get(k) for k in ("internal_api", "version", "num_threads", "architecture")}
            for pool in threadpool_info()
        ]
    return found


def write(name: str, results: Any) -> Path:
    """Write results as JSON under runs/benchmarks, and return where."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    content = {"machine": machine(), "results": results}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
