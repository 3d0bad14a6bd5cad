"""A small classifier that turns images into features and classes, trained by the library itself.

It is an ordinary network, softmax and cross-entropy by hand included. Training is deterministic by
seed; the weights are kept in the user's cache, under a checksum of the data.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from ..arrays import Array, array_module, stream, to_numpy
from ..data import Dataset
from ..files.networks import load, save
from ..layers import Conv2d, Dense, Dropout, Flatten, LeakyReLU
from ..layers.base import Shape
from ..network import Sequential
from ..optim.rules import Adam
from ..optim.schedules import cosine
from ..sampling import Batches

VERSION = 1  # of the network and its training: a change makes other features
WIDTH = 128  # features of an image
STEPS, BATCH, RATE = 4000, 128, 2e-3


def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    r"""Mean cross-entropy of softmax probabilities, and its derivative along the logits.

        p_nk = e^(a_nk) / Σ_j e^(a_nj)          L = −1/n Σ_n log p_n,y_n

    log p_nk = a_nk − log Σ_j e^(a_nj), whose derivative along a_nj is [j = k] − p_nj, so

        ∂L/∂a_nj = (p_nj − [j = y_n])/n         →  d = (p − one_hot)/n

    The largest logit of each row is taken out first: p does not change, and no exponential
    overflows.

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
    a = logits - logits.real.max(axis=1, keepdims=True)
    e = xp.exp(a)
    total = e.sum(axis=1, keepdims=True)
    own = (xp.arange(n), labels)
    value = (xp.log(total[:, 0]) - a[own]).mean()
    d = e / total
    d[own] -= 1
    return value, d / n


class Classifier:
    """Classes and features of images; `classifier_for` trains one.

    Parameters
    ----------
    net
        Maps images to logits; its last layer turns features into logits.
    """

    def __init__(self, net: Sequential) -> None:
        self.net = net

    def features(self, images: Array) -> Array:
        """Return what the last layer sees, (n, `WIDTH`)."""
        return self._through(images)[0]

    def probabilities(self, images: Array) -> Array:
        """Return the softmax probabilities of each class, (n, k)."""
        return softmax(self._through(images)[1])

    def _through(self, images: Array, block: int = 500) -> tuple[Array, Array]:
        """Features and logits, a block of images at a time."""
        found = []
        for start in range(0, len(images), block):
            x = images[start : start + block]
            for layer in self.net.layers[:-1]:
                x, _ = layer.forward(x, train=False)
            found.append((x, self.net.layers[-1].forward(x, train=False)[0]))
        features, logits = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return features, logits


def softmax(logits: Array) -> Array:
    """Return e^a/Σ e^a along the last axis."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def classifier_for(data: Dataset, cache: Path | None = None, seed: int = 0) -> Classifier:
    """Return a classifier of the images of a data set: from the cache, or trained now.

    Parameters
    ----------
    data
        Images (n, h, w, c) in [-1, 1] with labels. Without labels, and for images that hold a side
        of less than 4 pixels, there is no training: the network keeps its random weights.
    cache
        Folder for the weights; that of the user's cache unless given.
    seed
        Of the weights and batches.
    """
    classes = 1 if data.labels is None else int(data.labels.max()) + 1
    net = network(data.x.shape[1:], classes, seed)
    if data.labels is None:
        return Classifier(net)
    checksum = zlib.crc32(np.ascontiguousarray(data.x).data, zlib.crc32(data.labels.data))
    folder = cache or default_cache()
    path = folder / f"classifier-{VERSION}-{seed}-{checksum:08x}.safetensors"
    if path.is_file():
        try:
            return Classifier(load(path))
        except ValueError:
            pass  # damaged: it is trained and written again
    train(net, data.x, data.labels, seed)
    folder.mkdir(parents=True, exist_ok=True)
    save(path, net)
    return Classifier(net)


def default_cache() -> Path:
    """Return the folder of the user's cache, the one that downloads go to as well."""
    import pooch

    return Path(pooch.os_cache("minigan")) / "classifiers"


def network(shape: Shape, classes: int, seed: int) -> Sequential:
    """Return two convolutions and two dense layers, their weights drawn, for images (h, w, c)."""
    h, w, c = shape
    first = 1 if min(h, w) <= 12 else 2
    places = -(-h // (2 * first)) * -(-w // (2 * first))
    return Sequential(
        Conv2d(c, 32, 5, stride=first, padding=2),
        LeakyReLU(0.1),
        Conv2d(32, 64, 5, stride=2, padding=2),
        LeakyReLU(0.1),
        Flatten(),
        Dropout(0.3),
        Dense(places * 64, WIDTH),
        LeakyReLU(0.1),
        Dense(WIDTH, classes),
        seed=stream(seed, "classifier"),
    )


def train(net: Sequential, x: Array, labels: Array, seed: int = 0, steps: int = STEPS) -> None:
    """Train a classifier in place, by Adam with a rate that falls to zero."""
    batch = min(BATCH, len(x))
    optimiser, batches = Adam(cosine(RATE, 0, steps)), Batches(len(x), batch, seed)
    for step in range(steps):
        rows = batches.rows(step)
        logits, cache = net.forward(x[rows], rng=stream(seed, "classifier layers", step))
        _, d = softmax_cross_entropy(logits, labels[rows])
        grad = net.new_grad()
        net.add_gradient(d, cache, grad)
        optimiser.step(net.theta, grad)


def accuracy(classifier: Classifier, images: Array, labels: Array) -> float:
    """Share of images whose most probable class is their label."""
    return float((classifier.probabilities(images).argmax(axis=1) == to_numpy(labels)).mean())
