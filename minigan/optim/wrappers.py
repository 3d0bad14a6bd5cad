"""What is put around an optimiser's step: clipping, projections, averages, looking ahead.

Each takes an optimiser and is one: it has ``step(theta, grad)``. So a training loop needs no flag
for any of them, and they nest::

    optimiser_G = EMA(ClipNorm(Adam(2e-4), limit=1.0))

They act from the outside in on the gradient, and from the inside out on θ: here the gradient is
clipped, Adam steps, and the average sees where θ has come to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from ..arrays import Array, array_module, stream
from ..layers.base import Layer, expect_positive
from .base import Optimiser, SupportsStep, expect_optimiser
from .regularisers import Regulariser

Net = TypeVar("Net", bound=Layer)


class Wrapper(Optimiser):
    """An optimiser around an optimiser, here one that changes nothing.

    To write another, say what happens to the gradient before the step (`before`), or to θ after it
    (`after`).

    Parameters
    ----------
    optimiser
        The optimiser within, or another wrapper.
    """

    remembers: tuple[str, ...] = ()  # what is within has its own

    def __init__(self, optimiser: SupportsStep) -> None:
        expect_optimiser(f"{type(self).__name__}: optimiser", optimiser)
        self.optimiser = optimiser

    def before(self, grad: Array) -> Array:
        """Return the gradient that the optimiser is handed; `grad` stays as it is."""
        return grad

    def after(self, theta: Array) -> None:
        """Move `theta` in place, after the optimiser has."""

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        self.optimiser.step(theta, self.before(grad))
        self.after(theta)

    def extrapolate(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place to where the next gradient is to be found (see `Extragradient`)."""
        inner = self.optimiser
        if not hasattr(inner, "extrapolate"):
            raise TypeError(
                f"{type(inner).__name__} has no extrapolate; put Extragradient around it: "
                f"{type(self).__name__}(Extragradient({type(inner).__name__}(…)), …)"
            )
        inner.extrapolate(theta, self.before(grad))
        self.after(theta)


class Regularised(Wrapper):
    r"""The gradient, with that of a cost of the weights added (see `minigan.optim.wrappers`).

    Parameters
    ----------
    optimiser
        The optimiser within.
    net
        The network, or layer, whose θ it moves.
    regulariser
        Such as ``L2(1e-4)``.
    """

    def __init__(self, optimiser: SupportsStep, net: Layer, regulariser: Regulariser) -> None:
        super().__init__(optimiser)
        self.net, self.regulariser = net, regulariser

    def before(self, grad: Array) -> Array:
        """Return the gradient and that of the cost, together."""
        total = grad.copy()
        self.regulariser(self.net, total)
        return total


def at_most(limit: float, a: Array, axis: int | tuple[int, ...]) -> Array:
    r"""Return `a`, scaled down where its norm over these axes is larger than `limit`.

        a·min(1, limit/‖a‖) = â·min(s, limit/‖â‖)          s = max|a|,  â = a/s

    ‖â‖ lies between 1 and the root of the number of entries, whatever the size of `a`: squares of
    1e20 overflow float32, and limit/∞ would be no step at all. Nothing asks on the way whether the
    norm is large, which would have to wait for the GPU.
    """
    xp = array_module(a)
    if not a.size:
        return a
    s = xp.abs(a).max(axis=axis, keepdims=True)
    a_hat = a / xp.where(s > 0, s, 1)
    norm = xp.sqrt((a_hat * a_hat).sum(axis=axis, keepdims=True))
    scale = limit / xp.maximum(norm, 1)
    return xp.where(s <= scale, a, a_hat * scale)


class ClipNorm(Wrapper):
    r"""The gradient, scaled down to a norm of at most `limit` (Pascanu et al. 2013, algorithm 1).

        g ← g·min(1, limit/‖g‖)

    See `at_most` for how the norm is taken.

    Parameters
    ----------
    optimiser
        The optimiser within.
    limit
        Largest norm of the whole gradient, > 0.
    """

    def __init__(self, optimiser: SupportsStep, limit: float) -> None:
        super().__init__(optimiser)
        expect_positive("limit", limit)
        self.limit = float(limit)

    def before(self, grad: Array) -> Array:
        """Return the gradient, scaled down where it is too long."""
        return at_most(self.limit, grad, axis=0)


