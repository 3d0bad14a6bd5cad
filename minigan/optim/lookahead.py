"""Optimisers for games: each looks at where the game is about to be, and learns from there."""

from __future__ import annotations

from ..arrays import Array, array_module
from .rules import Adam, Optimiser
from .wrappers import EMA, Wrapper, unwrapped


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

    remembers = (*Adam.remembers, "last")
    last: Array | None = None  # u_{t−1}

    def _begin(self, theta: Array) -> tuple[float, float]:
        """Count a step, and return the numbers that all coordinates share in it; u₀ = 0."""
        if self.last is None:
            self.last = array_module(theta).zeros_like(theta)
        return super()._begin(theta)

    def _memory(self) -> list[Array]:
        """Return the vectors that are kept from step to step, the last update first."""
        return [vector for vector in (self.last, *super()._memory()) if vector is not None]

    def _move(  # type: ignore[override]
        self, rate: float, eps_hat: float, theta: Array, grad: Array, last: Array, *memory: Array
    ) -> None:
        """Move a block of `theta`, and the same block of the memory."""
        update = rate * self._direction(eps_hat, grad, *memory)
        theta -= 2 * update
        theta += last
        last[...] = update


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

    remembers = ("start",)

    def __init__(self, optimiser: Optimiser) -> None:
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
