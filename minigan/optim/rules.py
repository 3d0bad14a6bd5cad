"""Optimisers: each is a few lines on two vectors, θ and a gradient of the same length.

``step(theta, grad)`` moves `theta` in place and leaves `grad` alone. What an optimiser remembers
are vectors like θ, made at the first step, on θ's device and of its dtype, and `t`, the number of
steps taken. Each class names them, ``remembers = ("t", "v")``, so that a run can be written to a
file and go on from there (`minigan.optim.wrappers.memory`). A learning rate is a number or a
schedule (`minigan.schedules`), a function of t.

What else belongs to a step, such as clipping or averaging, is put around an optimiser: see
`minigan.optim.wrappers`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Protocol

from ..arrays import Array, array_module
from ..fast.adam import fused_adam
from ..fast.blocks import in_blocks
from .schedules import Rate, value_at


class Optimiser(Protocol):
    """What a training loop asks of an optimiser."""

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""


class SGD:
    r"""Steepest descent, with Polyak's or Nesterov's momentum.

        v ← μ·v + g                    θ ← θ − lr·v
        with nesterov:                 θ ← θ − lr·(g + μ·v)

    (Sutskever et al. 2013, in the form in which the rate multiplies the velocity.)

    Parameters
    ----------
    lr
        Learning rate, > 0, or a schedule.
    momentum
        μ in [0, 1), or a schedule.
    nesterov
        Look ahead along the velocity; needs a momentum.
    """

    remembers: tuple[str, ...] = ("t", "v")

    def __init__(self, lr: Rate, momentum: Rate = 0.0, nesterov: bool = False) -> None:
        _check_rate("lr", lr, include_low=False)
        _check_rate("momentum", momentum, high=1)
        if nesterov and momentum == 0:
            raise ValueError("nesterov=True needs a momentum > 0, got 0")
        self.lr, self.momentum, self.nesterov = lr, momentum, nesterov
        self.t = 0
        self.v: Array | None = None

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        _check_vectors(theta, grad)
        lr, momentum = value_at(self.lr, self.t), value_at(self.momentum, self.t, high=1)
        self.t += 1
        if self.momentum == 0:
            theta -= lr * grad
            return
        if self.v is None:
            self.v = array_module(theta).zeros_like(theta)
        self.v *= momentum
        self.v += grad
        theta -= lr * (grad + momentum * self.v if self.nesterov else self.v)


class RMSProp:
    r"""Steepest descent, each coordinate divided by the recent size of its own gradients.

        v ← ρ·v + (1 − ρ)·g²           mean of the squared gradients
        θ ← θ − lr·g/(√v + ε)

    (Tieleman & Hinton 2012, lecture 6e.) v starts at zero and is too small at first, by 1 − ρᵗ: the
    first step is lr·g/(√(1 − ρ)·|g|), ten times lr at ρ = 0.99. `Adam` corrects that.

    Parameters
    ----------
    lr
        Learning rate, > 0, or a schedule; 5e-5 is WGAN's (Arjovsky et al. 2017).
    rho
        Memory of the mean, in [0, 1). The lecture has 0.9; 0.99 is PyTorch's default.
    eps
        Added to the root, not under it; > 0.
    """

    remembers: tuple[str, ...] = ("t", "v")

    def __init__(self, lr: Rate, rho: float = 0.99, eps: float = 1e-8) -> None:
        _check_rate("lr", lr, include_low=False)
        _check_between("rho", rho, 0, 1)
        _check_between("eps", eps, 0, math.inf, include_low=False)
        self.lr, self.rho, self.eps = lr, rho, eps
        self.t = 0
        self.v: Array | None = None

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        _check_vectors(theta, grad)
        lr, xp = value_at(self.lr, self.t), array_module(theta)
        if self.v is None:
            self.v = xp.zeros_like(theta)
        self.t += 1
        self.v *= self.rho
        self.v += (1 - self.rho) * grad * grad
        theta -= lr * grad / (xp.sqrt(self.v) + self.eps)


class Adam:
    r"""Adam (Kingma & Ba 2015, algorithm 1): each coordinate at a pace of its own.

        m ← β₁·m + (1 − β₁)·g          mean of the gradients
        v ← β₂·v + (1 − β₂)·g²         mean of their squares
        m̂ = m/(1 − β₁ᵗ)                both start at zero, and are that much too small
        v̂ = v/(1 − β₂ᵗ)
        θ ← θ − lr·m̂/(√v̂ + ε)

    Under a constant gradient m̂ = g and v̂ = g² at every step, so each step is lr·g/(|g| + ε):
    `lr` is the length of a step in each coordinate, whatever the scale of the gradient.

    With `amsgrad` the largest v so far stands in the place of v (Reddi et al. 2018, algorithm 2):

        v_max ← max(v_max, v)
        v̂ = v_max/(1 − β₂ᵗ)

    so that a rare large gradient is not forgotten and the pace does not rise again, once 1 − β₂ᵗ
    has come up to one. The paper leaves that correction out; we keep it, as PyTorch does.

    Parameters
    ----------
    lr
        Learning rate, > 0, or a schedule; 2e-4 is DCGAN's (Radford et al. 2016).
    beta1, beta2
        Memory of the two means, in [0, 1). GANs often take beta1 = 0.5.
    eps
        Added to the root, not under it; > 0.
    amsgrad
        Divide by the largest v so far.
    """

    remembers: tuple[str, ...] = ("t", "m", "v", "v_max")

    def __init__(
        self,
        lr: Rate = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        amsgrad: bool = False,
    ) -> None:
        _check_rate("lr", lr, include_low=False)
        _check_between("beta1", beta1, 0, 1)
        _check_between("beta2", beta2, 0, 1)
        _check_between("eps", eps, 0, math.inf, include_low=False)
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.amsgrad = amsgrad
        self.t = 0
        self.m: Array | None = None
        self.v: Array | None = None
        self.v_max: Array | None = None

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        _check_vectors(theta, grad)
        in_blocks(partial(self._move, *self._begin(theta)), theta, grad, *self._memory())

    def _begin(self, theta: Array) -> tuple[float, float]:
        """Count a step, and return the numbers that all coordinates share in it: rate, eps_hat.

        The paper's section 2 ends with them; they save two divisions a coordinate:

            lr·m̂/(√v̂ + ε) = rate·m/(√v + eps_hat)
        """
        lr, zeros_like = value_at(self.lr, self.t), array_module(theta).zeros_like
        if self.m is None:
            self.m, self.v = zeros_like(theta), zeros_like(theta)
            self.v_max = zeros_like(theta) if self.amsgrad else None
        self.t += 1
        root = math.sqrt(1 - self.beta2**self.t)
        return lr * root / (1 - self.beta1**self.t), self.eps * root

    def _memory(self) -> list[Array]:
        """Return the vectors that are kept from step to step."""
        return [vector for vector in (self.m, self.v, self.v_max) if vector is not None]

    def _move(
        self,
        rate: float,
        eps_hat: float,
        theta: Array,
        grad: Array,
        m: Array,
        v: Array,
        v_max: Array | None = None,
    ) -> None:
        """Move a block of `theta`, and the same block of the memory."""
        fused = fused_adam(theta) if v_max is None else None
        if fused is None:
            theta -= rate * self._direction(eps_hat, grad, m, v, v_max)
        else:  # the same in one pass
            betas = self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2
            fused(theta, grad, m, v, *betas, rate, eps_hat)

    def _direction(
        self, eps_hat: float, grad: Array, m: Array, v: Array, v_max: Array | None = None
    ) -> Array:
        """Move the means of a block; return m/(√v + eps_hat)."""
        xp = array_module(grad)
        m *= self.beta1
        m += (1 - self.beta1) * grad
        v *= self.beta2
        v += (1 - self.beta2) * (grad * grad)
        if v_max is not None:
            v_max[...] = xp.maximum(v_max, v)
            v = v_max
        return m / (xp.sqrt(v) + eps_hat)


class AdamW(Adam):
    r"""Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).

        θ ← (1 − lr·λ)·θ               where `mask` is true
        θ ← θ − lr·m̂/(√v̂ + ε)          Adam's step

    A decay that comes in as a part of the gradient, λ·θ, is divided by √v̂ as well: weights with
    large gradients would decay less. Here every kernel loses the same share of itself. (The paper
    has a schedule η times λ; we have lr·λ, as PyTorch does: the decay follows the rate.)

    Parameters
    ----------
    lr, beta1, beta2, eps, amsgrad
        As for `Adam`.
    weight_decay
        λ ≥ 0.
    mask
        A mask like θ: what is false, such as biases, does not decay. With
        ``AdamW(mask=net.kernel_mask)`` the kernels alone do; without a mask, all of θ decays.
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        mask: Array | None = None,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(lr, beta1, beta2, eps, amsgrad)
        _check_between("weight_decay", weight_decay, 0, math.inf)
        if mask is not None:
            array_module(mask)
            if mask.dtype != bool:
                raise TypeError(f"mask has dtype {mask.dtype}, expected bool: net.kernel_mask")
        self.weight_decay, self.mask = weight_decay, mask

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        _check_vectors(theta, grad)
        keep = 1 - value_at(self.lr, self.t) * self.weight_decay
        if self.mask is None:
            theta *= keep
        else:
            xp = array_module(theta, self.mask)
            if self.mask.shape != theta.shape:
                raise ValueError(
                    f"mask has shape {self.mask.shape}, expected {theta.shape}, that of theta"
                )
            theta[...] = xp.where(self.mask, keep * theta, theta)
        super().step(theta, grad)


def _check_rate(name: str, rate: Rate, high: float = math.inf, include_low: bool = True) -> None:
    """Raise unless 0 ≤ rate < high; a schedule may start at 0, and is looked at in every step."""
    if callable(rate):
        value_at(rate, 0, high)
    else:
        _check_between(name, rate, 0, high, include_low)


def _check_between(
    name: str, value: float, low: float, high: float, include_low: bool = True
) -> None:
    """Raise a ValueError unless low ≤ value < high (low < value without `include_low`)."""
    if not (low <= value < high) or (value == low and not include_low):
        interval = f"{'[' if include_low else '('}{low}, {high})"
        raise ValueError(f"{name} must lie in {interval}, got {value}")


def _check_vectors(theta: Array, grad: Array) -> None:
    """Raise unless both are vectors of one length, dtype and device."""
    array_module(theta, grad)
    if theta.shape != grad.shape or theta.ndim != 1 or theta.dtype != grad.dtype:
        raise ValueError(
            f"step expects theta and grad as vectors of one length and dtype, got "
            f"{theta.shape} {theta.dtype} and {grad.shape} {grad.dtype}"
        )
