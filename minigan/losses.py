"""What the two players minimise, as values and derivatives with respect to D's outputs.

D's output for a sample is a *logit* a; the probability that it gives the sample of being real is
D(x) = σ(a). Goodfellow et al. 2014, equation 1, has both play for one number,

    V(D, G) = E log D(x) + E log(1 − D(G(z)))

which D raises and G lowers. Here everything is minimised: D's loss is −V, and it is made of two
binary cross-entropies, one asking D to call real samples 1, the other to call generated ones 0.
Values and derivatives are means over the batch. What a loss of your own needs: `minigan.step.Loss`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .arrays import Array, array_module
from .expect import expect_outputs, expect_target
from .numerics import sigmoid, softplus

Value = tuple[Array, Array]  # a 0-d array, and its derivative with respect to an argument


def bce_with_logits(logits: Array, target: float | Array) -> tuple[Array, Array]:
    r"""Binary cross-entropy of σ(a), a the logits          (value, d_logits)

    With p = σ(a), −log p = softplus(−a) and −log(1 − p) = softplus(a), so

        L       = mean of  t·softplus(−a) + (1 − t)·softplus(a)
        ∂L/∂a_i = [−t·σ(−a_i) + (1 − t)·σ(a_i)]/n          (together: (p − t)/n)

    Near certainty that is σ(−a) itself, not 1 − σ(a): at any logit, ±∞ included, nothing overflows,
    and with a target of 0 or 1 nothing cancels.

    Parameters
    ----------
    logits
        Any float array; D's outputs are (n, 1).
    target
        A number in [0, 1] for all, or an array of the shape of `logits`.

    Returns
    -------
    value
        0-d array of the dtype of `logits`, on its device.
    d_logits
        ∂value/∂logits, shaped like `logits`.

    Raises
    ------
    ValueError
        For an empty batch, or a `target` of another shape: (n,) against (n, 1) would broadcast.
    TypeError
        For integers in `logits`.
    """
    expect_outputs("bce_with_logits", logits)
    expect_target("bce_with_logits", logits, target)
    a, t = logits, target
    value = (_weighted(t, softplus, -a) + _weighted(1 - t, softplus, a)).mean()
    d_logits = (_weighted(1 - t, sigmoid, a) - _weighted(t, sigmoid, -a)) / a.size
    return array_module(a).asarray(value), d_logits


def bce(p: Array, target: float | Array, clip: float = 1e-7) -> tuple[Array, Array]:
    r"""Binary cross-entropy of probabilities p, the textbook's form          (value, dp)

        L       = mean of  −t·log p − (1 − t)·log(1 − p)
        ∂L/∂p_i = [−t/p_i + (1 − t)/(1 − p_i)]/n          (together: (p_i − t)/(p_i·(1 − p_i))/n)

    A float32 sigmoid returns exactly 1 from a logit of 16.64 on, and log(1 − p) is then −∞. So p is
    first clipped into [clip, 1 − clip]. Where clipping acts the derivative is zero: D can't
    unlearn a mistake that it is that sure of. `clip=0` is the bare formula. `bce_with_logits` needs
    neither.

    Parameters
    ----------
    p
        Probabilities, a float array with entries in [0, 1].
    clip
        Distance kept from 0 and 1, in [0, 0.5).
    target, the result, errors
        As for `bce_with_logits`.
    """
    expect_outputs("bce", p)
    expect_target("bce", p, target)
    if not 0 <= clip < 0.5:
        raise ValueError(f"bce: clip must lie in [0, 0.5), got {clip}")
    xp, t = array_module(p), target
    inside = (p.real >= clip) & (p.real <= 1 - clip)
    q = xp.where(p.real < clip, clip, xp.where(inside, p, 1 - clip))
    value = -(_weighted(t, xp.log, q) + _weighted(1 - t, xp.log, 1 - q)).mean()
    dp = _weighted(1 - t, xp.reciprocal, 1 - q) - _weighted(t, xp.reciprocal, q)
    return xp.asarray(value), xp.where(inside, dp, 0) / p.size


class Minimax:
    r"""Both players on V, as Goodfellow et al. 2014, equation 1, states the game.

        L_D = −E log D(x) − E log(1 − D(G(z)))   = bce(real, 1) + bce(fake, 0)
        L_G =  E log(1 − D(G(z)))                = −bce(fake, 0)

    Where D rejects every sample, a → −∞, the slope of L_G, −σ(a), goes to zero with it: a losing
    generator learns nothing. See `NonSaturating`.

    Parameters
    ----------
    logits
        True: D's outputs are logits. False: D ends in a Sigmoid and its outputs are probabilities.
    label_smoothing
        Real samples get the target 1 − label_smoothing, generated ones keep 0 (one-sided label
        smoothing, Salimans et al. 2016, section 3.4).
    """

    needs_real = False  # G's loss does not look at D's outputs for real samples
    is_critic = False  # `probability` says how probable it is that a sample is real

    def __init__(self, logits: bool = True, label_smoothing: float = 0.0) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {label_smoothing}")
        self.logits, self.label_smoothing = logits, label_smoothing
        self.bce = bce_with_logits if logits else bce

    def discriminator(self, real_logits: Array, fake_logits: Array) -> tuple[Array, Array, Array]:
        """Return L_D (a 0-d array), and its derivatives with respect to both arguments."""
        xp = array_module(real_logits, fake_logits)
        real_value, d_real = self.bce(real_logits, 1 - self.label_smoothing)
        fake_value, d_fake = self.bce(fake_logits, 0)
        return xp.asarray(real_value + fake_value), d_real, d_fake

    def generator(self, fake_logits: Array, real_logits: Array | None = None) -> Value:
        """Return L_G (a 0-d array), and its derivative with respect to `fake_logits`."""
        value, d_fake = self.bce(fake_logits, 0)
        return array_module(fake_logits).asarray(-value), -d_fake

    def probability(self, logits: Array) -> Array:
        """Return what D's outputs say: the probability of being real, each in [0, 1]."""
        return sigmoid(logits) if self.logits else logits

    def __repr__(self) -> str:
        """Return the call that makes such a loss."""
        name = type(self).__name__
        return f"{name}(logits={self.logits}, label_smoothing={self.label_smoothing})"


