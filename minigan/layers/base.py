"""What every layer is: four maps, and named views into one flat vector θ.

With y = f(x; θ) and J = ∂y/∂x at the point that `cache` holds:

    forward(x) → (y, cache)                       y = f(x; θ)
    backward(dy, cache, grad=None) → dx           Jᵀ·dy, and adds (∂y/∂θ)ᵀ·dy to grad
    jvp(v, cache) → t                             J·v
    jvp_backward(v, dy, cache, grad=None) → dx    ∇ₓ of ⟨dy, J(x; θ)·v⟩, and adds ∇_θ of it to grad

x and y are whole batches, taken as long vectors, and ⟨a, b⟩ is the sum of all products a_i·b_i. v,
a direction in which x may move, is called a tangent; dy = ∂L/∂y, on its way back, a cotangent.

A layer remembers nothing between calls: what a later map needs is in `cache`, so that a layer may
be used any number of times, in any order. Nothing is hidden: the caller says who learns, by passing
`grad`, a vector like θ, or by leaving it out.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ..arrays import Array, Rng, Seed, array_module, stream, to_device
from ..expect import expect_input, expect_precision, expect_shape
from .old_names import OldNames

Shape = tuple[int, ...]


class Layer(OldNames):
    """A function with four maps, which owns its weights as one vector.

    To write a layer: call ``super().__init__`` with the shapes of the weights, then each of them is
    an attribute (``self.W``), a view into `theta`; write the four maps, and `initialise` if
    there is something to draw. `output_shape` says which samples the layer takes; `forward` begins
    with ``self.check_input(x)``. Gradient penalties rest on `piecewise_linear`, `couples_samples`.

    Parameters
    ----------
    weights
        Name and shape of each weight, in the order in which θ holds them.
    state
        The same for what is carried but not learned, such as running means.
    kernels
        The names of the weights that are kernels: not biases, not gains.
    """

    in_shape: Shape | None = None  # shape of one sample, where the layer fixes it
    owner: Layer | None = None  # the network that has adopted this layer
    piecewise_linear = False  # True: J does not change with x (almost everywhere), ∇ₓ⟨dy, J·v⟩ = 0
    couples_samples = False  # True: a sample's y depends on the others in the batch (in training)
    # For a y that is linear in a kernel W, the axis of W that counts outputs (see SpectralNorm).
    output_axis: int | None = None

    def __init__(
        self,
        weights: Mapping[str, Shape] | None = None,
        state: Mapping[str, Shape] | None = None,
        kernels: tuple[str, ...] = (),
    ) -> None:
        self._weights, self._states, self._kernels = weights or {}, state or {}, kernels
        sizes = [sum(map(math.prod, shapes.values())) for shapes in (self._weights, self._states)]
        self.bind(*(np.zeros(size, np.float32) for size in sizes))

    # --- the four maps ---

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Any]:
        """Return ``(y, cache)``, y = f(x; θ); changes nothing.

        `train` is False for evaluation (no dropout, running means); `rng` is for layers that draw.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, x: Array) -> Array:
        """Return y alone, in evaluation: to use a network, where `forward` serves to train it."""
        return self.forward(x, train=False)[0]

    def backward(self, dy: Array, cache: Any, grad: Array | None = None) -> Array:
        """Return dx = Jᵀ·dy; with a `grad`, add the gradient of the weights into it."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def add_gradient(self, dy: Array, cache: Any, grad: Array) -> None:
        """Add the gradient of the weights into `grad`, as `backward` does, where no dx is needed.

        At the lowest layer that learns, dx is half of the work and nobody asks for it. A layer with
        a `backward` of its own that inherits another's `add_gradient` needs both: `minigan.check`
        compares them.
        """
        self.backward(dy, cache, grad)

    def jvp(self, v: Array, cache: Any) -> Array:
        """Return t = J·v, the change of y when x moves along v."""
        raise NotImplementedError(f"{type(self).__name__} has no jvp")

    def jvp_backward(self, v: Array, dy: Array, cache: Any, grad: Array | None = None) -> Array:
        """Return ∇ₓ⟨dy, J(x; θ)·v⟩; with a `grad`, add ∇_θ of the same number into it."""
        raise NotImplementedError(f"{type(self).__name__} has no jvp_backward")

    def update_state(self, cache: Any) -> None:
        """Move `state` by what this pass has seen; nothing to do for a layer without state."""

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the weights afresh; nothing to do for a layer without weights."""
        self.draw_by_old_name(rng)

    def output_shape(self, in_shape: Shape) -> Shape:
        """Shape of one sample of y, for samples of x of shape `in_shape`.

        Raises
        ------
        ValueError
            For samples that the layer can't take.
        """
        return in_shape

    # --- one vector ---

    def bind(self, theta: Array, state: Array) -> None:
        """Make these the layer's vectors; its named weights become views into them."""
        expect_precision("theta", theta)
        self._theta, self._state = theta, state
        for name, view in (split(theta, self._weights) | split(state, self._states)).items():
            vars(self)[name] = view

    def __setattr__(self, name: str, value: Any) -> None:
        """Copy what is assigned to a named weight or state into its view; set all else as usual."""
        own = vars(self)
        if name in own and (name in own.get("_weights", ()) or name in own.get("_states", ())):
            own[name][...] = value
        else:
            super().__setattr__(name, value)

    @property
    def theta(self) -> Array:
        """All weights as one vector (size,); assigning to it copies into it."""
        return self._theta

    @theta.setter
    def theta(self, values: Array) -> None:
        expect_shape("theta", values, self._theta.shape)
        self._theta[...] = values

    @property
    def state(self) -> Array:
        """What the layer carries but does not learn, as one vector; assigning copies into it."""
        return self._state

    @state.setter
    def state(self, values: Array) -> None:
        expect_shape("state", values, self._state.shape)
        self._state[...] = values

    def new_grad(self) -> Array:
        """Zeros like `theta`, for `backward` to add to."""
        return array_module(self._theta).zeros_like(self._theta)

    def views(self, vector: Array) -> dict[str, Array]:
        """Return views into a vector like `theta`, such as a gradient, by the weights' names."""
        expect_shape("a vector like theta", vector, self._theta.shape)
        return split(vector, self._weights)

    def parameters(self) -> dict[str, Array]:
        """Every weight by its name, as a view into `theta`."""
        return self.views(self.theta)

    @property
    def kernel_mask(self) -> Array:
        """Mask over `theta`, true for kernels and false for biases and gains."""
        mask = array_module(self.theta).zeros(self.theta.shape, dtype=bool)
        for name, view in split(mask, self._weights).items():
            view[...] = name in self._kernels
        return mask

    def kernel_axes(self) -> dict[str, int]:
        """Return, for each kernel by its name, the axis that counts its outputs."""
        return dict.fromkeys(self._kernels, -1 if self.output_axis is None else self.output_axis)

    # --- twins ---

    def copy(self) -> Self:
        """Return an equal layer with vectors of its own."""
        return self._twin(self.theta.copy(), self.state.copy())

    def astype(self, dtype: Any) -> Self:
        """Return an equal layer whose vectors have another dtype."""
        return self._twin(self.theta.astype(dtype), self.state.astype(dtype))

    def to(self, device: str) -> Self:
        """Return an equal layer on ``"cpu"`` or ``"gpu"``."""
        return self._twin(*(to_device(v.copy(), device) for v in (self.theta, self.state)))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """`copy()`: a plain deep copy would cut the views loose from θ."""
        return self.copy()

    def _twin(self, theta: Array, state: Array) -> Self:
        twin = copy.copy(self)
        twin.owner = None
        twin.bind(theta, state)
        return twin

    # --- errors and print-outs ---

    def check_input(self, x: Array) -> None:
        """Raise a clear error unless `x` is a batch of float samples that this layer takes.

        Only a layer outside any network checks. A network checks its own x, and checked when it was
        made that its layers fit together.
        """
        if self.owner is None:
            expect_input(self, x)

    def config(self) -> dict[str, Any]:
        """Arguments that make such a layer again; the weights it holds are not among them."""
        if type(self).__init__ is Layer.__init__:
            return {}
        names = inspect.signature(type(self).__init__).parameters
        return {n: getattr(self, n) for n in names if n not in ("self", "init", "seed")}

    def __repr__(self) -> str:
        """Return the call that makes such a layer."""
        try:
            arguments = ", ".join(f"{k}={v!r}" for k, v in self.config().items())
        except AttributeError:  # somebody's layer that does not keep what it was made with
            arguments = "…"
        return f"{type(self).__name__}({arguments})"


def split(vector: Array, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    """Named views into one flat vector, one after the other; writing to a view writes to it."""
    views, start = {}, 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        views[name] = vector[start:stop].reshape(shape)
        start = stop
    return views


def weight_stream(seed: Seed) -> np.random.Generator:
    """Stream from which initial weights are drawn; a generator is taken as it is."""
    return seed if isinstance(seed, np.random.Generator) else stream(seed, "init")
