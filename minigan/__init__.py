"""minigan: generative adversarial networks to read, every derivative by hand.

Start with `minigan.train` for one step from noise to Adam, and `minigan.layers.dense` for how a
derivative is written here. ``import minigan`` imports NumPy and nothing else.
"""

from .arrays import array_module, stream, to_device, to_numpy
from .checkpoint import load, save
from .layers import (
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStd,
    ReLU,
    Reshape,
    Sigmoid,
    SpectralNorm,
    Tanh,
)
from .losses import Minimax, NonSaturating, bce, bce_with_logits
from .network import Residual, Sequential
from .optim import SGD, Adam
from .train import train

__version__ = "0.1.0"

__all__ = [
    "Adam",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Flatten",
    "LayerNorm",
    "LeakyReLU",
    "Maxout",
    "MinibatchStd",
    "Minimax",
    "NonSaturating",
    "ReLU",
    "Reshape",
    "Residual",
    "SGD",
    "Sequential",
    "Sigmoid",
    "SpectralNorm",
    "Tanh",
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
