"""Do all competitors take the same step? Before anything is timed, this is asked.

Each takes one step in float64 from the same weights, on the same real batch and the same noise. The
gradients of both players and the weights behind the step are compared, as vectors like our θ; G's
gradient comes after D's step, so Adam is compared as well.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rounds import Competitor, Missing

TOLERANCE = 1e-10  # of an array's largest entry
# Autograd, in PyTorch as people write it; where there is no PyTorch, what a course writes.
REFERENCES = ("torch.plain", "naive.naive")


def relative_error(a: Any, b: Any) -> float:
    """Return max|a − b| relative to the largest entry of b; NaN where there is one."""
    return float(np.abs(a - b).max() / np.abs(b).max())


def error_of(outcome: Any, reference: Any) -> float:
    """Return the largest relative error of the arrays of a step; NaN where there is one."""
    return float(np.max([relative_error(outcome[name], reference[name]) for name in reference]))


def outcome_of(setup: str, name: str) -> Any:
    """Return the arrays of a competitor's step, or its error; None where it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.npz"
        try:
            with Competitor(name, setup) as competitor:
                competitor.ask(one_step=str(path))
        except Missing:
            return None
        except RuntimeError as error:  # it has ended, and is not right
            return error
        with np.load(path) as arrays:
            return dict(arrays)


def compare(
    names: Sequence[str], setup: str, at_once: bool = False
) -> tuple[str, dict[str, float]]:
    """Return the name of the reference, and how far each competitor's step is from its step.

    The floor computes nothing that could be compared; what is not installed is left out. `at_once`
    asks all of them side by side.
    """
    asked = [n for n in dict.fromkeys((*REFERENCES, *names)) if not n.startswith("floor")]
    with ThreadPoolExecutor(len(asked) if at_once else 1) as pool:
        found = dict(zip(asked, pool.map(partial(outcome_of, setup), asked), strict=True))
    outcomes = {name: outcome for name, outcome in found.items() if outcome is not None}
    broken = {name for name, outcome in outcomes.items() if isinstance(outcome, RuntimeError)}
    reference = next(name for name in REFERENCES if name in outcomes)
    errors = {
        n: math.inf if n in broken else error_of(outcomes[n], outcomes[reference])
        for n in names
        if n in outcomes
    }
    return reference, errors
