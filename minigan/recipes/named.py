"""Losses and penalties by name, as settings have them: ``--loss hinge --penalty r1:0.1``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from ..files.outside import did_you_mean
from ..losses import Hinge, LeastSquares, Minimax, NonSaturating, RelativisticPairing, Wasserstein
from ..penalties import DRAGAN, R1, R2, GradientPenalty, Penalty
from ..step import Loss

LOSSES: dict[str, Callable[..., Loss]] = {
    "minimax": Minimax,
    "non-saturating": NonSaturating,
    "least-squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
    "relativistic": RelativisticPairing,
}
PENALTIES: dict[str, Callable[..., Penalty]] = {
    "r1": R1,
    "r2": R2,
    "gp": GradientPenalty,
    "dragan": DRAGAN,
}


def penalties_named(text: str) -> list[Penalty]:
    """Return the penalties that a text names: ``r1``, ``gp:10``, ``r1:0.1,r2:0.1``; ``none``.

    The number is the weight, γ of R1 and R2; without one it is the penalty's own.

    Raises
    ------
    ValueError
        For an unknown name, or a weight that is no number > 0.
    """
    penalties = []
    for part in [] if text == "none" else text.split(","):
        name, colon, number = part.strip().partition(":")
        if name not in PENALTIES:
            raise ValueError(unknown("penalty", name, [*PENALTIES, "none"]))
        try:
            weight = float(number) if colon else 1.0
        except ValueError:
            weight = math.nan
        if not 0 < weight < math.inf:
            raise ValueError(f"penalty {part!r}: expected a weight > 0, such as {name}:0.1")
        penalties.append(PENALTIES[name](weight) if colon else PENALTIES[name]())
    return penalties


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return what to say to a name that is not known, and which was perhaps meant."""
    known = list(known)
    meant = did_you_mean(name, known)
    return f"unknown {kind} {name!r}: {meant}expected one of {', '.join(known)}"
