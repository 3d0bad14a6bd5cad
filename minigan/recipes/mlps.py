"""MLPs on MNIST, as tutorials have them.

A D that ends in a Sigmoid trains on probabilities, as published; ``--logits`` asks for the stable
form of the same.
"""

from __future__ import annotations

from ..layers import LeakyReLU, ReLU, Tanh
from ..losses import Minimax, NonSaturating
from ..optim import Adam
from .base import Setup, Task, mlp, players, recipe


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
