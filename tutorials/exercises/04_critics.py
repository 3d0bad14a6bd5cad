r"""Exercise 4: losses for critics, whose output is no probability.               (about 45 minutes)

With r_i for the outputs for real samples, f_i for those for generated ones, n of each:

    LeastSquares    L_D = ½·mean (r − 1)² + ½·mean f²               L_G = ½·mean (f − 1)²
    Wasserstein     L_D = mean f − mean r                           L_G = −mean f
    Hinge           L_D = mean max(0, 1 − r) + mean max(0, 1 + f)   L_G = −mean f
    RelativisticPairing    with a_i = f_i − r_i, one number for each pair,
                    L_D = mean log(1 + eᵃ)                          L_G = mean log(1 + e⁻ᵃ)

    r, f and their derivatives  (n, 1)          each value: a 0-d array, ``np.asarray(…)``

1.  LeastSquares: ∂L_D/∂r_i and ∂L_D/∂f_i. Where did the ½ go, where did the mean?
2.  Wasserstein: the slopes don't depend on the outputs at all. What keeps D from growing for ever?
3.  Hinge: for which samples is the slope zero? At the kink itself take zero.
4.  RelativisticPairing: the slope of log(1 + eᵃ) is which well-known function of a? r_i enters a_i
    with which sign, and so what has ∂L_D/∂r_i to do with ∂L_D/∂f_i? Take care at a = ±1e4: eᵃ is
    infinite there, L_D is not (exercise 3, question 2).
5.  Whose G looks at the real samples? (It is the one with ``needs_real = True``.)

    minigan check tutorials/exercises/04_critics.py
"""

import numpy as np

from minigan.losses import Critic


class LeastSquares(Critic):
    """Outputs are pulled to 1 for real and to 0 for generated samples (Mao et al. 2017, eq. 9)."""

    def discriminator(
        self, real_logits: np.ndarray, fake_logits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return L_D, ∂L_D/∂r and ∂L_D/∂f."""
        raise NotImplementedError("what is the slope of ½·(r_i − 1)²/n in r_i?")

    def generator(
        self, fake_logits: np.ndarray, real_logits: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return L_G and ∂L_G/∂f."""
        raise NotImplementedError("where does G want D's outputs to be?")


class Wasserstein(Critic):
    """The critic's mean difference between generated and real samples (Arjovsky et al. 2017)."""

    def discriminator(
        self, real_logits: np.ndarray, fake_logits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return L_D, ∂L_D/∂r and ∂L_D/∂f."""
        raise NotImplementedError("by how much does a mean of n numbers move with one of them?")

    def generator(
        self, fake_logits: np.ndarray, real_logits: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return L_G and ∂L_G/∂f."""
        raise NotImplementedError("which term of L_D depends on G, and what does G want of it?")


class Hinge(Wasserstein):
    """D cares for a margin of 1 and no further (Miyato et al. 2018, eq. 16); G as above."""

    def discriminator(
        self, real_logits: np.ndarray, fake_logits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return L_D, ∂L_D/∂r and ∂L_D/∂f."""
        raise NotImplementedError("for which outputs is max(0, 1 − r) flat, for which is it not?")


class RelativisticPairing(Critic):
    """Real and generated samples are compared pair by pair (Jolicoeur-Martineau 2019)."""

    needs_real = True

    def discriminator(
        self, real_logits: np.ndarray, fake_logits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return L_D, ∂L_D/∂r and ∂L_D/∂f."""
        raise NotImplementedError("by the chain rule over a_i = f_i − r_i, what are both slopes?")

    def generator(
        self, fake_logits: np.ndarray, real_logits: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return L_G and ∂L_G/∂f; `real_logits` are always given."""
        raise NotImplementedError("what is the slope of log(1 + e⁻ᵃ) in a?")


CHECK = {
    "LeastSquares": dict(reference="minigan.LeastSquares"),
    "Wasserstein": dict(reference="minigan.Wasserstein"),
    "Hinge": dict(reference="minigan.Hinge"),
    "RelativisticPairing": dict(reference="minigan.RelativisticPairing"),
}
