"""The Dirac-GAN of Mescheder, Geiger & Nowozin 2018: eigenvalues and end distances.

The data are one point at 0, G makes one point θ, and D is the line ψ·x; training should end at
θ = ψ = 0. (Tutorial 8 tells the story, with pictures.) For each method this script differentiates
one training step of the library at that point, for three schemes of training, and holds the
eigenvalues against those of the paper's formulas. Then it trains from (1, 1) and says how far from
the goal that ends.

With f(t) = −log(1 + e^(−t)), which gives f′(0) = ½ and f″(0) = −¼ (Wasserstein: f(t) = t), a method
moves the players, close to the goal, along

    dθ/dt = f′(0)·ψ        dψ/dt = −f′(0)·θ − b·ψ        eigenvalues −b/2 ± √(b²/4 − f′(0)²)

    unregularised    b = 0             nothing but turning: ± f′(0)·i            (lemma 2.3)
    instance noise   b = −2·f″(0)·σ²   the paper's f″(0)·σ² ± √(f″(0)²σ⁴ − f′(0)²)   (lemma 3.2)
    R1, or R2        b = γ             −γ/2 ± √(γ²/4 − f′(0)²), critical for γ = 1   (lemma 3.3)

WGAN-GP and DRAGAN ask |ψ| to be 1: there the field jumps at ψ = 0 and has no eigenvalues. A method
comes in if all eigenvalues of its training step lie within the unit circle. With α = h·f′(0),
β = 1 − h·b, a step is the matrix

    simultaneous                  [[1, α], [−α, β]]
    alternating, k steps of D     [[1, α], [0, 1]] · [[1, 0], [−α, β]]ᵏ
"""

from statistics import NormalDist

import numpy as np
from record import record, table

from minigan import (
    DRAGAN,
    R1,
    R2,
    SGD,
    ClipWeights,
    Dense,
    GradientPenalty,
    Minimax,
    NonSaturating,
    Wasserstein,
)
from minigan.step import discriminator_step, generator_step
from minigan.views import InstanceNoise

BUDGET = 1.0  # 1: as in results/dirac_gan.md; less: fewer steps
STEPS, H = int(1000 * BUDGET), 0.1
SCHEMES = {"simultaneous": 0, "alternating": 1, "alternating, 5 steps of D": 5}
METHODS = {  # what it is, f′(0), and b; None: no eigenvalues
    "minimax": (dict(loss=Minimax()), 0.5, 0.0),
    "non-saturating": (dict(loss=NonSaturating()), 0.5, 0.0),
    "WGAN, clipped to 1": (dict(loss=Wasserstein(), clip=1.0), 1.0, 0.0),
    "WGAN-GP": (dict(loss=Wasserstein(), penalty=GradientPenalty(0.5)), 1.0, None),
    "DRAGAN": (dict(loss=NonSaturating(), penalty=DRAGAN(0.5)), 0.5, None),
    "instance noise, σ = 1": (dict(loss=NonSaturating(), sigma=1.0), 0.5, 0.5),
    "R1, γ = 0.5": (dict(loss=NonSaturating(), penalty=R1(0.5)), 0.5, 0.5),
    "R1, γ = 1": (dict(loss=NonSaturating(), penalty=R1(1.0)), 0.5, 1.0),
    "R2, γ = 0.5": (dict(loss=NonSaturating(), penalty=R2(0.5)), 0.5, 0.5),
}


class EvenNoise:
    """Instead of a random generator: the same numbers always, spread as normal ones are."""

    def standard_normal(self, shape, dtype):
        """Return normal quantiles, with a mean square of exactly 1."""
        n = shape[0]
        z = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
        return (z / np.sqrt((z * z).mean())).reshape(shape).astype(dtype)

    def random(self, shape, dtype):
        """Return ½: where a penalty looks does not matter, D has one slope everywhere."""
        return np.full(shape, 0.5, dtype)


