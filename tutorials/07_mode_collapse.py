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
# hard to see; on points in the plane you can count. This page makes a GAN collapse, measures two
# things about it, the *quality* of the samples and their *coverage* of the data, and compares seven
# changes by both, three seeds each. Most of them end the collapse and leave a smear. Then a run
# gets both, and a list leads from symptom to cause to test.
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
from minigan.evaluate import mixture, precision_recall
from minigan.init import he
from minigan.optim.schedules import cosine, linear
from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure
from minigan.sampling import sample

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/07_mode_collapse")
FIGURES.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Data that can be counted, and four numbers
#
# The data are eight clusters of points on a circle of radius 1, each a Gaussian with a standard
# deviation of σ = 0.08. Each cluster is a **mode** of the distribution. (The data set `ring` of the
# library has the same centres and σ = 0.01, so narrow that short runs like ours never hit a mode.)
# `minigan.evaluate` measures samples, as `minigan evaluate` does for a run:
#
# - **high quality**: the share of samples that lie within 3σ of some centre (VEEGAN, Srivastava et
#   al. 2017);
# - **reverse KL**: each sample is counted for its nearest centre, which gives shares $q_1, \dots,
#   q_8$. $\mathrm{KL}(q \,\|\, \text{uniform}) = \sum_j q_j \log (8 q_j)$ is 0 when all modes get
#   the same share, $\log(8/m)$ when $m$ of them share everything equally, and so $\log 8 = 2.08$
#   when one gets everything (PacGAN, Lin et al. 2018);
# - **precision**: put a ball around each real point, up to its 5th nearest real neighbour; the
#   share of samples in at least one of them (Kynkäänniemi et al. 2019);
# - **coverage**: the share of these balls that have a sample in them (Naeem et al. 2020).
#
# The first two need to know the centres. The last two do not, so they work for images as well, with
# distances between features ([tutorial 11](11_digits_end_to_end.py)).
#
# Each number is blind to something. So before we train anything, we make four "generators" by
# hand: the data themselves, one mode only, four of the modes, and points spread evenly over the
# square, which know nothing of any mode. In all pictures the points are samples, and blue circles
# show where the modes are, not how wide.

# %%
SIGMA, N = 0.08, 1000
centres = data.load("ring").centres
rng = stream(0, "by hand")


def around(some_centres, n=N):
    """Draw n points of a mixture of clusters around these centres."""
    which = rng.integers(len(some_centres), size=n)
    noise = SIGMA * rng.standard_normal((n, 2))
    return (some_centres[which] + noise).astype(np.float32)


points, reference = around(centres, 8000), around(centres)
BY_HAND = {
    "the data": around(centres),
    "one mode": around(centres[:1]),
    "four modes": around(centres[:4]),
    "evenly spread": (3 * rng.random((N, 2)) - 1.5).astype(np.float32),
}
NAMES = ("high quality", "reverse KL", "precision", "coverage")


def measure(samples):
    """Return the four numbers, in the order of NAMES."""
    modes, balls = mixture(samples, centres, SIGMA), precision_recall(reference, samples)
    return [
        float(modes["high_quality"]),
        float(modes["reverse_KL"]),
        balls["precision"].value,
        balls["coverage"].value,
    ]


def show(axes, samples, title):
    """Draw samples, and where the modes are."""
    axes.plot(*centres.T, "o", color=D_COLOUR, markersize=8, fillstyle="none")
    axes.plot(*samples.T, ".", color=G_COLOUR, markersize=1.5)
    axes.set(title=title, aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))
    axes.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))


print(" " * 14 + "".join(f"{name:>14}" for name in NAMES))
figure = new_figure(1200, 350)
figure.set_layout_engine("constrained")
by_hand = {}
for axes, (name, samples) in zip(figure.subplots(1, 4), BY_HAND.items(), strict=True):
    by_hand[name] = dict(zip(NAMES, measure(samples), strict=True))
    print(f"{name:14}" + "".join(f"{number:14.2f}" for number in by_hand[name].values()))
    show(axes, samples, name)
figure.savefig(FIGURES / "by_hand.png")
figure

