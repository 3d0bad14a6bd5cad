"""Small set-ups to begin with: a minute on a laptop."""

from __future__ import annotations

from ..layers import LeakyReLU, Tanh
from ..losses import NonSaturating
from ..optim import Adam
from .base import Setup, Task, mlp, players, recipe


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
