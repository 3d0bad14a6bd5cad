"""Does a WGAN-GP's loss fall as its samples get better? (Gulrajani et al. 2017, figure 3)

The negative critic's loss estimates a distance of the samples from the data, so it should fall
with the Fréchet distance. This trains the recipe `wgan-gp` on the 8×8 digits, and `digits`
(non-saturating) beside it. It measures both numbers at times that are evenly spaced in log(step),
and says how they correlate: Spearman's correlation, of the ranks, and Pearson's of the logarithms.

What it has found (results/): while the distance falls from 110 to 17, in the first 270 steps, the
critic's loss falls with it, from 4.0 to 1.0; after that the distance hardly changes, and the loss
creeps up again, so that it tells no more which G is best. The ordinary D's loss correlates as well,
but it only moves between 1.32 and 1.43: one would have to know where to look.
"""

import numpy as np
from record import RESULTS, record, table

from minigan.arrays import to_numpy
from minigan.data import load
from minigan.evaluate import frechet_distance
from minigan.evaluate.classifier import classifier_for
from minigan.plot.stills import new_figure
from minigan.recipes import RECIPES, Task
from minigan.sampling import sample

BUDGET = 1.0  # 1: as in results/; less: fewer steps and samples
STEPS, TIMES = int(2_000 * BUDGET), max(3, int(14 * BUDGET))
LAST = 50  # steps over which the loss of D is averaged
SAMPLES = max(100, int(1797 * BUDGET))
SEED = 0

data = load("digits")
classifier = classifier_for(data)
features, _ = classifier(data.x)
# Before the first of these steps the critic has not learnt to tell anything.
times = np.unique(np.geomspace(STEPS // 40 or 1, STEPS, TIMES).round().astype(int))


def measure(name):
    """Train a recipe; return D's loss and the Fréchet distance at all times."""
    setup = RECIPES[name].set_up(Task(data.x.shape[1:], seed=SEED))
    setup.steps, setup.epochs = STEPS, None
    losses, found = [], []
    for taken in setup.train(data.x, None, SEED):
        losses.append(taken["loss_D"])
        if taken.step in times:
            drawn = to_numpy(sample(setup.G, SAMPLES, SEED, setup.noise))
            distance = frechet_distance(features, classifier(drawn)[0]).value
            found.append((np.mean(losses[-LAST:]), distance))
    return np.array(found).T


def correlation(a, b):
    """Pearson's."""
    return float(np.corrcoef(a, b)[0, 1])


def ranks(a):
    """How many numbers are smaller than each."""
    return a.argsort().argsort()


rows, lines = [], []
figure = new_figure(1000, 420)
figure.set_layout_engine("constrained")
for axes, name, sign in zip(figure.subplots(1, 2), ("wgan-gp", "digits"), (-1, 1), strict=True):
    loss_D, distance = measure(name)
    loss = sign * loss_D
    what = "−L_D, the critic's distance" if sign < 0 else "L_D"
    lines.append(f"{name}: Spearman {correlation(ranks(loss), ranks(distance)):.3f}")
    if (loss > 0).all():
        of_logs = correlation(np.log(loss), np.log(distance))
        lines[-1] += f", Pearson of the logarithms {of_logs:.3f}"
    rows += [
        [name, f"{step:,}", f"{a:.3f}", f"{b:.1f}"]
        for step, a, b in zip(times, loss, distance, strict=True)
    ]
    axes.plot(distance, loss, "o-", linewidth=1)
    axes.set(xscale="log", xlabel="Fréchet distance", ylabel=what, title=name)
RESULTS.mkdir(parents=True, exist_ok=True)
figure.savefig(RESULTS / "wgan_gp_tracks_quality.png")
record(
    "wgan_gp_tracks_quality",
    "\n".join(lines) + "\n\n" + table(["recipe", "step", "loss", "Fréchet distance"], rows),
    str(SEED),
    BUDGET,
)
