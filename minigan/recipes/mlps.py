"""MLPs: for the small data sets of the package, and for MNIST as tutorials have them."""

from __future__ import annotations

from ..init import glorot
from ..layers import LeakyReLU, ReLU, Sign, Tanh
from ..losses import Minimax, NonSaturating, RelativisticPairing
from ..optim.rules import Adam
from ..optim.schedules import cosine
from ..optim.wrappers import EMA
from ..penalties import GradientPenalty
from .base import Setup, Task, players, recipe
from .networks import mlp

# --- small: a minute on a CPU ---------------------------------------------------------------------


@recipe("digits", data="digits", source="constants found by trying")
def digits(task: Task) -> Setup:
    """Make small MLPs for the 8×8 digits.

    D has one hidden layer: with two it knows the 1,797 images by heart, and G loses classes.
    """
    n = task.numbers
    G, D = players(
        task,
        [*mlp(task.noise(16), 128, 256, n, activation=lambda: LeakyReLU(0.1)), Tanh()],
        mlp(n, 192, 1, activation=lambda: LeakyReLU(0.1)),
    )
    loss = NonSaturating(label_smoothing=0.1)
    return Setup(G, D, loss, Adam(1e-3, beta1=0), Adam(2e-3, beta1=0), batch=64, steps=10_000)


@recipe("points", data="ring", samples="vectors", source="pairing of Huang et al. 2024, as an MLP")
def points(task: Task) -> Setup:
    """Make MLPs for points or vectors: relativistic pairing, signs in z, G averaged.

    Each fake point is judged against a real one, which helps against missing modes (Huang et al.
    2024). Eight signs in z, beside as many numbers as a point has, spare G the bridges from mode to
    mode (see `minigan.layers.sign`). With no samples on the way, D is held there by the
    zero-centred penalty between real and generated points (Thanh-Tung et al. 2019), where R1 and R2
    do not look. Adam's large ε lets the steps end where the gradients do: with the usual one, G
    leaves modes again that it had.

    Found by trying on ring and grid. The rate comes to rest at step 6,000, whatever ``--steps``
    says: a run that is shorter ends before it is sharp, and in a longer one the last steps change
    nothing.
    """
    n, steps = task.numbers, 6_000
    z = task.noise(8 + n)
    hidden = (64, 64, 64, 64)
    G, D = players(
        task,
        [Sign(z, max(0, z - n)), *mlp(z, *hidden, n, activation=LeakyReLU, init=glorot)],
        mlp(n, *hidden, 1, activation=LeakyReLU, init=glorot),
    )
    rate = cosine(2e-3, 1e-6, steps)
    return Setup(
        G,
        D,
        RelativisticPairing(),
        EMA(Adam(rate, beta1=0, beta2=0.99, eps=1e-3), 0.99),
        Adam(rate, beta1=0, beta2=0.99, eps=1e-3),
        penalties=[GradientPenalty(0.1, target=0)],
        batch=64,
        steps=steps,
    )


# --- on MNIST, as in tutorials --------------------------------------------------------------------
# A D that ends in a Sigmoid trains on probabilities, as published; ``--logits`` asks for the stable
# form of the same.


@recipe("tanh-mlp", data="mnist", source="a common tutorial; Adam's constants: Radford et al. 2016")
def tanh_mlp(task: Task) -> Setup:
    """Make MLPs with ReLU: G 100-256-512-1024-pixels, D pixels-512-256-1 with a sigmoid."""
    n = task.numbers
    G, D = players(
        task,
        [*mlp(task.noise(100), 256, 512, 1024, n, activation=ReLU), Tanh()],
        [*mlp(n, 512, 256, 1, activation=ReLU), *task.sigmoid()],
    )
    loss = NonSaturating(logits=task.logits)
    return Setup(G, D, loss, Adam(2e-4, 0.5), Adam(2e-4, 0.5), batch=128, epochs=5)


@recipe("leaky-mlp", data="mnist", source="a common tutorial; minimax: Goodfellow et al. 2014")
def leaky_mlp(task: Task) -> Setup:
    """Make MLPs with LeakyReLU: G 100-128-pixels, D pixels-512-256-128-1, minimax."""
    n = task.numbers
    G, D = players(
        task,
        [*mlp(task.noise(100), 128, n, activation=LeakyReLU), Tanh()],
        mlp(n, 512, 256, 128, 1, activation=LeakyReLU),
    )
    return Setup(G, D, Minimax(), Adam(2e-4, 0.5), Adam(2e-4, 0.5), batch=128, epochs=50)


@recipe("alternating", data="mnist", source="algorithm 1 of Goodfellow et al. 2014 with Adam")
def alternating(task: Task) -> Setup:
    """Make one hidden layer each: G 100-256-pixels, D pixels-256-1 with a sigmoid, default Adam.

    ``--d-steps K`` gives D more steps; ``--loss least-squares`` is the other loss to try.
    """
    n = task.numbers
    G, D = players(
        task,
        [*mlp(task.noise(100), 256, n, activation=ReLU), Tanh()],
        [*mlp(n, 256, 1, activation=ReLU), *task.sigmoid()],
    )
    return Setup(G, D, NonSaturating(logits=task.logits), Adam(), Adam(), batch=128, epochs=100)
