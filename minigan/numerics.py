"""Three functions that break in float32 when they are written as in the textbook.

e⁸⁹ is infinite in float32. There log(1 + eᵃ) is infinite too, and 1/(1 + e⁻ᵃ) warns of an overflow
on its way to 0. log(1 − σ(a)) fails from a = 16.64 on, where σ(a) is exactly 1, and such logits are
common (tutorial 5). Both can be written so that only e⁻ᵏ with k ≥ 0 is ever computed, which can at
worst become 0. The third is a sum: a float32 total of a million numbers has no digits left for the
next one. ``a.real`` is `a` itself for real numbers; it lets complex-step checks pass through.
"""

from __future__ import annotations

from .arrays import Array, array_module
from .fast.product import product


def sigmoid(a: Array) -> Array:
    """σ(a) = 1/(1 + e⁻ᵃ), elementwise, to a few units in the last place.

    With e = e^−|a| it is 1/(1 + e) for a > 0 and e/(1 + e) for a ≤ 0. Below a = −87.3 the result
    is subnormal in float32 and loses digits: at −100 its relative error is 2 %.
    """
    xp = array_module(a)
    positive = a.real > 0
    e = xp.exp(xp.where(positive, -a, a))
    return xp.where(positive, 1, e) / (1 + e)


def softplus(a: Array) -> Array:
    """log(1 + eᵃ) = max(a, 0) + log(1 + e^−|a|), elementwise; its derivative is σ(a).

    It is −log of a probability: −log σ(a) = softplus(−a) and −log(1 − σ(a)) = softplus(a).
    """
    xp = array_module(a)
    positive = a.real > 0
    return xp.where(positive, a, 0) + xp.log1p(xp.exp(xp.where(positive, -a, a)))


def sum_rows(a: Array) -> Array:
    """Σ_n a_n over the first axis: ``a.sum(axis=0)``, but accurate for any number of rows.

    NumPy adds row after row to one total, which for n equal rows in float32 is wrong by n·10⁻⁸.
    Here the rows, cut into 16 stretches of equal length, are added stretch to stretch, then what
    that leaves in the same way; so no total takes more than 127 rows, and 10⁷ rows are right to
    10⁻⁶. A product with ones adds the stretches, and for narrow rows is far faster too.
    """
    if len(a) < 128:
        return a.sum(axis=0)
    length = len(a) // 16
    stretches = a[: 16 * length].reshape(16, -1)
    ones = array_module(a).ones(16, dtype=a.dtype)
    total = product(ones, stretches).reshape(length, *a.shape[1:])
    return sum_rows(total) + a[16 * length :].sum(axis=0)
