"""Two mixtures; PacGAN's set-up (Lin et al. 2018, tables 1 and 2), and ours.

    ring    8 Gaussians on the unit circle, σ = 0.01        grid    5 × 5 Gaussians, σ = 0.05

Of 2,500 samples: how many modes have a sample within 3σ, the share of samples within 3σ of a mode
(98.9 % of true ones), and the reverse KL of the shares of the modes. The papers' best rows:

    ring   PacGAN2 7.9 modes / 95.6 % / 0.07    GAN 6.3 / 98.2 % / 0.45
    grid   PacGAN4 24.8 modes / 93.6 % / 0.04   GAN 17.3 / 94.8 % / 0.70

    python tutorials/papers/ring_and_grid.py ring 5           ours for the ring, seeds 0 to 4
    python tutorials/papers/ring_and_grid.py grid 5           ours for the grid
    python tutorials/papers/ring_and_grid.py grid 5 points    the library's recipe for points
    python tutorials/papers/ring_and_grid.py ring 10 2        theirs, with packs of two

Ours have three parts, each against something that goes wrong without it:

- `Sign`: z is eight signs and two normal numbers. Of normal numbers alone a continuous G makes one
  connected set, with bridges from mode to mode, and samples on them. After 12,000 steps of networks
  of seven hidden layers 3 to 4 % of the samples of the ring lay there.
- The zero-centred penalty at points between real and generated ones (Thanh-Tung et al. 2019). R1
  and R2 look at the points themselves. With signs nothing lies between the modes, D is free there,
  and all samples of some signs jump at once: 6 modes were left at the end (ring, seed 0).
- Adam with a large ε. Where D and G agree, gradients vanish. Adam divides them by their own size
  and goes on in steps of full length, out of modes that had been found: 7 were left at the end
  (ring, seed 2, ε = 1e-8). With ε = 3e-4 to 1e-3 the steps vanish with the gradients.

A heavier penalty spreads the samples evenly over the modes, a lighter one makes D steep enough to
draw them in: 0.005 serves the ring with its narrow modes, where 9 of 10 seeds reach 98 %. The
recipe, for points of any kind, has 0.1. With it all modes of the ring and of the grid are found, by
10 of 10 seeds, and about a tenth of the samples lies outside them; how many, differs much from seed
to seed.

Of a batch of 64 points two or three fall into each mode of the grid, and their number is mostly
noise. It keeps G from settling: all samples of some signs are left on the way from one mode to
another. Ours for the grid therefore has batches of 256, and networks twice as wide. All 25 modes
are found by 10 of 10 seeds, 96 % of the samples lie within 3σ (the median; seed 4 has 77 %), and
the reverse KL is 0.009. Of 2,500 true samples it would be 0.005: 24 free shares, 24/(2·2,500).

PacGAN's rows were not run: 400,000 steps of 50 ms (packs of one) to 80 ms (of four) on a busy core
are 6 to 9 hours a seed, and a row has ten.
"""

import json
import sys
import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from record import RESULTS, record, table

from minigan import (
    EMA,
    Adam,
    BatchNorm,
    Dense,
    GradientPenalty,
    LeakyReLU,
    Maxout,
    NonSaturating,
    Pack,
    RelativisticPairing,
    ReLU,
    Sequential,
    Sign,
    schedules,
    stream,
    train,
)
from minigan.data import load
from minigan.evaluate import mixture
from minigan.init import normal
from minigan.recipes import RECIPES, Task
from minigan.sampling import sample

BUDGET = 1.0  # 1: as in results/; less: fewer steps
THEIRS = 400_000  # steps of PacGAN's set-up: 400 epochs of 100,000 points


def budgeted(steps):
    """Return how many of these steps there is time for."""
    return max(5, int(steps * BUDGET))


def mlp(*widths):
    """Return dense layers of these widths with LeakyReLU between them."""
    layers = []
    for p, q in pairwise(widths):
        layers += [Dense(p, q), LeakyReLU(0.2)]
    return layers[:-1]


