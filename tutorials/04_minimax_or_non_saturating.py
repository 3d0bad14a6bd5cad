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
# # 4. Minimax or non-saturating?
#
# The paper that introduced GANs states one loss for the generator and recommends training with
# another. This page shows both, what each sends back to the generator, and a start from which one
# of them gets nowhere while the other arrives.
#
# **Needs:** what D, G, a logit and a training step are
# ([tutorial 2](02_theta_is_one_vector.py), [tutorial 3](03_a_first_gan.py)).
# **Reading time:** 20 minutes. **Running time:** half a minute.

# %%
from pathlib import Path

import numpy as np

from minigan import (
    SGD,
    Adam,
    Dense,
    LeakyReLU,
    Minimax,
    NonSaturating,
    Sequential,
    Wasserstein,
    bce_with_logits,
    data,
    stream,
    train,
)
from minigan.numerics import sigmoid, softplus
from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure
from minigan.recipes import RECIPES, Task
from minigan.sampling import draw_noise
from minigan.step import discriminator_step, norm

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/04_minimax_or_non_saturating")
FIGURES.mkdir(parents=True, exist_ok=True)

# How the two losses are drawn on this page.
MINIMAX = {"color": "#009E73", "linestyle": "--"}
NON_SATURATING = {"color": "#CC79A7", "linestyle": "-"}


# %% [markdown]
# ## Two losses for G
#
# For a sample $x$ the discriminator gives a logit $a$, any real number, and
# $D(x) = \sigma(a) = 1/(1 + e^{-a})$ is the probability that it gives to "$x$ is real".
# Goodfellow et al. 2014, equation 1, let both players play for one number,
#
# $$V(D, G) = \mathbb{E}\,\log D(x) + \mathbb{E}\,\log(1 - D(G(z))).$$
#
# The first mean is over real samples $x$, the second over noise $z$. $D$ raises $V$ and $G$ lowers
# it. Only the second term depends on $G$, so the game as it is stated
# gives $G$ the loss
#
# $$L_G = \mathbb{E}\,\log(1 - D(G(z))) \qquad\text{(minimax)}.$$
#
# Section 3 of the same paper recommends training $G$ with something else:
#
# $$L_G = -\mathbb{E}\,\log D(G(z)) \qquad\text{(non-saturating)}.$$
#
# The library has them as `Minimax` and `NonSaturating`. $D$'s loss is the same in both, $-V$. Here
# are the two losses of one generated sample, and their slopes $\partial L_G/\partial a$, as
# functions of the logit.

# %%
a = np.linspace(-8, 8, 161)
# A loss is a mean over a batch: for the loss of a single logit, give it a batch of one.
minimax = [Minimax().generator(logit.reshape(1, 1)) for logit in a]
non_saturating = [NonSaturating().generator(logit.reshape(1, 1)) for logit in a]

figure = new_figure(1000, 400)
figure.set_layout_engine("constrained")
left, right = figure.subplots(1, 2)
for result, style, name in (
    (minimax, MINIMAX, "minimax: log(1 − D)"),
    (non_saturating, NON_SATURATING, "non-saturating: −log D"),
):
    left.plot(a, [float(value) for value, _ in result], **style, label=name)
    right.plot(a, [slope.item() for _, slope in result], **style)