class ClipWeights(Wrapper):
    r"""Every weight clipped into [−c, c] after the step (Arjovsky et al. 2017, algorithm 1).

    WGAN's critic must be Lipschitz, with any constant; weights in a box see to that, crudely.

    Parameters
    ----------
    optimiser
        The optimiser within; the paper has RMSProp(5e-5).
    c
        Half the side of the box, > 0.
    """

    def __init__(self, optimiser: SupportsStep, c: float = 0.01) -> None:
        super().__init__(optimiser)
        expect_positive("c", c)
        self.c = float(c)

    def after(self, theta: Array) -> None:
        """Clip `theta` in place."""
        theta.clip(-self.c, self.c, out=theta)


class MaxNorm(Wrapper):
    r"""The weights that come into a unit keep a norm of at most `limit` (Hinton et al. 2012).

        W_ij ← W_ij·min(1, limit/√(Σ_i W_ij²))          after the step

    i runs over all axes of a kernel but the one that counts the units: (p, q) of a dense layer,
    (k, k, c_in, c_out) of a convolution, (k, k, c_out, c_in) of a transposed one. Biases and gains
    are left alone.

    Parameters
    ----------
    optimiser
        The optimiser within.
    net
        The network, or layer, whose θ it moves; says which weights are kernels, and their shapes.
    limit
        Largest norm of a column, > 0.
    """

    def __init__(self, optimiser: SupportsStep, net: Layer, limit: float) -> None:
        super().__init__(optimiser)
        expect_positive("limit", limit)
        self.net, self.limit = net, float(limit)
        self.axes = net.kernel_axes()

    def after(self, theta: Array) -> None:
        """Scale down the columns of `theta`'s kernels in place."""
        xp, weights = array_module(theta), self.net.views(theta)
        for name, axis in self.axes.items():
            W = xp.moveaxis(weights[name], axis, -1)  # a view: what is done to it is done to θ
            W[...] = at_most(self.limit, W, axis=tuple(range(W.ndim - 1)))


class EMA(Wrapper):
    r"""An exponential moving average of θ, kept beside it (Karras et al. 2018, Yazici et al. 2019).

        average ← average + (1 − decay)·(θ − average)          after each step

    The weights of a generator circle; their average lies within the circle. Training goes on with
    θ, as if nothing were; samples are drawn with the average::

        G_average = optimiser_G.averaged(G)

    It starts at the θ that the first step leads to. One step earlier would do as well, but with
    `Extragradient` within, the θ that comes into the first step is a point where we only looked.

    Parameters
    ----------
    optimiser
        The optimiser within.
    decay
        In [0, 1); the average looks back over about 1/(1 − decay) steps.

    Attributes
    ----------
    average
        A vector like θ; None before the first step.
    """

    remembers: tuple[str, ...] = ("average",)

    def __init__(self, optimiser: SupportsStep, decay: float = 0.999) -> None:
        super().__init__(optimiser)
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.decay = decay
        self.average: Array | None = None

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place, and the average towards it."""
        self.optimiser.step(theta, grad)
        if self.average is None:
            self.average = theta.copy()
        self.average += (1 - self.decay) * (theta - self.average)

    def averaged(self, net: Net, inputs: Iterable[Array] = ()) -> Net:
        """Return a copy of `net` with the average weights, to draw samples from.

        What a network carries beside its weights, such as BatchNorm's running statistics, are those
        of θ and not of the average. They are renewed by passes of the copy over `inputs`, as
        Izmailov et al. 2018 do for averaged weights (section 3.2).

        Parameters
        ----------
        net
            The network whose θ is averaged.
        inputs
            Batches of its x, such as noise for a generator; only looked at if it has a state. A
            running mean keeps 0.9ⁿ of what it was: 40 batches leave 1.5 %.

        Raises
        ------
        ValueError
            Before the first step, when there is no average.
        """
        if self.average is None:
            raise ValueError("there is no average before the first step: take the network itself")
        twin = net.copy()
        twin.theta = self.average
        if twin.state.size:
            for i, x in enumerate(inputs):
                twin.update_state(twin.forward(x, rng=stream(i, "averaged"))[1])
        return twin
