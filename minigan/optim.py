"""Optimisers: each is a few lines on two vectors, θ and a gradient of the same length.

``step(theta, grad)`` moves `theta` in place and leaves `grad` alone. What an optimiser remembers
are vectors like θ, made at the first step, on θ's device and of its dtype.
"""

from __future__ import annotations

from .arrays import Array, array_module


class SGD:
    r"""Steepest descent, with Polyak's or Nesterov's momentum.

        v ← μ·v + g                    θ ← θ − lr·v
        with nesterov:                 θ ← θ − lr·(g + μ·v)

    (Sutskever et al. 2013, in the form in which the rate multiplies the velocity.)

    Parameters
    ----------
    lr
        Learning rate, > 0.
    momentum
        μ in [0, 1).
    nesterov
        Look ahead along the velocity; needs a momentum.
    """

    def __init__(self, lr: float, momentum: float = 0.0, nesterov: bool = False) -> None:
        _check_between("lr", lr, 0, float("inf"), include_low=False)
        _check_between("momentum", momentum, 0, 1)
        if nesterov and momentum == 0:
            raise ValueError("nesterov=True needs a momentum > 0, got 0")
        self.lr, self.momentum, self.nesterov = lr, momentum, nesterov
        self.v: Array | None = None

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        _check_vectors(theta, grad)
        if self.momentum == 0:
            theta -= self.lr * grad
            return
        if self.v is None:
            self.v = array_module(theta).zeros_like(theta)
        self.v *= self.momentum
        self.v += grad
        theta -= self.lr * (grad + self.momentum * self.v if self.nesterov else self.v)


class Adam:
    r"""Adam (Kingma & Ba 2015, algorithm 1): each coordinate at a pace of its own.

        m ← β₁·m + (1 − β₁)·g          mean of the gradients
        v ← β₂·v + (1 − β₂)·g²         mean of their squares
        m̂ = m/(1 − β₁ᵗ)                both start at zero, and are that much too small
        v̂ = v/(1 − β₂ᵗ)
        θ ← θ − lr·m̂/(√v̂ + ε)

    Under a constant gradient m̂ = g and v̂ = g² at every step, so each step is lr·g/(|g| + ε):
    `lr` is the length of a step in each coordinate, whatever the scale of the gradient.

    Parameters
    ----------
    lr
        Learning rate, > 0; 2e-4 is DCGAN's (Radford et al. 2016).
    beta1, beta2
        Memory of the two means, in [0, 1). GANs often take beta1 = 0.5.
    eps
        Added to the root, not under it; > 0.
    """

    def __init__(
        self, lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        _check_between("lr", lr, 0, float("inf"), include_low=False)
        _check_between("beta1", beta1, 0, 1)
        _check_between("beta2", beta2, 0, 1)
        _check_between("eps", eps, 0, float("inf"), include_low=False)
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.t = 0
        self.m: Array | None = None
        self.v: Array | None = None

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        _check_vectors(theta, grad)
        xp = array_module(theta)
        if self.m is None or self.v is None:
            self.m, self.v = xp.zeros_like(theta), xp.zeros_like(theta)
        self.t += 1
        self.m *= self.beta1
        self.m += (1 - self.beta1) * grad
        self.v *= self.beta2
        self.v += (1 - self.beta2) * grad * grad
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        theta -= self.lr * m_hat / (xp.sqrt(v_hat) + self.eps)


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
