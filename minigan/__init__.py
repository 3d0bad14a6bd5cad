"""minigan: generative adversarial networks to read, every derivative by hand.

Start with `minigan.train` for one step from noise to Adam, and `minigan.layers.dense` for how a
derivative is written here. ``import minigan`` imports NumPy and nothing else.
"""

from .arrays import array_module, stream, to_device, to_numpy
from .checkpoint import load, save
from .layers import Dense, Flatten, LeakyReLU, Pack, ReLU, Reshape, Sigmoid, Tanh
from .losses import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticPairing,
    Wasserstein,
    bce,
    bce_with_logits,
)
from .network import Sequential
from .optim import SGD, Adam
from .penalties import DRAGAN, R1, R2, GradientPenalty
from .train import train

__version__ = "0.1.0"

__all__ = [
    "Adam",
    "DRAGAN",
    "Dense",
    "Flatten",
    "GradientPenalty",
    "Hinge",
    "LeakyReLU",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Pack",
    "R1",
    "R2",
    "ReLU",
    "RelativisticPairing",
    "Reshape",
    "SGD",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "Wasserstein",
    "array_module",
    "bce",
    "bce_with_logits",
    "load",
    "save",
    "stream",
    "to_device",
    "to_numpy",
    "train",
]