@dataclass
class Ours:
    """The constants of our set-up."""

    steps: int
    batch: int
    width: int  # of the four hidden layers of both players
    lr: float
    eps: float
    gamma: float  # weight of the penalty
    bits: int = 8

    def __call__(self, x, seed):
        """Train on points (n, 2), and return the average of G."""
        steps = budgeted(self.steps)
        z, hidden = self.bits + 2, [self.width] * 4
        G = Sequential(Sign(z, self.bits), *mlp(z, *hidden, 2), seed=stream(seed, "G"))
        D = Sequential(*mlp(2, *hidden, 1), seed=stream(seed, "D"))
        rate = schedules.cosine(self.lr, 1e-6, steps)
        adam_G, adam_D = (Adam(rate, beta1=0.0, beta2=0.99, eps=self.eps) for _ in "GD")
        adam_G, penalty = EMA(adam_G, 0.99), GradientPenalty(self.gamma, target=0)
        how = {"batch": self.batch, "steps": steps, "seed": seed, "penalties": penalty}
        for _ in train(G, D, x, RelativisticPairing(), adam_G, adam_D, **how):
            pass
        return adam_G.averaged(G)


OURS = {
    "ring": Ours(steps=6_000, batch=64, width=64, lr=4e-3, eps=3e-4, gamma=0.005),
    "grid": Ours(steps=10_000, batch=256, width=128, lr=2e-3, eps=1e-3, gamma=0.1),
}


def theirs(x, seed, pack):
    """Train PacGAN's set-up, the GAN of ALI (Dumoulin et al. 2017) with packs, and return G.

    Constants from the authors' code, github.com/fjxmlzn/PacGAN, synthetic_data_experiments. A batch
    is 100 packs, and both players learn from the same point. Different here: 10,000 points, not
    100,000 packs; BatchNorm takes its means over the whole batch, not over each pack's first,
    second, … points.
    """
    draw = normal(0.02)
    layers = []
    for p, q in ((2, 400), (400, 400), (400, 400), (400, 400)):
        layers += [Dense(p, q, bias=False, init=draw), BatchNorm(q, momentum=0.05), ReLU()]
    G = Sequential(*layers, Dense(400, 2, init=draw), seed=stream(seed, "G"))
    pieces = [Maxout(p, 200, 5, init=draw) for p in (2 * pack, 200, 200)]
    D = Sequential(Pack(pack), *pieces, Dense(200, 1, init=draw), seed=stream(seed, "D"))
    adams = Adam(1e-4, 0.8), Adam(1e-4, 0.8)
    how = {"batch": 100 * pack, "order": "simultaneous", "steps": budgeted(THEIRS), "seed": seed}
    for _ in train(G, D, x, NonSaturating(), *adams, **how):
        pass
    return G


def recipe(x, seed):
    """Train the library's recipe for points, and return the average of G."""
    setup = RECIPES["points"].set_up(Task(x.shape[1:], seed=seed))
    setup.steps = budgeted(setup.steps)
    for _ in setup.train(x, None, seed):
        pass
    return setup.sampler()


def measure(name, seed, kind):
    """Return modes, share of high quality, reverse KL and CPU minutes of one run."""
    data, began = load(name, seed=seed), time.process_time()
    if kind == "ours":
        G = OURS[name](data.x, seed)
    elif kind == "points":
        G = recipe(data.x, seed)
    else:
        G = theirs(data.x, seed, pack=int(kind))
    minutes = (time.process_time() - began) / 60
    found = mixture(sample(G, 2500, seed=seed), data.centres, data.sigma)
    return [*map(float, found.values()), minutes]


name, seeds, kind = (*sys.argv[1:], *("ring", "10", "ours")[len(sys.argv) - 1 :])
who = {"ours": "our set-up", "points": "the recipe `points`", "1": "GAN, as PacGAN has it"}
label = f"{name}_pacgan{kind}" if kind.isdigit() else f"{name}_{kind}"
kept = RESULTS / f"{label}_{BUDGET:g}.json"  # a seed may take hours: none is run twice
numbers = json.loads(kept.read_text()) if kept.is_file() else []
for seed in range(len(numbers), int(seeds)):
    numbers.append(measure(name, seed, kind))
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(numbers))
    rows = [[str(i), *map("{:.4g}".format, row)] for i, row in enumerate(numbers)]
    rows.append(["mean", *map("{:.4g}".format, np.mean(numbers, axis=0))])
    titles = ["seed", "modes", "within 3σ", "reverse KL", "CPU minutes"]
    text = f"{name}, {who.get(kind, f'PacGAN{kind}')}\n\n{table(titles, rows)}"
    record(label, text, f"0 to {seed}", BUDGET, minutes=sum(row[-1] for row in numbers))