class NonSaturating(Minimax):
    r"""D as in `Minimax`; G asks to be called real (Goodfellow et al. 2014, section 3).

        L_G = −E log D(G(z))                     = bce(fake, 1)

    Its slope σ(a) − 1 is −1 where D rejects every sample, and zero where D is fooled: G learns most
    when it loses. Both forms have the same fixed point: where generated samples are distributed as
    the data the best D is ½ everywhere, so its slope in x is 0, and no ∂L_G/∂a can move a sample.
    """

    def generator(self, fake_logits: Array, real_logits: Array | None = None) -> Value:
        """Return L_G (a 0-d array), and its derivative with respect to `fake_logits`."""
        return self.bce(fake_logits, 1)


class Critic:
    r"""What the losses below share: D's output is a score of no fixed range, and D a critic."""

    needs_real = False
    is_critic = True

    def probability(self, logits: Array) -> Array:
        """Return D's outputs as they are: a critic says more or less, not how probable."""
        return logits

    def __repr__(self) -> str:
        """Return the call that makes such a loss."""
        return f"{type(self).__name__}()"


class LeastSquares(Critic):
    r"""Outputs are pulled to 1 for real and 0 for generated samples (Mao et al. 2017, equation 9).

    L_D = ½·E (a_real − 1)² + ½·E a_fake²      d_real = (a_real − 1)/n     d_fake = a_fake/n
    L_G = ½·E (a_fake − 1)²                    d_fake = (a_fake − 1)/n
    """

    def discriminator(self, real_logits: Array, fake_logits: Array) -> tuple[Array, Array, Array]:
        """Return L_D (a 0-d array), and its derivatives with respect to both arguments."""
        xp = array_module(real_logits, fake_logits)
        real_value, d_real = _squares(real_logits, 1)
        fake_value, d_fake = _squares(fake_logits, 0)
        return xp.asarray(real_value + fake_value), d_real, d_fake

    def generator(self, fake_logits: Array, real_logits: Array | None = None) -> Value:
        """Return L_G (a 0-d array), and its derivative with respect to `fake_logits`."""
        value, d_fake = _squares(fake_logits, 1)
        return array_module(fake_logits).asarray(value), d_fake


