"""What large weights cost: L1 and L2 of a network's kernels, as value and gradient.

A regulariser is called beside the loss: ``value = L2(1e-4)(net, grad)`` returns its value and adds
its gradient to `grad`; without a `grad`, the value only. Biases and gains are free. With Adam see
also `AdamW`, which lets weights decay without dividing by √v̂.
"""

from __future__ import annotations

import math

from ..arrays import Array, array_module
from ..expect import expect_shape
from ..layers.base import Layer


class Regulariser:
    """What both costs are: a factor, the weight λ of the cost in the loss, and a call."""

    def __init__(self, weight: float) -> None:
        _check_weight(weight)
        self.weight = float(weight)

    def __repr__(self) -> str:
        """Return the call that makes such a regulariser."""
        return f"{type(self).__name__}({self.weight})"

    def __call__(self, net: Layer, grad: Array | None = None) -> Array:
        """Return R, a 0-d array; with a `grad` (like θ), add ∂R/∂θ into it."""
        raise NotImplementedError


class L2(Regulariser):
    r"""R = λ/2·Σ W²          ∂R/∂W = λ·W

    The sum runs over all kernels of the network. Under steepest descent each step takes the share
    lr·λ of every kernel away.

    Parameters
    ----------
    weight
        λ ≥ 0.
    """

    def __call__(self, net: Layer, grad: Array | None = None) -> Array:
        """Return R, a 0-d array; with a `grad` (like θ), add ∂R/∂θ into it."""
        W = _kernels_of(net, grad)
        if grad is not None:
            grad += self.weight * W
        return array_module(W).asarray(self.weight / 2 * (W * W).sum())


class L1(Regulariser):
    r"""R = λ·Σ |W|          ∂R/∂W = λ·sign(W)

    The sum runs over all kernels of the network. The pull towards zero is as strong on small
    weights as on large ones, so that many end near zero. At W = 0 the derivative is taken as 0.

    Parameters
    ----------
    weight
        λ ≥ 0.
    """

    def __call__(self, net: Layer, grad: Array | None = None) -> Array:
        """Return R, a 0-d array; with a `grad` (like θ), add ∂R/∂θ into it."""
        W = _kernels_of(net, grad)
        xp = array_module(W)
        sign = xp.sign(W.real)
        if grad is not None:
            grad += self.weight * sign
        return xp.asarray(self.weight * (sign * W).sum())


def _kernels_of(net: Layer, grad: Array | None) -> Array:
    """θ, with zeros where it is no kernel."""
    if grad is not None:
        array_module(net.theta, grad)  # refuses two devices
        expect_shape("grad", grad, net.theta.shape)
    return array_module(net.theta).where(net.kernel_mask, net.theta, 0)


def _check_weight(weight: float) -> None:
    """Raise a ValueError unless 0 ≤ weight < ∞."""
    if not 0 <= weight < math.inf:
        raise ValueError(f"weight must be a number ≥ 0, got {weight}")
