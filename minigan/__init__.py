"""minigan: generative adversarial networks to read, every derivative by hand.

The core is read in an afternoon, in this order:

    arrays  numerics  init          NumPy or CuPy, random streams; stable functions; first weights
    layers.base  dense  activations what a layer is: four maps, and views into one vector θ
    network  losses  optim.rules    the chain rule, the game, and Adam
    step  sampling  loop  penalties one training step, the loop around it, and second order

README says how long each is. `fast files data recipes evaluate plot runs check cli` surround it.
``import minigan`` imports NumPy and nothing else.
"""

from .arrays import array_module, stream, to_device, to_numpy
from .files.networks import load, save
from .layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStd,
    Pack,
    ReLU,
    Rescale,
    Reshape,
    Sigmoid,
    Sign,
    SpectralNorm,
    Tanh,
    Upsample,
)
from .loop import train
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
from .optim import schedules
from .optim.lookahead import Extragradient, OptimisticAdam
from .optim.regularisers import L1, L2
from .optim.rules import SGD, Adam, AdamW, RMSProp
from .optim.wrappers import EMA, ClipNorm, ClipWeights, MaxNorm, Regularised
from .penalties import DRAGAN, R1, R2, GradientPenalty
from .residual import Residual

__version__ = "0.2.0"

__all__ = [
    "Adam",
    "AdamW",
    "EMA",
    "AvgPool2d",
    "BatchNorm",
    "ClipNorm",
    "ClipWeights",
    "Conv2d",
    "ConvTranspose2d",
    "DRAGAN",
    "Dense",
    "Dropout",
    "Extragradient",
    "Flatten",
    "GradientPenalty",
    "Hinge",
    "L1",
    "L2",
    "LayerNorm",
    "LeakyReLU",
    "LeastSquares",
    "MaxNorm",
    "Maxout",
    "MinibatchStd",
    "Minimax",
    "NonSaturating",
    "OptimisticAdam",
    "Pack",
    "R1",
    "R2",
    "RMSProp",
    "ReLU",
    "Regularised",
    "RelativisticPairing",
    "Rescale",
    "Reshape",
    "Residual",
    "SGD",
    "Sequential",
    "Sigmoid",
    "Sign",
    "SpectralNorm",
    "Tanh",
    "Upsample",
    "Wasserstein",
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

_OLD_NAMES = {"Average": "EMA", "MaxColumnNorm": "MaxNorm"}  # until version 0.3


def __getattr__(name: str) -> object:
    """Return what had another name in version 0.1."""
    if name in _OLD_NAMES:
        import warnings

        new = _OLD_NAMES[name]
        warnings.warn(f"minigan.{name} is now minigan.{new}", DeprecationWarning, stacklevel=2)
        return globals()[new]
    raise AttributeError(f"module 'minigan' has no attribute {name!r}")
