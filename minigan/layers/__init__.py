"""Layers, one family a file, each with its four maps beside their derivation."""

from .activations import Elementwise, LeakyReLU, ReLU, Sigmoid, Tanh
from .base import Layer
from .batch import MinibatchStd
from .conv import Conv2d, ConvTranspose2d
from .dense import Dense
from .dropout import Dropout
from .maxout import Maxout
from .norm import BatchNorm, LayerNorm
from .resize import AvgPool2d, Upsample
from .shape import Flatten, LinearMap, Pack, Reshape
from .spectral import SpectralNorm

__all__ = [
    "AvgPool2d",
    "Conv2d",
    "ConvTranspose2d",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Elementwise",
    "Flatten",
    "Layer",
    "LayerNorm",
    "LinearMap",
    "Pack",
    "LeakyReLU",
    "Maxout",
    "MinibatchStd",
    "ReLU",
    "Reshape",
    "Sigmoid",
    "SpectralNorm",
    "Tanh",
    "Upsample",
]
