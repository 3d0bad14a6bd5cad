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
# # 14. Practice: short answers
#
# Fifteen questions that come up as soon as you train a GAN of your own. Each has a short answer and
# a number or a figure computed here, on data small enough to try things. The numbers belong to this
# set-up; what carries over is how to measure.
#
# You need [tutorial 2](02_theta_is_one_vector.py). Reading time: 20 minutes.

# %%
from pathlib import Path

import numpy as np

from minigan import (
    R1,
    Adam,
    Conv2d,
    Dense,
    LeakyReLU,
    NonSaturating,
    Sequential,
    bce_with_logits,
    stream,
    train,
)
from minigan.data import load
from minigan.evaluate import mixture
from minigan.optim.schedules import cosine
from minigan.plot.stills import ABOVE, G_COLOUR, new_figure, sheet
from minigan.recipes import RECIPES, Task
from minigan.sampling import sample
from minigan.step import discriminator_step
from minigan.views import Conditional

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/14_practice")
FIGURES.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# The data are the *ring*: eight narrow clusters on a circle. **Good** below is the share of 2,000
# samples within three standard deviations of a cluster's centre, **modes** the number of clusters
# that have such a sample ([tutorial 7](07_mode_collapse.py) says what these can't see). Unless a
# line says otherwise: two hidden layers of 64, z of 2 normal numbers, batches of 64, Adam with
# $\beta_1 = 0$ and a rate that falls from 0.002 to 0, one step of D for one of G, and a weak R1
# penalty.

# %%
ring = load("ring")
STEPS = max(20, round(600 * BUDGET))


def players(seed=0, z=2, x=2, labels=0, width=64):
    """Return G and D for points in the plane; with labels, both take them as further features."""

    def mlp(p, q, seed):
        hidden = [Dense(p, width), LeakyReLU(), Dense(width, width), LeakyReLU()]
        return Sequential(*hidden, Dense(width, q), seed=seed)

    return mlp(z + labels, x, seed), mlp(x + labels, 1, seed + 1000)


def measure(G, **noise):
    """Return the share of good samples and the number of modes."""
    found = mixture(sample(G, 2000, seed=1, **noise), ring.centres, ring.sigma)
    return float(found["high_quality"]), int(found["modes"])


def run(seed=0, steps=STEPS, every=0, *, z=2, lr=2e-3, beta1=0.0, noise="normal", **changes):
    """Train on the ring with changes; return (good, modes), or one row every so many steps."""
    G, D = players(seed, z)
    if every:  # a constant rate
        adams = Adam(lr, beta1), Adam(lr, beta1)
    else:
        d_steps = changes.get("d_steps", 1)
        adams = [Adam(cosine(lr, 0.0, k * steps), beta1, 0.99) for k in (1, d_steps)]
    rest = {"batch": 64, "penalties": [R1(0.05)]} | changes
    rows = []
    for record in train(
        G, D, ring.x, NonSaturating(), *adams, steps=steps, seed=seed, noise=noise, **rest
    ):
        if every and record.step % every == 0:
            rows.append((record.step, *measure(G, noise=noise)))
    return np.array(rows) if every else measure(G, noise=noise)


def compare(variants):
    """Print what each variant of the run comes to."""
    for name, changes in variants.items():
        good, modes = run(**changes)
        print(f"{name:16} good {good:6.1%}   modes {modes} of 8")


# %% [markdown]
# ## When is training finished? When do I stop?
#
# When a measure of the samples has stopped improving. The losses do not tell: at equilibrium they
# stay where they are whether G is good or not ([tutorial 3](03_a_first_gan.py)). So measure at
# intervals, **keep the best weights**, and stop after some intervals without a new best. For images
# the usual measure is FID; for toy data count modes and good samples. The best is rarely the last:

