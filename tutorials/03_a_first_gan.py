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
# # 3. A first GAN, in one dimension
#
# What do the two networks of a GAN learn, and what do their losses tell? On data in one dimension
# theory says what the discriminator should be at every point, and what its loss should be. So we
# can draw both beside what was learnt, as figure 1 of
# [Goodfellow et al. 2014](https://arxiv.org/abs/1406.2661) draws them, here from a real run.
#
# Needs [tutorial 2](02_theta_is_one_vector.py) (one training step), and what a probability density
# is. Reading time: 25 minutes.

# %%
from copy import deepcopy
from pathlib import Path
from statistics import NormalDist

import numpy as np

from minigan import SGD, Adam, Dense, Minimax, NonSaturating, Sequential, Tanh, stream, train
from minigan.numerics import sigmoid, softplus
from minigan.plot.stills import ABOVE, D_COLOUR, G_COLOUR, new_figure
from minigan.step import discriminator_step

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/03_a_first_gan")
FIGURES.mkdir(parents=True, exist_ok=True)
GREEN, PINK = "#009E73", "#CC79A7"  # two more colours that everybody tells apart
LOG2 = np.log(2)

# %% [markdown]
# ## The players
#
# The data are numbers from a normal distribution with mean 2 and standard deviation 0.5. $p$ is
# their density. The generator $G$ takes a number $z$ from the standard normal distribution and
# returns a number $x = G(z)$. What comes out has some density $q$, which changes as $G$ learns.
# The discriminator $D$ takes a number $x$ and returns a logit $a$; $D(x) = \sigma(a)$ is the
# probability, in its opinion, that $x$ comes from the data.

# %%
MEAN, SIGMA = 2.0, 0.5
data = MEAN + SIGMA * stream(0, "data").standard_normal((20_000, 1), dtype="float32")


def networks():
    """Make G and D of one number each, with tanh between the layers: smooth, so q is too."""
    G = Sequential(Dense(1, 32), Tanh(), Dense(32, 1), seed=3)
    D = Sequential(Dense(1, 32), Tanh(), Dense(32, 32), Tanh(), Dense(32, 1), seed=4)
    return G, D


# %% [markdown]
# We want $q$ without the noise of random samples. $G$ is a function of one number, so it carries
# the density of $z$ over to $x$. Cut the normal distribution into 20,000 parts of equal
# probability, take one $z$ from the middle of each, put them through $G$, and count how many fall
# into each narrow bin of $x$. For $p$ we take the exact probability of each bin.

# %%
EDGES = np.linspace(-4, 8, 481)
MIDDLES, WIDTH = (EDGES[1:] + EDGES[:-1]) / 2, EDGES[1] - EDGES[0]
normal, PARTS = NormalDist(), 20_000
z_even = np.array([normal.inv_cdf((i + 0.5) / PARTS) for i in range(PARTS)], np.float32)[:, None]


def density_of_data(mean=MEAN):
    """Return p in each bin."""
    return np.diff([NormalDist(mean, SIGMA).cdf(edge) for edge in EDGES]) / WIDTH


def density_of(G):
    """Return q in each bin."""
    return np.histogram(G.forward(z_even)[0], EDGES)[0] / PARTS / WIDTH


def logits_of(D):
    """Return D's logit in the middle of each bin."""
    return D.forward(MIDDLES.astype(np.float32)[:, None])[0][:, 0].astype(np.float64)


p = density_of_data()
G, D = networks()
q = density_of(G)
drawn = G.forward(stream(1, "z").standard_normal((100_000, 1), dtype="float32"))[0]
assert abs(p.sum() * WIDTH - 1) < 1e-4 and abs(q.sum() * WIDTH - 1) < 1e-3
assert abs((q * MIDDLES).sum() * WIDTH - drawn.mean()) < 0.01  # as 100,000 samples say
print(f"before training: samples have mean {drawn.mean():.2f} and deviation {drawn.std():.2f}")

