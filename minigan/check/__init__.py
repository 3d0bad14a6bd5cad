"""Gradient checks: of anything with the four maps, of a loss, of any function of one array.

>>> from minigan import Dense, check
>>> check.layer(Dense(3, 2)).ok
True

Each check returns a `Report`: ``.ok``, the numbers, and a readable ``print(report)``; in a test,
``report.assert_ok()``. To see how it is done, start with `minigan.check.numerical`.
"""

from .functions import gradient, loss_function
from .layers import away_from_zero, layer
from .losses import loss
from .numerical import complex_step, dot_product_defect, finite_difference, relative_error
from .optimisers import optimiser
from .pairs import pair
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
