"""A small classifier that turns images into features and classes, trained by the library itself.

It is an ordinary network, softmax and cross-entropy by hand included. Training is deterministic by
seed; the weights are kept in the user's cache, under a checksum of the data.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from ..arrays import Array, array_module, stream
from ..data import Dataset
from ..files.networks import load, save
from ..layers import Conv2d, Dense, Dropout, Flatten, LeakyReLU
from ..layers.base import Shape
from ..network import Sequential
from ..optim.rules import Adam
from ..optim.schedules import cosine
from ..sampling import Batches

VERSION = 2  # of the network and its training: another one makes other features
FEATURES = 128
RATE = 2e-3
SIDE = 28  # pixels: images that are twice as large or more are made smaller
BLOCK = 500  # images that pass through the network at a time


def log_softmax(logits: Array) -> Array:
    r"""Log-probabilities of classes, of the shape of the logits (…, k).

        p_nk = e^(a_nk) / Σ_j e^(a_nj)          log p_nk = a_nk − log Σ_j e^(a_nj)

    The largest logit of each row is taken out first: p does not change, and no exponential
    overflows.
    """
    xp = array_module(logits)
    a = logits - logits.real.max(axis=-1, keepdims=True)
    return a - xp.log(xp.exp(a).sum(axis=-1, keepdims=True))


def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    r"""Mean cross-entropy of softmax probabilities, and its derivative along the logits.

        L = −1/n Σ_n log p_n,y_n          with p as in `log_softmax`

    The derivative of log p_nk along a_nj is [j = k] − p_nj, so

        ∂L/∂a_nj = (p_nj − [j = y_n])/n         →  d = (p − one_hot)/n

    Parameters
    ----------
    logits
        a (n, k).
    labels
        y (n,), integers 0 … k − 1.

    Returns
    -------
    tuple
        L, a 0-d array, and d (n, k).
    """
    xp, n = array_module(logits), len(logits)
    log_p = log_softmax(logits)
    own = (xp.arange(n), labels)
    d = xp.exp(log_p)
    d[own] -= 1
    return -log_p[own].mean(), d / n


class Classifier:
    """Classes and features of images; `classifier_for` gives a trained one.

    Parameters
    ----------
    net
        Maps images, as `reduced` makes them, to logits; its last layer turns features into logits.
    """

    def __init__(self, net: Sequential) -> None:
        self.net = net

    def __call__(self, images: Array) -> tuple[Array, Array]:
        """Return the features of images (n, h, w, c) and the probabilities of their classes.

        The features (n, `FEATURES`) are what the last layer sees; the probabilities are (n, k).
        """
        found = []
        for start in range(0, len(images), BLOCK):
            x = reduced(images[start : start + BLOCK])
            for layer in self.net.layers[:-1]:
                x, _ = layer.forward(x, train=False)
            logits, _ = self.net.layers[-1].forward(x, train=False)
            found.append((x, np.exp(log_softmax(logits))))
        features, p = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return features, p


def classifier_for(data: Dataset, cache: Path | None = None, seed: int = 0) -> Classifier:
    """Return a classifier of the images of a data set: from the cache, or trained now.

    Parameters
    ----------
    data
        Images (n, h, w, c) in [-1, 1]. Without labels nothing is trained: the network keeps its
        random weights, whose features tell images apart, but less well.
    cache
        Folder for the weights. Unless given it is the one that $MINIGAN_CACHE names, or else that
        of the user's cache.
    seed
        Of the weights and batches.

    Raises
    ------
    OSError
        For a folder that can't be written to.
    """
    x = data.x[:1]
    classes = 1 if data.labels is None else int(data.labels.max()) + 1
    net = network(reduced(x).shape[1:], classes, seed)
    if data.labels is None:
        return Classifier(net)
    path = (cache or default_cache()) / f"classifier-{VERSION}-{seed}-{checksum(data)}.safetensors"
    if path.is_file():
        try:
            weights = load(path).theta
            if np.isfinite(weights).all():
                net.theta = weights
                return Classifier(net)
        except ValueError:
            pass  # damaged: it is trained and written again
    train(net, reduced(data.x), data.labels, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, net)
    return Classifier(net)


def default_cache() -> Path:
    """Return the folder for classifiers: in $MINIGAN_CACHE or, unless set, in the user's cache."""
    root = os.environ.get("MINIGAN_CACHE")
    if root:
        return Path(root) / "classifiers"
    import pooch

    return Path(pooch.os_cache("minigan")) / "classifiers"


def checksum(data: Dataset) -> str:
    """Return 16 hexadecimal digits that identify the images and labels of a data set."""
    digest = hashlib.sha256(str(data.x.shape).encode())
    for array in (data.x, data.labels):
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def reduced(images: Array) -> Array:
    """Return images of less than 2·`SIDE` pixels a side: blocks of others become one pixel.

    A rest at the right and at the bottom that fills no block is cut off.
    """
    n, h, w, c = images.shape
    f = max(1, max(h, w) // SIDE)
    if f == 1 or min(h, w) < f:
        return images
    h, w = h // f, w // f
    blocks = images[:, : h * f, : w * f].reshape(n, h, f, w, f, c)
    return blocks.mean(axis=(2, 4))


def network(shape: Shape, classes: int, seed: int) -> Sequential:
    """Return two convolutions and two dense layers, their weights drawn, for images (h, w, c)."""
    h, w, c = shape
    first, kernel = (1, 3) if min(h, w) <= 12 else (2, 5)  # small images have no pixel to spare
    places = -(-h // (2 * first)) * -(-w // (2 * first))
    return Sequential(
        Conv2d(c, 32, kernel, stride=first, padding=kernel // 2),
        LeakyReLU(0.1),
        Conv2d(32, 64, 3, stride=2, padding=1),
        LeakyReLU(0.1),
        Flatten(),
        Dropout(0.3),
        Dense(places * 64, FEATURES),
        LeakyReLU(0.1),
        Dense(FEATURES, classes),
        seed=stream(seed, "classifier"),
    )


def train(
    net: Sequential, x: Array, labels: Array, seed: int = 0, steps: int | None = None
) -> None:
    """Train a classifier in place, by Adam with a rate that falls to zero.

    Parameters
    ----------
    net
        Maps images to logits.
    x, labels
        Images (n, h, w, c) and their classes (n,).
    seed
        Of the batches, and of what Dropout leaves out.
    steps
        How many; three passes of the data unless given, or more where there are few.
    """
    batch = min(64 if len(x) >= 10_000 else 32, len(x))
    steps = steps or max(1500, 3 * len(x) // batch)
    optimiser, batches = Adam(cosine(RATE, 0, steps)), Batches(len(x), batch, seed)
    for step in range(steps):
        rows = batches.rows(step)
        logits, cache = net.forward(x[rows], rng=stream(seed, "classifier layers", step))
        _, d = softmax_cross_entropy(logits, labels[rows])
        grad = net.new_grad()
        net.add_gradient(d, cache, grad)
        optimiser.step(net.theta, grad)