# %% [markdown]
# ## What D should be
#
# Both players play for one number (equation 1 of the paper):
#
# $$V(D, G) = \mathbb E_{x\sim p}\,\log D(x) + \mathbb E_{z}\,\log\bigl(1 - D(G(z))\bigr)
#   = \int \bigl[\,p(x)\log D(x) + q(x)\log(1 - D(x))\,\bigr]\,dx .$$
#
# $D$ wants it large. For a fixed $G$ we can make the integrand as large as possible at each $x$ by
# itself: with $p$ and $q$ two given numbers, the derivative of $p\log D + q\log(1 - D)$ with
# respect to $D$ is $p/D - q/(1 - D)$, which falls as $D$ grows from 0 to 1. It is zero, and the
# integrand largest, at
#
# $$D^*(x) = \frac{p(x)}{p(x) + q(x)} \qquad\text{(proposition 1).}$$
#
# (Where $p = q = 0$ any $D$ will do.) If a point comes as often from the data as from $G$, nobody
# can do better than say ½. $D$ never sees $p$ or $q$, only samples. We will see whether it finds
# $D^*$.
#
# ## The run
#
# `train` takes the steps of tutorial 2. For each step of $G$ we let $D$ take three, with a larger
# learning rate, so that $D$ can follow: the theory is about a $D$ that has come to its best. The
# loss is `NonSaturating`: $D$ minimises $-V$, and $G$ minimises $-\log D(G(z))$, the form that
# section 3 of the paper recommends. ([Tutorial 4](04_minimax_or_non_saturating.py) compares it with
# $V$ itself; [tutorial 6](06_adam_by_hand.py) says what Adam and its `beta1` are.)

