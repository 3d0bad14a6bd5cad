"""Layers, one family a file, each with its four maps beside their derivation."""

from .activations import Elementwise, LeakyReLU, ReLU, Sigmoid, Tanh
from .base import Layer
from .dense import Dense
from .shape import Flatten, LinearMap, Pack, Reshape

__all__ = [
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
]