def train(start, steps, d_steps, loss, penalty=None, clip=None, sigma=0.0):
    """Train from start = (θ, ψ), and return where that ends; d_steps = 0 is simultaneous."""
    G, D = Dense(1, 1).astype("float64"), Dense(1, 1, bias=False).astype("float64")
    G.b[...], D.W[...] = start
    to_G, to_D = SGD(H), SGD(H) if clip is None else ClipWeights(SGD(H), clip)
    D_seen = InstanceNoise(D, sigma) if sigma else D
    x = z = np.zeros((101 if sigma else 1, 1))  # with z = 0 G's point is its bias
    penalties, rng = [penalty] if penalty else [], EvenNoise()
    for _ in range(steps):
        G_before = G.copy()
        if d_steps == 0:
            generator_step(G, D_seen, loss, to_G, z, x, rng=rng)
        for _ in range(d_steps or 1):
            discriminator_step(G_before, D_seen, loss, to_D, x, z, penalties, rng=rng)
        if d_steps > 0:
            generator_step(G, D_seen, loss, to_G, z, x, rng=rng)
    return np.array([G.b[0], D.W[0, 0]])


def pair(eigenvalues):
    """Return two eigenvalues in an order that rounding does not change."""
    return np.array(sorted(eigenvalues, key=lambda number: (number.real.round(6), number.imag)))


def measured(d_steps, **method):
    """Return the eigenvalues of one step at the goal, by central differences."""
    e = 1e-4
    columns = [
        (train(e * u, 1, d_steps, **method) - train(-e * u, 1, d_steps, **method)) / (2 * e)
        for u in np.eye(2)
    ]
    return pair(np.linalg.eigvals(np.stack(columns, axis=1)))


def predicted(d_steps, slope, b):
    """Return the eigenvalues of one step by the formulas above."""
    alpha, beta = H * slope, 1 - H * b
    of_D = np.array([[1, 0], [-alpha, beta]])
    if d_steps == 0:
        step = np.array([[1, alpha], [-alpha, beta]])
    else:
        step = np.array([[1, alpha], [0, 1]]) @ np.linalg.matrix_power(of_D, d_steps)
    return pair(np.linalg.eigvals(step))


def shown(both):
    """Return two eigenvalues as text: a conjugate pair as a ± b i, two real ones one by one."""
    both = both.round(6) + 0.0  # no −0
    if both[0].imag == 0:
        return ", ".join(f"{number.real:.4f}" for number in both)
    return f"{both[0].real:.4f} ± {abs(both[0].imag):.4f} i"


rows = []
for name, (method, slope, b) in METHODS.items():
    flow = "none: it jumps"
    if b is not None:
        root = np.sqrt(complex(b * b / 4 - slope * slope))
        # A simultaneous step is 1 + h times the flow.
        of_flow = (measured(0, **method) - 1) / H
        formula = pair(np.array([-b / 2 - root, -b / 2 + root]))
        # Where two eigenvalues meet, an error of e in the matrix moves them by √e.
        assert np.allclose(of_flow, formula, atol=5e-4), (name, of_flow, formula)
        flow = shown(formula)
    for scheme, d_steps in SCHEMES.items():
        moduli = "–"
        if b is not None:
            ours, papers = measured(d_steps, **method), predicted(d_steps, slope, b)
            assert np.allclose(ours, papers, atol=5e-4), (name, scheme, ours, papers)
            moduli = f"{abs(ours).max():.4f}"
        distance = np.linalg.norm(train((1.0, 1.0), STEPS, d_steps, **method))
        rows.append([name, flow, scheme, moduli, f"{distance:.2e}"])

titles = ["method", "eigenvalues of the flow", "scheme", "modulus of a step", "end distance"]
notes = f"""
Modulus of a step: the larger of its two eigenvalues'. End distance: √(θ² + ψ²) after {STEPS:,}
steps of {H} from (1, 1). All eigenvalues are the formulas' to three digits."""
record("dirac_gan", f"{table(titles, rows)}\n{notes}", "none, nothing is drawn", BUDGET)
