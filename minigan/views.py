"""A network seen through a change of its input: joined with labels, or blurred with noise.

A view has no weights of its own: its θ is the network's. It has the four maps, in x alone, so that
a training step and a gradient penalty take it for the network and need no branch for it.
"""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np

from .arrays import Array, Rng, array_module, as_like, to_numpy
from .layers.base import Layer, Shape


class View(Layer):
    """What all views do: hand on to the network what is not about its input.

    Parameters
    ----------
    net
        The network, or another view of it.
    """

    def __init__(self, net: Layer) -> None:
        self.net = net
        self._theta, self._state = net.theta, net.state
        self.in_shape = net.in_shape
        self.piecewise_linear, self.couples_samples = net.piecewise_linear, net.couples_samples

    def _twin(self, theta: Array, state: Array) -> Self:
        twin = copy.copy(self)
        twin.net = self.net._twin(theta, state)
        twin._theta, twin._state = theta, state
        return twin

    def bind(self, theta: Array, state: Array) -> None:
        """Make these the network's vectors."""
        self.net.bind(theta, state)
        self._theta, self._state = theta, state

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the network's weights afresh."""
        self.net.initialise(rng)

    def views(self, vector: Array) -> dict[str, Array]:
        """Return the network's views into a vector like θ."""
        return self.net.views(vector)

    @property
    def kernel_mask(self) -> Array:
        """The network's mask of kernels."""
        return self.net.kernel_mask

    def kernel_axes(self) -> dict[str, int]:
        """Return the network's axes of kernels."""
        return self.net.kernel_axes()

    def add_gradient(self, dy: Array, cache: Any, grad: Array) -> None:
        """Let the network add the gradient of its weights."""
        self.net.add_gradient(dy, cache, grad)

    def update_state(self, cache: Any) -> None:
        """Let the network move its state."""
        self.net.update_state(cache)

    def output_shape(self, in_shape: Shape) -> Shape:
        """Shape of one sample of the network's output."""
        return self.net.output_shape(in_shape)

    def __repr__(self) -> str:
        """Return the kind of view, and of what."""
        return f"{type(self).__name__}({self.net!r})"


class Conditional(View):
    r"""net(x, c): conditions joined to x as further features (Mirza & Osindero 2014)

        x (n, p), c (n, k)              the network takes (n, p + k)
        x (n, h, w, p), c (n, k)        the network takes (n, h, w, p + k), each condition a
                                        constant channel

    c is a constant: dx is the matching slice of the network's, and a tangent v of x is joined
    with zeros.

    Parameters
    ----------
    net
        Takes x and c together.
    conditions
        (n, k), such as the one-hot labels of this batch, on the device and of the dtype of θ.
    """

    def __init__(self, net: Layer, conditions: Array) -> None:
        super().__init__(net)
        self.conditions = conditions
        if net.in_shape is not None:
            self.in_shape = (*net.in_shape[:-1], net.in_shape[-1] - conditions.shape[1])

    def _twin(self, theta: Array, state: Array) -> Self:
        twin = super()._twin(theta, state)
        twin.conditions = as_like(to_numpy(self.conditions), theta)
        return twin

    def join(self, x: Array, c: Array) -> Array:
        """Return x with the rows of c as its last features."""
        if len(c) != len(x):
            raise ValueError(f"{len(x)} samples meet conditions for {len(c)}")
        xp = array_module(x, c)
        c = c.reshape(len(c), *[1] * (x.ndim - 2), c.shape[1])
        c = xp.broadcast_to(c, (*x.shape[:-1], c.shape[-1])).astype(x.dtype)
        return xp.concatenate([x, c], axis=-1)

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Any]:
        """Return net(x, c) and its cache."""
        return self.net.forward(self.join(x, self.conditions), train, rng)

    def backward(self, dy: Array, cache: Any, grad: Array | None = None) -> Array:
        """Return dx, the slice of the network's that belongs to x."""
        return self._slice(self.net.backward(dy, cache, grad))

    def jvp(self, v: Array, cache: Any) -> Array:
        """Return t for x moving along v while c stays."""
        return self.net.jvp(self.join(v, 0 * self.conditions), cache)

    def jvp_backward(self, v: Array, dy: Array, cache: Any, grad: Array | None = None) -> Array:
        """Return ∇ₓ⟨dy, J·v⟩, J the Jacobian in x alone."""
        v = self.join(v, 0 * self.conditions)
        return self._slice(self.net.jvp_backward(v, dy, cache, grad))

    def output_shape(self, in_shape: Shape) -> Shape:
        """Shape of one sample of the output, for samples of x."""
        return self.net.output_shape((*in_shape[:-1], in_shape[-1] + self.conditions.shape[1]))

    def _slice(self, dx: Array) -> Array:
        return dx[..., : -self.conditions.shape[1]]


class InstanceNoise(View):
    r"""net(x + σ·ξ), ξ standard normal: instance noise (Sønderby et al. 2017, section 2.4).

    Real and generated samples are blurred alike, so that their distributions overlap and D can't
    win by telling apart what never meets. ξ does not depend on x: all derivatives are those of the
    network at the blurred point. In evaluation there is no noise.

    Parameters
    ----------
    net
        The discriminator.
    sigma
        σ ≥ 0.
    """

    def __init__(self, net: Layer, sigma: float) -> None:
        super().__init__(net)
        if not sigma >= 0:
            raise ValueError(f"InstanceNoise: sigma must be at least 0, got {sigma}")
        self.sigma = sigma

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Any]:
        """Return net(x + σ·ξ) and its cache."""
        if train and self.sigma > 0:
            if rng is None:
                raise ValueError(
                    "InstanceNoise draws noise in training: pass forward(x, rng=stream(…))"
                )
            x = x + self.sigma * as_like(rng.standard_normal(x.shape, dtype=np.float32), x)
        return self.net.forward(x, train, rng)

    def backward(self, dy: Array, cache: Any, grad: Array | None = None) -> Array:
        """Return the network's dx."""
        return self.net.backward(dy, cache, grad)

    def jvp(self, v: Array, cache: Any) -> Array:
        """Return the network's t."""
        return self.net.jvp(v, cache)

    def jvp_backward(self, v: Array, dy: Array, cache: Any, grad: Array | None = None) -> Array:
        """Return the network's ∇ₓ⟨dy, J·v⟩."""
        return self.net.jvp_backward(v, dy, cache, grad)
