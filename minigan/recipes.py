"""Named set-ups: which networks, which loss, which optimisers, for how long.

``minigan recipes`` lists them; ``minigan train --recipe NAME`` runs one. A recipe is made for a
shape of samples, so that the same one serves images of any size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from .arrays import Array, array_module, stream
from .data import Dataset
from .init import he
from .layers import Dense, Flatten, LeakyReLU, ReLU, Reshape, Tanh
from .layers.base import Shape
from .losses import Minimax, NonSaturating
from .network import Sequential
from .optim import Adam
from .train import Loss, Record, train

T = TypeVar("T")
Networks = tuple[Sequential, Sequential]

LOSSES: dict[str, Callable[[], Loss]] = {"minimax": Minimax, "non-saturating": NonSaturating}


@dataclass(frozen=True)
class Recipe:
    """A set-up for training: what `train` needs besides the data.

    `networks` makes G and D for the shape of one sample and a seed; `samples` says of which kind;
    `loss` is a name in `LOSSES`; `lr_G`, `lr_D` and `beta1` are Adam's; the rest are arguments of
    `train`.
    """

    name: str
    about: str
    networks: Callable[[Shape, int], Networks]
    samples: str = "images"  # (h, w, c), or "vectors" (d,)
    loss: str = "non-saturating"
    lr_G: float = 2e-4
    lr_D: float = 2e-4
    beta1: float = 0.5
    batch: int = 128
    d_steps: int = 1
    steps: int | None = None
    epochs: int | None = None
    noise: str = "normal"

    def start(self, x: Array, seed: int) -> tuple[Sequential, Sequential, Loss, Iterator[Record]]:
        """Return G, D, the loss, and the records of a training run on the samples `x`.

        The networks are made where `x` lives; they train while the records are asked for.
        """
        make_loss = look_up("loss", self.loss, LOSSES)
        # Before the networks are made: those for large images take long, and memory.
        kind = "images" if x.ndim == 4 else "vectors"
        if kind != self.samples:
            fitting = ", ".join(r.name for r in RECIPES.values() if r.samples == kind)
            raise ValueError(
                f"the recipe {self.name} is for {self.samples}, but the data are {kind}: samples "
                f"of shape {x.shape[1:]}; for these take: {fitting}"
            )
        if len(x) < self.batch:
            raise ValueError(
                f"the batch is {self.batch}, but there are only {len(x)} samples of data; "
                f"take a batch of {len(x)} or less"
            )
        device = "cpu" if array_module(x) is np else "gpu"
        G, D = (net.to(device) for net in self.networks(x.shape[1:], seed))
        loss = make_loss()
        records = train(
            G,
            D,
            x,
            loss,
            Adam(self.lr_G, self.beta1),
            Adam(self.lr_D, self.beta1),
            batch=self.batch,
            d_steps=self.d_steps,
            steps=self.steps,
            epochs=self.epochs,
            seed=seed,
            noise=self.noise,
        )
        return G, D, loss, records


def look_up(what: str, name: str, known: Mapping[str, T]) -> T:
    """Return ``known[name]``; an unknown name is answered with the list of known ones."""
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}, expected one of {', '.join(known)}")
    return known[name]


def digits(shape: Shape, seed: int) -> Networks:
    """Return small networks, for images as small as the 8×8 digits."""
    pixels = math.prod(shape)
    G = Sequential(
        Dense(32, 256, init=he),
        LeakyReLU(),
        Dense(256, 256, init=he),
        LeakyReLU(),
        Dense(256, pixels),
        Tanh(),
        Reshape(shape),
        seed=stream(seed, "G"),
    )
    D = Sequential(
        Flatten(),
        Dense(pixels, 256, init=he),
        LeakyReLU(),
        Dense(256, 256, init=he),
        LeakyReLU(),
        Dense(256, 1),
        seed=stream(seed, "D"),
    )
    return G, D


def tanh_mlp(shape: Shape, seed: int) -> Networks:
    """Return G 100-256-512-1024-pixels with tanh at its end, D pixels-512-256-1, ReLU between."""
    pixels = math.prod(shape)
    G = Sequential(
        Dense(100, 256, init=he),
        ReLU(),
        Dense(256, 512, init=he),
        ReLU(),
        Dense(512, 1024, init=he),
        ReLU(),
        Dense(1024, pixels),
        Tanh(),
        Reshape(shape),
        seed=stream(seed, "G"),
    )
    D = Sequential(
        Flatten(),
        Dense(pixels, 512, init=he),
        ReLU(),
        Dense(512, 256, init=he),
        ReLU(),
        Dense(256, 1),
        seed=stream(seed, "D"),
    )
    return G, D


def points(shape: Shape, seed: int) -> Networks:
    """Return networks of two hidden layers of 128, for vectors: G ends without a tanh."""
    (features,) = shape
    G = Sequential(
        Dense(2, 128, init=he),
        LeakyReLU(),
        Dense(128, 128, init=he),
        LeakyReLU(),
        Dense(128, features),
        seed=stream(seed, "G"),
    )
    D = Sequential(
        Dense(features, 128, init=he),
        LeakyReLU(),
        Dense(128, 128, init=he),
        LeakyReLU(),
        Dense(128, 1),
        seed=stream(seed, "D"),
    )
    return G, D


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("digits", "small MLPs for the 8×8 digits", digits, batch=64, steps=8000),
        Recipe("tanh-mlp", "MLPs for images such as MNIST's", tanh_mlp, epochs=5),
        Recipe(
            "points",
            "MLPs for points in the plane, or vectors of any length",
            points,
            samples="vectors",
            batch=256,
            steps=10_000,
            lr_G=1e-3,
            lr_D=1e-3,
        ),
    )
}


def recipe_for(data: Dataset) -> str:
    """Return the name of the recipe for a data set: its own, or the one for its kind of samples."""
    if data.name in RECIPES:
        return data.name
    return "tanh-mlp" if data.is_images else "points"
