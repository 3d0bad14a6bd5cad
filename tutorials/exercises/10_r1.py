r"""Exercise 10: gradient penalties, second order by hand.                        (about 60 minutes)

A penalty is a term of D's loss that looks at the slope of D in x. With g_i = ∂D(x_i)/∂x_i, one
gradient for each of n samples, and norms over all features of a sample:

    R1                 P = γ/2·mean ‖g_i‖²                  at real samples
    R2                 the same                             at generated samples
    GradientPenalty    P = weight·mean (‖g_i‖ − target)²    at x̂_i = ε_i·real_i + (1 − ε_i)·fake_i

    real, fake, x̂, g (n, …)          ε one number a sample          grad, a vector like D.theta

1.  D is a network with the four maps (`forward`, `backward`, `jvp`, `jvp_backward`), its output a
    logit for each sample, (n, 1), and no sample sees another one. Which dy makes ``D.backward``
    return all the g_i at once?
2.  v = ∂P/∂g, an array like g, for R1 and for GradientPenalty. (What is the derivative of ‖g_i‖ in
    g_i? Where g_i = 0 it has none; take v = 0. Where has the mean left its trace?)
3.  P depends on θ through g alone, so ∂P/∂θ = ∂⟨v, g⟩/∂θ, with v held where it is. Now ⟨v, g⟩ =
    ⟨v, Jᵀ·1⟩. Move J to the other side. Of which map of D is this the gradient in θ?
4.  So how many calls of D's maps is a gradient penalty? Do they add to `grad`, or overwrite it?
5.  R1 at which points? What changes for R2?

    minigan check tutorials/exercises/10_r1.py
"""

import numpy as np

from minigan.layers.base import Layer


class R1:
    """γ/2·mean ‖g_i‖² at real samples (Mescheder et al. 2018, eq. 9); γ is `self.gamma`."""

    def __init__(self, gamma: float = 10.0) -> None:
        self.gamma = gamma

    def __call__(
        self,
        D: Layer,
        real: np.ndarray,
        fake: np.ndarray,
        grad: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
    ) -> np.ndarray:
        """Return P, a 0-d array; unless `grad` is None, add ∂P/∂θ into it.

        Take the samples from ``self.points(real, fake, rng)``, and P and v from
        ``self.of_gradient(g)``: then the other penalties need nothing but these two.
        """
        raise NotImplementedError("which dy makes D.backward return every sample's gradient?")

    def points(
        self, real: np.ndarray, fake: np.ndarray, rng: np.random.Generator | None
    ) -> np.ndarray:
        """Return the samples (n, …) at which D's slope is looked at."""
        raise NotImplementedError("points: where does R1 look at the slope?")

    def of_gradient(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return P and v = ∂P/∂g, for the gradients g (n, …)."""
        raise NotImplementedError("of_gradient: what is ∂P/∂g_i, and where is the n of the mean?")


class R2(R1):
    """The same at generated samples (Mescheder et al. 2018, eq. 10)."""

    def points(
        self, real: np.ndarray, fake: np.ndarray, rng: np.random.Generator | None
    ) -> np.ndarray:
        """Return the samples (n, …) at which D's slope is looked at."""
        raise NotImplementedError("points: where does R2 look at the slope?")


class GradientPenalty(R1):
    """weight·mean (‖g_i‖ − target)² between real and generated samples (Gulrajani et al. 2017)."""

    def __init__(self, weight: float = 10.0, target: float = 1.0) -> None:
        self.weight, self.target = weight, target

    def points(
        self, real: np.ndarray, fake: np.ndarray, rng: np.random.Generator | None
    ) -> np.ndarray:
        """Return x̂ (n, …).

        So that your points can be compared with others, draw ε with
        ``rng.random(…, dtype="float32")``, of shape (n, 1, …) with as many axes as `real`, and
        convert it to the dtype of `real`.
        """
        raise NotImplementedError("points: one ε a sample has which shape, to meet (n, …)?")

    def of_gradient(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return P and v = ∂P/∂g, for the gradients g (n, …)."""
        raise NotImplementedError("of_gradient: what is ∂‖g_i‖/∂g_i?")


CHECK = {
    "R1": dict(gamma=1.7, reference="minigan.R1"),
    "R2": dict(gamma=1.7, reference="minigan.R2"),
    "GradientPenalty": dict(weight=2.6, target=0.7, reference="minigan.GradientPenalty"),
}
