"""Layers, one family a file, each with its four maps beside their derivation."""

from .activations import Elementwise, LeakyReLU, ReLU, Sigmoid, Tanh
from .base import Layer
from .conv import Conv2d, ConvTranspose2d
from .dense import Dense
from .dropout import Dropout
from .maxout import Maxout
from .minibatch import MinibatchStd, Pack
from .norm import BatchNorm, LayerNorm
from .rescale import Rescale
from .shape import AvgPool2d, Flatten, LinearMap, Reshape, Upsample
from .sign import Sign
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
    "Rescale",
    "Reshape",
    "Sigmoid",
    "Sign",
    "SpectralNorm",
    "Tanh",
    "Upsample",
]
