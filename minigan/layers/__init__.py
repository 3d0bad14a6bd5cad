"""Layers, one family a file, each with its four maps beside their derivation."""

from .activations import Elementwise, LeakyReLU, ReLU, Sigmoid, Tanh
from .base import Layer
from .conv import Conv2d, ConvTranspose2d
from .dense import Dense
from .shape import Flatten, LinearMap, Pack, Reshape
from .resize import AvgPool2d, Upsample
from .shape import Flatten, LinearMap, Reshape

__all__ = [
    "AvgPool2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dense",
    "Elementwise",
    "Flatten",
    "Layer",
    "LinearMap",
    "Pack",
    "LeakyReLU",
    "ReLU",
    "Reshape",
    "Sigmoid",
    "Tanh",
    "Upsample",
]
