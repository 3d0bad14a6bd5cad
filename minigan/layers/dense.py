"""The dense (fully connected, affine) layer."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, Rng, Seed, array_module
from ..expect import expect_shape
from ..fast.product import product
from ..init import Initialiser, glorot
from ..numerics import sum_rows
from .base import Layer, Shape, weight_stream


class Dense(Layer):
    r"""y = x·W + b          x (n, p)   W (p, q)   b (q,)   y (n, q)

    Index by index  y_nj = Σ_i x_ni W_ij + b_j , so with dy_nj = ∂L/∂y_nj:

        ∂L/∂W_ij = Σ_n x_ni dy_nj      →  dW = xᵀ·dy
        ∂L/∂b_j  = Σ_n dy_nj           →  db = Σ_n dy
        ∂L/∂x_ni = Σ_j dy_nj W_ij      →  dx = dy·Wᵀ

    Moving x along v moves y by t_nj = Σ_i v_ni W_ij, so t = v·W. In the number
    ⟨dy, J·v⟩ = Σ_nij dy_nj v_ni W_ij the tangent v stands where x stood: its gradient with respect
    to W is vᵀ·dy; neither b nor x occurs in it.

    Parameters
    ----------
    p, q
        Number of features of one sample of x, and of y.
    bias
        Whether there is a b.
    init
        How W is drawn (see `minigan.init`); b starts at zero.
    seed
        An integer or a generator to draw from; a network with a seed of its own draws again.
    """

    W: Array
    b: Array
    piecewise_linear = True
    output_axis = -1

    def __init__(
        self, p: int, q: int, bias: bool = True, init: Initialiser = glorot, seed: Seed = 0
    ) -> None:
        if p < 1 or q < 1:
            raise ValueError(f"Dense(p={p}, q={q}): both numbers of features must be at least 1")
        self.p, self.q, self.bias, self.init = p, q, bias, init
        super().__init__({"W": (p, q)} | ({"b": (q,)} if bias else {}), kernels=("W",))
        self.in_shape = (p,)
        self.initialise(weight_stream(seed))

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw W as `init` says; b becomes zero."""
        self.W[...] = array_module(self.W).asarray(self.init(rng, self.W.shape))
        if self.bias:
            self.b[...] = 0

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Array]:
        """Return y = x·W + b and x."""
        self.check_input(x)
        y = product(x, self.W)
        if self.bias:
            y += self.b
        return y, x

    def backward(self, dy: Array, cache: Array, grad: Array | None = None) -> Array:
        """Return dx = dy·Wᵀ; dW and db are added into `grad`."""
        expect_shape("dy", dy, (len(cache), self.q))
        if grad is not None:
            self.add_gradient(dy, cache, grad)
        return product(dy, self.W.T)

    def add_gradient(self, dy: Array, cache: Array, grad: Array) -> None:
        """Add dW = xᵀ·dy and db = Σ_n dy into `grad`."""
        x, d = cache, self.views(grad)
        expect_shape("dy", dy, (len(x), self.q))
        product(x.T, dy, add_to=d["W"])
        if self.bias:
            d["b"] += sum_rows(dy)

    def jvp(self, v: Array, cache: Array) -> Array:
        """Return t = v·W."""
        expect_shape("v", v, cache.shape)
        return product(v, self.W)

    def jvp_backward(self, v: Array, dy: Array, cache: Array, grad: Array | None = None) -> Array:
        """Return zeros, since ⟨dy, v·W⟩ does not depend on x; its ∂/∂W is added into `grad`."""
        x = cache
        expect_shape("v", v, x.shape)
        expect_shape("dy", dy, (len(x), self.q))
        if grad is not None:
            product(v.T, dy, add_to=self.views(grad)["W"])
        return array_module(x).zeros_like(x)

    def output_shape(self, in_shape: Shape) -> Shape:
        """(q,) for samples of shape (p,)."""
        if in_shape != (self.p,):
            cure = "; put a Flatten() before it" if math.prod(in_shape) == self.p else ""
            raise ValueError(f"{self!r} takes samples of shape ({self.p},), got {in_shape}{cure}")
        return (self.q,)
