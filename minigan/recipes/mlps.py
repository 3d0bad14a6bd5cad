"""MLPs: for the small data sets of the package, and for MNIST as tutorials have them."""

from __future__ import annotations

from ..layers import LeakyReLU, ReLU, Tanh
from ..losses import Minimax, NonSaturating
from ..optim.rules import Adam
from .base import Setup, Task, mlp, players, recipe

# --- small: a minute on a CPU ---------------------------------------------------------------------


@recipe("digits", data="digits", source="constants found by trying")
def digits(task: Task) -> Setup:
    """Make small MLPs for the 8×8 digits.

    D has one hidden layer: with two it knows the 1,797 images by heart, and G loses classes.
    """
    n = task.numbers
    G, D = players(
        task,
        [*mlp(16, 128, 256, n, activation=lambda: LeakyReLU(0.1)), Tanh()],
        mlp(n, 192, 1, activation=lambda: LeakyReLU(0.1)),
    )
    loss = NonSaturating(label_smoothing=0.1)
    return Setup(G, D, loss, Adam(1e-3, beta1=0), Adam(2e-3, beta1=0), batch=64, steps=10_000)


@recipe("points", data="ring", samples="vectors", source="the toy networks of the field")
def points(task: Task) -> Setup:
    """Make MLPs of two hidden layers of 128 for points in the plane, or vectors of any length."""
    n = task.numbers
    G, D = players(
        task,
        mlp(2, 128, 128, n, activation=LeakyReLU),
        mlp(n, 128, 128, 1, activation=LeakyReLU),
    )
    return Setup(G, D, NonSaturating(), Adam(1e-3, 0.5), Adam(1e-3, 0.5), batch=256, steps=10_000)


# --- on MNIST, as in tutorials --------------------------------------------------------------------
# A D that ends in a Sigmoid trains on probabilities, as published; ``--logits`` asks for the stable
# form of the same.


@recipe("tanh-mlp", data="mnist", source="a common tutorial; Adam's constants: Radford et al. 2016")
def tanh_mlp(task: Task) -> Setup:
    """Make MLPs with ReLU: G 100-256-512-1024-pixels, D pixels-512-256-1 with a sigmoid."""
    n = task.numbers
    G, D = players(
        task,
        [*mlp(100, 256, 512, 1024, n, activation=ReLU), Tanh()],
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
        [*mlp(100, 128, n, activation=LeakyReLU), Tanh()],
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
        [*mlp(100, 256, n, activation=ReLU), Tanh()],
        [*mlp(n, 256, 1, activation=ReLU), *task.sigmoid()],
    )
    return Setup(G, D, NonSaturating(logits=task.logits), Adam(), Adam(), batch=128, epochs=100)
