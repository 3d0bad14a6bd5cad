"""`Sequential`: layers one after the other, all their weights in one vector θ.

A network is a layer itself: it has the same four maps, each a walk over its layers, and it can
stand among the layers of a larger network.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any, Self

import numpy as np

from .arrays import Array, Rng, Seed, array_module
from .expect import expect_precision, expect_shape
from .layers.base import Layer, Shape, weight_stream

Caches = tuple[Any, ...]  # what each of the layers leaves behind


class Sequential(Layer):
    r"""y = f_L(… f₂(f₁(x)) …)

    With x₀ = x, x_l = f_l(x_{l−1}) and J_l = ∂x_l/∂x_{l−1}, the chain rule says J = J_L ⋯ J₂·J₁:

        dx = J₁ᵀ·J₂ᵀ ⋯ J_Lᵀ·dy      →  `backward`, from the last layer to the first
        t  = J_L ⋯ J₂·J₁·v          →  `jvp`, from the first layer to the last

    For `jvp_backward` let v_l = J_l ⋯ J₁·v be the tangent after layer l, and the cotangent there
    dy_l = J_{l+1}ᵀ ⋯ J_Lᵀ·dy. Whichever layer l we look at, the number to differentiate is

        s = ⟨dy, J·v⟩ = ⟨dy_l, J_l(x_{l−1}; θ_l)·v_{l−1}⟩

    By the product rule each J_l changes in turn, while the others stand still: dy_l and v_{l−1} are
    held fixed. So layer l's own `jvp_backward` gives the part of ∇s that enters through J_l: its
    share of ∇_θ, and e_{l−1}, its share of the gradient in x_{l−1}. Let a_l be all that arrives in
    x_l, a_L = 0; then a_{l−1} = e_{l−1} + J_lᵀ·a_l, where layer l's own `backward` adds the part in
    θ_l. Three sweeps: dy_l down, v_l up, a_l down.

    Parameters
    ----------
    *layers
        One or more layers. The network copies their weights into its own θ and makes their named
        weights views into it; a layer that another network holds already is refused.
    dtype
        Dtype of θ; that of the layers unless given.
    seed
        An integer or a generator: all weights are drawn again, the layers in turn. Without it the
        weights stay as the layers bring them; two equal layers, each made alone, are then twins.

    Raises
    ------
    ValueError
        For no layers, a layer in use elsewhere, or two neighbours whose shapes don't fit.
    TypeError
        For something that is no layer.
    """

    def __init__(self, *layers: Layer, dtype: Any = None, seed: Seed | None = None) -> None:
        name, seen = type(self).__name__, set[int]()
        if not layers:
            raise ValueError(f"{name} needs at least one layer")
        for i, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"{name}: argument {i} is {layer!r}, expected a layer")
            if layer.owner is not None or id(layer) in seen:
                raise ValueError(
                    f"{name}: layer {i}, {layer!r}, already belongs to a network; a layer's "
                    "weights live in one θ. Use layer.copy() for a twin with weights of its own"
                )
            seen.add(id(layer))
        self.layers = layers
        self.in_shape = layers[0].in_shape
        self.piecewise_linear = all(layer.piecewise_linear for layer in layers)
        self.couples_samples = any(layer.couples_samples for layer in layers)
        self._check_neighbours()
        theta = _joined([layer.theta for layer in layers])
        state = _joined([layer.state for layer in layers])
        self.bind(theta.astype(dtype or theta.dtype), state.astype(dtype or theta.dtype))
        for layer in layers:
            layer.owner = self
        if seed is not None:
            self.initialise(weight_stream(seed))

    # --- the four maps ---

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Caches]:
        """Return y and the caches of all layers; `rng` is for layers that draw, such as dropout."""
        self.check_input(x)
        caches = []
        for layer in self.layers:
            x, cache = layer.forward(x, train, rng)
            caches.append(cache)
        return x, tuple(caches)

    def backward(self, dy: Array, cache: Caches, grad: Array | None = None) -> Array:
        """Return dx; with a `grad`, add each layer's gradient into its slice of it."""
        for layer, c, g in reversed(self._steps(cache, grad)):
            dy = layer.backward(dy, c, g)
        return dy

    def add_gradient(self, dy: Array, cache: Caches, grad: Array) -> None:
        """Add each layer's gradient into its slice of `grad`, down to the lowest that learns."""
        steps = self._steps(cache, grad)[self._lowest :]
        for layer, c, g in reversed(steps[1:]):
            dy = layer.backward(dy, c, g)
        for layer, c, g in steps[:1]:  # none in a network without weights
            layer.add_gradient(dy, c, g)

    def jvp(self, v: Array, cache: Caches) -> Array:
        """Return t = J·v."""
        for layer, c in zip(self.layers, cache, strict=True):
            v = layer.jvp(v, c)
        return v

    def jvp_backward(self, v: Array, dy: Array, cache: Caches, grad: Array | None = None) -> Array:
        """Return ∇ₓ⟨dy, J(x; θ)·v⟩; with a `grad`, add ∇_θ of it."""
        steps = self._steps(cache, grad)
        # 1. Cotangents down: what dy is after each layer.
        cotangents = []
        for layer, c, _ in reversed(steps):
            cotangents.append(dy)
            dy = layer.backward(dy, c)
        # 2. Tangents up; on the way each layer says how s changes with its weights and its input.
        e = []
        for (layer, c, g), dy in zip(steps, reversed(cotangents), strict=True):
            e.append(layer.jvp_backward(v, dy, c, g))
            v = layer.jvp(v, c)
        # 3. What arrives in the inputs, a, down. Where all is piecewise linear, that is nothing.
        a = None
        for (layer, c, g), e_below in zip(reversed(steps), reversed(e), strict=True):
            if a is not None:
                a = layer.backward(a, c, g)
            if not layer.piecewise_linear:
                a = e_below if a is None else e_below + a
        return e[0] if a is None else a

    def update_state(self, cache: Caches) -> None:
        """Let each layer move its state by what its part of this pass has seen."""
        for layer, c in zip(self.layers, cache, strict=True):
            layer.update_state(c)

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw all weights afresh, the layers in turn."""
        for layer in self.layers:
            layer.initialise(rng)

    def output_shape(self, in_shape: Shape) -> Shape:
        """Shape of one sample after the last layer."""
        for layer in self.layers:
            in_shape = layer.output_shape(in_shape)
        return in_shape

    # --- one vector ---

    def bind(self, theta: Array, state: Array) -> None:
        """Make these the network's vectors, and give each layer its slices of them."""
        expect_precision("theta", theta)
        self._theta, self._state = theta, state
        sizes = [layer.theta.size for layer in self.layers]
        self._lowest = next((i for i, size in enumerate(sizes) if size), len(sizes))
        self._slices = _slices(sizes)
        state_slices = _slices([layer.state.size for layer in self.layers])
        for layer, t, s in zip(self.layers, self._slices, state_slices, strict=True):
            layer.bind(theta[t], state[s])

    def views(self, vector: Array) -> dict[str, Array]:
        """Return views into a vector like `theta`: ``"0.W"`` is the W of layer 0."""
        expect_shape("a vector like theta", vector, self.theta.shape)
        return {
            f"{i}.{name}": view
            for i, (layer, part) in enumerate(zip(self.layers, self._slices, strict=True))
            for name, view in layer.views(vector[part]).items()
        }

    @property
    def kernel_mask(self) -> Array:
        """Mask over `theta`, true for kernels and false for biases and gains."""
        return _joined([layer.kernel_mask for layer in self.layers])

    def kernel_axes(self) -> dict[str, int]:
        """Return, for each kernel by its name, the axis that counts its outputs."""
        return {
            f"{i}.{name}": axis
            for i, layer in enumerate(self.layers)
            for name, axis in layer.kernel_axes().items()
        }

    def _steps(self, cache: Caches, grad: Array | None) -> list[tuple[Layer, Any, Any]]:
        """Each layer with its cache and its slice of `grad`."""
        if grad is not None:
            expect_shape("grad", grad, self._theta.shape)
        grads = [None if grad is None else grad[part] for part in self._slices]
        return list(zip(self.layers, cache, grads, strict=True))

    def _twin(self, theta: Array, state: Array) -> Self:
        twin = copy.copy(self)
        twin.owner = None
        twin.layers = tuple(layer.copy() for layer in self.layers)
        twin.bind(theta, state)
        for layer in twin.layers:
            layer.owner = twin
        return twin

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self.layers)

    def __getitem__(self, i: int) -> Layer:
        """Return layer i, which stays the network's."""
        return self.layers[i]

    # --- print-outs ---

    def summary(self, in_shape: Shape | None = None) -> str:
        """Table of the layers: what each is, the shape of one sample after it, its weights.

        Parameters
        ----------
        in_shape
            Shape of one sample of x, for a network whose first layer takes any.
        """
        rows = [("", "layer", "a sample becomes", "weights"), *self._rows(in_shape, "")]
        rows.append(("", f"θ, {self.theta.dtype}", "", f"{self.theta.size:,}"))
        a, b, c, d = (max(map(len, column)) for column in zip(*rows, strict=True))
        return "\n".join(f"{i:<{a}}  {x:<{b}}  {y:<{c}}  {n:>{d}}" for i, x, y, n in rows)

    def _rows(self, shape: Shape | None, prefix: str) -> Iterator[tuple[str, str, str, str]]:
        """Give the rows of the summary, those of a network within the network below its own."""
        for i, layer in enumerate(self.layers):
            before = layer.in_shape if shape is None else shape
            shape = None if before is None else layer.output_shape(before)
            name = type(layer).__name__ if isinstance(layer, Sequential) else repr(layer)
            yield f"{prefix}{i}", name, str(shape or "?"), f"{layer.theta.size:,}"
            if isinstance(layer, Sequential):
                yield from layer._rows(before, f"{prefix}{i}.")

    def config(self) -> dict[str, Any]:
        """``layers``."""
        return {"layers": self.layers}

    def __repr__(self) -> str:
        """Return the call that makes such a network."""
        return f"{type(self).__name__}({', '.join(map(repr, self.layers))})"

    def _check_neighbours(self) -> None:
        """Follow one sample through, from the first layer that fixes its shape."""
        shape = None
        for i, layer in enumerate(self.layers):
            shape = layer.in_shape if shape is None else shape
            if shape is None:
                continue
            try:
                shape = layer.output_shape(shape)
            except ValueError as error:
                name = type(self).__name__
                raise ValueError(f"{name}: layer {i} does not fit: {error}") from None


def _slices(sizes: list[int]) -> list[slice]:
    """Consecutive slices of these sizes."""
    return [slice(start, stop) for start, stop in pairwise(accumulate(sizes, initial=0))]


def _joined(vectors: list[Array]) -> Array:
    """One vector from several. Empty ones have no say in its device and dtype."""
    full = [vector for vector in vectors if vector.size] or vectors[:1]
    return array_module(*full).concatenate(full)
