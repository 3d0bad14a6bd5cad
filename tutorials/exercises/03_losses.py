r"""Exercise 3: the game of Goodfellow et al. 2014, as two losses.                (about 60 minutes)

D's output for a sample is a logit a; p = σ(a) = 1/(1 + e⁻ᵃ) is the probability of being real that
it gives to the sample. Both play for one number (their equation 1), which D raises and G lowers:

    V(D, G) = mean log D(x) + mean log(1 − D(G(z)))

    real_logits, fake_logits, and their derivatives  (n, 1)          each value: one number

Binary cross-entropy, of which the losses are made, asks for the target t:

    bce = mean of  −t·log p − (1 − t)·log(1 − p)

1.  Write −log σ(a) and −log(1 − σ(a)) with one logarithm each and no fraction. Both are the same
    function, softplus, of which arguments?
2.  What are they in float32 at a = 1000 and a = −1000, if you compute e¹⁰⁰⁰? Take the larger of the
    two exponentials out of the logarithm: max(a, 0) + … what remains?
3.  Differentiate both in a. Put them together: ∂bce/∂a_i in terms of p_i and t. Where has the mean
    left its trace?
4.  What D minimises is −V. Which two bce's is it the sum of, with which targets? (Targets for real
    samples are 1 − label_smoothing.)
5.  Minimax: G minimises V. Which of its two terms depends on G? Write it with a bce. Which sign?
6.  Let a → −∞: D is sure that the sample is generated. What is the slope of G's loss there? What
    does G learn when it is losing?
7.  NonSaturating (section 3 of the paper): G minimises −mean log D(G(z)). Which bce is it, and what
    is its slope where a → −∞, and where a → +∞?

    minigan check tutorials/exercises/03_losses.py
"""

import numpy as np

from minigan import bce


def bce_with_logits(
    logits: np.ndarray, target: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the binary cross-entropy of σ(logits), and its derivative in the logits.

    The value is a 0-d array of the logits' dtype: ``np.asarray(….mean())``. Both have to be right
    at logits of ±1e4.
    """
    raise NotImplementedError("bce_with_logits: what are −log σ(a), −log(1 − σ(a)), their slopes?")


class Minimax:
    """Both players on V. Call ``self.bce(outputs, target)``: it is your function above.

    (With ``logits=False`` D gives probabilities, and it is the library's `bce`.)
    """

    needs_real = False  # G's loss does not look at D's outputs for real samples
    is_critic = False  # `probability` says how probable it is that a sample is real

    def __init__(self, logits: bool = True, label_smoothing: float = 0.0) -> None:
        self.logits, self.label_smoothing = logits, label_smoothing
        self.bce = bce_with_logits if logits else bce

    def discriminator(
        self, real_logits: np.ndarray, fake_logits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return D's loss (a 0-d array), and its derivatives in both arguments."""
        raise NotImplementedError("D's loss is −V: a sum of two bce's, with which targets?")

    def generator(
        self, fake_logits: np.ndarray, real_logits: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return G's loss (a 0-d array), and its derivative in `fake_logits`."""
        raise NotImplementedError("G's loss is the term of V in which G occurs: which bce is it?")


class NonSaturating(Minimax):
    """D as in `Minimax`; G asks to be called real."""

    def generator(
        self, fake_logits: np.ndarray, real_logits: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return G's loss (a 0-d array), and its derivative in `fake_logits`."""
        raise NotImplementedError("G's loss is −mean log σ(a): a bce with which target?")


CHECK = {
    "Minimax": dict(label_smoothing=0.3, reference="minigan.Minimax"),
    "NonSaturating": dict(reference="minigan.NonSaturating"),
}
