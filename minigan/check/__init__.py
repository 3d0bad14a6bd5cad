"""Gradient checks: of anything with the four maps, of a loss, of any function of one array.

>>> from minigan import Dense, check
>>> check.layer(Dense(3, 2)).ok
True

Each check returns a `Report`: ``.ok``, the numbers, and a readable ``print(report)``; in a test,
``report.assert_ok()``. To see how it is done, start with `minigan.check.numerical`, then `compare`,
`layers` and the others of this folder. Beside that lesson, `diagnose` names the mistake behind a
wrong report, and `find` finds things to check in a file.
"""

from __future__ import annotations

import importlib
from typing import Any

from .functions import gradient, loss_function, pair
from .layers import away_from_zero, layer
from .losses import loss
from .numerical import complex_step, dot_product_defect, finite_difference, relative_error
from .optimisers import optimiser
from .penalties import penalty
from .report import Diagnosis, Finding, Report
from .rules import broken_rules

__all__ = [
    "Diagnosis",
    "Finding",
    "Report",
    "away_from_zero",
    "broken_rules",
    "complex_step",
    "dot_product_defect",
    "finite_difference",
    "gradient",
    "layer",
    "loss",
    "loss_function",
    "optimiser",
    "pair",
    "penalty",
    "relative_error",
]


def _diagnosis(report: Report) -> Diagnosis | None:
    """Ask what names mistakes; it is imported once something is wrong."""
    from .diagnose.explain import explain

    return explain(report)


Report.detective = staticmethod(_diagnosis)


def __getattr__(name: str) -> Any:
    """Import `strategies` when it is asked for: it needs Hypothesis."""
    if name == "strategies":
        return importlib.import_module(f"{__name__}.find.strategies")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