# %%
STEPS = max(80, round(3000 * BUDGET))
LOOK = max(1, STEPS // (150 if BUDGET == 1 else 8))  # how often p, q and D are recorded
SHOWN = [0, max(1, STEPS // 30), STEPS // 6, STEPS]  # steps that are drawn


def look(G, D):
    """Record what is known exactly: q and D's logits on all bins, and G."""
    return density_of(G), logits_of(D), G.copy()


looks = {0: look(G, D)}
losses = []
for record in train(
    G,
    D,
    data,
    NonSaturating(),
    Adam(2e-4, beta1=0.5),
    Adam(2e-3, beta1=0.5),
    batch=256,
    steps=STEPS,
    d_steps=3,
):
    losses.append(record["loss_D"])
    if record.step % LOOK == 0 or record.step in SHOWN:
        looks[record.step] = look(G, D)

# %% [markdown]
# Figure 1 of the paper, measured. Above: the density of the data (black, dotted), that of the
# samples (orange), $D$ (blue, dashed) and $D^*$ (green; ragged where only a few of the 20,000 $z$
# arrive). Below: arrows from evenly spaced $z$, at the bottom, to $x = G(z)$, at the top. (In the
# paper's figure $z$ is uniform. Ours is normal, so that $G$ has less to do.)

# %%


def best_D(p, q):
    """Return D* = p/(p + q); NaN where neither comes, and D* says nothing."""
    with np.errstate(invalid="ignore"):
        return np.where(p + q > 1e-3, p / (p + q), np.nan)


figure = new_figure(1240, 640)
figure.set_layout_engine("constrained")
panels = figure.subplots(2, 4, sharex=True, sharey="row", height_ratios=(3, 1))
z_drawn = np.linspace(-2, 2, 17, dtype=np.float32)[:, None]
for (top, bottom), step in zip(panels.T, SHOWN, strict=True):
    q, a, G_then = looks[step]
    top.plot(MIDDLES, p, ":", color="black", linewidth=2, label="p: data")
    top.plot(MIDDLES, q, "-", color=G_COLOUR, linewidth=1.5, label="q: samples")
    top.plot(
        MIDDLES, best_D(p, q), "-", color=GREEN, linewidth=4, alpha=0.5, label="D* = p/(p + q)"
    )
    top.plot(MIDDLES, sigmoid(a), "--", color=D_COLOUR, linewidth=2, label="D")
    top.set_title(f"after {step} steps", fontsize=11)
    top.set_ylim(-0.03, 1.65)
    top.grid(alpha=0.2)
    x_drawn = G_then.forward(z_drawn)[0]
    for z_i, x_i in zip(z_drawn[:, 0], x_drawn[:, 0], strict=True):
        bottom.annotate(
            "", (x_i, 1), (z_i, 0), arrowprops={"arrowstyle": "->", "color": "grey", "lw": 0.8}
        )
    bottom.set_ylim(0, 1)
    bottom.set_yticks([0, 1], ["z", "x"])
    bottom.set_xlabel("x, and z")
    bottom.set_xlim(-2.2, 4)
handles = panels[0, 0].get_legend_handles_labels()
figure.legend(*handles, loc="outside upper right", ncols=4, frameon=False)
figure.savefig(FIGURES / "figure_1.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %%


def distance_to_best(p, q, a):
    """Return the mean |D − D*| over a half-and-half mixture of data and samples."""
    weight = (p + q) / 2 * WIDTH
    return (weight * np.abs(sigmoid(a) - np.nan_to_num(best_D(p, q)))).sum()


for step in SHOWN:
    q, a, _ = looks[step]
    mean = (q * MIDDLES).sum() * WIDTH
    deviation = np.sqrt((q * (MIDDLES - mean) ** 2).sum() * WIDTH)
    print(
        f"step {step:5}: samples {mean:5.2f} ± {deviation:.2f}, "
        f"mean |D − D*| = {distance_to_best(p, q, a):.3f}"
    )
print(f"the data:        {MEAN:5.2f} ± {SIGMA:.2f}")

# %% [markdown]
# Read the panels from left to right.
#
# - **Before training** $D$ knows nothing. $D^*$ is a step: 0 where the samples are, 1 where the
#   data are.
# - **After 100 steps** $D$ has found $D^*$ wherever there are data or samples. It rises towards the
#   right, and this slope is what $G$ learns from: $G$ moves its samples up the hill.
# - **After 500** the samples have come to the data's left side. $D$'s slope has moved with them.
#   ($q$ ends so abruptly because $G$ levels off: many $z$ arrive at nearly the same $x$.)
# - **At the end** $q$ lies nearly on $p$, and $D$ is close to ½ where most of the data are. There
#   is hardly a slope left, and $G$ hardly moves. It is not perfect, and $D$ shows where: the
#   samples are a little skewed, and far to the right there are data but no samples: $D$ says 1.
#
# The arrows cross: this $G$ falls where it might as well rise, and turns $z$ around. As $z$ and
# $-z$ are equally likely, both give the same $q$. Nothing in the game prefers one; the weights that
# $G$ started with did.
#
# Far from data and samples no green is drawn, and $D$ has never been asked. What it says there is
# extrapolation, and a $G$ that makes its samples there is led by that.
#
# ## What D's loss should be
#
# Put $D^*$ into $V$. With the mean of the two densities, $m = (p + q)/2$, it is $D^* = p/(2m)$ and
# $1 - D^* = q/(2m)$, and so
#
# $$
# \begin{aligned}
# V(D^*, G) &= \int p\log\frac{p}{2m} + q\log\frac{q}{2m} \\
#   &= \underbrace{\int p\log\frac pm + \int q\log\frac qm}_{2\,\mathrm{JSD}(p, q)} - 2\log 2 ,
# \end{aligned}
# $$
#
# since $p$ and $q$ both integrate to 1. (In the paper this is in the proof of theorem 1.)
#
# The *Jensen-Shannon divergence* JSD says how different two densities are. It is 0 if they are
# equal and $\log 2 = 0.693$ if they have no point in common (each quotient is then 2 where it
# counts). So if $D$ is at its best, the loss that it shows, $-V$, is
#
# - $2\log 2 = 1.386$ if the samples are like the data: $D$ says ½ to all, and pays $\log 2$ for
#   each of the two terms;
# - 0 if they have nothing in common.
#
# Now measured: $-$`loss_D` on a batch, of $D$'s last step before each of $G$'s; $V$ of the same $D$
# with the integral over the exact densities; and $2\,\mathrm{JSD} - 2\log 2$ from $p$ and $q$
# alone.

# %%


def jsd(p, q):
    """Return the Jensen-Shannon divergence of two densities on the bins."""
    m = (p + q) / 2
    terms = [a * np.log(np.where(a > 0, a, 1) / np.where(a > 0, m, 1)) for a in (p, q)]
    return sum(terms).sum() * WIDTH / 2


def value(p, q, a):
    """Return V over the bins; softplus(a) = log(1 + eᵃ) = −log(1 − σ(a)), −log σ(a) has −a."""
    return -(p * softplus(-a) + q * softplus(a)).sum() * WIDTH


steps = np.array(sorted(looks))
best = np.array([2 * jsd(p, looks[step][0]) - 2 * LOG2 for step in steps])
reached = np.array([value(p, *looks[step][:2]) for step in steps])

q, _, _ = looks[STEPS // 6]
a_star = np.log(np.maximum(p, 1e-300)) - np.log(np.maximum(q, 1e-300))  # σ(a*) = p/(p + q)
assert abs(value(p, q, a_star) - (2 * jsd(p, q) - 2 * LOG2)) < 1e-9  # theorem 1, in numbers
assert round(LOG2, 3) == 0.693 and round(2 * LOG2, 3) == 1.386
assert abs(jsd(p, p)) < 1e-12 and abs(jsd(p, density_of_data(-2.0)) - LOG2) < 1e-3

figure = new_figure(1000, 520)
figure.set_layout_engine("constrained")
axes = figure.subplots()
axes.plot(np.arange(1, STEPS + 1), -np.array(losses), color="grey", alpha=0.35, linewidth=0.6)
axes.plot([], [], color="grey", linewidth=1, label="−loss_D, batch by batch")
axes.plot(steps, best, color=GREEN, linewidth=5, alpha=0.5, label="2·JSD − 2·log 2")
axes.plot(steps, reached, "--", color=D_COLOUR, linewidth=1.8, label="V(D, G), integrated")
axes.axhline(-2 * LOG2, color="black", linestyle=":", linewidth=1)
axes.text(STEPS, -2 * LOG2 - 0.02, "−2·log 2", ha="right", va="top")
axes.set_xlabel("step")
axes.set_ylabel("V")
axes.set_ylim(-1.6, 0.05)
axes.legend(**ABOVE, ncols=3)
axes.grid(alpha=0.2)
figure.savefig(FIGURES / "value.png")
figure

# %%
assert (reached <= best + 1e-9).all()  # no D is better than D*
print(f"gap to the best D: {best[0] - reached[0]:.2f} before training, ", end="")
print(
    f"at most {(best - reached)[steps > STEPS / 10].max():.3f} after a tenth of the run, ", end=""
)
print(f"{best[-1] - reached[-1]:.4f} at the end")
print(f"at the end: JSD = {jsd(p, looks[STEPS][0]):.4f}, loss_D = {np.mean(losses[-20:]):.3f}")

# %% [markdown]
# Blue never lies above green: no $D$ is better than $D^*$, whatever $G$ is. Where there is a gap,
# $D$ has not caught up with $G$. And $G$ brings green down: in this run the Jensen-Shannon
# divergence became small, though no step computed it.
#
# That is not what always happens. $D$ had three steps for each of $G$'s and a rate
# ten times as large, and the data were as simple as can be. Also, $G$ did not minimise $V$ but
# $-\log D(G(z))$; nothing promises that each of its steps lowers the JSD. (Try 1 is a run in which
# $D$ does not keep up.)
#
# ## Question: D's loss went to 0, is that failure?
#
# Not by itself. A loss of 0 says that $D$ tells every sample from the data. At the start of a
# training it *should* be able to: the samples are noise. In the run above it was so.

# %%
lowest = int(np.argmin(losses))
print(f"lowest loss_D of the run above: {losses[lowest]:.3f}, at step {lowest + 1}")
print(f"at the end it is {losses[-1]:.3f}")

# %% [markdown]
# The least loss that any $D$ can have is $2\log 2 - 2\,\mathrm{JSD}$. Here it is for two normal
# densities of one width, against the distance of their means:

# %%
distances = np.linspace(0, 6, 61)
least = [2 * LOG2 - 2 * jsd(p, density_of_data(MEAN - d * SIGMA)) for d in distances]
figure = new_figure(1000, 400)
figure.set_layout_engine("constrained")
axes = figure.subplots()
axes.plot(distances, least, color=GREEN, linewidth=3)
axes.axhline(2 * LOG2, color="black", linestyle=":", linewidth=1)
axes.text(6, 2 * LOG2, "2·log 2", ha="right", va="top")
axes.set_xlabel("distance of the means, in standard deviations")
axes.set_ylabel("least possible loss of D")
axes.grid(alpha=0.2)
figure.savefig(FIGURES / "least_loss.png")
figure

# %%
for k in (0, 20, 40, 50, 60):
    print(f"{distances[k]:.0f} deviations: least loss {least[k]:.3f}")
assert abs(least[0] - 2 * LOG2) < 1e-3 and least[50] < 0.05 and least[60] < 0.02

# %% [markdown]
# Beyond some five deviations the loss is nearly zero and nearly flat: it does not say how far off
# the samples are. From that follows what the number tells and what it does not. No $D$ does better
# than $D^*$, so for any $D$
#
# $$\mathrm{JSD}(p, q) \;\ge\; \log 2 - \tfrac12\,\mathtt{loss\_D} .$$
#
# - **A low loss is a proof** that samples and data still differ. It does not prove that $G$ has
#   stopped.
# - **A high loss proves nothing.** At $2\log 2$ the samples may be perfect, or $D$ may be blind.
#   Before training, above, `loss_D` was 1.5, and $p$ and $q$ had next to nothing in common.
#
# (The losses are of a finite batch, so all this holds up to the noise of the batch; and a $D$ that
# has learnt its data by heart has a low loss on *those*, whatever $q$ is.)

# %%
assert (np.array([jsd(p, looks[step][0]) for step in steps]) >= LOG2 + reached / 2 - 1e-9).all()
loss_before, jsd_before = -reached[0], jsd(p, looks[0][0])
print(f"before training: loss_D = {loss_before:.2f}, JSD = {jsd_before:.3f} of at most {LOG2:.3f}")
assert loss_before > 1.5 and jsd_before > 0.98 * LOG2

# %% [markdown]
# Failure is a loss of 0 *and* a $G$ that does not move. Here are three runs from the same start,
# which is as bad as can be: the data lie at 6, twelve deviations away, and $D$ is trained for
# 300 steps before $G$ takes its first. $G$ minimises
#
# - $-\log D(G(z))$, the non-saturating loss (pink), by plain gradient descent;
# - $\log(1 - D(G(z)))$, the minimax loss (green), which is $V$ itself, by plain gradient descent;
# - the minimax loss again, by Adam, which divides each step by the recent size of the gradient.
#
# $D$ says nearly 0 to the samples. There the first loss has, along the logit, the slope
# $-(1 - D) \approx -1$, and the second $-D \approx 0$. Dotted in the figure: $2\log 2$, and the
# mean of the data.

# %%
FAR = 6.0
far_data = data + np.float32(FAR - MEAN)
FAR_STEPS = max(40, round(1000 * BUDGET))
G_start, D_won = networks()
adam_won = Adam(2e-3, beta1=0.5)
for t in range(300):
    rows = stream(7, "rows", t).integers(len(data), size=256)
    z = stream(7, "z", t).standard_normal((256, 1), dtype="float32")
    discriminator_step(G_start, D_won, NonSaturating(), adam_won, far_data[rows], z)

fates = {}
for name, loss, optimiser_G in (
    ("non-saturating, SGD", NonSaturating(), SGD(0.01)),
    ("minimax, SGD", Minimax(), SGD(0.01)),
    ("minimax, Adam", Minimax(), Adam(1e-3, beta1=0.5)),
):
    G, D, adam_D = G_start.copy(), D_won.copy(), deepcopy(adam_won)  # D's loss is the same in all
    fate = {"loss_D": [], "grad_G": [], "mean": []}
    for record in train(
        G, D, far_data, loss, optimiser_G, adam_D, batch=256, steps=FAR_STEPS, d_steps=3
    ):
        fate["loss_D"].append(record["loss_D"])
        fate["grad_G"].append(record["grad_G"])
        fate["mean"].append(G.forward(z_even[::20])[0].mean())
    fates[name] = fate

figure = new_figure(1200, 420)
figure.set_layout_engine("constrained")
panels = figure.subplots(1, 3)
titles = {"loss_D": "D's loss", "grad_G": "norm of G's gradient", "mean": "mean of the samples"}
for axes, (key, title) in zip(panels, titles.items(), strict=True):
    for (name, fate), colour, style in zip(
        fates.items(), (PINK, GREEN, GREEN), ("-", "--", ":"), strict=True
    ):
        axes.plot(fate[key], style, color=colour, linewidth=1.2, label=f"G: {name}")
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("step")
    axes.grid(alpha=0.2)
    if key != "mean":
        axes.set_yscale("log")
panels[0].axhline(2 * LOG2, color="black", linestyle=":", linewidth=1)
panels[2].axhline(FAR, color="black", linestyle=":", linewidth=1)
handles = panels[0].get_legend_handles_labels()
figure.legend(*handles, loc="outside upper right", ncols=3, frameon=False)
figure.savefig(FIGURES / "zero_loss.png")
figure

# %%
for name, fate in fates.items():
    print(
        f"{name:20} first loss_D {fate['loss_D'][0]:.4f}, first grad_G {fate['grad_G'][0]:7.4f}; "
        f"at the end loss_D {fate['loss_D'][-1]:.4f}, samples at {fate['mean'][-1]:5.2f}"
    )
arrives, stays, _ = fates.values()
assert arrives["loss_D"][0] == stays["loss_D"][0] < 0.01  # the same D, and it has won
assert arrives["grad_G"][0] > 100 * stays["grad_G"][0]

# %% [markdown]
# All three begin with the same $D$ and the same loss, close to 0. One stays there. The number that
# tells them apart is not $D$'s loss; it is **whether $G$ still moves**. So when `loss_D` is near 0:
#
# 1. Is it the start of the run? Wait.
# 2. Look at $G$'s gradient and at the samples themselves. If they change, $D$ is doing its work. In
#    the third run the gradient is at first as small as in the second, and Adam makes steps of it
#    all the same. That the gradient is small is a bad sign, not a proof.
# 3. If the loss is near 0 and the samples stand still, it is a failure: $D$ is too far ahead. What
#    helps: the non-saturating loss ([tutorial 4](04_minimax_or_non_saturating.py)), a smaller
#    learning rate for $D$, noise on what $D$ sees (so that $p$ and $q$ overlap), or a penalty on
#    $D$'s slope (tutorials [8](08_why_gans_circle.py) and [9](09_gradient_penalty.py)).
#
# And the other way round: a `loss_D` that rests at 1.386 is what you hope for at the end, and it is
# also what a $D$ shows that has learnt nothing. Look at samples.
#
# ## Try
#
# (With `BUDGET = 0.99` the asserts on this page's own numbers are off.)
#
# 1. Set `d_steps=1` and both rates to `1e-3`. How far below the green line does the blue one lie
#    now? What does `loss_D` say meanwhile?
# 2. Use data with two humps, half at 1 and half at 3. What does $D^*$ look like while $q$ sits on
#    one of them?
# 3. Start the run with `z` uniform (`noise="uniform"`, and `z_even` evenly spaced in [−1, 1]). $G$
#    now has to bend the density as well as to move it. Where does the JSD stop?
# 4. Which constant $D$ has the loss $2\log 2$ whatever $G$ is? Can another constant have less?
#
# <details><summary>Answers</summary>
#
# 1. (A run for you to look at: what counts is the gap between the two lines.)
# 2. Near the hump without samples $D^* = 1$. At the other one $p$ is half of a normal density and
#    $q$ a whole one, so $D^* = \tfrac13$, where the two have the same shape.
# 3. (A run for you to look at.)
# 4. $D = ½$. Another constant $c$ costs $-\log c - \log(1 - c)$, which is least at $c = ½$.
#
# </details>
#
# **Go on.** [Tutorial 4](04_minimax_or_non_saturating.py) is about the two losses of $G$ and their
# gradients. [Exercise 3](exercises/03_losses.py) has you write both. In the library: the losses are
# in [`losses.py`](../minigan/losses.py), the loop in [`loop.py`](../minigan/loop.py), and the
# numbers that `minigan train` watches, with a warning when $D$ has won, in
# [`metrics.py`](../minigan/runs/metrics.py) and [`watch.py`](../minigan/runs/watch.py).
