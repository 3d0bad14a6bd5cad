"""Functions applied to each number by itself: one y for each x, so the Jacobian is diagonal.

`backward`, `jvp` and `jvp_backward` of such a layer follow from f′ and f″, and are written once, in
`Elementwise`; an activation below is its `forward` and two formulas.
"""

from __future__ import annotations

from ..arrays import Array, Rng, array_module
from ..expect import expect_shape
from ..fast.activation import fused_leaky
from ..numerics import sigmoid
from .base import Layer


class Elementwise(Layer):
    r"""y = f(x), number by number          x, y  any shape (n, …)

    y_i depends on x_i alone: J_ij = f′(x_i) if i = j and 0 elsewhere. So J = Jᵀ, and

        ∂L/∂x_i = dy_i f′(x_i)                     →  dx = f′·dy
        t_i     = f′(x_i) v_i                      →  t  = f′·v
        ⟨dy, J·v⟩ = Σ_i dy_i f′(x_i) v_i           →  its gradient in x is f″·v·dy

    A subclass writes `forward`, whose cache is an array of y's shape, and says what f′ and f″ are
    given that cache.
    """

    def derivative(self, cache: Array) -> Array:
        """Return f′ at the point that `cache` holds."""
        raise NotImplementedError(f"{type(self).__name__} has no derivative")

    def second_derivative(self, cache: Array) -> Array:
        """Return f″ at the point that `cache` holds."""
        raise NotImplementedError(f"{type(self).__name__} has no second_derivative, for a penalty")

    def backward(self, dy: Array, cache: Array, grad: Array | None = None) -> Array:
        """Return dx = f′·dy."""
        expect_shape("dy", dy, cache.shape)
        return self.derivative(cache) * dy

    def jvp(self, v: Array, cache: Array) -> Array:
        """Return t = f′·v."""
        expect_shape("v", v, cache.shape)
        return self.derivative(cache) * v

    def jvp_backward(self, v: Array, dy: Array, cache: Array, grad: Array | None = None) -> Array:
        """Return f″·v·dy."""
        expect_shape("v", v, cache.shape)
        expect_shape("dy", dy, cache.shape)
        return self.second_derivative(cache) * v * dy


class PiecewiseLinear(Elementwise):
    """Made of straight pieces: f″ = 0. The cache is f′, one number for each x."""

    piecewise_linear = True

    def derivative(self, cache: Array) -> Array:
        """Return f′, which is what the cache holds."""
        return cache

    def second_derivative(self, cache: Array) -> Array:
        """Return zeros."""
        return array_module(cache).zeros_like(cache)


class LeakyReLU(PiecewiseLinear):
    r"""y = x for x > 0,  slope·x for x ≤ 0          (Maas et al. 2013)

        f′ = 1 for x > 0, slope for x ≤ 0          f″ = 0

    At the kink, x = 0, f′ is taken from the left: `slope`.

    Parameters
    ----------
    slope
        0.2, as in DCGAN (Radford et al. 2016), unless said otherwise.
    """

    def __init__(self, slope: float = 0.2) -> None:
        self.slope = slope
        super().__init__()

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Array]:
        """Return y = f′·x and f′."""
        self.check_input(x)
        if fused := fused_leaky(x, self.slope):  # what follows, compiled
            return fused
        # This is exactly 1 for x > 0. `where` is several times slower: it decides number by number.
        slope = x.real.dtype.type(self.slope)
        derivative = slope + (1 - slope) * (x.real > 0)
        y = derivative * x if slope else array_module(x).maximum(x, 0)  # 0·(−∞) would be NaN
        return y, derivative


class ReLU(LeakyReLU):
    r"""y = max(x, 0): a LeakyReLU whose slope is 0          (Nair & Hinton 2010)"""

    def __init__(self) -> None:
        super().__init__(slope=0.0)


class Sigmoid(Elementwise):
    r"""y = σ(x) = 1/(1 + e⁻ˣ)

    With 1 − y = e⁻ˣ/(1 + e⁻ˣ):

        f′ = e⁻ˣ/(1 + e⁻ˣ)²         = y·(1 − y)
        f″ = f′·(1 − y) − y·f′      = y·(1 − y)·(1 − 2·y)

    The cache is y. A network that ends in a Sigmoid gives probabilities; the losses prefer logits,
    the numbers before it (see `minigan.losses`).
    """

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Array]:
        """Return y = σ(x), and y again for the way back."""
        self.check_input(x)
        y = sigmoid(x)
        return y, y

    def derivative(self, cache: Array) -> Array:
        """Return y·(1 − y)."""
        y = cache
        return y * (1 - y)

    def second_derivative(self, cache: Array) -> Array:
        """Return y·(1 − y)·(1 − 2·y)."""
        y = cache
        return y * (1 - y) * (1 - 2 * y)


class Tanh(Elementwise):
    r"""y = tanh x = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ)

        f′ = 1 − tanh² x            = 1 − y²
        f″ = −2·y·f′                = −2·y·(1 − y²)

    The cache is y.
    """

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Array]:
        """Return y = tanh x, and y again for the way back."""
        self.check_input(x)
        y = array_module(x).tanh(x)
        return y, y

    def derivative(self, cache: Array) -> Array:
        """Return 1 − y²."""
        y = cache
        return 1 - y * y

    def second_derivative(self, cache: Array) -> Array:
        """Return −2·y·(1 − y²)."""
        y = cache
        return -2 * y * (1 - y * y)
