# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # 7. Mode collapse
#
# A generator can fool D for a while by making the same thing again and again. On images this is
# hard to see; on points in the plane you can count. This page makes a GAN collapse, measures it
# with three numbers, shows how each of them can be fooled, and tries seven cures side by side,
# three seeds each. Some help and some do not, and a cure for collapse does not yet make good
# samples.
#
# It answers three common questions: what to do when all samples are the same; whether D's BatchNorm
# should see real and generated samples in one batch or in two; and what BatchNorm does with one
# sample, and in evaluation. You need a first GAN ([tutorial 3](03_a_first_gan.py)) and the two
# losses ([tutorial 4](04_minimax_or_non_saturating.py)). Reading time: 35 minutes.

# %%
from pathlib import Path

import numpy as np

from minigan import (
    R1,
    R2,
    Adam,
    BatchNorm,
    Dense,
    LayerNorm,
    LeakyReLU,
    MinibatchStd,
    NonSaturating,
    Pack,
    RelativisticPairing,
    Sequential,
    data,
    stream,
    train,
)
from minigan.evaluate import mixture
from minigan.init import he
from minigan.optim.schedules import cosine, linear
from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure
from minigan.sampling import sample

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/07_mode_collapse")
FIGURES.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Two data sets that can be counted
#
# The **ring** has 8 clusters of points on a circle of radius 1, each a Gaussian with a standard
# deviation of σ = 0.01. The **grid** has 25 clusters, 5 by 5, two apart, with σ = 0.05. Each
# cluster is a **mode** of the distribution. The sets and the first two numbers below come from
# VEEGAN (Srivastava et al. 2017), the third from PacGAN (Lin et al. 2018).
# `minigan.evaluate.mixture` computes all three:
#
# - **modes**: the number of centres with at least one sample within 3σ of them;
# - **high quality**: the share of samples that lie within 3σ of some centre;
# - **reverse KL**: each sample is counted for its nearest centre, which gives shares
#   $q_1, \dots, q_k$, and
#
# $$ \mathrm{KL}(q \,\|\, \text{uniform}) = \sum_j q_j \log \frac{q_j}{1/k} $$
#
# is 0 when all modes get the same share, $\log(k/m)$ when $m$ of them share everything equally, and
# so $\log k$ when one gets everything.
#
# Each number is blind to something. So before we train anything, we make four "generators" for
# the grid by hand: the data themselves, one mode only, 12 of the 25 modes, and points spread evenly
# over the square, which know nothing of any mode. In all pictures the points are samples, and blue
# circles show where the modes are, not how wide.

# %%
ring, grid = data.load("ring"), data.load("grid")
rng = stream(0, "by hand")
n = 2000


def around(centres):
    """Draw n points of a mixture of the grid's clusters around these centres."""
    which = rng.integers(len(centres), size=n)
    return centres[which] + grid.sigma * rng.standard_normal((n, 2), dtype=np.float32)


BY_HAND = {
    "the data": grid.x[:n],
    "one mode": around(grid.centres[12:13]),
    "12 modes": around(grid.centres[:12]),
    "evenly spread": 10 * rng.random((n, 2), dtype=np.float32) - 5,
}


def in_words(measured):
    """One line with the three numbers."""
    return (
        f"{int(measured['modes']):2} modes, {float(measured['high_quality']):6.1%} high quality, "
        f"reverse KL {float(measured['reverse_KL']):.2f}"
    )


figure = new_figure(1200, 370)
figure.set_layout_engine("constrained")
by_hand = {}
for axes, (name, points) in zip(figure.subplots(1, 4), BY_HAND.items(), strict=True):
    by_hand[name] = mixture(points, grid.centres, grid.sigma)
    print(f"{name:14} {in_words(by_hand[name])}")
    axes.plot(*grid.centres.T, "o", color=D_COLOUR, markersize=7, fillstyle="none")
    axes.plot(*points.T, ".", color=G_COLOUR, markersize=1.5)
    axes.set(title=name, aspect="equal", xlim=(-5.2, 5.2), ylim=(-5.2, 5.2))
figure.savefig(FIGURES / "by_hand.png")
figure

