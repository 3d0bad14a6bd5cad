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
# # 13. What a Wasserstein loss tells
#
# A Wasserstein loss is said to measure how good the samples are, and to say when to stop. This page
# compares it with the true distance: on two weights, on points on a line, and on points in the
# plane, where WGAN-GP finds all eight modes and its loss does say so.
#
# You need the two halves of a training step ([tutorial 2](02_theta_is_one_vector.py)) and the
# Dirac-GAN of [tutorial 8](08_why_gans_circle.py). Reading time: 20 minutes.

# %%
from pathlib import Path

import numpy as np

from minigan import (
    Adam,
    Dense,
    GradientPenalty,
    LeakyReLU,
    Sequential,
    SpectralNorm,
    Wasserstein,
    stream,
    train,
)
from minigan.data import load
from minigan.evaluate import mixture
from minigan.optim.schedules import cosine
from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure
from minigan.sampling import sample
from minigan.step import discriminator_step

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/13_what_a_wasserstein_loss_tells")
FIGURES.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Question: what does a Wasserstein loss tell, and when to stop?
#
# In short: it is a distance only if D's slope is at most 1 *and* D is the best among such D. Stop
# when a measure of the samples stops improving, not at a value of the loss.
#
# D gives scores here, not probabilities, and is called a *critic*. Its loss is
# $L_D = \mathbb{E}\,D(G(z)) - \mathbb{E}\,D(x)$. For the best critic whose slope is at most 1,
# $-L_D$ is the **Wasserstein-1 distance** $W_1$: how far, on average, the generated points have to
# be moved to lie like the data (Arjovsky et al. 2017, equation 2).
#
# In the Dirac-GAN all the data are at 0, G makes one point $\theta$, and $D(x) = \psi x$. The
# distance is $|\theta|$, and
#
# $$ -L_D = D(0) - D(\theta) = -\psi\theta, $$
#
# which is $|\theta|$ only where $\psi = -\operatorname{sign}\theta$. So everything depends on how
# far D has come. Here are runs with weight clipping, $|\psi| \le 1$, and 1, 5 and 50 steps of D for
# each step of G.


# %%
def dirac(steps, d_steps, h=0.1):
    """Train by SGD from θ = 1, ψ = 0; return −L_D and the distance that it is to measure."""
    theta, psi, rows = 1.0, 0.0, []
    for _ in range(steps):
        for _ in range(d_steps):
            psi = np.clip(psi - h * theta, -1, 1)  # ∂L_D/∂ψ = θ
        rows.append((-psi * theta, abs(theta)))
        theta += h * psi  # ∂L_G/∂θ = −ψ
    return np.array(rows)


figure = new_figure(1200, 400)
figure.set_layout_engine("constrained")
for axes, d_steps in zip(figure.subplots(1, 3, sharey=True), (1, 5, 50), strict=True):
    estimate, true = dirac(150, d_steps).T
    axes.plot(true, color="black", linestyle="--", label="|θ|, the distance")
    axes.plot(estimate, color=D_COLOUR, label="−D's loss")
    axes.set_title(f"{d_steps} step{'s' if d_steps > 1 else ''} of D", loc="left")
    axes.set_xlabel("step of G")
    wrong = abs(estimate - true).mean()
    print(f"{d_steps:2} steps of D: −L_D is off by {wrong:.3f} on average")
    assert wrong > 0.2 if d_steps == 1 else d_steps == 5 or wrong < 0.2
figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
figure.savefig(FIGURES / "two_weights.png")
figure

# %% [markdown]
# With one step of D, $-L_D$ swings through zero and below, out of step with the distance. With five
# it is right from the second step until G first passes the data. With fifty it is closer
# afterwards, too, but near the goal it fails again: D's gradient there is $\theta$ itself, too
# small to turn the slope from −1 to 1 in time.
#
# ## On a line, where the distance is known
#
# In one dimension the true distance is easy: sort both samples, pair them in this order, and take
# the mean difference. The data are two clusters around −1 and 1. One critic has spectral
# normalisation (Miyato et al. 2018): each layer is divided by an estimate of its largest slope, so
# its own slope is at most about 1. It takes ten steps for one of G. The other is WGAN-GP with its
# usual weight 10 and five steps.

