"""Spectral normalisation: a layer whose kernel is divided by its largest singular value."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple, Self

import numpy as np

from ..arrays import Array, Rng, array_module
from ..fast.product import product
from .base import Layer, Shape, weight_stream

START_ITERATIONS = 20  # power iterations on a kernel that has just been drawn


class SpectralNormCache(NamedTuple):
    """What a pass leaves behind."""

    theta_bar: Array  # θ with W̄ for W
    inner: Any  # the twin's cache
    sigma: Array
    uv: Array  # ∂σ/∂W = u·vᵀ in the shape of W


class SpectralNorm(Layer):
    r"""y = x·W̄ + b,  W̄ = W/σ,  σ = uᵀ·W·v          (Miyato et al. 2018, section 2.1)

    Written for Dense; it wraps any layer whose y − b is linear in its kernel W, and which says so
    by its `output_axis`. W as a matrix has a row for each input of an output and a column for each
    output: for a convolution it is (k·k·c_in, c_out). (The paper's W is its transpose, so that u
    and v have changed places.) u and v, one number a row and one a column, are near W's first
    singular vectors, so σ is near its largest singular value, and x → x·W̄ stretches no x by more
    than about 1. Of a convolution that holds for each patch; patches overlap, so that an image may
    be stretched by up to ⌈k/stride⌉. A twin of the layer that holds W̄ does the work: y, dx and t
    are the twin's, and so is dW̄, the gradient in W̄.

    u and v (here not a tangent) are constants of the pass (equation 9 of the paper), so
    W̄_ij = W_ij/σ depends on W directly and through σ, with ∂σ/∂W_ij = u_i v_j:

        ∂L/∂W_ij = dW̄_ij/σ − (Σ_kl dW̄_kl W_kl/σ²) u_i v_j
                                      →  dW = (dW̄ − ⟨dW̄, W̄⟩·u·vᵀ)/σ          db as in the layer

    The same two steps, from the layer's gradient in W̄ to the one in W, serve `jvp_backward`.

    `update_state` makes one step of the power iteration, with W as it then is:

        v ← Wᵀ·u/‖Wᵀ·u‖          u ← W·v/‖W·v‖          (Algorithm 1)

    A W that has become zero has no direction: u and v stay, and W̄ is W, zero as well.

    Parameters
    ----------
    layer
        The layer to wrap. Its weights become this layer's, under the names that they had, and the
        layer can't be used elsewhere.

    Raises
    ------
    ValueError
        For a layer in use elsewhere, one that is not linear in a kernel W, or a W that is all zero.
    TypeError
        For something that is no layer.
    """

    W: Array
    b: Array
    u: Array
    v: Array

    def __init__(self, layer: Layer) -> None:
        if not isinstance(layer, Layer):
            raise TypeError(f"SpectralNorm({layer!r}): expected a layer")
        if layer.owner is not None:
            raise ValueError(
                f"SpectralNorm: {layer!r} already belongs to a network; wrap it before, or use "
                "layer.copy() for a twin with weights of its own"
            )
        names = set(layer.parameters())
        if layer.output_axis is None or names not in ({"W"}, {"W", "b"}) or layer.state.size:
            raise ValueError(
                f"SpectralNorm takes a layer that is linear in a kernel W, with or without a bias "
                f"b, and names the axis of W that counts outputs, output_axis = -1, such as Dense; "
                f"got {layer!r}"
            )
        self.layer = layer
        self.in_shape = layer.in_shape
        self.piecewise_linear = layer.piecewise_linear
        self.output_axis = layer.output_axis
        self.couples_samples = layer.couples_samples
        self._weights, self._kernels = layer._weights, layer._kernels
        rows, columns = self._matrix(layer.parameters()["W"]).shape
        self._states = {"u": (rows,), "v": (columns,)}
        theta = layer.theta
        self.bind(theta, array_module(theta).zeros(rows + columns, dtype=theta.dtype))
        self._start(weight_stream(0))
        layer.owner = self

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the layer's weights, then u and v for them."""
        self.layer.initialise(rng)
        self._start(rng)

    def _start(self, rng: np.random.Generator) -> None:
        """Draw u, and bring u and v near W's first singular vectors."""
        if not self.W.any():
            raise ValueError(
                f"SpectralNorm({self.layer!r}): the kernel is all zero and can't be divided by its "
                "singular value; draw it with an init other than zeros"
            )
        self.u[...] = array_module(self.u).asarray(rng.standard_normal(self.u.shape))
        for _ in range(START_ITERATIONS):
            self._iterate()

    # --- the four maps ---

    def forward(
        self, x: Array, train: bool = True, rng: Rng = None
    ) -> tuple[Array, SpectralNormCache]:
        """Return y, and what the way back needs; u and v stay as they are (see `update_state`)."""
        self.check_input(x)
        xp = array_module(x)
        sigma = product(self.u, self._matrix(self.W)) @ self.v
        sigma = xp.where(sigma == 0, 1, sigma)
        uv = self._kernel(xp.outer(self.u, self.v))
        theta_bar = self.theta.copy()
        self.views(theta_bar)["W"][...] /= sigma
        y, inner = self._normalised(theta_bar).forward(x, train, rng)
        return y, SpectralNormCache(theta_bar, inner, sigma, uv)

    def backward(self, dy: Array, cache: SpectralNormCache, grad: Array | None = None) -> Array:
        """Return dx; dW and db are added into `grad`."""
        inner_grad = None if grad is None else self.layer.new_grad()
        dx = self._normalised(cache.theta_bar).backward(dy, cache.inner, inner_grad)
        self._add(inner_grad, cache, grad)
        return dx

    def jvp(self, v: Array, cache: SpectralNormCache) -> Array:
        """Return t."""
        return self._normalised(cache.theta_bar).jvp(v, cache.inner)

    def jvp_backward(
        self, v: Array, dy: Array, cache: SpectralNormCache, grad: Array | None = None
    ) -> Array:
        """Return ∇ₓ⟨dy, J·v⟩, the twin's; its ∇_W is added into `grad`."""
        inner_grad = None if grad is None else self.layer.new_grad()
        dx = self._normalised(cache.theta_bar).jvp_backward(v, dy, cache.inner, inner_grad)
        self._add(inner_grad, cache, grad)
        return dx

    def _normalised(self, theta_bar: Array) -> Layer:
        """Return the twin of the layer that holds W̄."""
        twin = self.layer._twin(theta_bar, self.state[:0])
        twin.owner = self
        return twin

    def _add(self, inner_grad: Array | None, cache: SpectralNormCache, grad: Array | None) -> None:
        """Add to `grad` what a gradient in W̄ and b, which the layer has given, is in W and b."""
        if inner_grad is None or grad is None:
            return
        d, inner = self.views(grad), self.views(inner_grad)
        dW_bar, W_bar = inner["W"], self.views(cache.theta_bar)["W"]
        d["W"] += (dW_bar - (dW_bar * W_bar).sum() * cache.uv) / cache.sigma
        if "b" in inner:
            d["b"] += inner["b"]

    def update_state(self, cache: SpectralNormCache) -> None:
        """Make one step of the power iteration, with the weights as they are now."""
        self._iterate()

    def _iterate(self) -> None:
        matrix = self._matrix(self.W)
        self.v[...] = _unit(product(matrix.T, self.u), self.v)
        self.u[...] = _unit(product(matrix, self.v), self.u)

    # --- the kernel as a matrix, and back ---

    def _matrix(self, W: Array) -> Array:
        """W with a row for each input of an output and a column for each output."""
        outputs_last = array_module(W).moveaxis(W, self.layer.output_axis, -1)
        return outputs_last.reshape(-1, outputs_last.shape[-1])

    def _kernel(self, matrix: Array) -> Array:
        """Give a matrix like that of W the axes of W."""
        xp = array_module(matrix)
        shape = xp.moveaxis(self.W, self.layer.output_axis, -1).shape
        return xp.moveaxis(matrix.reshape(shape), -1, self.layer.output_axis)

    # --- one vector: the layer's weights are views into this one's ---

    def bind(self, theta: Array, state: Array) -> None:
        """Make these the vectors of this layer, and `theta` that of the wrapped one too."""
        super().bind(theta, state)
        self.layer.bind(theta, state[:0])

    def _twin(self, theta: Array, state: Array) -> Self:
        twin = copy.copy(self)
        twin.owner = None
        twin.layer = self.layer.copy()
        twin.bind(theta, state)
        twin.layer.owner = twin
        return twin

    def output_shape(self, in_shape: Shape) -> Shape:
        """Shape of one sample of y: the layer's."""
        return self.layer.output_shape(in_shape)


def _unit(a: Array, otherwise: Array) -> Array:
    """a/‖a‖, `otherwise` for an a of zeros; scaled first, since float32 can't hold 1e-24²."""
    xp = array_module(a)
    largest = abs(a).max()
    a = a / xp.where(largest == 0, 1, largest)
    return xp.where(largest == 0, otherwise, a / xp.sqrt(a @ a + (largest == 0)))
