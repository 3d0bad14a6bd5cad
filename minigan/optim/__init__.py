"""Optimisers: what moves θ along a gradient, and what may be put around such a step."""

from . import schedules
from .lookahead import Extragradient, OptimisticAdam
from .regularisers import L1, L2
from .rules import SGD, Adam, AdamW, RMSProp
from .wrappers import EMA, ClipNorm, ClipWeights, MaxNorm, Regularised

__all__ = [
    "Adam",
    "AdamW",
    "EMA",
    "ClipNorm",
    "ClipWeights",
    "Extragradient",
    "L1",
    "L2",
    "MaxNorm",
    "OptimisticAdam",
    "RMSProp",
    "Regularised",
    "SGD",
    "schedules",
]