# %% [markdown]
# The generator that knows nothing has found nearly all modes and shares its points fairly among
# them: modes and reverse KL take it for a good one. Only 2 % of its points are near a centre. The
# one with a single mode is perfect in quality. So:
#
# - a count of modes needs to be read together with the quality;
# - reverse KL sees collapse, and nothing else;
# - high quality sees sharpness, and no collapse.

# %%
assert by_hand["the data"]["high_quality"] > 0.97
assert by_hand["evenly spread"]["modes"] >= 20 and by_hand["evenly spread"]["reverse_KL"] < 0.1
assert by_hand["evenly spread"]["high_quality"] < 0.04
assert by_hand["one mode"]["high_quality"] > 0.97
assert abs(by_hand["one mode"]["reverse_KL"] - np.log(25)) < 1e-5
print(f"log 25 = {np.log(25):.2f}; log 8 = {np.log(8):.2f}; log(25/12) = {np.log(25 / 12):.2f}")
print(f"of a Gaussian in the plane lie within 3σ: 1 − exp(−9/2) = {1 - np.exp(-9 / 2):.1%}")

# %% [markdown]
# ## A GAN that collapses
#
# Two small networks, 16 numbers of noise, batches of 64, the non-saturating loss, and for both
# players Adam as it comes: a learning rate of 0.001 and $\beta_1 = 0.9$. All this is common, and on
# the ring it collapses.


# %%
def players(seed, first=(), features=2, z=16):
    """Return G z-64-64-2 and D 2-64-64-1; layers in `first` may turn D's 2 inputs to `features`."""

    def layers(p, q):
        return (
            Dense(p, 64, init=he),
            LeakyReLU(),
            Dense(64, 64, init=he),
            LeakyReLU(),
            Dense(64, q),
        )

    G = Sequential(*layers(z, 2), seed=seed)
    D = Sequential(*first, *layers(features, 1), seed=seed + 1000)
    return G, D


def measure(G, dataset):
    """Return modes, high quality and reverse KL of 2,000 samples of G."""
    measured = mixture(sample(G, 2000, seed=1), dataset.centres, dataset.sigma)
    return [float(measured[name]) for name in ("modes", "high_quality", "reverse_KL")]


def run(dataset, seed, steps, *, loss=None, adams=None, first=(), features=2, z=16, **rest):
    """Train, and measure G ten times; return the numbers (10, 3), and samples at each time."""
    G, D = players(seed, first, features, z)
    adam_G, adam_D = adams or (Adam(), Adam())
    records = train(
        G,
        D,
        dataset.x,
        loss or NonSaturating(),
        adam_G,
        adam_D,
        batch=64,
        steps=steps,
        seed=seed,
        **rest,
    )
    looks, clouds = [], []
    for record in records:
        if record.step * 10 % steps == 0:
            looks.append(measure(G, dataset))
            clouds.append(sample(G, 500, seed=2))
    return np.array(looks), clouds


STEPS = max(10, int(1000 * BUDGET) // 10 * 10)
looks, clouds = run(ring, seed=0, steps=STEPS)

figure = new_figure(1200, 350)
figure.set_layout_engine("constrained")
for axes, k in zip(figure.subplots(1, 5), (2, 4, 6, 8, 10), strict=True):
    axes.plot(*ring.centres.T, "o", color=D_COLOUR, markersize=8, fillstyle="none")
    axes.plot(*clouds[k - 1].T, ".", color=G_COLOUR, markersize=2)
    axes.set(
        aspect="equal", xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), xticks=(-1, 0, 1), yticks=(-1, 0, 1)
    )
    axes.set_title(f"step {k * STEPS // 10}")
