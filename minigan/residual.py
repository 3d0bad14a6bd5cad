"""`Residual`: a network that adds its output to its input."""

from __future__ import annotations

from .arrays import Array, Rng
from .layers.base import Shape
from .network import Caches, Sequential


class Residual(Sequential):
    r"""y = x + f(x), where f is the layers one after the other          (He et al. 2016, eq. 1)

    J = I + J_f, J_f being the Jacobian of f, so

        dx = Jᵀ·dy = dy + J_fᵀ·dy          t = J·v = v + J_f·v

    and ⟨dy, J·v⟩ = ⟨dy, v⟩ + ⟨dy, J_f·v⟩: the first term depends on neither x nor θ, so that
    `jvp_backward` is that of f as it stands.

    Parameters
    ----------
    *layers, dtype, seed
        As for `Sequential`; the last layer's samples have the shape of the first layer's.
    """

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Caches]:
        """Return y = x + f(x) and the caches of all layers."""
        f, cache = super().forward(x, train, rng)
        return x + f, cache

    def backward(self, dy: Array, cache: Caches, grad: Array | None = None) -> Array:
        """Return dx = dy + J_fᵀ·dy; with a `grad`, add each layer's gradient into its slice."""
        return dy + super().backward(dy, cache, grad)

    def jvp(self, v: Array, cache: Caches) -> Array:
        """Return t = v + J_f·v."""
        return v + super().jvp(v, cache)

    def output_shape(self, in_shape: Shape) -> Shape:
        """`in_shape`, which f must keep."""
        f_shape = super().output_shape(in_shape)
        if f_shape != in_shape:
            raise ValueError(
                f"Residual: y = x + f(x) needs an f that keeps the shape of a sample, but it makes "
                f"{f_shape} of {in_shape}; change the last layer"
            )
        return in_shape

    def _check_neighbours(self) -> None:
        """Follow one sample through, and compare the two ends where the first layer fixes one."""
        super()._check_neighbours()
        if self.in_shape is not None:
            self.output_shape(self.in_shape)
