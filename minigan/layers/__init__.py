"""Layers, one family a file, each with its four maps beside their derivation."""

from .activations import Elementwise, LeakyReLU, ReLU, Sigmoid, Tanh
from .base import Layer
from .batch import MinibatchStd
from .dense import Dense
from .dropout import Dropout
from .maxout import Maxout
from .norm import BatchNorm, LayerNorm
from .shape import Flatten, LinearMap, Reshape
from .spectral import SpectralNorm

__all__ = [
    "BatchNorm",
    "Dense",
    "Dropout",
    "Elementwise",
    "Flatten",
    "Layer",
    "LayerNorm",
    "LinearMap",
    "LeakyReLU",
    "Maxout",
    "MinibatchStd",
    "ReLU",
    "Reshape",
    "Sigmoid",
    "SpectralNorm",
    "Tanh",
]