figure.savefig(FIGURES / "collapse.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %%
print("reverse KL at these steps:", np.round(looks[1::2, 2], 2), "of at most", round(np.log(8), 2))
assert (-1e-12 < looks[:, 2]).all() and (looks[:, 2] < np.log(8) + 1e-12).all()

# %% [markdown]
# G's points sit together in one cloud, and the cloud wanders: G goes where D's logit is highest, D
# learns that generated points come from there and lowers its logit, and G moves on, all of it
# together.
#
# **Why all together?** G's loss is a mean over single samples,
# $L_G = \frac1n \sum_i \mathrm{softplus}(-D(G(z_i)))$. No term compares two samples. If all of them
# lay at the one point that D likes best, the loss would be as low as it can be. It is up to D to
# make that point unattractive, and D judges one point at a time: it can say "this place is bad",
# not "these are all alike". So a cure can change D: let it see several samples at once, or keep its
# slope small, so that it can't drive all samples far to one side. Or it can change the speed of the
# two players: [tutorial 8](08_why_gans_circle.py) has a GAN of two weights that goes in circles.
#
# ## Question: all my samples are the same. What now?
#
# First measure it: as above, or, where no modes are known, by the mean distance of two samples,
# divided by that of the data (the column `diversity` in the `history.csv` that `minigan train`
# writes). Then change one thing at a time. Here are seven changes, each with the same three seeds
# and the same number of steps:
#
# | name below | what changes |
# |---|---|
# | packing | D judges 4 samples of one kind as one input of 8 numbers (PacGAN, Lin et al. 2018) |
# | minibatch std | D's input gets a third feature: how much the batch varies (Karras et al. 2018) |
# | pairing + R1 + R2 | D compares pairs, its slope is penalised (Huang et al. 2024) |
# | noise on D's input | σ from 0.5 down to 0 in the course of the run (Sønderby et al. 2017) |
# | slower G | G's learning rate 10 times smaller |
# | both slower | both learning rates 4 times smaller |
# | no momentum | $\beta_1 = 0$ for both |
#
# D gets real and generated samples in two batches, so "the batch" is of one kind. A pair is a real
# and a generated sample: the loss sees only the difference of their logits. R1 penalises D's
# squared slope at real points, R2 at generated ones (tutorials [8](08_why_gans_circle.py) and
# [9](09_gradient_penalty.py)).

# %%
SEEDS = range(3 if BUDGET == 1 else 2)  # with one there would be no error bars


def changes(steps):
    """Return what each change passes to `run`, with new optimisers, since they hold state."""
    return {
        "nothing changed": {},
        "packing": dict(first=[Pack(4)], features=8),
        "minibatch std": dict(first=[MinibatchStd()], features=3),
        "pairing + R1 + R2": dict(loss=RelativisticPairing(), penalties=[R1(0.1), R2(0.1)]),
        "noise on D's input": dict(instance_noise=linear(0.5, 0.0, steps)),
        "slower G": dict(adams=(Adam(1e-4), Adam())),
        "both slower": dict(adams=(Adam(2.5e-4), Adam(2.5e-4))),
        "no momentum": dict(adams=(Adam(beta1=0), Adam(beta1=0))),
    }


# (change, seed, look, number)
table = np.array(
    [[run(ring, seed, STEPS, **changes(STEPS)[name])[0] for seed in SEEDS] for name in changes(1)]
)
late = table[:, :, 5:].mean(axis=2)  # each number's mean over the second half of the run
mean = late.mean(axis=1)
error = late.std(axis=1, ddof=1) / np.sqrt(len(SEEDS))  # of the mean

figure = new_figure(1100, 470)
figure.set_layout_engine("constrained")
places = np.arange(len(mean))[::-1]
for axes, k, label in zip(
    figure.subplots(1, 2, sharey=True),
    (2, 0),
    ("reverse KL (0: each mode has its share)", "modes of 8"),
    strict=True,
):
    axes.errorbar(mean[:, k], places, xerr=error[:, k], fmt="o", color=D_COLOUR, capsize=3)
    for seed in SEEDS:
        axes.plot(late[:, seed, k], places - 0.3, "x", color=G_COLOUR, markersize=5)
    axes.set_yticks(places, list(changes(1)))
    axes.set_xlabel(label)
    axes.set_xlim(left=-0.04)
    axes.grid(alpha=0.3)
figure.savefig(FIGURES / "cures.png")
figure

# %%
for name, values, errors in zip(changes(1), mean, error, strict=True):
    print(f"{name:19} reverse KL {values[2]:.2f} ± {errors[2]:.2f}, modes {values[0]:.1f}")
print(f"high quality: at most {late[:, :, 1].max():.1%} in any of these runs")
kl = dict(zip(changes(1), mean[:, 2], strict=True))
helped = [name for name, value in kl.items() if value < kl["nothing changed"] / 4]
print("reverse KL is less than a quarter of what it was with:", ", ".join(helped) or "none")
assert (mean[:, 0] <= 8).all() and (mean[:, 2] < np.log(8) + 1e-12).all()

# %% [markdown]
# Blue points are means over three seeds with the standard error of the mean, orange crosses the
# single runs; each number is a mean over the second half of a run. Three seeds are few: the bars
# say which differences are large, not how large exactly. How exactly a run ends depends on the last
# bits, too: on a processor whose sums round differently, each number comes out a little different,
# and a single cross may lie somewhere else. On the right even the best stay far from 8 modes: a
# mode counts only with a sample within 3σ = 0.03 of its centre, and so near come few.
# The next section is about that. For collapse, read the left side.
#
# **What helps here.** Packing and minibatch standard deviation, which let D see several samples at
# once; pairing with R1 and R2; and two changes that cost nothing, a slower G and no momentum. (The
# last line printed says which of them did here.) With momentum, G keeps moving for some steps in a
# direction in which D no longer points. That this matters so much is a measurement, not a theorem.
#
# **What does not help here.** Slowing *both* players by the same factor leaves G collapsed. With
# noise that fades out it depends on the seed: look at the crosses. None of this is a law: with
# other data or another network the order can change. That is why you measure.

# %% [markdown]
# ## No collapse is not yet quality
#
# Hardly a sample came within 3σ of a centre in these runs ("high quality" above). A thousand steps
# were enough to spread G out, not to make it sharp. So here are three more pictures: the slower G
# from above; the grid after as many steps with nothing changed; and the ring after four times as
# many, with what sharpens: 2 numbers of noise instead of 16, no momentum, a weak R1, and learning
# rates that fall to 0 along a cosine. ([Tutorial 13](13_what_a_wasserstein_loss_tells.py) has a run
# that gets both, all eight modes and sharp ones.)

# %%
long = 4 * STEPS


def falling():
    """Make Adam without momentum, whose rate falls to 0."""
    return Adam(cosine(1e-3, 0.0, long), beta1=0, beta2=0.99)


more = {
    "ring, slower G": (ring, STEPS, changes(1)["slower G"]),
    "grid, nothing changed": (grid, STEPS, {}),
    "ring, longer": (ring, long, dict(adams=(falling(), falling()), z=2, penalties=[R1(0.02)])),
}
ends = {}
figure = new_figure(1200, 430)
figure.set_layout_engine("constrained")
for axes, (name, (dataset, steps, change)) in zip(figure.subplots(1, 3), more.items(), strict=True):
    looks, clouds = run(dataset, 0, steps, **change)
    ends[name] = dict(zip(("modes", "high_quality", "reverse_KL"), looks[-1], strict=True))
    print(f"{name:22} {in_words(ends[name])}")
    axes.plot(*dataset.centres.T, "o", color=D_COLOUR, markersize=8, fillstyle="none")
    axes.plot(*clouds[-1].T, ".", color=G_COLOUR, markersize=2)
    reach = 1.35 * dataset.centres.max()
    axes.set(title=name, aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
figure.savefig(FIGURES / "quality.png")
figure

# %% [markdown]
# The slower G, with a reverse KL near 0, is a smear over the whole disc: each mode is the nearest
# one for its share of the points, and hardly a point is in a mode. The grid is a smear too: a fair
# share for each mode, and few good samples. Compare the points without any knowledge at the top of
# this page. Reverse KL alone would have called both a success.
#
# The longer run on the ring follows the circle and sets more of its points into the modes than the
# runs before; the data have 98.9 % there. How many exactly depends on the last bits:
# after thousands of steps a processor whose sums round differently ends with another number. That
# is one more reason to look at several runs before saying that one is better.

# %% [markdown]
# ## Question: BatchNorm in D, real and fake in one batch or in two?
#
# BatchNorm subtracts from each feature its mean over the batch, divides by its standard deviation,
# then multiplies by a learnt gain and adds a learnt shift (Ioffe & Szegedy 2015). So a sample's
# output depends on who else is in the batch. The library, like most code, gives D two batches, one
# of real and one of generated samples: `discriminator_step` has two `forward` calls. What would
# joining them do? Here is an easy case: real points are Gaussian around 0, generated points the
# same around $(1.5, 1.5)$, and G stands still.


# %%
def two_clouds(t):
    """64 real and 64 generated points for step t."""
    real, fake = stream(t, "clouds").standard_normal((2, 64, 2), dtype=np.float32)
    return real, fake + np.float32(1.5)


def train_D(D, joined, steps):
    """Train D on the two clouds, in one batch or in two; return its last loss."""
    adam, loss = Adam(5e-3), NonSaturating()
    for t in range(steps):
        real, fake = two_clouds(t)
        grad = D.new_grad()
        if joined:
            logits, cache = D.forward(np.concatenate([real, fake]))
            value, d_real, d_fake = loss.discriminator(logits[:64], logits[64:])
            D.backward(np.concatenate([d_real, d_fake]), cache, grad)
        else:
            real_logits, cache = D.forward(real)
            fake_logits, c_fake = D.forward(fake)
            value, d_real, d_fake = loss.discriminator(real_logits, fake_logits)
            D.backward(d_real, cache, grad)
            D.backward(d_fake, c_fake, grad)
        adam.step(D.theta, grad)
        D.update_state(cache)
    return float(value)


def make_D(first, second):
    """Return D 2-16-16-1 with these layers after its first dense layer, and after its second."""
    layers = [Dense(2, 16), *first, LeakyReLU(), Dense(16, 16), *second, LeakyReLU(), Dense(16, 1)]
    return Sequential(*layers, seed=1)


steps = max(100, int(200 * BUDGET))
real, fake = two_clouds(10_000)
probability = NonSaturating().probability
for joined in (True, False):
    D = make_D([BatchNorm(16)], [])
    value = train_D(D, joined, steps)
    together = probability(D.forward(np.concatenate([real, fake]))[0])
    alone = probability(D.forward(fake)[0]).mean()
    print(f"trained in {'one batch' if joined else 'two batches'}: loss {value:.3f}")
    print(f"  in one batch: real {together[:64].mean():.2f}, fake {together[64:].mean():.2f}")
    print(f"  fake alone, as in G's step: {alone:.2f}")
    if joined:
        assert together[64:].mean() < 0.35 and abs(alone - 0.5) < 0.15
    else:
        assert abs(value - 2 * np.log(2)) < 0.1

# %% [markdown]
# **One batch.** D learns to tell the two apart from where they lie within the joint batch. In G's
# step there are no real samples beside the generated ones. They are centred by their own mean, and
# the same points that D rejected get about ½. G is not trained by the D that has learnt.
#
# **Two batches.** Now D's loss stays near $2 \log 2 = 1.386$: D says ½ to all. Each batch is
# centred and scaled by itself, and the two clouds differ in nothing else. D *cannot* see where the
# samples lie. That is consistent in both players' steps, and it is the usual choice; but you
# should know about this blindness. It is a reason to keep BatchNorm away from D's input. DCGAN
# leaves it out there and at G's output, because samples oscillated with it (Radford et al. 2016,
# section 3). One layer later, D can already have computed something before the mean is taken away:

# %%
losses = {}
for name, layers in {
    "no normalisation": ([], []),
    "BatchNorm after the first dense layer": ([BatchNorm(16)], []),
    "BatchNorm after the second": ([], [BatchNorm(16)]),
    "LayerNorm after the first": ([LayerNorm(16)], []),
}.items():
    losses[name] = train_D(make_D(*layers), False, steps)
    print(f"{name:38} loss of D {losses[name]:.2f}")
assert losses["BatchNorm after the first dense layer"] > 1.3
assert losses["no normalisation"] < 1
if BUDGET == 1:  # it takes these longer to learn
    assert losses["BatchNorm after the second"] < 1 and losses["LayerNorm after the first"] < 1

# %% [markdown]
# After the second dense layer, BatchNorm costs D hardly anything here. LeakyReLU has by then bent
# the first layer's features at 0. A cloud that lies across 0 gets another shape than one that lies
# to one side of it, and centring and scaling leave that shape.
#
# So: two batches, and not at the input or right after the first layer. Where BatchNorm can be left
# out of D, leave it out. LayerNorm looks at one sample, SpectralNorm at the weights; neither
# couples samples. With a gradient penalty there is no choice: it is defined for each sample by
# itself, and the library refuses a D with BatchNorm.

# %%
try:
    R1(1.0)(make_D([BatchNorm(16)], []), real, fake)
except ValueError as error:
    print("refused:", error)
else:
    raise AssertionError("a penalty on a D with BatchNorm should be refused")

# %% [markdown]
# ## Question: BatchNorm with one sample; training against evaluation
#
# The mean of one sample is the sample, its variance is 0, and $(x - \text{mean})$ is 0 whatever $x$
# is. All that is left is the learnt shift, the same for every input; so the library refuses. Two
# samples are hardly better: in each feature the larger becomes 1 and the smaller −1.

# %%
norm = BatchNorm(1)
try:
    norm.forward(np.array([[3.0]], np.float32))
except ValueError as error:
    print("refused:", error)
else:
    raise AssertionError("one sample in training should be refused")
for pair in ([1.0, 2.0], [-50.0, 700.0]):
    y, _ = norm.forward(np.array(pair, np.float32)[:, None])
    print(f"{pair} → {np.round(y[:, 0], 3)}")
    assert np.allclose(y[:, 0], [-1, 1], atol=1e-4)

# %% [markdown]
# In **evaluation**, `forward(x, train=False)`, BatchNorm uses a running mean and a running variance
# instead. They start at 0 and 1, and `update_state` moves them by a tenth towards each batch of a
# training step. One sample is fine then, and no sample changes another one's output. But:
#
# - right after the start the running numbers are still the wrong ones: after $t$ steps
#   $0.9^t$ of the initial value is left;
# - a network that was only trained, and whose state nobody moved, evaluates with mean 0 and
#   variance 1 for ever. In this library `discriminator_step` and `generator_step` move it, each
#   for its own network, D's by the real batch;
# - `sample` works in evaluation. If samples look much worse than what D saw in training, compare
#   the two modes.

# %%
norm = BatchNorm(1)
x = 5 + 2 * stream(0, "x").standard_normal((200, 256, 1), dtype=np.float32)
for t, batch in enumerate(x, start=1):
    _, cache = norm.forward(batch)
    norm.update_state(cache)
    if t in (1, 10, 50, 200):
        y, _ = norm.forward(np.array([[5.0]], np.float32), train=False)
        mean, std = norm.running_mean[0], norm.running_var[0] ** 0.5
        print(f"after {t:3} steps: running mean {mean:.2f}, std {std:.2f}; 5 → {y[0, 0]:5.2f}")
        assert abs(mean - 5 * (1 - 0.9**t)) < 0.25
assert abs(y[0, 0]) < 0.1

# %% [markdown]
# The data have mean 5 and standard deviation 2, so 5 should become 0. After one step it becomes
# something else altogether, after 50 it is right.
#
# ## Try
#
# 1. Change two things at once in `changes`: packing and a slower G. Is it better than each alone?
# 2. Make D slower instead of G. What do you expect, and what happens?
# 3. Use `Minimax()` instead of `NonSaturating()`, with nothing else changed. Does the ring
#    collapse?
# 4. What does reverse KL say of 100 samples from the data themselves, with 25 modes, and of 1,000?
#    So how many samples does a measurement need?
#
# <details><summary>Answers</summary>
#
# 1., 2. and 3. are runs for you to make; three seeds each.
#
# 4. Too much: with $n$ samples and $k$ modes chance alone gives about $(k - 1)/(2n)$, 0.12 for 100
#    and 0.012 for 1,000. So take enough samples that this is small beside what you want to see.
#
# </details>
#
# The numbers are defined in [`evaluate/collapse.py`](../minigan/evaluate/collapse.py), packing and
# minibatch standard deviation in [`layers/minibatch.py`](../minigan/layers/minibatch.py), BatchNorm
# in [`layers/norm.py`](../minigan/layers/norm.py); write it line by line in
# [exercise 7](exercises/07_batchnorm.py). Next: [why G and D chase each
# other](08_why_gans_circle.py) in the first place.
