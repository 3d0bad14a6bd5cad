"""The floor: what no implementation on this BLAS can go below, however clever it is.

Only the matrix products that a step needs, by the same `numpy.matmul` that the library uses, into
arrays that exist already; and the memory traffic of two Adam steps, one read of θ, g, m and v and
one write of θ, m and v. No bias, no activation, no loss, no noise, no data.

The products are counted by what the step needs, not by what somebody computes:

    D's half   G forward; D forward on real and on generated samples; D backward for both: dW of
               all layers, dx of all but the first
    G's half   G and D forward; D backward: dx of all layers, no dW; G backward: dW of all layers,
               dx of all but the first

In the variant ``joined`` D's half takes real and generated samples as one batch of twice the size
(not with a BatchNorm, which would mix them); ``apart`` takes two batches. A convolution is the
product of its im2col form; gathering the patches and adding them up is not in the floor, though
nobody with a matrix product does without.

The traffic is three passes in place, ``m += g``, ``θ = −θ``, ``v = −v``: together they read four
vectors and write three, once each, and leave numbers of ordinary size. They run on one thread, as
NumPy does; a second core's memory bandwidth would lower this part of the floor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from setups import Setup

from minigan import Conv2d, ConvTranspose2d, Dense, Sequential
from minigan.layers.base import Shape

VARIANTS = ("joined", "apart", "products", "traffic")
Array = np.ndarray[Any, Any]


class Product(NamedTuple):
    """y = x·W with x (m, p) and W (p, q): what one layer multiplies for a batch."""

    m: int
    p: int
    q: int


class Needed(NamedTuple):
    """One product that the step needs: of which network, for how many samples, which of three."""

    net: str  # "G" or "D"
    n: int
    layer: int  # among the layers that have a product
    kind: str  # "y" = x·W, "dW" = xᵀ·dy, or "dx" = dy·Wᵀ
    size: Product


def products_of(net: Sequential, in_shape: Shape, n: int) -> list[Product]:
    """Return the product of each layer that has one, for a batch of n samples."""
    shape, found = in_shape, []
    for layer in net.layers:
        after = layer.output_shape(shape)
        match layer:
            case Dense():
                found.append(Product(n, layer.p, layer.q))
            case Conv2d():  # at every place of y, a patch of k×k pixels of x times the kernel
                patch = layer.k**2 * layer.c_in
                found.append(Product(n * after[0] * after[1], patch, layer.c_out))
            case ConvTranspose2d():  # every pixel of x spreads over a patch of k×k pixels of y
                patch = layer.k**2 * layer.c_out
                found.append(Product(n * shape[0] * shape[1], layer.c_in, patch))
        shape = after
    return found


def needed(setup: Setup, joined: bool) -> list[Needed]:
    """Return the products of one step, in their order."""
    G, D = setup.networks()
    image = G.output_shape(G.in_shape)
    n = setup.batch
    joined = joined and not setup.couples_samples

    def sweep(name: str, n: int, kinds: str, first_dx: bool = False) -> list[Needed]:
        net, shape = (G, G.in_shape) if name == "G" else (D, image)
        sizes = list(enumerate(products_of(net, shape, n)))
        if kinds == "forward":
            return [Needed(name, n, i, "y", size) for i, size in sizes]
        return [
            Needed(name, n, i, kind, size)
            for i, size in reversed(sizes)
            for kind in kinds.split()
            if kind == "dW" or i > 0 or first_dx
        ]

    passes = [2 * n] if joined else [n, n]
    return [
        *sweep("G", n, "forward"),
        *(product for m in passes for product in sweep("D", m, "forward")),
        *(product for m in passes for product in sweep("D", m, "dW dx")),
        *sweep("G", n, "forward"),
        *sweep("D", n, "forward"),
        *sweep("D", n, "dx", first_dx=True),
        *sweep("G", n, "dW dx"),
    ]


def multiplications(setup: Setup) -> int:
    """Return how many multiplications the products of a step are made of."""
    return sum(m * p * q for *_, (m, p, q) in needed(setup, joined=True))


def least_MiB(setup: Setup) -> float:
    """Return what a step must hold at the same time at least, in MiB of float32.

    The data; θ, m and v of both players; the larger of their gradients; and what the weight
    gradients of a half need: the inputs of all layers with a product, of D for real and generated
    samples, or of G.
    """
    G, D = setup.networks()
    image = G.output_shape(G.in_shape)
    vectors = 3 * (G.theta.size + D.theta.size) + max(G.theta.size, D.theta.size)
    inputs = max(2 * numbers_kept(D, image), numbers_kept(G, G.in_shape))
    data = setup.samples * math.prod(image)
    return 4 * (data + vectors + setup.batch * inputs) / 2**20


def numbers_kept(net: Sequential, in_shape: Shape) -> int:
    """Return how many numbers a sample is, added up over the inputs of layers with a product."""
    shape, found = in_shape, 0
    for layer in net.layers:
        if isinstance(layer, (Dense, Conv2d, ConvTranspose2d)):
            found += math.prod(shape)
        shape = layer.output_shape(shape)
    return found


class Weights:
    """What Adam reads and writes for one network: four vectors, W and dW are views into two."""

    def __init__(self, net: Sequential) -> None:
        rng, self.used = np.random.default_rng(0), 0
        self.theta = rng.standard_normal(net.theta.size, dtype=np.float32) / 32
        self.grad, self.m, self.v = (np.zeros_like(self.theta) for _ in range(3))

    def take(self, size: Product) -> tuple[Array, Array]:
        """Return the W and dW of the next layer."""
        part = slice(self.used, self.used + size.p * size.q)
        self.used += size.p * size.q
        return self.theta[part].reshape(size[1:]), self.grad[part].reshape(size[1:])

    def traffic(self) -> None:
        """Read θ, g, m and v once, write θ, m and v once."""
        np.add(self.m, self.grad, out=self.m)
        np.negative(self.theta, out=self.theta)
        np.negative(self.v, out=self.v)


def operands(setup: Setup, joined: bool) -> tuple[list[tuple[Array, Array, Array]], list[Weights]]:
    """Return (a, b, out) for every product, and what Adam moves; a and b may be transposed views.

    Between dense layers y is the next layer's x, and dx the dy of the one before, as in a network.
    """
    owned = dict(zip("GD", map(Weights, setup.networks()), strict=True))
    weights: dict[Any, tuple[Array, Array]] = {}
    arrays: dict[Any, Array] = {}
    rng = np.random.default_rng(1)

    def array(key: Any, shape: tuple[int, int]) -> Array:
        if (key, shape) not in arrays:
            arrays[key, shape] = rng.standard_normal(shape, dtype=np.float32)
        return arrays[key, shape]

    steps = []
    for net, n, i, kind, size in needed(setup, joined):
        m, p, q = size
        if (net, i) not in weights:
            weights[net, i] = owned[net].take(size)
        W, dW = weights[net, i]
        x, y = array((net, n, i, "x"), (m, p)), array((net, n, i + 1, "x"), (m, q))
        dx, dy = array((net, n, i, "d"), (m, p)), array((net, n, i + 1, "d"), (m, q))
        steps.append({"y": (x, W, y), "dW": (x.T, dy, dW), "dx": (dy, W.T, dx)}[kind])
    return steps, list(owned.values())


def prepare(setup: Setup, variant: str) -> Callable[[int], None]:
    """Return a function that does the floor's work for so many steps."""
    matmuls, moved = operands(setup, joined=variant != "apart")
    if variant == "traffic":
        matmuls = []
    if variant == "products":
        moved = []

    def run(steps: int) -> None:
        for _ in range(steps):
            for a, b, out in matmuls:
                np.matmul(a, b, out=out)
            for weights in moved:
                weights.traffic()

    return run