# %% [markdown]
# - **Reverse KL sees collapse, and nothing else.** The points that know nothing share themselves
#   fairly among the modes, and so it takes them for a good generator. A smear wins.
# - **High quality and precision see sharpness, and no collapse.** A single mode is perfect to them.
# - **Coverage sees both a lost mode and a smear**, since balls without a sample are not covered.
#   But a few good samples in every ball are enough for it; the rest may be anywhere.
#
# So no one number will do. From here on we look at two together: high quality, for short
# **quality**, and **coverage**. The data themselves show what can be reached.

# %%
best = by_hand["the data"]
assert best["high quality"] > 0.97 and best["coverage"] > 0.9 and best["reverse KL"] < 0.02
assert by_hand["one mode"]["high quality"] > 0.97 and by_hand["one mode"]["coverage"] < 0.2
assert abs(by_hand["one mode"]["reverse KL"] - np.log(8)) < 1e-5
assert by_hand["evenly spread"]["reverse KL"] < 0.1
assert by_hand["evenly spread"]["high quality"] < 0.3  # 8 discs of radius 3σ in 9 units of area
print(f"log 8 = {np.log(8):.2f}; share of the square within 3σ of a centre:", end=" ")
print(f"{8 * np.pi * (3 * SIGMA) ** 2 / 9:.2f}")

# %% [markdown]
# ## A GAN that collapses
#
# Two small networks, 16 numbers of noise, batches of 64, the non-saturating loss, and for both
# players Adam as it comes: a learning rate of 0.001 and $\beta_1 = 0.9$. All this is common, and
# here it collapses.


# %%
def players(seed, first=(), features=2, z=16):
    """Return G z-64-64-2 and D 2-64-64-1; layers in `first` may turn D's 2 inputs to `features`."""

    def layers(p, q):
        hidden = Dense(p, 64, init=he), LeakyReLU(), Dense(64, 64, init=he), LeakyReLU()
        return *hidden, Dense(64, q)

    G = Sequential(*layers(z, 2), seed=seed)
    D = Sequential(*first, *layers(features, 1), seed=seed + 1000)
    return G, D


