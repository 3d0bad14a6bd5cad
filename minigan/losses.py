"""What the two players minimise, as values and derivatives with respect to D's outputs.

D's output for a sample is a *logit* a; the probability that it gives the sample of being real is
D(x) = σ(a). Goodfellow et al. 2014, equation 1, has both play for one number,

    V(D, G) = E log D(x) + E log(1 − D(G(z)))

which D raises and G lowers. Here everything is minimised: D's loss is −V, and it is made of two
binary cross-entropies, one asking D to call real samples 1, the other to call generated ones 0.
Values and derivatives are means over the batch.
"""

from __future__ import annotations

from .arrays import Array, array_module
from .numerics import sigmoid, softplus


def bce_with_logits(logits: Array, target: float | Array) -> tuple[Array, Array]:
    r"""Binary cross-entropy of σ(a), a the logits          (value, d_logits)

    With p = σ(a), −log p = softplus(−a) and −log(1 − p) = softplus(a), so

        L       = mean of  t·softplus(−a) + (1 − t)·softplus(a)
        ∂L/∂a_i = [−t·σ(−a_i) + (1 − t)·σ(a_i)]/n          (together: (p − t)/n)

    Each term is computed where it is small, so nothing overflows or cancels at any logit.

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
    _check_outputs("bce_with_logits", logits, target)
    a, t = logits, target
    value = (t * softplus(-a) + (1 - t) * softplus(a)).mean()
    d_logits = ((1 - t) * sigmoid(a) - t * sigmoid(-a)) / a.size
    return array_module(a).asarray(value), d_logits


def bce(p: Array, target: float | Array, clip: float = 1e-7) -> tuple[Array, Array]:
    r"""Binary cross-entropy of probabilities p, the textbook's form          (value, dp)

        L       = mean of  −t·log p − (1 − t)·log(1 − p)
        ∂L/∂p_i = (p_i − t)/(p_i·(1 − p_i))/n

    A float32 sigmoid returns exactly 1 from a logit of 17 on, and log(1 − p) is then −∞. So p is
    first clipped into [clip, 1 − clip], and where the clipping acts the derivative is zero: what
    D has learnt too well, it can't unlearn. `clip=0` is the bare formula. `bce_with_logits` needs
    neither.

    Parameters
    ----------
    p
        Probabilities, a float array with entries in [0, 1].
    target
        A number in [0, 1] for all, or an array of the shape of `p`.
    clip
        Distance kept from 0 and 1, in [0, 0.5).

    Returns
    -------
    value
        0-d array of the dtype of `p`, on its device.
    dp
        ∂value/∂p, shaped like `p`.

    Raises
    ------
    ValueError
        For an empty batch, a `target` of another shape, or a `clip` outside [0, 0.5).
    TypeError
        For integers in `p`.
    """
    _check_outputs("bce", p, target)
    if not 0 <= clip < 0.5:
        raise ValueError(f"bce: clip must lie in [0, 0.5), got {clip}")
    xp, t = array_module(p), target
    inside = (p.real >= clip) & (p.real <= 1 - clip)
    q = xp.where(p.real < clip, clip, xp.where(inside, p, 1 - clip))
    value = (-t * xp.log(q) - (1 - t) * xp.log(1 - q)).mean()
    dp = xp.where(inside, (q - t) / (q * (1 - q)), 0) / p.size
    return xp.asarray(value), dp


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

    def __init__(self, logits: bool = True, label_smoothing: float = 0.0) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {label_smoothing}")
        self.logits, self.label_smoothing = logits, label_smoothing
        self.bce = bce_with_logits if logits else bce

    def discriminator(self, real_logits: Array, fake_logits: Array) -> tuple[Array, Array, Array]:
        """Return L_D (a 0-d array), and its derivatives with respect to both arguments."""
        real_value, d_real = self.bce(real_logits, 1 - self.label_smoothing)
        fake_value, d_fake = self.bce(fake_logits, 0)
        xp = array_module(real_logits, fake_logits)
        return xp.asarray(real_value + fake_value), d_real, d_fake

    def generator(
        self, fake_logits: Array, real_logits: Array | None = None
    ) -> tuple[Array, Array]:
        """Return L_G (a 0-d array), and its derivative with respect to `fake_logits`."""
        value, d_fake = self.bce(fake_logits, 0)
        return array_module(value).asarray(-value), -d_fake

    def probability(self, logits: Array) -> Array:
        """Return what D's outputs say: the probability of being real, each in [0, 1]."""
        return sigmoid(logits) if self.logits else logits

    def __repr__(self) -> str:
        """Return the call that makes such a loss."""
        return (
            f"{type(self).__name__}(logits={self.logits}, label_smoothing={self.label_smoothing})"
        )


class NonSaturating(Minimax):
    r"""D as in `Minimax`; G asks to be called real (Goodfellow et al. 2014, section 3).

        L_G = −E log D(G(z))                     = bce(fake, 1)

    Its slope σ(a) − 1 is −1 where D rejects every sample, and zero where D is fooled: G learns most
    when it loses. At D = ½ both forms have the slope −½, so they share their fixed point.
    """

    def generator(
        self, fake_logits: Array, real_logits: Array | None = None
    ) -> tuple[Array, Array]:
        """Return L_G (a 0-d array), and its derivative with respect to `fake_logits`."""
        return self.bce(fake_logits, 1)


def _check_outputs(name: str, outputs: Array, target: float | Array) -> None:
    """Raise a clear error unless these are D's outputs for a batch and a target that fits them."""
    array_module(outputs)
    if outputs.dtype.kind not in "fc":
        raise TypeError(f"{name}: D's outputs have dtype {outputs.dtype}, expected floating point")
    if outputs.size == 0:
        raise ValueError(f"{name}: D's outputs are empty, shape {outputs.shape}")
    shape = getattr(target, "shape", ())
    if shape not in ((), outputs.shape):
        raise ValueError(
            f"{name}: target has shape {shape}, expected one number or {outputs.shape}, the shape "
            "of D's outputs"
        )