class Wasserstein(Critic):
    r"""The critic's mean difference between generated and real samples (Arjovsky et al. 2017).

        L_D = E a_fake − E a_real          d_real = −1/n     d_fake = 1/n
        L_G = −E a_fake                    d_fake = −1/n

    If the critic's slope is at most 1 everywhere, −L_D at its best is the Wasserstein-1 distance of
    the two distributions (their equation 2). Something has to keep the slope there: clipped
    weights, or `GradientPenalty`.
    """

    def discriminator(self, real_logits: Array, fake_logits: Array) -> tuple[Array, Array, Array]:
        """Return L_D (a 0-d array), and its derivatives with respect to both arguments."""
        xp = array_module(real_logits, fake_logits)
        real_value, d_real = _mean(real_logits)
        fake_value, d_fake = _mean(fake_logits)
        return xp.asarray(fake_value - real_value), -d_real, d_fake

    def generator(self, fake_logits: Array, real_logits: Array | None = None) -> Value:
        """Return L_G (a 0-d array), and its derivative with respect to `fake_logits`."""
        value, d_fake = _mean(fake_logits)
        return array_module(fake_logits).asarray(-value), -d_fake


class Hinge(Wasserstein):
    r"""D cares for a margin of 1 and no further (Lim & Ye 2017; Miyato et al. 2018, equation 16).

        L_D = E max(0, 1 − a_real) + E max(0, 1 + a_fake)
        d_real = −[a_real < 1]/n           d_fake = [a_fake > −1]/n

    G's loss is the one of `Wasserstein`.
    """

    def discriminator(self, real_logits: Array, fake_logits: Array) -> tuple[Array, Array, Array]:
        """Return L_D (a 0-d array), and its derivatives with respect to both arguments."""
        xp = array_module(real_logits, fake_logits)
        real_value, d_real = _hinge(-real_logits)
        fake_value, d_fake = _hinge(fake_logits)
        return xp.asarray(real_value + fake_value), -d_real, d_fake


class RelativisticPairing(Critic):
    r"""Real and generated samples are compared pair by pair (Jolicoeur-Martineau 2019, RpGAN).

    With a = a_fake − a_real for each pair, and σ the derivative of softplus:

        L_D = E softplus(a)                d_fake = σ(a)/n       d_real = −σ(a)/n
        L_G = E softplus(−a)               d_fake = −σ(−a)/n

    G's loss is in the non-saturating form, and looks at D's outputs for real samples too. With
    `R1` and `R2` this is the objective of R3GAN (Huang et al. 2024, equation 2).
    """

    needs_real = True

    def discriminator(self, real_logits: Array, fake_logits: Array) -> tuple[Array, Array, Array]:
        """Return L_D and its derivatives; a ValueError for two batches that make no pairs."""
        value, d_fake = bce_with_logits(self._pairs(fake_logits, real_logits), 0)
        return value, -d_fake, d_fake

    def generator(self, fake_logits: Array, real_logits: Array | None = None) -> Value:
        """Return L_G (a 0-d array), and its derivative with respect to `fake_logits`."""
        if real_logits is None:
            raise ValueError("RelativisticPairing.generator needs real_logits: D's outputs for x")
        return bce_with_logits(self._pairs(fake_logits, real_logits), 1)

    def _pairs(self, fake_logits: Array, real_logits: Array) -> Array:
        array_module(fake_logits, real_logits)  # refuses two devices
        if fake_logits.shape != real_logits.shape:
            raise ValueError(
                "RelativisticPairing compares pairs: real and fake outputs must have one shape, "
                f"got {real_logits.shape} and {fake_logits.shape}"
            )
        return fake_logits - real_logits


def _weighted(weight: float | Array, f: Callable[[Array], Array], a: Array) -> Any:
    """weight·f(a), and 0 where the weight is 0, even if f(a) is infinite: 0·∞ would be NaN."""
    if isinstance(weight, int | float):
        return weight * f(a) if weight else 0.0
    return weight * f(array_module(a).where(weight == 0, 1, a))  # f(1) is finite


def _squares(a: Array, target: float) -> tuple[Array, Array]:
    """½·mean (a − target)², and its derivative."""
    expect_outputs("LeastSquares", a)
    return ((a - target) ** 2).mean() / 2, (a - target) / a.size


def _mean(a: Array) -> tuple[Array, Array]:
    """Mean a, and its derivative."""
    expect_outputs("Wasserstein", a)
    return a.mean(), array_module(a).full_like(a, 1 / a.size)


def _hinge(a: Array) -> tuple[Array, Array]:
    """Mean max(0, 1 + a), and its derivative: 0 at the kink."""
    expect_outputs("Hinge", a)
    return array_module(a).maximum(1 + a, 0).mean(), (a.real > -1).astype(a.dtype) / a.size