left.set_ylabel("G's loss of one sample")
right.set_ylabel("slope ∂L/∂a")
right.axhline(-0.5, color="grey", linewidth=0.8, linestyle=":")
right.text(8, -0.48, "−½, at D = ½", ha="right", color="grey")
for axes in (left, right):
    axes.axvline(0, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xlabel("logit a     ← D rejects it    ·    D is fooled →")
figure.legend(loc="outside upper center", ncols=2, frameon=False)
figure.savefig(FIGURES / "losses_and_slopes.png")
figure

# %% [markdown]
# Both losses fall from left to right: under both, $G$ wants larger logits. They differ in where
# they are steep. With $p = \sigma(a)$, the probability that $D$ gives to the sample, and
# $\sigma' = \sigma(1 - \sigma)$,
#
# | | loss | slope |
# |---|---|---|
# | minimax | $\log(1 - \sigma(a))$ | $-p$ |
# | non-saturating | $-\log\sigma(a)$ | $-(1 - p)$ |
#
# On the left $D$ is sure that the sample is generated. The samples of an untrained $G$ soon end up
# there. The minimax loss is flat there: its slope goes to 0 with $p$, it *saturates*. The
# non-saturating loss has the slope $-1$ there, and is flat on the right, where $D$ is fooled.
#
# Sample by sample the two slopes add up to $-p - (1 - p) = -1$. At $p = ½$ they are equal. The sum
# is the slope of a third loss, $-\mathbb{E}\,a$, which the library calls `Wasserstein`; that will
# help below.

# %%
for logit, (_, d_minimax), (_, d_non_saturating) in zip(a, minimax, non_saturating, strict=True):
    p = sigmoid(logit)
    assert np.allclose(d_minimax, -p, rtol=1e-12)
    assert np.allclose(d_non_saturating, -(1 - p), rtol=1e-12)
at_zero = np.zeros((1, 1))
print("slopes at D = ½:", *(L().generator(at_zero)[1].item() for L in (Minimax, NonSaturating)))
print("slopes at D = 0.001:", end=" ")
rejected = np.log([[0.001 / 0.999]])  # the logit whose σ is 0.001
print(*(f"{L().generator(rejected)[1].item():.3f}" for L in (Minimax, NonSaturating)))
assert np.isclose(sigmoid(rejected), 0.001)


# %% [markdown]
# ## Question: why flip the labels for G?
#
# Code that trains a GAN often has a line like `loss_G = bce(D(fake), ones)`: the generated samples,
# which were labelled 0 in $D$'s step, are labelled 1 in $G$'s step. The label is only a way to
# write the loss. Binary cross-entropy with the target $t$ is
#
# $$\mathrm{bce}(p, t) = -t\log p - (1 - t)\log(1 - p),$$
#
# so that a label of 1 picks $-\log D(G(z))$, the non-saturating loss. The minimax loss keeps the
# label 0 and changes the sign instead: $G$ minimises $-\mathrm{bce}(p, 0) = \log(1 - p)$.
# "Flip the label" and "flip the sign" are two different losses.

# %%
logits = 3 * stream(0, "logits").standard_normal((5, 1))
value, slope = NonSaturating().generator(logits)
flipped_label, its_slope = bce_with_logits(logits, 1)
assert value == flipped_label and (slope == its_slope).all()

value, slope = Minimax().generator(logits)
same_label, its_slope = bce_with_logits(logits, 0)
assert value == -same_label and (slope == -its_slope).all()

# %% [markdown]
# In $D$'s step the labels stay as they are. Swapping them *everywhere* (real 0, generated 1)
# changes nothing: it renames $a$ to $-a$.
#
# So the short answer is: to give $G$ a slope of $-1$ in place of one near 0 while $D$ rejects its
# samples. The rest of the page looks at how much that matters, and when.

# %% [markdown]
# ## With the best possible D
#
# Take the simplest game. Real numbers come from the normal distribution with the density
# $p = N(0, 1)$ (from here on $p$ is this), and $G$ shifts noise: $G(z) = \theta + z$, so its
# numbers come from $q = N(\theta, 1)$. The best $D$ against this $G$ is $D^* = p/(p+q)$
# (proposition 1 of the paper; [tutorial 3](03_a_first_gan.py) watches a network find it). Its logit
# is
#
# $$
# \begin{gathered}
# a^*(x) = \log\frac{p(x)}{q(x)} = \frac{\theta^2}{2} - \theta x, \\
# \frac{\partial a^*}{\partial x} = -\theta .
# \end{gathered}
# $$
#
# $G$'s gradient is a mean over its samples of (slope of the loss) × (slope of the logit),
# $D$ being held fixed (and $\partial G/\partial\theta = 1$):
#
# $$\frac{\partial L_G}{\partial\theta} = \int q(x)\,\frac{\partial L}{\partial a}\Big|_{a^*(x)}
# \,(-\theta)\,dx .$$
#
# In one dimension that integral is a sum over a fine grid, without sampling or training.

# %%
x = np.linspace(-20, 30, 20_001)
dx = x[1] - x[0]


def normal(x, mean):
    """Density of N(mean, 1)."""
    return np.exp(-((x - mean) ** 2) / 2) / np.sqrt(2 * np.pi)


def gradients(theta):
    """∂L/∂θ against the best D: under the minimax loss, and under the non-saturating one."""
    q, logit = normal(x, theta), theta**2 / 2 - theta * x
    d_logit = -theta
    return (
        (q * -sigmoid(logit) * d_logit).sum() * dx,
        (q * -sigmoid(-logit) * d_logit).sum() * dx,  # 1 − σ(a) = σ(−a)
    )


thetas = np.linspace(0, 10, 201)
g_minimax, g_non_saturating = np.array([gradients(theta) for theta in thetas]).T
fine = np.linspace(1.6, 1.7, 101)
peak = fine[np.argmax([gradients(theta)[0] for theta in fine])]
print(f"the minimax gradient is largest at θ = {peak:.3f}: {gradients(peak)[0]:.3f}")
for theta in (0.1, 1, 3, 8):
    print(f"θ = {theta}: minimax {gradients(theta)[0]:.4f}, other {gradients(theta)[1]:.4f}")

figure = new_figure(800, 420)
figure.set_layout_engine("constrained")
axes = figure.subplots()
axes.semilogy(thetas[1:], g_non_saturating[1:], **NON_SATURATING, label="non-saturating")
axes.semilogy(thetas[1:], g_minimax[1:], **MINIMAX, label="minimax")
axes.set_xlabel("θ: how far G's numbers are from the real ones")
axes.set_ylabel("∂L/∂θ against the best D")
axes.set_ylim(1e-6, 20)
axes.grid(alpha=0.2)
figure.legend(loc="outside upper center", ncols=2, frameon=False)
figure.savefig(FIGURES / "two_gaussians.png")
figure

# %% [markdown]
# Three things can be read off, and each is asserted below.
#
# 1. **Same fixed point.** Both gradients are positive at every $\theta > 0$ and 0 at $\theta = 0$:
#    both send $\theta$ to 0, where $q = p$. Near 0 both are about $\theta/2$.
# 2. **Different sizes far away.** The minimax gradient is largest at $\theta = 1.636$ and falls
#    beyond: at 8 the other is more than 20,000 times as large.
# 3. **They add up to $\theta$**, because their slopes add up to $-1$.
#
# The third can be said with divergences, which measure how far $q$ is from $p$. With the best $D$
# in it, $V(D^*, G) = 2\cdot\mathrm{JSD}(p, q) - \log 4$, where JSD is the Jensen–Shannon divergence
# (theorem 1 of Goodfellow et al.). The minimax gradient is the gradient of that, although it holds
# $D^*$ fixed: $D^*$ maximises $V$, so its own change adds nothing to first order. And
# $\theta = \partial_\theta\,\mathrm{KL}(q\,\|\,p)$, since
# $\mathrm{KL}(q\,\|\,p) = \mathbb{E}_q\log(q/p) = \theta^2/2$ here. So the non-saturating gradient
# is that of
#
# $$\mathrm{KL}(q\,\|\,p) - 2\cdot\mathrm{JSD}(p, q),$$
#
# which is theorem 2.5 of Arjovsky & Bottou 2017 ("Towards principled methods for training
# generative adversarial networks"). In each step $D$ has to be the best one, and is held fixed.
# They remark that the JSD with a minus sign pushes $q$ *away* from $p$ (the KL outweighs it here),
# and that $\mathrm{KL}(q\,\|\,p)$ punishes samples that look like no data, and hardly punishes data
# that are never generated ([tutorial 7](07_mode_collapse.py) is about generators that leave data
# out).


# %%
def jensen_shannon(theta):
    """JSD(p, q) = log 2 + ½·E_p log D* + ½·E_q log(1 − D*)."""
    # softplus(a) is log(1 + eᵃ), so log D* = −softplus(−a) and log(1 − D*) = −softplus(a)
    p, q, logit = normal(x, 0), normal(x, theta), theta**2 / 2 - theta * x
    return np.log(2) + (-p * softplus(-logit) - q * softplus(logit)).sum() * dx / 2


assert (g_minimax[1:] > 0).all() and (g_non_saturating[1:] > 0).all()
assert g_minimax[0] == g_non_saturating[0] == 0
assert np.allclose(gradients(0.01), 0.005, rtol=0.01)  # both are θ/2 near 0
assert np.isclose(peak, 1.636, atol=1e-3)
assert 20_000 < g_non_saturating[160] / g_minimax[160] < 21_000
assert thetas[160] == 8
assert np.allclose(g_minimax + g_non_saturating, thetas, atol=1e-12)
for theta in (0.5, 1, 2, 4):
    h = 1e-4
    by_difference = (jensen_shannon(theta + h) - jensen_shannon(theta - h)) / (2 * h)
    assert np.isclose(2 * by_difference, gradients(theta)[0], rtol=1e-6)

# %% [markdown]
# ## D trained to optimality, G held fixed
#
# Arjovsky & Bottou's figure 2 is the same observation on images. They took a DCGAN (a convolutional
# GAN) after 1, 10 and 25 epochs, held $G$ fixed, trained a new $D$ from scratch, and drew the norm
# of the gradient that the minimax loss sends to $G$. It fell, in the best case by 5 orders of
# magnitude after 4000 steps of $D$. Their theorem 2.4 says why. Let $D^*$ be perfect, 1 on all data
# and 0 on all generated samples, and $D$ within $\epsilon$ of it, in values and slopes: then that
# norm is bounded by a multiple of $\epsilon/(1 - \epsilon)$.
#
# Here it is done with small networks and the 1,797 digits that lie in the package (8 × 8 pixels).
# First a generator is trained as `minigan train` does it, and copied on the way: untrained, after
# 200 and after 1000 steps. A *recipe* makes both networks, the loss and the optimisers.

# %%
digits = data.load("digits")
task = Task(digits.x.shape[1:], seed=0)
setup = RECIPES["digits"].set_up(task)
stages = [0, max(1, round(200 * BUDGET)), max(2, round(1000 * BUDGET))]
generators = {0: setup.G.copy()}
setup.change(steps=stages[-1])
for record in setup.train(digits.x, None, seed=0):
    if record.step in stages:
        generators[record.step] = setup.G.copy()


# %% [markdown]
# Then, for each of the three, a new $D$ is trained on real digits against the digits of this $G$.
# `discriminator_step` is $D$'s half of a training step; $G$ is not trained. After some of the steps
# we compute the gradient that $G$ would be sent, under several losses.


# %%
def sent_to_G(G, D, loss, z):
    """Return ∂L_G/∂θ of G, as one vector."""
    fake, c_g = G.forward(z)
    logits, c_d = D.forward(fake)
    _, d_logits = loss.generator(logits)
    grad = G.new_grad()
    G.backward(D.backward(d_logits, c_d), c_g, grad)
    return grad


D_STEPS, BATCH = round(4000 * BUDGET), 64
looks = np.unique(np.geomspace(1, D_STEPS, 30 if BUDGET == 1 else 8).round().astype(int))
losses = {"minimax": Minimax(), "non-saturating": NonSaturating(), "their sum": Wasserstein()}
norms, logit_of_fakes, D_of_fakes = {}, {}, {}
for stage, G in generators.items():
    D = RECIPES["digits"].set_up(Task(digits.x.shape[1:], seed=1)).D
    optimiser = Adam(1e-3)
    z_probe = draw_noise(G, 256, stream(0, "probe"))  # normal, as wide as G's first layer
    rows = []
    for step in range(1, D_STEPS + 1):
        real = digits.x[stream(0, "rows", step).integers(len(digits.x), size=BATCH)]
        z = draw_noise(G, BATCH, stream(0, "z", step))
        discriminator_step(G, D, Minimax(), optimiser, real, z)
        if step in looks:
            sent = {name: sent_to_G(G, D, loss, z_probe) for name, loss in losses.items()}
            rows.append([float(norm(vector)) for vector in sent.values()])
            # The slopes add up, sample by sample, so the vectors do too (float32: to rounding).
            rest = sent["minimax"] + sent["non-saturating"] - sent["their sum"]
            assert norm(rest) < 1e-4 * norm(sent["their sum"])
    norms[stage] = np.array(rows)
    logits, _ = D.forward(G.forward(z_probe)[0])
    logit_of_fakes[stage], D_of_fakes[stage] = float(logits.mean()), float(sigmoid(logits).mean())

figure = new_figure(1000, 440)
figure.set_layout_engine("constrained")
both = figure.subplots(1, 2, sharex=True, sharey=True)
for axes, column, name in zip(both, (0, 1), losses, strict=False):
    for (stage, rows), colour, style in zip(
        norms.items(), ("#000000", "#E69F00", "#56B4E9"), ("-", "--", "-."), strict=True
    ):
        label = f"G after {stage} steps" if column == 0 else None
        axes.loglog(looks, rows[:, column], color=colour, linestyle=style, label=label)
    axes.set_title(name, fontsize=10)
    axes.set_xlabel("steps of D, G held fixed")
    axes.grid(alpha=0.2)
both[0].set_ylabel("norm of G's gradient")
figure.legend(loc="outside upper center", ncols=3, frameon=False)
figure.savefig(FIGURES / "D_to_optimality.png")
figure

# %%
print(
    "G after    minimax: largest, last    non-saturating: first, last    fakes: mean logit, mean D"
)
for stage, rows in norms.items():
    numbers = rows[:, 0].max(), rows[-1, 0], rows[0, 1], rows[-1, 1]
    print(f"{stage:5d}", *(f"{n:14.2g}" for n in numbers), end="")
    print(f"{logit_of_fakes[stage]:16.1f} {D_of_fakes[stage]:12.1e}")
print("\nG after    minimax falls by    non-saturating grows by    their sum grows by")
for stage, rows in norms.items():
    fall, rise = rows[:, 0].max() / rows[-1, 0], rows[-1] / rows[0]
    print(f"{stage:5d} {fall:16,.1f} {rise[1]:22.1f} {rise[2]:21.1f}")
untrained = norms[0]
assert untrained[-1, 0] < untrained[:, 0].max() / 20  # D alone, far from its samples

# %% [markdown]
# Left, with the untrained $G$, the minimax gradient falls by orders of magnitude, and is still
# falling. Right, on the same $D$ and the same samples, the non-saturating gradient *grows*. One
# reason is that the slope of the loss goes from $-½$ to $-1$. The other is that $D$'s own slopes
# grow: the gradient under "their sum" (not drawn), where the slope of the loss is always $-1$,
# grows as well. (Arjovsky & Bottou's figure 3 shows growth too, and they warn of it: large, noisy
# gradients.)
#
# What differs from the paper: the better the generator, the later the fall. While $D$ is not yet
# certain of the samples (the last column above), the minimax loss still has a slope. In the paper's
# setting, a convolutional $D$ and larger images, even good samples were separated soon (their
# figure 1). The statement is about a $D$ near its optimum, *if that optimum separates the two*.

# %% [markdown]
# ## Far start: one gets nowhere, the other arrives
#
# Now both players train. Real points lie around the origin of the plane, with standard deviation ½.
# $G$ is one dense layer $z \mapsto zW + b$. Its points start with the same shape, but around
# $b = (8, 0)$ or, for comparison, $(3, 0)$: it has to move $b$ to the origin. $D$ has one hidden
# layer. $G$ steps by plain gradient descent (`SGD`), so that a small gradient is a small step;
# three seeds each.

# %%
real = 0.5 * stream(0, "real").standard_normal((4096, 2), dtype=np.float32)
STEPS, SEEDS = round(1000 * BUDGET), range(3 if BUDGET == 1 else 1)


def distances(loss, start, optimiser_G, seed):
    """Train from b = (start, 0); return the distance of b from the origin by step, and D."""
    G = Sequential(Dense(2, 2))
    (dense,) = G.layers
    dense.W[...], dense.b[...] = 0.5 * np.eye(2), (start, 0)
    D = Sequential(Dense(2, 64), LeakyReLU(), Dense(64, 1), seed=stream(seed, "D"))
    optimiser_D = Adam(2e-3, beta1=0.5)
    way = [start]
    for _ in train(G, D, real, loss, optimiser_G, optimiser_D, batch=64, steps=STEPS, seed=seed):
        way.append(float(np.hypot(*dense.b)))
    return np.array(way), D


cases = [(3, "SGD(0.1)", lambda: SGD(0.1)), (8, "SGD(0.1)", lambda: SGD(0.1))]
cases += [(8, "Adam(5e-3, beta1=0.5)", lambda: Adam(5e-3, beta1=0.5))]
ways = {}  # (start, optimiser, loss) → one row a seed
for start, name, optimiser in cases:
    for loss in (Minimax(), NonSaturating()):
        runs = [distances(loss, start, optimiser(), seed) for seed in SEEDS]
        ways[start, name.split("(")[0], type(loss)] = np.array([way for way, _ in runs])
        if (start, name.split("(")[0], type(loss)) == (8, "SGD", Minimax):
            D_of_the_lost = runs[0][1]

figure = new_figure(1100, 420)
figure.set_layout_engine("constrained")
for axes, (start, name, _) in zip(figure.subplots(1, 3), cases, strict=True):
    for loss, style in ((Minimax, MINIMAX), (NonSaturating, NON_SATURATING)):
        for seed, way in enumerate(ways[start, name.split("(")[0], loss]):
            label = loss.__name__ if seed == 0 and axes.get_subplotspec().is_first_col() else None
            axes.plot(way, **style, linewidth=1.3, label=label)
    axes.set_title(f"start {start}, G: {name}", fontsize=10)
    axes.set_xlabel("step")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.2)
