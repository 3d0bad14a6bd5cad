"""A GAN in NumPy as a course writes it: clear, and without a thought of time.

Weights in a dict, fresh arrays for every result, Adam for each weight by itself, convolutions by
im2col. D's weight gradients are computed in G's step too, and thrown away: `backward` returns them
all. Images have their channels last, as ours have, so the weights need no change of layout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from setups import BETA1, BETA2, EPS, LR, Batch, Outcome, Setup, gradient_from, shuffled_rows

from minigan import BatchNorm, Conv2d, ConvTranspose2d, Dense, Flatten, LeakyReLU, Reshape, Tanh

VARIANTS = ("naive",)
Array = np.ndarray[Any, Any]


def im2col(x: Array, k: int, s: int, p: int) -> Array:
    """Return the patches of images (n, h, w, c) as rows, (n·h'·w', k·k·c)."""
    x = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
    n, h, w, c = x.shape
    rows, columns = (h - k) // s + 1, (w - k) // s + 1
    patches = np.empty((n, rows, columns, k, k, c), x.dtype)
    for a in range(k):
        for b in range(k):
            patches[:, :, :, a, b] = x[:, a : a + s * rows : s, b : b + s * columns : s]
    return patches.reshape(n * rows * columns, k * k * c)


def col2im(patches: Array, shape: tuple[int, ...], k: int, s: int, p: int) -> Array:
    """Add rows of patches up to images of this shape, (n, h, w, c)."""
    n, h, w, c = shape
    x = np.zeros((n, h + 2 * p, w + 2 * p, c), patches.dtype)
    rows, columns = (h + 2 * p - k) // s + 1, (w + 2 * p - k) // s + 1
    patches = patches.reshape(n, rows, columns, k, k, c)
    for a in range(k):
        for b in range(k):
            x[:, a : a + s * rows : s, b : b + s * columns : s] += patches[:, :, :, a, b]
    return x[:, p : p + h, p : p + w]


class Network:
    """Layers, and a dict of their weights such as ``W0``, ``b0``."""

    def __init__(self, net: Any) -> None:
        self.layers = net.layers
        self.weights = {
            f"{name}{i}": array.copy()
            for i, layer in enumerate(net.layers)
            for name, array in layer.parameters().items()
        }

    def forward(self, x: Array) -> tuple[Array, list[Any]]:
        """Return y and what `backward` needs of each layer."""
        caches: list[Any] = []
        w = self.weights
        for i, layer in enumerate(self.layers):
            match layer:
                case Dense():
                    caches.append(x)
                    x = x @ w[f"W{i}"]
                    if layer.bias:
                        x = x + w[f"b{i}"]
                case LeakyReLU():
                    caches.append(x)
                    x = np.where(x > 0, x, layer.slope * x)
                case Tanh():
                    x = np.tanh(x)
                    caches.append(x)
                case Conv2d():
                    cols = im2col(x, layer.k, layer.stride, layer.padding)
                    caches.append((x.shape, cols))
                    h, v, c = layer.output_shape(x.shape[1:])
                    x = (cols @ w[f"W{i}"].reshape(-1, c)).reshape(len(x), h, v, c)
                    if layer.bias:
                        x = x + w[f"b{i}"]
                case ConvTranspose2d():
                    caches.append(x)
                    shape = (len(x), *layer.output_shape(x.shape[1:]))
                    cols = x.reshape(-1, layer.c_in) @ w[f"W{i}"].reshape(-1, layer.c_in).T
                    x = col2im(cols, shape, layer.k, layer.stride, layer.padding)
                    if layer.bias:
                        x = x + w[f"b{i}"]
                case BatchNorm():
                    axes = tuple(range(x.ndim - 1))
                    mean, var = x.mean(axis=axes), x.var(axis=axes)
                    xh = (x - mean) / np.sqrt(var + layer.eps)
                    caches.append((xh, var))
                    x = w[f"gain{i}"] * xh + w[f"shift{i}"]
                case Flatten() | Reshape():
                    caches.append(x.shape)
                    x = x.reshape(len(x), *layer.output_shape(x.shape[1:]))
        return x, caches

    def backward(self, dy: Array, caches: list[Any]) -> tuple[Array, dict[str, Array]]:
        """Return dx and the gradients of all weights."""
        w, grads = self.weights, {}
        for i, layer in reversed(list(enumerate(self.layers))):
            cache = caches[i]
            match layer:
                case Dense():
                    grads[f"W{i}"] = cache.T @ dy
                    if layer.bias:
                        grads[f"b{i}"] = dy.sum(axis=0)
                    dy = dy @ w[f"W{i}"].T
                case LeakyReLU():
                    dy = np.where(cache > 0, dy, layer.slope * dy)
                case Tanh():
                    dy = dy * (1 - cache**2)
                case Conv2d():
                    shape, cols = cache
                    W = w[f"W{i}"]
                    if layer.bias:
                        grads[f"b{i}"] = dy.sum(axis=(0, 1, 2))
                    dy = dy.reshape(-1, layer.c_out)
                    grads[f"W{i}"] = (cols.T @ dy).reshape(W.shape)
                    dcols = dy @ W.reshape(-1, layer.c_out).T
                    dy = col2im(dcols, shape, layer.k, layer.stride, layer.padding)
                case ConvTranspose2d():
                    W = w[f"W{i}"]
                    if layer.bias:
                        grads[f"b{i}"] = dy.sum(axis=(0, 1, 2))
                    dcols = im2col(dy, layer.k, layer.stride, layer.padding)
                    grads[f"W{i}"] = (dcols.T @ cache.reshape(-1, layer.c_in)).reshape(W.shape)
                    dy = (dcols @ W.reshape(-1, layer.c_in)).reshape(cache.shape)
                case BatchNorm():
                    xh, var = cache
                    axes = tuple(range(dy.ndim - 1))
                    grads[f"gain{i}"] = (dy * xh).sum(axis=axes)
                    grads[f"shift{i}"] = dy.sum(axis=axes)
                    dxh = w[f"gain{i}"] * dy
                    centred = dxh - dxh.mean(axis=axes) - xh * (dxh * xh).mean(axis=axes)
                    dy = centred / np.sqrt(var + layer.eps)
                case Flatten() | Reshape():
                    dy = dy.reshape(cache)
        return dy, grads


class Adam:
    """Adam as the paper has it, one weight after the other."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self.m = {name: np.zeros_like(w) for name, w in weights.items()}
        self.v = {name: np.zeros_like(w) for name, w in weights.items()}
        self.t = 0

    def step(self, weights: dict[str, Array], grads: dict[str, Array]) -> None:
        """Put new arrays in the place of the weights."""
        self.t += 1
        for name, g in grads.items():
            self.m[name] = BETA1 * self.m[name] + (1 - BETA1) * g
            self.v[name] = BETA2 * self.v[name] + (1 - BETA2) * g**2
            m_hat = self.m[name] / (1 - BETA1**self.t)
            v_hat = self.v[name] / (1 - BETA2**self.t)
            weights[name] = weights[name] - LR * m_hat / (np.sqrt(v_hat) + EPS)