STEPS = max(10, int(600 * BUDGET) // 10 * 10)
LOOKS = 5 if BUDGET == 1 else 2  # how often a run is measured


def run(seed, steps=STEPS, *, loss=None, adams=None, first=(), features=2, z=16, **rest):
    """Train, and measure G several times; return the numbers (looks, 4), and all samples."""
    G, D = players(seed, first, features, z)
    loss, adams = loss or NonSaturating(), adams or (Adam(), Adam())
    numbers, clouds = [], []
    for record in train(G, D, points, loss, *adams, batch=64, steps=steps, seed=seed, **rest):
        if record.step * LOOKS % steps == 0:
            clouds.append(sample(G, N, seed=1))
            numbers.append(measure(clouds[-1]))
    return np.array(numbers), clouds


numbers, clouds = run(seed=0)
figure = new_figure(1200, 290)
figure.set_layout_engine("constrained")
for axes, k in zip(figure.subplots(1, LOOKS), range(1, LOOKS + 1), strict=True):
    show(axes, clouds[k - 1], f"step {k * STEPS // LOOKS}")
    quality, kl, _, coverage = numbers[k - 1]
    print(f"step {k * STEPS // LOOKS:4}: quality {quality:.2f}, coverage {coverage:.2f}", end="")
    print(f", reverse KL {kl:.2f} of at most {np.log(8):.2f}")
figure.savefig(FIGURES / "collapse.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %% [markdown]
# G's points sit together in one cloud or in a few, and the clouds wander: G goes where D's logit is
# highest, D learns that generated points come from there and lowers its logit, and G moves on, much
# of it together.
#
# **Why together?** G's loss is a mean over single samples,
# $L_G = \frac1n \sum_i \mathrm{softplus}(-D(G(z_i)))$. No term compares two samples. If all of them
# lay at the one point that D likes best, the loss would be as low as it can be. It is up to D to
# make that point unattractive, and D judges one point at a time: it can say "this place is bad",
# not "these are all alike". So a cure can change D: let it see several samples at once, or keep its
# slope small, so that it can't drive all samples far to one side. Or it can change the speed of the
# two players: [tutorial 8](08_why_gans_circle.py) has a GAN of two weights that goes in circles.
#
# ## Question: all my samples are the same. What now?
#
# First measure it: as above, or, where no modes are known, by coverage or by the mean distance of
# two samples, divided by that of the data (the column `diversity` in the `history.csv` that
# `minigan train` writes). Then change one thing at a time. Here are seven changes, each with the
# same three seeds and the same number of steps, and one run with several of them together:
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
# | together | pairing + R1 + R2, no momentum, rates from 0.004 to 0, z of 2 numbers instead of 16 |
#
# D gets real and generated samples in two batches, so "the batch" is of one kind. A pair is a real
# and a generated sample: the loss sees only the difference of their logits. R1 penalises D's
# squared slope at real points, R2 at generated ones (tutorials [8](08_why_gans_circle.py) and
# [9](09_gradient_penalty.py)).

# %%
SEEDS = range(3 if BUDGET == 1 else 1)


def falling(steps):
    """Make Adam without momentum, whose rate falls to 0."""
    return Adam(cosine(4e-3, 0.0, steps), beta1=0, beta2=0.99)


def changes(steps=STEPS):
    """Return what each change passes to `run`, with new optimisers, since they hold state."""
    pairing = dict(loss=RelativisticPairing(), penalties=[R1(0.1), R2(0.1)])
    return {
        "nothing changed": {},
        "packing": dict(first=[Pack(4)], features=8),
        "minibatch std": dict(first=[MinibatchStd()], features=3),
        "pairing + R1 + R2": pairing,
        "noise on D's input": dict(instance_noise=linear(0.5, 0.0, steps)),
        "slower G": dict(adams=(Adam(1e-4), Adam())),
        "both slower": dict(adams=(Adam(2.5e-4), Adam(2.5e-4))),
        "no momentum": dict(adams=(Adam(beta1=0), Adam(beta1=0))),
        "together": dict(adams=(falling(steps), falling(steps)), z=2, **pairing),
    }


ends = {  # (seed, number): means over the second half of each run
    name: np.array([run(seed, **changes()[name])[0][LOOKS // 2 :].mean(axis=0) for seed in SEEDS])
    for name in changes()
}
print(" " * 20 + "".join(f"{name:>14}" for name in NAMES))
for name, rows in ends.items():
    print(f"{name:20}" + "".join(f"{number:14.2f}" for number in rows.mean(axis=0)))

figure = new_figure(1100, 520)
figure.set_layout_engine("constrained")
axes = figure.subplots()
marks = ("o", "s", "^", "D", "v", "P", "X", "*", "p")
colours = ["black", "#E69F00", "#56B4E9", "#8C564B", "0.5", "#F0E442", "#332288", "#999933"]
colours.append(G_COLOUR)
for (name, rows), mark, colour in zip(ends.items(), marks, colours, strict=True):
    look = {"color": colour, "markeredgecolor": "black", "linestyle": "none"}
    axes.plot(rows[:, 3], rows[:, 0], mark, markersize=5, alpha=0.6, **look)
    axes.plot(*rows.mean(axis=0)[[3, 0]], mark, markersize=11, label=name, **look)
for name, mark in (("the data", "+"), ("evenly spread", "x")):
    place = by_hand[name]["coverage"], by_hand[name]["high quality"]
    axes.plot(*place, mark, color="black", markersize=14, markeredgewidth=2, label=name)
axes.set(xlabel="coverage →", ylabel="quality: share within 3σ of a mode →")
axes.set(xlim=(0, 1.05), ylim=(0, 1.05))
axes.grid(alpha=0.3)
axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
figure.savefig(FIGURES / "cures.png")
figure

# %%
assert all((rows[:, [0, 2, 3]] <= 1).all() for rows in ends.values())
assert all((rows[:, 1] <= np.log(8) + 1e-12).all() for rows in ends.values())

# %% [markdown]
# Large marks are means over three seeds, small ones the single runs; each number is a mean over the
# second half of a run. Three seeds are few: they show which differences are large, not how large
# exactly. How a run ends depends on the last bits, too: on a processor whose sums round
# differently, each mark lies a little elsewhere.
#
# **To the right: coverage.** Packing and minibatch standard deviation let D see several samples at
# once; pairing with R1 and R2 makes D compare and keeps it flat; a slower G and no momentum cost
# nothing. With momentum, G keeps moving for some steps in a direction in which D no longer points.
# That this matters so much is a measurement, not a theorem. Slowing *both* players by the same
# factor, or noise that fades out, helps less here.
#
# **Upwards: quality.** None of the single changes does much for it. The samples of those that cover
# more lie *around* all modes and mostly between them: their marks are close to the ×, the points
# that know nothing. Look at their reverse KL in the table: small beside 2.08, for some nearly 0. By
# that number alone they would have been called a success.
#
# **Both.** In "together" D is smooth enough to follow, G no longer overshoots, z has as many
# numbers as a point has, and the rates fall, so that the players come to rest. With other data or
# another network the order can change. That is why you measure.
#
# ## A run that gets both
#
# The same settings with three times as many steps, beside one of the single changes:

# %%
LONG = 3 * STEPS
figure = new_figure(1100, 400)
figure.set_layout_engine("constrained")
for axes, (title, (rows, seen)) in zip(
    figure.subplots(1, 3),
    {
        "nothing changed": (numbers, clouds),
        "slower G": run(0, **changes()["slower G"]),
        f"together, {LONG} steps": run(0, LONG, **changes(LONG)["together"]),
    }.items(),
    strict=True,
):
    quality, _, _, coverage = rows[-1]
    show(axes, seen[-1], f"{title}:\nquality {quality:.2f}, coverage {coverage:.2f}")
figure.savefig(FIGURES / "both.png")
figure

# %% [markdown]
# In the middle a smear: every mode has its share of the points, and most points are in none. On the
# right the eight clusters, joined by a thin path, since a continuous G can't jump. Inside a cluster
# the samples lie closer together than the data do: that is why coverage stays behind quality. For
# narrow clusters, as those of `ring`, it takes some thousand steps, and a path is too much:
# `minigan train --data ring` has a z that is partly discrete ([`Sign`](../minigan/layers/sign.py)),
# between whose values no path is needed. [Tutorial 13](13_what_a_wasserstein_loss_tells.py) gets
# there with a Wasserstein loss.
#
# ## Symptom, cause, test
#
# - **Few modes, and others at each look.** G is too fast for D. Test: coverage over time, and again
#   with $\beta_1 = 0$. What helps: no momentum, a slower G, packing, minibatch standard deviation.
# - **All modes, but a smear: reverse KL near 0, quality low.** The run is too short, or its rates
#   are still large at the end. Test: does quality grow with the steps? What helps: rates that fall
#   to 0, penalties, an average of G's weights.
# - **All samples alike from the start, and they do not move.** D has won, and G gets no gradient.
#   Test: the norm of G's gradient. What helps: the non-saturating loss
#   ([4](04_minimax_or_non_saturating.py)), R1.
# - **One class or one colour is missing for ever.** D can't see that it is missing. Test: hold G
#   still and train D alone; does it tell real samples of that class from G's? What helps: pairing,
#   a wider D, more numbers in z.
# - **A sample depends on its batch.** BatchNorm. Test: the same z in two batches. What helps:
#   LayerNorm or none (below).
# - **Quality and coverage are good, and the samples are copies.** D has learnt its data by heart.
#   Test: the distance to the nearest training sample ([11](11_digits_end_to_end.py)). What helps:
#   augmentation, R1, stopping earlier.

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
# 3. Take the changes of "together" away one by one. Which one does quality depend on most?
# 4. What does reverse KL say of 100 samples from the data themselves, and of 1,000? So how many
#    samples does a measurement need?
#
# <details><summary>Answers</summary>
#
# 1., 2. and 3. are runs for you to make; three seeds each.
#
# 4. Too much: with $n$ samples and $k$ modes chance alone gives about $(k - 1)/(2n)$, 0.035 for 100
#    and 0.0035 for 1,000. So take enough samples that this is small beside what you want to see.
#
# </details>
#
# The numbers are defined in [`evaluate/collapse.py`](../minigan/evaluate/collapse.py) and
# [`evaluate/distances.py`](../minigan/evaluate/distances.py), packing and minibatch standard
# deviation in [`layers/minibatch.py`](../minigan/layers/minibatch.py), BatchNorm
# in [`layers/norm.py`](../minigan/layers/norm.py); write it line by line in
# [exercise 7](exercises/07_batchnorm.py). Next: [why G and D chase each
# other](08_why_gans_circle.py) in the first place.
