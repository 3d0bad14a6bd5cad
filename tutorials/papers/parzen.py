"""Table 1 of Goodfellow et al. 2014 on MNIST: log-likelihood by Parzen windows, in nats.

    stacked CAE 121 ± 1.6    DBN 138 ± 2    deep GSN 214 ± 1.1    GAN 225 ± 2

10,000 generated images, a Gaussian around each, σ by the first 1,000 of the last 10,000 training
images, the mean over the 10,000 test images, pixels in [0, 1]. It is a poor measure of samples
(Theis et al. 2016), and the one that the first paper had. 10,000 of the training images themselves,
in place of generated ones, have 242 ± 2 (σ 0.167): no generator has to be better than that.

    MINIGAN_DATA=… python tutorials/papers/parzen.py goodfellow-2014
    MINIGAN_DATA=… python tutorials/papers/parzen.py steady

`goodfellow-2014` is the library's recipe: the paper's networks. Its 30 epochs give 99 ± 2
(results/); the authors trained for hundreds. `steady` has a G of the paper's size and D without
dropout, held by R1 and R2, relativistic pairing, Adam with a rate that falls to nothing, and the
average of G's weights: 173 ± 1 after 20,000 steps, ahead of the DBN and behind the authors' GAN.
"""

import sys

import numpy as np
from record import record, table

from minigan import EMA, R1, R2, Adam, Dense, LeakyReLU, RelativisticPairing, ReLU, Tanh, schedules
from minigan.arrays import to_numpy
from minigan.data import load
from minigan.evaluate import parzen_log_likelihood
from minigan.recipes import RECIPES, Setup, Task
from minigan.recipes.base import players
from minigan.sampling import sample

BUDGET = 1.0  # 1: as in results/; less: fewer steps, samples and images
SEEDS = range(1)


def steady(task):
    """Make G 100-1200-1200-pixels and D pixels-1200-600-1."""
    n, steps = task.numbers, 20_000
    G, D = players(
        task,
        [Dense(100, 1200), ReLU(), Dense(1200, 1200), ReLU(), Dense(1200, n), Tanh()],
        [Dense(n, 1200), LeakyReLU(0.2), Dense(1200, 600), LeakyReLU(0.2), Dense(600, 1)],
    )
    rate = schedules.cosine(2e-4, 1e-6, steps)
    adams = EMA(Adam(rate, 0.0, 0.99), 0.999), Adam(rate, 0.0, 0.99)
    penalties = [R1(1.0), R2(1.0)]
    return Setup(G, D, RelativisticPairing(), *adams, batch=64, steps=steps, penalties=penalties)


def set_up(name, task):
    """Return networks, loss and optimisers by the name of the set-up."""
    return steady(task) if name == "steady" else RECIPES[name].set_up(task)


name = (*sys.argv, "goodfellow-2014")[1]
training, test = load("mnist"), load("mnist", split="test")
x, validation = np.split(training.x, [5 * len(training.x) // 6])  # 50,000, as in the paper
n = max(50, int(10_000 * BUDGET))
rows = []
for seed in SEEDS:
    setup = set_up(name, Task(x.shape[1:], seed=seed))
    steps = setup.steps or setup.epochs * (len(x) // setup.batch)
    setup.steps, setup.epochs = max(2, int(steps * BUDGET)), None
    for _ in setup.train(x, None, seed):
        pass
    drawn = to_numpy(sample(setup.sampler(), n, seed, setup.noise))
    pixels = ((images + 1) / 2 for images in (drawn, validation[: n // 10], test.x[:n]))
    found, sigma = parzen_log_likelihood(*pixels)
    error = (found.high - found.value) / 1.96
    rows.append([str(seed), f"{found.value:.1f} ± {error:.1f}", f"{sigma:.3f}", f"{setup.steps:,}"])
record(
    f"parzen_{name}",
    f"{name}\n\n{table(['seed', 'nats ± standard error', 'σ', 'steps'], rows)}",
    f"0 to {SEEDS[-1]}",
    BUDGET,
)
