"""Optimisers: each is a few lines on two vectors, θ and a gradient of the same length.

``step(theta, grad)`` moves `theta` in place and leaves `grad` alone. What an optimiser remembers
are vectors like θ, made at the first step, on θ's device and of its dtype, and `t`, the number of
steps taken. A learning rate is a number or a schedule, a function of t (`minigan.optim.schedules`);
what changes with t comes from `numbers_at` (see `minigan.optim.base`). What else belongs to a step,
such as clipping or averaging, is put around an optimiser: see `minigan.optim.wrappers`.
"""

from __future__ import annotations

import math

from ..arrays import Array, array_module
from ..expect import expect_between, expect_mask, expect_vectors
from ..fast.adam import fused_adam
from ..fast.blocks import blocks
from .base import Optimiser
from .schedules import Rate, expect_rate, value_at


class SGD(Optimiser):
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
        expect_rate("lr", lr, include_low=False)
        expect_rate("momentum", momentum, high=1)
        if nesterov and momentum == 0:
            raise ValueError("nesterov=True needs a momentum > 0, got 0")
        self.lr, self.momentum, self.nesterov = lr, momentum, nesterov
        self.t = 0
        self.v: Array | None = None

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        expect_vectors(theta, grad, self.v)
        lr, momentum = self.numbers_at(self.t)
        self.t += 1
        if self.momentum == 0:
            theta -= lr * grad
            return
        if self.v is None:
            self.v = array_module(theta).zeros_like(theta)
        self.v *= momentum
        self.v += grad
        theta -= lr * (grad + momentum * self.v if self.nesterov else self.v)

    def numbers_at(self, t: int) -> tuple[float, ...]:
        """Return lr and μ of step t, counted from 0."""
        return value_at(self.lr, t), value_at(self.momentum, t, high=1)


class RMSProp(Optimiser):
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
    numbers_at = Optimiser.numbers_at  # lr alone changes with t

    def __init__(self, lr: Rate, rho: float = 0.99, eps: float = 1e-8) -> None:
        expect_rate("lr", lr, include_low=False)
        expect_between("rho", rho, 0, 1)
        expect_between("eps", eps, 0, math.inf, include_low=False)
        self.lr, self.rho, self.eps = lr, rho, eps
        self.t = 0
        self.v: Array | None = None

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        expect_vectors(theta, grad, self.v)
        lr, xp = self.numbers_at(self.t)[0], array_module(theta)
        if self.v is None:
            self.v = xp.zeros_like(theta)
        self.t += 1
        self.v *= self.rho
        self.v += (1 - self.rho) * grad * grad
        theta -= lr * grad / (xp.sqrt(self.v) + self.eps)


class Adam(Optimiser):
    r"""Adam (Kingma & Ba 2015, algorithm 1): each coordinate at a pace of its own.

        m ← β₁·m + (1 − β₁)·g          mean of the gradients
        v ← β₂·v + (1 − β₂)·g²         mean of their squares
        m̂ = m/(1 − β₁ᵗ)                both start at zero, and are that much too small
        v̂ = v/(1 − β₂ᵗ)
        θ ← θ − lr·m̂/(√v̂ + ε)

    Under a constant gradient m̂ = g and v̂ = g² at every step, so each step is lr·g/(|g| + ε):
    `lr` is the length of a step in each coordinate, whatever the scale of the gradient.

    With `amsgrad` the largest v so far is used instead of v (Reddi et al. 2018, algorithm 2):

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
        expect_rate("lr", lr, include_low=False)
        expect_between("beta1", beta1, 0, 1)
        expect_between("beta2", beta2, 0, 1)
        expect_between("eps", eps, 0, math.inf, include_low=False)
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.amsgrad = amsgrad
        self.t = 0
        self.m: Array | None = None
        self.v: Array | None = None
        self.v_max: Array | None = None

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        expect_vectors(theta, grad, self.m, self.v)
        rate, eps_hat = self.numbers_at(self.t)[:2]  # AdamW has a third
        xp = array_module(theta)
        if self.m is None:
            self.m, self.v = xp.zeros_like(theta), xp.zeros_like(theta)
            self.v_max = xp.zeros_like(theta) if self.amsgrad else None
        self.t += 1
        fused = None if self.amsgrad else fused_adam(theta, grad, self.m, self.v)
        if fused is not None:  # what follows, compiled into one pass
            fused(theta, grad, self.m, self.v, self.beta1, self.beta2, rate, eps_hat)
            return
        for block, g, m, v, v_max in blocks(theta, grad, self.m, self.v, self.v_max):
            m *= self.beta1
            m += (1 - self.beta1) * g
            v *= self.beta2
            v += (1 - self.beta2) * (g * g)
            if self.amsgrad:
                v = xp.maximum(v_max, v, out=v_max)
            block -= rate * (m / (xp.sqrt(v) + eps_hat))  # lr·m̂/(√v̂ + ε)

    def numbers_at(self, t: int) -> tuple[float, ...]:
        """Return rate and eps_hat of step t: lr·m̂/(√v̂ + ε) = rate·m/(√v + eps_hat)."""
        # Which saves two divisions a coordinate (the paper's section 2, at its end).
        root = math.sqrt(1 - self.beta2 ** (t + 1))
        return value_at(self.lr, t) * root / (1 - self.beta1 ** (t + 1)), self.eps * root


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
        expect_between("weight_decay", weight_decay, 0, math.inf)
        if mask is not None:
            array_module(mask)
            if mask.dtype != bool:
                raise TypeError(f"mask has dtype {mask.dtype}, expected bool: net.kernel_mask")
        self.weight_decay, self.mask = weight_decay, mask

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        expect_vectors(theta, grad, self.m, self.v)
        keep = self.numbers_at(self.t)[2]
        if self.mask is None:
            theta *= keep
        else:
            expect_mask(self.mask, theta)
            theta[...] = array_module(theta).where(self.mask, keep * theta, theta)
        super().step(theta, grad)

    def numbers_at(self, t: int) -> tuple[float, ...]:
        """Return Adam's numbers of step t, and 1 − lr·λ."""
        return *super().numbers_at(t), 1 - value_at(self.lr, t) * self.weight_decay
