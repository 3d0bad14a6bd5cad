"""Six losses × four penalties × two optimisers on ring and grid, all else the same.

    python tutorials/papers/losses_and_penalties.py ring 3      48 set-ups, seeds 0 to 2
    python tutorials/papers/losses_and_penalties.py grid 3

The set-up is a plain one, so that what helps can be seen: MLPs with three hidden layers of width
64, z of two normal numbers, batches of 64, 5,000 steps with a learning rate that comes to rest,
samples from an average of G. A cell of the table is the mean over the seeds of three measures, as
in `ring_and_grid.py`: modes with a sample within 3σ, the share of samples within 3σ of a mode, with
its 95 % interval, and the reverse KL of the shares of the modes.

What was interrupted goes on when called again.
"""

import json
import sys
import time
from itertools import pairwise, product

import numpy as np
from record import RESULTS, record, table

from minigan import EMA, SGD, Adam, Dense, LeakyReLU, Sequential, schedules, stream, train
from minigan.data import load
from minigan.evaluate import mixture
from minigan.evaluate.estimate import mean_of
from minigan.recipes.named import LOSSES, penalties_named
from minigan.sampling import sample

BUDGET = 1.0  # 1: as in results/; less: fewer steps
STEPS = max(5, int(5_000 * BUDGET))
PENALTIES = ("none", "r1:0.1", "r1:0.1,r2:0.1", "gp:1")  # as `minigan train --penalty` takes them
OPTIMISERS = {
    "Adam": lambda: Adam(schedules.cosine(2e-3, 1e-5, STEPS), beta1=0.5),
    "SGD": lambda: SGD(schedules.cosine(0.1, 1e-4, STEPS)),
}


def mlp(*widths):
    """Return dense layers of these widths with LeakyReLU between them."""
    layers = []
    for p, q in pairwise(widths):
        layers += [Dense(p, q), LeakyReLU(0.2)]
    return layers[:-1]


def measure(data, seed, loss, penalty, optimiser):
    """Train once; return modes, share within 3σ, reverse KL, and CPU minutes."""
    began = time.process_time()
    G = Sequential(*mlp(2, 64, 64, 64, 2), seed=stream(seed, "G"))
    D = Sequential(*mlp(2, 64, 64, 64, 1), seed=stream(seed, "D"))
    opt_G, opt_D = EMA(OPTIMISERS[optimiser](), 0.99), OPTIMISERS[optimiser]()
    how = {"batch": 64, "steps": STEPS, "seed": seed, "penalties": penalties_named(penalty)}
    with np.errstate(all="ignore"):  # some diverge; their samples are near no mode
        for _ in train(G, D, data.x, LOSSES[loss](), opt_G, opt_D, **how):
            pass
        found = mixture(sample(opt_G.averaged(G), 2500, seed=seed), data.centres, data.sigma)
    return [*map(float, found.values()), (time.process_time() - began) / 60]


def cell(rows):
    """Return what stands in the table for these rows, a seed each."""
    modes, near, divergence, _ = np.array(rows).T
    share = mean_of(100 * near)
    half = "" if np.isnan(share.low) else f" ± {(share.high - share.low) / 2:.0f}"
    lost = np.isnan(divergence)
    KL = "diverged" if lost.all() else f"{divergence[~lost].mean():.2g}"
    more = f", {lost.sum()} diverged" if 0 < lost.sum() < len(rows) else ""
    return f"{modes.mean():.3g} / {share.value:.0f}{half} % / {KL}{more}"


name, seeds = (*sys.argv[1:], *("ring", "3")[len(sys.argv) - 1 :])
label = f"losses_and_penalties_{name}"
kept = RESULTS / f"{label}_{BUDGET:g}.json"
numbers = json.loads(kept.read_text()) if kept.is_file() else {}
for seed, *how in product(range(int(seeds)), LOSSES, PENALTIES, OPTIMISERS):
    done = numbers.setdefault(" | ".join(how), [])
    if len(done) <= seed:
        done.append(measure(load(name, seed=seed), seed, *how))
        RESULTS.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(numbers))

rows = [
    [loss, penalty, *(cell(numbers[f"{loss} | {penalty} | {o}"]) for o in OPTIMISERS)]
    for loss, penalty in product(LOSSES, PENALTIES)
]
text = f"{name}: modes / samples within 3σ / reverse KL\n\n"
text += table(["loss", "penalty", *OPTIMISERS], rows)
minutes = sum(row[-1] for done in numbers.values() for row in done)
record(label, text, f"0 to {seed}", BUDGET, minutes)
