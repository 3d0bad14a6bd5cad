"""Maxout: each output is the largest of a few affine functions of x."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, Rng, Seed, array_module
from ..expect import expect_shape
from ..fast.product import product
from ..init import Initialiser, glorot
from ..numerics import sum_rows
from .base import Layer, Shape, weight_stream


class Maxout(Layer):
    r"""y_j = max_k z_jk,  z = x·W + b          (Goodfellow et al. 2013, section 3)

    x (n, p)   W (p, q·pieces)   b (q·pieces,)   z (n, q, pieces)   y (n, q)

    Column j·pieces + k of W belongs to piece k of output j. Around a given x one piece wins, say
    k*(n, j), the first of equals; y_nj = z_nj,k* and the others do not matter. So dy goes back to
    the winner alone, and what follows is Dense:

        dz_njk = dy_nj if k = k*(n, j), else 0
        dW = xᵀ·dz          db = Σ_n dz          dx = dz·Wᵀ

    A tangent takes the winner of v·W, t_nj = (v·W)_nj,k*, and ⟨dy, t⟩ = ⟨dz, v·W⟩ has the gradient
    vᵀ·dz in W; neither b nor x occurs in it. This is the critic of the first GAN.

    Parameters
    ----------
    p, q
        Number of features of one sample of x, and of y.
    pieces
        Number of affine functions for each output.
    init
        How W is drawn (see `minigan.init`); b starts at zero.
    seed
        An integer or a generator to draw from; a network with a seed of its own draws again.
    """

    W: Array
    b: Array
    piecewise_linear = True

    def __init__(
        self, p: int, q: int, pieces: int = 5, init: Initialiser = glorot, seed: Seed = 0
    ) -> None:
        if p < 1 or q < 1 or pieces < 1:
            raise ValueError(f"Maxout(p={p}, q={q}, pieces={pieces}): all must be at least 1")
        self.p, self.q, self.pieces, self.init = p, q, pieces, init
        super().__init__({"W": (p, q * pieces), "b": (q * pieces,)}, kernels=("W",))
        self.in_shape = (p,)
        self.initialise(weight_stream(seed))

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw W as `init` says; b becomes zero."""
        self.W[...] = array_module(self.W).asarray(self.init(rng, self.W.shape))
        self.b[...] = 0

    def forward(
        self, x: Array, train: bool = True, rng: Rng = None
    ) -> tuple[Array, tuple[Array, Array]]:
        """Return y, and x and the number of the piece that won, (n, q)."""
        self.check_input(x)
        z = (product(x, self.W) + self.b).reshape(len(x), self.q, self.pieces)
        winner = z.real.argmax(axis=-1)
        return self._of_winner(z, winner), (x, winner)

    def backward(self, dy: Array, cache: tuple[Array, Array], grad: Array | None = None) -> Array:
        """Return dx = dz·Wᵀ; dW and db are added into `grad`."""
        x, winner = cache
        expect_shape("dy", dy, winner.shape)
        dz = self._to_winner(dy, winner)
        if grad is not None:
            d = self.views(grad)
            product(x.T, dz, add_to=d["W"])
            d["b"] += sum_rows(dz)
        return product(dz, self.W.T)

    def jvp(self, v: Array, cache: tuple[Array, Array]) -> Array:
        """Return t, the winners of v·W."""
        x, winner = cache
        expect_shape("v", v, x.shape)
        return self._of_winner(product(v, self.W).reshape(len(v), self.q, self.pieces), winner)

    def jvp_backward(
        self, v: Array, dy: Array, cache: tuple[Array, Array], grad: Array | None = None
    ) -> Array:
        """Return zeros, since ⟨dz, v·W⟩ does not depend on x; vᵀ·dz is added into dW."""
        x, winner = cache
        expect_shape("v", v, x.shape)
        expect_shape("dy", dy, winner.shape)
        if grad is not None:
            product(v.T, self._to_winner(dy, winner), add_to=self.views(grad)["W"])
        return array_module(x).zeros_like(x)

    def _of_winner(self, z: Array, winner: Array) -> Array:
        """Of z (n, q, pieces) take the winner's number, (n, q)."""
        return array_module(z).take_along_axis(z, winner[..., None], axis=-1)[..., 0]

    def _to_winner(self, dy: Array, winner: Array) -> Array:
        """Put dy (n, q) in the winner's place and zeros in the others': dz, (n, q·pieces)."""
        won = array_module(dy).arange(self.pieces) == winner[..., None]
        dz = array_module(dy).where(won, dy[..., None], 0)
        return dz.reshape(len(dy), self.q * self.pieces)

    def output_shape(self, in_shape: Shape) -> Shape:
        """(q,) for samples of shape (p,)."""
        if in_shape != (self.p,):
            raise ValueError(f"{self!r} takes samples of shape ({self.p},), got {in_shape}")
        return (self.q,)