# %%
rng = stream(0, "two heaps")
clusters = np.where(rng.random((4096, 1)) < 0.5, -1, 1) + 0.2 * rng.standard_normal((4096, 1))
clusters = clusters.astype(np.float32)


def distance(a, b):
    """Wasserstein-1 distance of two samples of equal size in one dimension."""
    return abs(np.sort(a[:, 0]) - np.sort(b[:, 0])).mean()


def critic_run(wrap, lr_G, lr_D, d_steps, steps, penalties=(), H=64):
    """Train on the clusters; return −L_D and the true distance, step by step, and G and D."""
    G = Sequential(Dense(4, H), LeakyReLU(), Dense(H, H), LeakyReLU(), Dense(H, 1), seed=1)
    D = [wrap(Dense(1, H)), LeakyReLU(), wrap(Dense(H, H)), LeakyReLU(), wrap(Dense(H, 1))]
    D = Sequential(*D, seed=2)
    adams = Adam(lr_G, beta1=0, beta2=0.9), Adam(lr_D, beta1=0, beta2=0.9)
    rest = {"batch": 64, "steps": steps, "d_steps": d_steps, "penalties": penalties}
    rows, before = [], distance(sample(G, 4096), clusters)
    for record in train(G, D, clusters, Wasserstein(), *adams, **rest):
        rows.append((-record["loss_D"], before))
        before = distance(sample(G, 4096), clusters)
    return np.array(rows), G, D


def slopes_of(D, x):
    """Return D's slope at each x; one logit a sample, so ones as cotangents do not mix them."""
    logits, cache = D.forward(x)
    return D.backward(np.ones_like(logits), cache)


