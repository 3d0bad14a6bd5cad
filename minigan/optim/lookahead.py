"""Optimisers for games: each looks at where the game is about to be, and learns from there."""

from __future__ import annotations

from ..arrays import Array, array_module
from .base import SupportsStep, unwrapped
from .rules import Adam
from .wrappers import EMA, Wrapper


class OptimisticAdam(Adam):
    r"""Adam that takes each update twice and takes the last one back (Daskalakis et al. 2018).

        u_t = lr·m̂_t/(√v̂_t + ε)        Adam's update, u₀ = 0
        θ_t = θ_{t−1} − 2·u_t + u_{t−1}                          (algorithm 1)

    Let w_t = θ_t + u_t. Then w_t = w_{t−1} − u_t and θ_t = w_t − u_t: w goes Adam's way, and θ is
    one update ahead of it, so that the gradient is found where the game is about to be. The players
    of min_x max_y x·y, who spiral out under gradient descent, spiral in. `Extragradient` below
    looks ahead by a new gradient; here the last update serves, at half the work (extrapolation
    from the past, Gidel et al. 2019).

    Parameters
    ----------
    lr, beta1, beta2, eps, amsgrad
        As for `Adam`.
    """

    remembers: tuple[str, ...] = (*Adam.remembers, "last")
    last: Array | None = None  # u_{t−1}
    numbers_at = Adam.numbers_at  # the step below has no others

    def step(self, theta: Array, grad: Array) -> None:
        """Move `theta` in place."""
        origin = array_module(theta).zeros_like(theta)
        super().step(origin, grad)  # from the origin, Adam's step leads to −u_t
        update = -origin
        theta -= 2 * update
        if self.last is not None:
            theta += self.last
        self.last = update


class Extragradient(Wrapper):
    r"""Look one step ahead, and step by the gradient found there (Korpelevich 1976).

        θ' = θ − lr·∇L(θ)              extrapolate(theta, grad)
        θ  ← θ − lr·∇L(θ')             step(theta, grad), from the remembered θ

    With a plain gradient step the players of min_x max_y x·y spiral out; with this one they spiral
    in. In a game all players extrapolate before any of them steps: each finds its gradient where
    the others are about to be.

    Around SGD this is algorithm 2 of Gidel et al. 2019 (without its average: put `EMA` around
    it), around Adam algorithm 4, Extra-Adam: m, v and t are one set for both halves and move in
    both, so that the bias is corrected by 1 − β^(2t−1), then by 1 − β^(2t). An optimiser within
    therefore counts two steps for one, and so does the schedule of its rate.

    Raises
    ------
    RuntimeError
        For a step without extrapolation, or two extrapolations without a step.
    TypeError
        For an `EMA` within, which would take in the points where we only looked.
    """

    remembers: tuple[str, ...] = ("start",)

    def __init__(self, optimiser: SupportsStep) -> None:
        super().__init__(optimiser)
        if any(isinstance(wrapper, EMA) for wrapper in unwrapped(optimiser)):
            raise TypeError(
                "Extragradient around EMA would average extrapolated points too; "
                "put them the other way round: EMA(Extragradient(…))"
            )
        self.start: Array | None = None  # θ, while theta is at θ'

    def extrapolate(self, theta: Array, grad: Array) -> None:
        """Remember `theta`, and move it by a step of the optimiser."""
        if self.start is not None:
            raise RuntimeError("extrapolate was called twice; call step(theta, grad) in between")
        start = theta.copy()
        self.optimiser.step(theta, grad)
        self.start = start

    def step(self, theta: Array, grad: Array) -> None:
        """Go back to where `theta` was, and step from there by the gradient found at θ'."""
        if self.start is None:
            raise RuntimeError(
                "Extragradient.step comes after extrapolate(theta, grad) and takes the gradient "
                'found there: train(…, order="extragradient") does so; where there is one gradient '
                "a step, take OptimisticAdam"
            )
        theta[...] = self.start
        self.start = None
        self.optimiser.step(theta, grad)
