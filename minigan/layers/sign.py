"""Signs of some features: noise that is in part discrete."""

from __future__ import annotations

from ..arrays import Array, Rng, array_module
from ..expect import expect_integer
from .activations import PiecewiseLinear
from .base import Shape


class Sign(PiecewiseLinear):
    r"""y_i = ±1, the sign of x_i, for the first `bits` features; y_i = x_i for the others

    x, y (n, p). On either side of its jump a sign is constant, so

        f′ = 0 for the first `bits` features, 1 for the others          f″ = 0

    At the jump itself, x_i = 0, y_i is −1.

    As the first layer of a generator it makes 2^bits values, all equally likely, of the first
    numbers of z. A continuous G makes one connected set of the plane or space in which a Gaussian z
    lies. Where the data fall apart into modes, this set has bridges from mode to mode, and samples
    on them. Between two values of the bits no z lies, so no sample has to lie between two modes
    (Khayatkhoei et al. 2018; Gurumurthy et al. 2017 draw the mode of z likewise). No gradient gets
    to the bits, and none is missed: z does not learn.

    Parameters
    ----------
    p
        Number of features of one sample.
    bits
        How many of them become signs, from 0 to p.
    """

    def __init__(self, p: int, bits: int) -> None:
        expect_integer("Sign: p", p, 1)
        expect_integer("Sign: bits", bits, 0)
        if bits > p:
            raise ValueError(f"Sign(p={p}, bits={bits}): only p = {p} features can become signs")
        self.p, self.bits = p, bits
        super().__init__()
        self.in_shape = (p,)

    def forward(self, x: Array, train: bool = True, rng: Rng = None) -> tuple[Array, Array]:
        """Return y and f′."""
        self.check_input(x)
        y, derivative = x.copy(), array_module(x).ones_like(x.real)
        y[:, : self.bits] = 2 * (x[:, : self.bits].real > 0) - 1
        derivative[:, : self.bits] = 0
        return y, derivative

    def output_shape(self, in_shape: Shape) -> Shape:
        """(p,) for samples of shape (p,)."""
        if in_shape != (self.p,):
            raise ValueError(f"{self!r} takes samples of shape ({self.p},), got {in_shape}")
        return in_shape
