"""minigan: generative adversarial networks to read, every derivative by hand.

Start with `minigan.train` for one step from noise to Adam, and `minigan.layers.dense` for how a
derivative is written here. ``import minigan`` imports NumPy and nothing else.
"""

from .arrays import array_module, stream, to_device, to_numpy
from .checkpoint import load, save
from .layers import (
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
    Upsample,
)
from .losses import Minimax, NonSaturating, bce, bce_with_logits
from .network import Sequential
from .optim import SGD, Adam
from .train import train

__version__ = "0.1.0"

__all__ = [
    "Adam",
    "AvgPool2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dense",
    "Flatten",
    "LeakyReLU",
    "Minimax",
    "NonSaturating",
    "ReLU",
    "Reshape",
    "SGD",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "Upsample",
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