def sigmoid(a: Array) -> Array:
    """σ(a), with no overflow on either side."""
    return 0.5 * (1 + np.tanh(0.5 * a))


class Gan:
    """Both networks and a step."""

    def __init__(self, setup: Setup, dtype: Any) -> None:
        self.G, self.D = map(Network, setup.networks(dtype))
        self.adam_G, self.adam_D = Adam(self.G.weights), Adam(self.D.weights)

    def step(self, x: Array, z_D: Array, z_G: Array) -> tuple[Array, Array]:
        """Train D, then G; return both losses."""
        n = len(x)
        fake, _ = self.G.forward(z_D)
        real_logits, real_caches = self.D.forward(x)
        fake_logits, fake_caches = self.D.forward(fake)
        loss_D = np.mean(np.logaddexp(0, -real_logits) + np.logaddexp(0, fake_logits))
        _, grads = self.D.backward((sigmoid(real_logits) - 1) / n, real_caches)
        _, more = self.D.backward(sigmoid(fake_logits) / n, fake_caches)
        self.adam_D.step(self.D.weights, {name: grads[name] + more[name] for name in grads})

        fake, G_caches = self.G.forward(z_G)
        logits, caches = self.D.forward(fake)
        loss_G = np.mean(np.logaddexp(0, -logits))
        dx, _ = self.D.backward((sigmoid(logits) - 1) / n, caches)
        _, grads = self.G.backward(dx, G_caches)
        self.adam_G.step(self.G.weights, grads)
        return loss_D, loss_G


def prepare(setup: Setup, variant: str) -> Callable[[int], None]:
    """Return a function that takes so many steps."""
    gan, data, rows = (
        Gan(setup, np.float32),
        setup.data(),
        shuffled_rows(setup.batch, setup.samples),
    )
    rng = np.random.default_rng(0)
    shape = (setup.batch, *setup.networks()[0].in_shape)

    def run(steps: int) -> None:
        for _ in range(steps):
            z_D, z_G = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
            gan.step(data[next(rows)], z_D, z_G)

    return run


def one_step(setup: Setup, variant: str, batch: Batch) -> Outcome:
    """Take one step from the first weights, in the dtype of the batch."""
    gan = Gan(setup, batch.x.dtype)
    gan.step(*batch)
    return Outcome(
        gradient_from(vector(gan.adam_D.m)),
        gradient_from(vector(gan.adam_G.m)),
        vector(gan.D.weights),
        vector(gan.G.weights),
    )


def vector(arrays: dict[str, Array]) -> Array:
    """Return a dict of weights as one vector, in the order of our θ."""
    return np.concatenate([array.ravel() for array in arrays.values()])