steps = max(20, int(400 * BUDGET))
spectral, G_sn, D_sn = critic_run(SpectralNorm, 1e-3, 3e-3, 10, steps // 2)
penalised, _, D_gp = critic_run(lambda layer: layer, 1e-4, 1e-3, 5, steps, [GradientPenalty(10.0)])

figure = new_figure(1100, 430)
figure.set_layout_engine("constrained")
for axes, rows, title in zip(
    figure.subplots(1, 2),
    (spectral, penalised),
    ("spectral norm", "WGAN-GP, weight 10"),
    strict=True,
):
    axes.plot(rows[:, 1], color="black", linestyle="--", label="true distance")
    axes.plot(rows[:, 0], color=D_COLOUR, linewidth=1, label="−D's loss")
    axes.axhline(0, color="black", linewidth=0.5)
    axes.set_title(title, loc="left")
    axes.set_xlabel("step of G")
figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
figure.savefig(FIGURES / "on_a_line.png")
figure

# %%
loss, true = spectral[-len(spectral) // 4 :].mean(axis=0)
print(f"spectral norm, last quarter: −L_D = {loss:.3f}, true distance {true:.3f}")
print(f"WGAN-GP, last step: −L_D = {penalised[-1, 0]:.3f}, true distance {penalised[-1, 1]:.3f}")
slopes = slopes_of(D_gp, clusters)
print(f"WGAN-GP, D's slope at the data: {slopes.min():.2f} to {slopes.max():.2f}")
floor = distance(clusters[:64], clusters[64:128])
print(f"two batches of 64 from the data themselves: distance {floor:.3f}")

# %% [markdown]
# **Left.** The slope is at most 1, so $-L_D$ is a lower bound of the distance, up to the noise of a
# batch, and a loose one: the best D would give the dashed line. Later the distance still falls
# slowly, while $-L_D$ is noise around one level.
#
# **Right.** $-L_D$ is negative: D calls generated points better than real ones, and G, which walks
# up D's slope, walks away from the data. It is the Dirac-GAN again. D started with a small positive
# slope, and the penalty drew it to 1. Now G is on the right and the slope should be negative; on
# the way there it has to pass through 0, and there the penalty pushes it back. In one dimension
# there is no other way.
#
# ## In the plane: WGAN-GP at work
#
# With two coordinates a gradient can turn round without ever being zero. Here is WGAN-GP on the
# ring, eight narrow clusters on a circle. What it has: five steps of D for each of G, Adam without
# momentum ($\beta_1 = 0$, $\beta_2 = 0.9$), rates that fall to 0, and a penalty of weight 1 (the
# paper's 10 is for images).

# %%
ring = load("ring")
H, STEPS = 64, max(20, round(1200 * BUDGET))
G = Sequential(Dense(2, H), LeakyReLU(), Dense(H, H), LeakyReLU(), Dense(H, 2), seed=0)
D = Sequential(Dense(2, H), LeakyReLU(), Dense(H, H), LeakyReLU(), Dense(H, 1), seed=1000)
adam_G = Adam(cosine(2e-3, 0.0, STEPS), beta1=0, beta2=0.9)
adam_D = Adam(cosine(2e-3, 0.0, 5 * STEPS), beta1=0, beta2=0.9)
rest = {"batch": 64, "steps": STEPS, "d_steps": 5, "penalties": [GradientPenalty(1.0)]}


def look(G):
    """Return 2,000 samples, and what VEEGAN's measures (tutorial 7) say of them."""
    points = sample(G, 2000, seed=1)
    return points, mixture(points, ring.centres, ring.sigma)


start, _ = look(G)
curve, quality = [], []
for record in train(G, D, ring.x, Wasserstein(), adam_G, adam_D, **rest):
    curve.append(-record["loss_D"])
    if record.step % max(1, STEPS // 30) == 0:
        points, measured = look(G)
        quality.append((record.step, measured["modes"], measured["high_quality"]))
points, measured = look(G)
quality = np.array(quality, float)

figure = new_figure(1200, 400)
figure.set_layout_engine("constrained")
left, middle, right = figure.subplots(1, 3)
for axes, cloud, title in ((left, start, "before"), (middle, points, f"after {STEPS} steps")):
    axes.plot(*ring.centres.T, "o", color=D_COLOUR, markersize=9, fillstyle="none", label="modes")
    axes.plot(*cloud.T, ".", color=G_COLOUR, markersize=1.5, label="generated")
    axes.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal", title=title)
window = max(1, STEPS // 60)
mean = np.convolve(curve, np.ones(window) / window, "valid")
right.plot(mean, color=D_COLOUR, label=f"−D's loss (mean of {window})")
right.plot(quality[:, 0], quality[:, 2], "--", color=G_COLOUR, label="share within 3σ of a mode")
right.plot(quality[:, 0], quality[:, 1] / 8, ":", color="black", label="modes found, of 8")
right.set_xlabel("step of G")
right.set_ylim(-0.05, 1.2)
right.legend(frameon=False, fontsize=8)
figure.savefig(FIGURES / "in_the_plane.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %%
print(
    f"modes {int(measured['modes'])} of 8, within 3σ of one: {measured['high_quality']:.0%}, ",
    end="",
)
print(f"reverse KL {measured['reverse_KL']:.4f}")
tenth = max(1, STEPS // 10)
first, last = np.mean(curve[:tenth]), np.mean(curve[-tenth:])
print(f"−L_D: mean of the first tenth {first:.2f}, of the last {last:.2f}")

# %% [markdown]
# The samples lie around all the modes, and a good part of them right in one. And $-L_D$ comes down
# while the samples get better. That is what the method promises, and here it keeps the promise. It
# still is not the distance: it is an estimate by this D, on one batch of 64.
#
# ## What the loss tells
#
# - $-L_D$ estimates a distance from below, **if** D's slope is bounded by 1 and D is near its best.
#   To test it, stop G and train D alone for a while. If $-L_D$ rises, D was not at its best. If it
#   does not rise, D may be at its best or stuck.
# - A fall of $-L_D$ means a better G or a worse D. It does not say which.
# - Compare two runs only if the bound on the slope is the same. Clipped weights bound it by an
#   unknown constant, and then the scale means nothing.
# - $L_G = -\mathbb{E}\,D(G(z))$ means nothing by itself: add a constant to D, and it changes while
#   nothing else does.

# %%
wasserstein = Wasserstein()
real, fake = clusters[:64], sample(G_sn, 64)
logits_real, logits_fake = D_sn.forward(real)[0], D_sn.forward(fake)[0]
found = []
for constant in (0, 100):
    of_D, _, _ = wasserstein.discriminator(logits_real + constant, logits_fake + constant)
    of_G, d_fake = wasserstein.generator(logits_fake + constant)
    found.append((float(of_D), float(of_G), float(d_fake[0, 0])))
    print(f"D + {constant:3}: L_D = {of_D:.3f}, L_G = {of_G:.3f}, slope of L_G {d_fake[0, 0]:.4f}")
assert abs(found[0][0] - found[1][0]) < 1e-3 and found[0][2] == found[1][2]
assert abs(found[0][1] - found[1][1] - 100) < 1e-3


def rise(G, D, steps):
    """Train D alone for some steps; return −L_D on 1,024 samples before and after."""
    adam, values = Adam(3e-3, beta1=0, beta2=0.9), []
    for t in range(steps + 1):
        n = 1024 if t in (0, steps) else 64
        rows = stream(0, "rows", t).integers(len(clusters), size=n)
        z = stream(0, "z", t).standard_normal((n, 4), dtype=np.float32)
        values.append(-discriminator_step(G, D, wasserstein, adam, clusters[rows], z)["loss_D"])
    return values[0], values[-1]


before, after = rise(G_sn, D_sn, max(20, int(600 * BUDGET)))
print(f"G stands still, D continues: −L_D {before:.3f} → {after:.3f}; true {spectral[-1, 1]:.3f}")
slopes = slopes_of(D_sn, clusters)
print(f"slope of this D at the data: {slopes.min():.2f} to {slopes.max():.2f}")
sorted_fake, data = np.sort(sample(G_sn, 4096)[:, 0]), np.sort(clusters[:, 0])
rising = (np.searchsorted(sorted_fake, data) > np.searchsorted(data, data)).mean()
print(f"the best D has slope 1 at {rising:.0%} of the data, −1 at the others")

# %% [markdown]
# D alone raises $-L_D$ a little; it stays below the true distance. Why? Let $F_G$ and $F$ be the
# shares of generated and of real points to the left of $x$. By parts,
#
# $$ -L_D = \int D'(x)\,\bigl(F_G(x) - F(x)\bigr)\,dx , $$
#
# so the best D with slopes between −1 and 1 rises with slope 1 where $F_G > F$ and falls with slope
# −1 where $F_G < F$. Compare the last two lines printed: this D does not do both. To fall in some
# places it would have to bend, and it got stuck before.
#
# ## When to stop
#
# - Stop when what you want of the samples has stopped improving: compute a distance or a score from
#   samples at intervals (`minigan train` writes some into `history.csv`), and keep the best
#   weights. A run that circles is not at its best at its end.
# - Know the floor. Two batches of the data themselves have a distance too, printed above for 64
#   points. With such batches nothing below it can be seen.
# - Average G's weights (`EMA`): a run that circles around the goal has its average near it
#   ([tutorial 8](08_why_gans_circle.py) measures this).
#
# ## Try
#
# 1. In the Dirac-GAN, clip at $|\psi| \le c$ and let D come to its best. What is $-L_D$ then?
# 2. What is $W_1$ between $N(0, 1)$ and $N(m, 1)$, and which critic gets it?
# 3. Give the run in the plane the penalty weight 10. Do the samples settle?
#
# <details><summary>Answers</summary>
#
# 1. $c\,|\theta|$: the scale of the number is that of the bound.
# 2. $|m|$: every point moves by $m$. The critic is a straight line of slope $\pm 1$, downhill from
#    the data to the samples.
# 3. (A run for you to look at.)
#
# </details>
#
# In the library: [`losses.py`](../minigan/losses.py), [`penalties.py`](../minigan/penalties.py),
# and the recipe `wgan-gp` in [`recipes/papers.py`](../minigan/recipes/papers.py).