# %%
EVERY = max(1, STEPS // 30)
rows = run(every=EVERY, steps=2 * STEPS)
best = rows[rows[:, 1].argmax()]
print(f"best: {best[1]:.1%} good at step {best[0]:.0f}; last: {rows[-1, 1]:.1%}")

figure = new_figure(1000, 340)
figure.set_layout_engine("constrained")
axes = figure.subplots()
axes.plot(rows[:, 0], rows[:, 1], color=G_COLOUR, label="share of good samples")
axes.plot(best[0], best[1], "o", color="black", label="best: keep these weights")
axes.set_xlabel("step")
axes.set_ylim(bottom=0)
axes.grid(alpha=0.2)
axes.legend(**ABOVE, ncols=2)
figure.savefig(FIGURES / "when_to_stop.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %%
assert best[1] >= rows[-1, 1]

# %% [markdown]
# ## How many D steps for each G step?
#
# One, unless the loss needs D near its best: WGAN with clipping or a penalty takes five. More steps
# of D cost time in every step, so compare at equal time, as here, not at equal steps of G.

# %%
five = {"d_steps": 5, "steps": max(7, STEPS // 3)}  # 1 + 5 half steps against 1 + 1
compare({"one D step": {}, "five D steps": five})

# %% [markdown]
# ## Which batch size?
#
# 64 to 256 for small networks. A gradient's noise falls with the root of the batch, while the time
# for a step grows in proportion to it. Here is the noise itself: the standard deviation of D's
# gradient over batches, relative to its mean.

# %%
G, D = players()
noise = {}
for n in (16, 64, 256):
    grads = []
    for t in range(40):
        rng = stream(1, "batch", n, t)
        z = rng.standard_normal((n, 2), dtype="float32")
        grad = D.new_grad()
        for x, target in ((ring.x[rng.integers(len(ring.x), size=n)], 1), (G.forward(z)[0], 0)):
            logits, cache = D.forward(x)
            D.backward(bce_with_logits(logits, target)[1], cache, grad)
        grads.append(grad)
    grads = np.array(grads)
    noise[n] = np.linalg.norm(grads.std(axis=0)) / np.linalg.norm(grads.mean(axis=0))
    print(f"batch {n:3}: noise {noise[n]:.2f} times the gradient")
assert 1.5 < noise[16] / noise[64] < 2.7 and 1.5 < noise[64] / noise[256] < 2.7

# %% [markdown]
# ## Which dimension and distribution for z, the latent noise?
#
# z needs at least as many dimensions as the data vary in: from one number G can only draw a curve.
# More than that is slower to sharpen, as 16 is here; for images 16 to 128 is usual. Normal noise is
# the common choice. When you use G, draw z as you did in training.

# %%
compare({"z of 1": {"z": 1}, "z of 2": {}, "z of 16": {"z": 16}, "z uniform": {"noise": "uniform"}})

# %% [markdown]
# ## Which learning rate, and which β for Adam?
#
# Start at 0.0002 (images) to 0.002 (points) for both players, let the rates fall to 0 if you know
# how long you train, and take $\beta_1 = 0$ or 0.5: momentum keeps G moving in a direction in which
# D no longer points. If the losses jump, go down by 3; if nothing happens, go up.

# %%
compare({"rate 0.0002": {"lr": 2e-4}, "rate 0.002": {}, "rate 0.02": {"lr": 2e-2}})
compare({"beta1 = 0.5": {"beta1": 0.5}, "beta1 = 0.9": {"beta1": 0.9}})

# %% [markdown]
# ## Why not train G with the mean squared error?
#
# There is nothing to compare with: no z belongs to any one image. Pair them at random, and the best
# answer to every z is the *mean* of the data: $\mathbb{E}\lVert c - x\rVert^2$ is smallest at $c =
# \mathbb{E}x$. The mean of all digits is a grey blot. (`LeastSquares` is something else: squares of
# D's *outputs*, and a GAN like the others.)

# %%
digits = load("digits")
mean = digits.x.mean(axis=0)
errors = [float(((digits.x - c) ** 2).mean()) for c in (mean, digits.x[0], digits.x[1])]
print(
    "mean squared error of the mean image {:.3f}, of two real digits {:.3f}, {:.3f}".format(*errors)
)
assert errors[0] < min(errors[1:])
figure = new_figure(600, 110)
axes = figure.add_axes((0, 0, 1, 1))
axes.imshow(sheet(np.concatenate([mean[None], digits.x[:7]]), columns=8)[..., 0], cmap="gray")
axes.set_axis_off()
figure.savefig(FIGURES / "mean_digit_and_seven_real_ones.png")
figure

# %% [markdown]
# ## Should I smooth both labels?
#
# No, only the real one (1 → 0.9). With both, generated samples far from the data get no direction:
# the slope that G goes down there is 2.0 with one-sided smoothing and 0.0001 with both, in the
# example that [tutorial 5](05_probabilities_or_logits.py) computes.

# %%
x = np.float64(6.0)
ratio, change = 1 / (1 + np.exp(2 * x)), -2 / (1 + np.exp(2 * x)) / (1 + np.exp(-2 * x))
one_sided, both = -0.9 * change / (0.9 * ratio), -0.8 * change / (0.8 * ratio + 0.1)
print(f"slope of −log D*: {one_sided:.4f}, with both labels smoothed {both:.4f}")
assert abs(one_sided - 2) < 1e-3 and abs(both - 1e-4) < 1e-5

# %% [markdown]
# ## How do I ask for a class? (conditional GAN)
#
# Join the label, one-hot, to z *and* to what D sees. D then rejects a good sample with the wrong
# label. With `minigan`: `train(…, labels=…)`; a network seen with its labels is a `Conditional`.

# %%
G, D = players(labels=8)
adams = Adam(1e-3, beta1=0), Adam(1e-3, beta1=0)
steps = 2 * STEPS
for _ in train(G, D, ring.x, NonSaturating(), *adams, steps=steps, batch=64, labels=ring.labels):
    pass
asked = np.arange(800) % 8
z = stream(3, "z").standard_normal((800, 2), dtype="float32")
made = Conditional(G, np.eye(8, dtype="float32")[asked]).forward(z)[0]
nearest = np.linalg.norm(made[:, None] - ring.centres, axis=2).argmin(axis=1)
kept = (nearest == asked).mean()
print(f"samples nearest to the cluster that was asked for: {kept:.0%} (by chance: 12.5 %)")

# %% [markdown]
# ## How must data be scaled?
#
# Into the range of G's last layer: [−1, 1] for tanh, `x / 127.5 − 1` for bytes; and back, rounded,
# `(x + 1) · 127.5`. No byte is lost on the way:

# %%
bytes_ = np.arange(256, dtype=np.uint8)
scaled = bytes_.astype(np.float32) / 127.5 - 1
assert (np.round((scaled + 1) * 127.5).astype(np.uint8) == bytes_).all()
assert scaled.min() == -1 and scaled.max() == 1
print(
    f"all {len(bytes_)} bytes come back; scaled they lie from {scaled.min():g} to {scaled.max():g}"
)

# %% [markdown]
# ## What changes for colour and larger images?
#
# Colour is three channels instead of one, an array of (n, h, w, 3). Larger images need
# convolutions: a dense first layer grows with the number of pixels, a kernel does not.

# %%
for side, channels in ((28, 1), (64, 3), (256, 3)):
    dense = side * side * channels * 256
    kernel = Conv2d(channels, 64, 4, stride=2, padding=1).theta.size
    print(f"{side}×{side}×{channels}: dense to 256 units {dense:,} weights, convolution {kernel:,}")

# %% [markdown]
# ## My data set is small. Does D overfit, does G memorise?
#
# D does, soon: it tells its own training points from new ones of the same kind. Hold some data back
# and compare D's logits; a growing gap is overfitting. Then augment (the same changes to real *and*
# generated samples), penalise, or stop earlier. G sees no data, but follows a D that knows each
# point. To test G, compare the distance from a sample to the nearest training point with that
# between data points ([tutorial 11](11_digits_end_to_end.py) does).

# %%
held_back = ring.x[5000:6000]
gaps = {}
for n in (16, 4000):
    G, D = players()
    adam, few = Adam(3e-3, beta1=0), ring.x[:n] + 0  # G stands still, D learns these points
    fake_like = ring.centres[stream(4, "which").integers(8, size=4000)]
    few_fakes = (fake_like + 0.05 * stream(4, "fake").standard_normal((4000, 2))).astype("float32")
    for t in range(max(30, round(600 * BUDGET))):
        rng = stream(4, "rows", t)
        grad = D.new_grad()
        fakes = few_fakes[rng.integers(4000, size=64)]
        for x, target in ((few[rng.integers(n, size=64)], 1), (fakes, 0)):
            logits, cache = D.forward(x)
            D.backward(bce_with_logits(logits, target)[1], cache, grad)
        adam.step(D.theta, grad)
    own, new = (float(D.forward(x)[0].mean()) for x in (few, held_back))
    gaps[n] = own - new
    print(f"{n:4} real points: D's mean logit on its own {own:5.2f}, on held-back ones {new:5.2f}")
print(f"the gap: {gaps[16]:.2f} with 16 points, {gaps[4000]:.2f} with 4000")

# %% [markdown]
# ## How do I find the z that makes a given x? (inverting G, latent optimisation)
#
# Descend $\lVert G(z) - x\rVert^2$ in z, by the same `backward` that training uses: what it returns
# is the derivative with respect to z. Start from several z, since there are local minima. An x that
# G made comes back; the error that is left for a real image says how well G covers it.

# %%
setup = RECIPES["digits"].set_up(Task(digits.x.shape[1:], seed=0))
setup.change(steps=max(20, round(800 * BUDGET)))
for _ in setup.train(digits.x, None, seed=0):
    pass
G = setup.G
z_true = stream(5, "true").standard_normal((4, 16), dtype="float32")
targets = np.concatenate([G.forward(z_true, train=False)[0], digits.x[:4]])


def invert(G, x, starts=8, steps=300, lr=0.05):
    """Return the best z for each x, of several starts, and its mean squared error."""
    z = stream(5, "start").standard_normal((starts * len(x), 16), dtype="float32")
    goal, adam = np.tile(x, (starts, 1, 1, 1)), Adam(lr)
    for _ in range(steps):
        made, cache = G.forward(z, train=False)
        adam.step(z.reshape(-1), G.backward(2 * (made - goal), cache).reshape(-1))
    made, _ = G.forward(z, train=False)
    error = ((made - goal) ** 2).mean(axis=(1, 2, 3)).reshape(starts, len(x))
    best = error.argmin(axis=0)
    return z.reshape(starts, len(x), 16)[best, np.arange(len(x))], error.min(axis=0)


z_found, error = invert(G, targets, steps=max(30, round(300 * BUDGET)))
own, real = error[:4].mean(), error[4:].mean()
print(f"mean squared error: of G's own images {own:.4f}, of real ones {real:.4f}")
figure = new_figure(600, 210)
axes = figure.add_axes((0, 0, 1, 1))
pairs = np.concatenate([targets, G.forward(z_found, train=False)[0]])
axes.imshow(sheet(pairs, columns=8)[..., 0], cmap="gray")
axes.set_axis_off()
figure.savefig(FIGURES / "targets_above_and_what_was_found_below.png")
figure

# %% [markdown]
# (The first four columns are G's own images, the last four real ones.)
#
# ## How do I compare two GANs?
#
# Train each from several seeds, measure all with the same measure on the same number of samples
# (for images `minigan evaluate`: FID and coverage, [tutorial 11](11_digits_end_to_end.py)), and
# compare the difference with the spread. A single run proves nothing: look at how far the single
# runs below lie apart.

# %%
SEEDS = range(3 if BUDGET == 1 else 2)
for name, changes in (("beta1 = 0", {}), ("beta1 = 0.5", {"beta1": 0.5})):
    good = np.array([run(seed, **changes)[0] for seed in SEEDS])
    error = good.std(ddof=1) / np.sqrt(len(good))
    print(f"{name:12} good {good.mean():.1%} ± {error:.1%}   single runs", np.round(good, 3))

# %% [markdown]
# ## How many seeds do I need?
#
# As many as the difference is small beside the spread of single runs. To see, four times out of
# five, a difference of $\delta$ between two set-ups whose runs spread by $s$ takes about
# $2\,(1.96 + 0.84)^2 (s/\delta)^2$ seeds each (a two-sided test at 5 %). Three seeds show
# differences of 2.3 times the spread or more.

# %%
for times in (0.5, 1, 2, 3):
    seeds = 2 * (1.96 + 0.84) ** 2 / times**2
    print(f"a difference of {times:3} times the spread: {np.ceil(seeds):3.0f} seeds of each")
assert round((2 * (1.96 + 0.84) ** 2 / 3) ** 0.5, 1) == 2.3  # times the spread, with three seeds

# %% [markdown]
# ## D wins, G collapses, the losses circle: what now?
#
# Look at the samples first, then at this list. Change one thing at a time.
#
# - **D's loss is near 0 and the samples stand still.** D is too far ahead. Test: the norm of G's
#   gradient. What helps: the non-saturating loss ([4](04_minimax_or_non_saturating.py)), R1, a
#   smaller rate for D ([3](03_a_first_gan.py)).
# - **All samples are alike (mode collapse).** Nothing in G's loss compares samples, and G is too
#   fast. Test: the mean distance of two samples. What helps: $\beta_1 = 0$, a slower G, minibatch
#   standard deviation or packing ([7](07_mode_collapse.py)).
# - **The losses go in circles.** The game itself turns. Test: plot both losses. What helps: R1,
#   alternating steps, an average of G's weights ([8](08_why_gans_circle.py)).
# - **D's loss rests at 1.386 and the samples are poor.** D can't see the difference. Test: train D
#   alone against a fixed G. What helps: a wider D, no BatchNorm in D ([7](07_mode_collapse.py)).
# - **D's loss is exactly 0, or NaN.** The loss works on probabilities. What helps: logits and
#   `bce_with_logits` ([5](05_probabilities_or_logits.py)).
# - **D wins, but its loss stops at 1.0064.** The sigmoid is applied twice. Test: D alone against a
#   far G ([5](05_probabilities_or_logits.py)).
# - **Good in training, poor in use.** BatchNorm's running statistics, or another z than in
#   training. Test: compare both modes ([7](07_mode_collapse.py)).
# - **Checkerboards.** Transposed convolutions. What helps: upsample, then convolve
#   ([10](10_convolution_is_a_matrix.py)).
# - **Something else.** Perhaps a wrong derivative. Test: `minigan check FILE`
#   ([1](01_a_layer_by_hand.py), [12](12_five_listings_audited.py)).
#
# The first test of all: D alone, against a G that stands still far away. A correct D wins.

# %%
G, D = players()
G.layers[-1].b[...] = (6, 0)  # G's samples lie six to the right
adam = Adam(1e-3)
for t in range(100):
    rng = stream(6, t)
    x, z = ring.x[rng.integers(len(ring.x), size=64)], rng.standard_normal((64, 2), dtype="float32")
    loss_D = float(discriminator_step(G, D, NonSaturating(), adam, x, z)["loss_D"])
print(f"D alone: loss after 100 steps {loss_D:.4f}")
assert loss_D < 0.1

# %% [markdown]
# ## Try
#
# 1. Twice as many samples: how much does the share of good samples of one G vary between `seed`s of
#    `sample`?
#
# <details><summary>Answers</summary>
#
# 1. It is a share $s$ of $n$ independent samples, so its standard deviation is
#    $\sqrt{s(1 - s)/n}$: about 0.4 % for 4 % of 2,000, and $\sqrt2$ times less for 4,000.
#
# </details>
#
# Words and letters: [symbols](symbols.md). The recipes behind `minigan train` are in
# [`recipes/`](../minigan/recipes/mlps.py), what it watches in
# [`watch.py`](../minigan/runs/watch.py).
