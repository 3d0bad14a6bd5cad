"""Optimisers: what moves θ along a gradient, and what may be put around such a step."""

from . import schedules
from .lookahead import Extragradient, OptimisticAdam
from .regularisers import L1, L2
from .rules import SGD, Adam, AdamW, RMSProp
from .wrappers import Average, ClipNorm, ClipWeights, MaxColumnNorm, Regularised

__all__ = [
    "Adam",
    "AdamW",
    "Average",
    "ClipNorm",
    "ClipWeights",
    "Extragradient",
    "L1",
    "L2",
    "MaxColumnNorm",
    "OptimisticAdam",
    "RMSProp",
    "Regularised",
    "SGD",
    "schedules",
]
