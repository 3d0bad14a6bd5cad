"""minigan: generative adversarial networks to read, every derivative by hand.

Start with `minigan.train` for one step from noise to Adam, and `minigan.layers.dense` for how a
derivative is written here. ``import minigan`` imports NumPy and nothing else.
"""

from . import schedules
from .arrays import array_module, stream, to_device, to_numpy
from .checkpoint import load, save
from .layers import Dense, Flatten, LeakyReLU, ReLU, Reshape, Sigmoid, Tanh
from .losses import Minimax, NonSaturating, bce, bce_with_logits
from .network import Sequential
from .optim import SGD, Adam, AdamW, OptimisticAdam, RMSProp
from .regularisers import L1, L2
from .train import train
from .wrappers import Average, ClipNorm, ClipWeights, Extragradient, MaxColumnNorm

__version__ = "0.1.0"

__all__ = [
    "Adam",
    "AdamW",
    "Average",
    "ClipNorm",
    "ClipWeights",
    "Dense",
    "Extragradient",
    "Flatten",
    "L1",
    "L2",
    "LeakyReLU",
    "MaxColumnNorm",
    "Minimax",
    "NonSaturating",
    "OptimisticAdam",
    "RMSProp",
    "ReLU",
    "Reshape",
    "SGD",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "array_module",
    "bce",
    "bce_with_logits",
    "load",
    "save",
    "schedules",
    "stream",
    "to_device",
    "to_numpy",
    "train",
]
