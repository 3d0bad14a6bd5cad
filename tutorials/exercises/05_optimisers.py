r"""Exercise 5: what makes a step of a gradient: momentum, RMSProp, Adam.         (about 45 minutes)

θ is all weights of a network as one vector (size,), g its gradient at step t = 1, 2, …

    SGD        v ← μ·v + g                   θ ← θ − lr·v
               with nesterov                 θ ← θ − lr·(g + μ·v)
    RMSProp    v ← ρ·v + (1 − ρ)·g²          θ ← θ − lr·g/(√v + ε)
    Adam       m ← β₁·m + (1 − β₁)·g         a running mean of g
               v ← β₂·v + (1 − β₂)·g²        and of g², number by number; both start at zero
               θ ← θ − lr·m̂/(√v̂ + ε)        m̂ and v̂ are m and v, corrected (questions 2 and 3)

1.  Let g be the same at every step. Which value does the v of SGD run into? How much longer is a
    step with μ = 0.9 than one without momentum?
2.  Adam: write m after t steps as a sum over all gradients so far, m_t = Σ_i c_i g_i, i = 1 … t.
    What do the c_i add up to? (A geometric series.) At t = 1, with β₁ = 0.9?
3.  So a mean over few steps is too small by a factor that you know. Divide by it: m̂, and v̂.
4.  Under a constant gradient, what is a step of Adam then, at every t? And if all gradients were a
    thousand times as large? What does `lr` mean to Adam that it does not mean to SGD?
5.  What is the first step of RMSProp, which corrects nothing, with ρ = 0.99?
6.  amsgrad: √v̂ can shrink, and the pace rises again. Use the largest v so far instead of v;
    the correction stays as it is. Is "v so far" the one before the correction, or after it?

`step` moves θ in place (``theta -= …``), leaves `grad` alone and returns nothing. What you remember
are vectors like θ: make them in the first step, where their size is known.

    minigan check tutorials/exercises/05_optimisers.py
"""

import numpy as np


class SGD:
    """Steepest descent with momentum: `self.lr`, `self.momentum` (μ), `self.nesterov`."""

    def __init__(self, lr: float, momentum: float = 0.0, nesterov: bool = False) -> None:
        self.lr, self.momentum, self.nesterov = lr, momentum, nesterov
        self.t = 0  # steps taken
        self.v: np.ndarray | None = None

    def step(self, theta: np.ndarray, grad: np.ndarray) -> None:
        """Move `theta` in place."""
        raise NotImplementedError("what is v before the first step, and what becomes of it?")


class RMSProp:
    """Each coordinate divided by the recent size of its own gradients: `self.rho`, `self.eps`."""

    def __init__(self, lr: float, rho: float = 0.99, eps: float = 1e-8) -> None:
        self.lr, self.rho, self.eps = lr, rho, eps
        self.t = 0  # steps taken
        self.v: np.ndarray | None = None

    def step(self, theta: np.ndarray, grad: np.ndarray) -> None:
        """Move `theta` in place."""
        raise NotImplementedError("is v moved before it is used, or after? where does ε stand?")


class Adam:
    """Both ideas together, corrected at the start (Kingma & Ba 2015, algorithm 1)."""

    def __init__(
        self,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        amsgrad: bool = False,
    ) -> None:
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.amsgrad = amsgrad
        self.t = 0  # steps taken
        self.m: np.ndarray | None = None
        self.v: np.ndarray | None = None
        self.v_max: np.ndarray | None = None  # the largest v so far, for amsgrad

    def step(self, theta: np.ndarray, grad: np.ndarray) -> None:
        """Count a step, move the means, and take lr·m̂/(√v̂ + ε) off `theta`, in place."""
        raise NotImplementedError("what do the weights of g_1 … g_t in m_t add up to?")


# The same code with other settings: nothing to fill in.


class Nesterov(SGD):
    """`SGD` with ``nesterov=True``."""


class AMSGradAdam(Adam):
    """`Adam` with ``amsgrad=True``."""


CHECK = {
    "SGD": dict(lr=0.13, momentum=0.9, reference="minigan.SGD"),
    "Nesterov": dict(lr=0.13, momentum=0.9, nesterov=True, reference="minigan.SGD"),
    "RMSProp": dict(lr=0.13, reference="minigan.RMSProp"),
    "Adam": dict(lr=0.13, beta1=0.5, reference="minigan.Adam"),
    "AMSGradAdam": dict(lr=0.13, beta2=0.5, amsgrad=True, reference="minigan.Adam"),
}