figure.axes[0].set_ylabel("distance of G's points from the data")
figure.legend(loc="outside upper center", ncols=2, frameon=False)
figure.savefig(FIGURES / "far_start.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %%
for (start, name, loss), way in ways.items():
    ends = ", ".join(f"{d:.2f}" for d in way[:, -1])
    print(f"start {start}, {name:4s} {loss.__name__:13s} → distance after {STEPS} steps: {ends}")
lost = ways[8, "SGD", Minimax]

# %% [markdown]
# **Middle.** From 8 the minimax generator makes a small part of the way and then all but stops. The
# non-saturating one arrives, with every seed.
#
# **Left.** From 3 both arrive, and minimax is not the worse one: it comes to rest near the data,
# while the other arrives sooner and then swings through the data and back
# ([tutorial 8](08_why_gans_circle.py) is about such swings). Minimax fails only at a distance.
#
# **Right.** With Adam instead of SGD the minimax generator moves after all. Adam divides a
# gradient by its own recent size, so a gradient that is small *all the time* is not small to Adam
# ([tutorial 6](06_adam_by_hand.py)). It is behind all the same: while a gradient shrinks, Adam's
# memory of larger ones makes the steps small. How much the choice of loss matters depends on the
# optimiser; the argument of Goodfellow et al. is about gradients, not about Adam.
#
# Where did the gradient of the lost one (middle, first seed) go? Here is its $D$ at the end, along
# the axis from the data to the generated points. The bands are 1 to either side of their middles.

# %%
axis = np.linspace(-2, 10, 241)
places = np.stack([axis, 0 * axis], axis=1).astype(np.float32)
logits = D_of_the_lost.forward(places)[0][:, 0].astype(np.float64)

figure = new_figure(800, 460)
figure.set_layout_engine("constrained")
top, bottom = figure.subplots(2, 1, sharex=True)
top.plot(axis, logits, color=D_COLOUR)
top.set_ylabel("logit a")
bottom.plot(axis, sigmoid(logits), color=D_COLOUR)
bottom.set_ylabel("probability σ(a)")
bottom.set_xlabel("place on the line from the data (0) to the generated points")
end = lost[0, -1]
for axes in (top, bottom):
    axes.axvspan(-1, 1, color=D_COLOUR, alpha=0.15, linewidth=0)
    axes.axvspan(end - 1, end + 1, color=G_COLOUR, alpha=0.15, linewidth=0)
    axes.grid(alpha=0.2)
bottom.text(0, 0.5, "data", ha="center", color=D_COLOUR)
bottom.text(end, 0.5, "generated", ha="center", color=G_COLOUR)
figure.savefig(FIGURES / "D_along_the_way.png")
figure

# %%
here = np.array([[end, 0]], np.float32)
logit, cache = D_of_the_lost.forward(here)
slope = D_of_the_lost.backward(np.ones_like(logit), cache)[0, 0]
p = sigmoid(logit).item()
print(f"at the middle of the generated points: logit {logit.item():.2f}, ∂a/∂x = {slope:.2f}")
print(f"minimax gets p = {p:.1e} of this slope, non-saturating 1 − p = {1 - p:.4f}")

# %% [markdown]
# The logit falls steadily from the data to the generated points, so its slope shows the way. The
# probability is flat at 0 over the generated points. What minimax hands on is the slope of
# $\log(1 - \sigma(a))$, which is $-p$ times the slope of the logit: the right direction, with next
# to no length. The non-saturating loss hands on $-(1 - p)$ times the slope of the logit.
#
# ## What this does and does not mean
#
# - Take `NonSaturating` by default. Its fixed point is the same, and its slope does not vanish when
#   $D$ is ahead.
# - It does not make $D$ and $G$ balanced: gradients grow as $D$ becomes sure (the right half of the
#   figure on digits), and $G$ can overshoot (the left panel of the far start).
# - A small loss or a small gradient says little alone. Under minimax, $G$'s loss near 0 means that
#   $G$ is losing: it is $\log(1 - p)$ with $p$ near 0. Under the non-saturating loss, near 0 means
#   that $D$ is fooled.
# - With the non-saturating loss the game is no longer zero-sum: there is no one number $V$ that one
#   raises and the other lowers.
#
# ## Try
#
# 1. In `distances`, give $D$ five steps for each of $G$'s (`d_steps=5` in the call of `train`).
#    Which of the three panels changes most, and why?
# 2. Let $G$ start at a distance of 20 with `NonSaturating()`. What becomes of the gradient's length
#    while it arrives (what `train` yields has it: `record["grad_G"]`), and does a rate of 0.1 suit
#    it?
# 3. `LeastSquares` and `Hinge`, both in `minigan`, have a `generator` method too. Draw their slopes
#    into the first figure. Do they saturate, and where?
# 4. What does code do that labels generated samples 1 and real ones 0, and trains $G$ with the
#    label 0? Which of the two losses is it?
#
# <details><summary>Answers</summary>
#
# 1. (A run for you to look at.)
# 2. (The same. Compare the gradient's length with that at a distance of 8.)
# 3. `LeastSquares` has the slope $a - 1$: it does not saturate on either side. `Hinge` has $-1$
#    everywhere.
# 4. With the names swapped, $D' = 1 - D$. Training $G$ with the label 0 minimises
#    $-\log(1 - D') = -\log D$: the non-saturating loss.
#
# </details>
#
# In the library: [`losses.py`](../minigan/losses.py) has both losses,
# [`step.py`](../minigan/step.py) both halves of a step. Write them yourself:
# [exercise 3](exercises/03_losses.py). Next:
# [probabilities or logits](05_probabilities_or_logits.py).
