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
# # 5. Probabilities or logits
#
# A discriminator can end in a sigmoid and give a probability, or stop before it and give a logit.
# On paper the game is the same. In float32 it is not. This page finds the number at which the
# textbook's form breaks, and shows where NaN comes from, what happens when the sigmoid is applied
# twice, and what label smoothing does to the best $D$.
#
# **Needs:** [tutorial 4](04_minimax_or_non_saturating.py) (the two losses of G).
# **Reading time:** 20 minutes. **Running time:** a quarter of a minute.

# %%
from pathlib import Path

import numpy as np

from minigan import (
    SGD,
    Adam,
    Dense,
    LeakyReLU,
    NonSaturating,
    Sequential,
    Sigmoid,
    Tanh,
    bce,
    bce_with_logits,
    stream,
    train,
)
from minigan.numerics import sigmoid, softplus
from minigan.optim import schedules
from minigan.plot.stills import D_COLOUR, G_COLOUR, new_figure
from minigan.step import discriminator_step

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/05_probabilities_or_logits")
FIGURES.mkdir(parents=True, exist_ok=True)

# How three ways to compute one thing are drawn on this page.
LOGITS = {"color": "black", "linestyle": "-"}
CLIPPED = {"color": "#009E73", "linestyle": "--"}
BARE = {"color": "#CC79A7", "linestyle": "-."}

# %% [markdown]
# ## The same loss, written twice
#
# $D$'s last dense layer gives a *logit* $a$, any real number. The *probability* of being real is
# $p = \sigma(a) = 1/(1 + e^{-a})$. Binary cross-entropy with the target $t$ (1 for real, 0 for
# generated) can be written with either:
#
# $$
# \begin{gathered}
# -t\log p - (1 - t)\log(1 - p)
#   \;=\; t\cdot\mathrm{softplus}(-a) + (1 - t)\cdot\mathrm{softplus}(a), \\
# \mathrm{softplus}(a) = \log(1 + e^a),
# \end{gathered}
# $$
#
# since $-\log\sigma(a) = \log(1 + e^{-a})$ and $-\log(1 - \sigma(a)) = \log(1 + e^a)$. The library
# has both: `bce` takes probabilities, from a $D$ that ends in a `Sigmoid` layer;
# `bce_with_logits` takes logits. With float64 and logits of a few units nobody can tell them apart.

# %%
a = stream(0, "a").standard_normal((1000, 1))  # float64
for target in (0, 1):
    p, cache = Sigmoid().forward(a)
    value, dp = bce(p, target)
    value_of_logits, d_logits = bce_with_logits(a, target)
    assert np.isclose(value, value_of_logits, rtol=1e-14, atol=0)
    assert np.allclose(Sigmoid().backward(dp, cache), d_logits, rtol=1e-12, atol=0)

# %% [markdown]
# ## Where float32 breaks, to the digit
#
# Positive float32 numbers, read as integers bit by bit, are in the same order as the numbers
# themselves. So halving an interval of *integers* finds the first float32 at which something
# happens, exactly.


# %%
def first(happens, low=1, high=200, dtype=np.float32):
    """Return the smallest float above `low` at which `happens`; at `high` it does."""
    bits = {np.float32: np.uint32, np.float64: np.uint64}[dtype]
    low, high = (int(dtype(end).view(bits)) for end in (low, high))
    while high - low > 1:
        middle = (low + high) // 2
        if happens(np.array([middle], bits).view(dtype)):
            high = middle
        else:
            low = middle
    return np.array([high], bits).view(dtype)[0]


def textbook_sigmoid(a):
    """σ(a) as it is written; the library's `sigmoid` never computes a large exponential."""
    return 1 / (1 + np.exp(-a))


with np.errstate(over="ignore"):  # an infinity is what we are looking for
    one = first(lambda a: sigmoid(a) == 1)
    one_64 = first(lambda a: sigmoid(a) == 1, dtype=np.float64)
    infinite = first(lambda a: np.isinf(np.exp(a)))
    zero_textbook = first(lambda a: textbook_sigmoid(-a) == 0)
    zero = first(lambda a: sigmoid(-a) == 0)

print(f"σ(a) is exactly 1 from a = {one:.6f} on             24·log 2 = {24 * np.log(2):.6f}")
print(f"     in float64 from a = {one_64:.6f} on             53·log 2 = {53 * np.log(2):.6f}")
print(f"eᵃ is infinite from a = {infinite:.5f} on             128·log 2 = {128 * np.log(2):.5f}")
print(f"1/(1 + e⁻ᵃ) is exactly 0 from a = −{zero_textbook:.5f} down, for the same reason")
print(f"σ(a) of the library is 0 from a = −{zero:.4f} down    150·log 2 = {150 * np.log(2):.4f}")
assert np.isclose(one, 24 * np.log(2), atol=1e-5) and np.isclose(one_64, 53 * np.log(2), atol=1e-9)
assert np.isclose(infinite, 128 * np.log(2), atol=1e-4)
assert np.isclose(zero_textbook, infinite, atol=1e-4)
assert np.isclose(zero, 150 * np.log(2), atol=0.02) and np.finfo(np.float32).tiny == 2.0**-126

# %% [markdown]
# The first line is the one that matters in training. A float32 has 24 binary digits, so in
# $1 + e^{-a}$ an $e^{-a} \le 2^{-24}$ is rounded away: from $a = 24\log 2 = 16.635532$ on, $D$ says
# *exactly* 1. A probability of 0, at the other end, is far off: near 0 the float32 numbers lie ever
# closer, down to $2^{-149}$, and what is at most half of that becomes 0.
#
# So a small probability keeps its digits (down to $2^{-126}$; below, float32 has fewer and fewer).
# A probability near 1 has them too, but what the loss needs is its distance from 1, and few digits
# are left for that.
#
# Here is the loss of one generated sample, $-\log(1 - p)$, in float32, and its slope
# $\partial/\partial a$ through a `Sigmoid` layer. The exact loss at these logits is $a$ itself and
# the exact slope is 1, both up to about $e^{-a}$.


# %%
def bare_bce(p, t):
    """Return the cross-entropy as the textbook writes it, unclipped, and its derivative."""
    value = (-t * np.log(p) - (1 - t) * np.log(1 - p)).mean()
    return value, (p - t) / (p * (1 - p)) / p.size


def loss_and_slope(a, way, target=0):
    """Loss and slope of each logit by itself, in one of three ways."""
    p, cache = Sigmoid().forward(a)
    losses, slopes = [], []
    for i in range(len(a)):
        if way == "logits":
            value, slope = bce_with_logits(a[i : i + 1], target)
        else:  # frameworks clip p into [1e-7, 1 − 1e-7], as the library's `bce` does
            value, dp = (bce if way == "clipped" else bare_bce)(p[i : i + 1], target)
            slope = Sigmoid().backward(dp, cache[i : i + 1])
        losses.append(float(value))
        slopes.append(slope.item())
    return np.array(losses), np.array(slopes)


a = np.linspace(12, 20, 801, dtype=np.float32)[:, None]
with np.errstate(divide="ignore", invalid="ignore"):
    found = {way: loss_and_slope(a, way) for way in ("logits", "clipped", "bare")}

figure = new_figure(1000, 420)
figure.set_layout_engine("constrained")
left, right = figure.subplots(1, 2)
for (way, (value, slope)), style in zip(found.items(), (LOGITS, CLIPPED, BARE), strict=True):
    name = {"logits": "from logits", "clipped": "from p, clipped", "bare": "from p, bare"}[way]
    left.plot(a, value, **style, label=name)
    right.plot(a, slope, **style)
left.set_ylabel("−log(1 − σ(a)) in float32")
right.set_ylabel("its slope")
right.set_ylim(-0.05, 1.1)
for axes in (left, right):
    axes.axvline(one, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xlabel("logit a of a generated sample")
    axes.grid(alpha=0.2)
right.text(one + 0.1, 0.5, "24·log 2", color="grey")
right.text(one + 0.1, 0.93, "bare: NaN", color=BARE["color"])
right.text(one + 0.1, 0.03, "clipped: 0", color=CLIPPED["color"])
figure.legend(loc="outside upper center", ncols=3, frameon=False)
figure.savefig(FIGURES / "where_it_breaks.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %%
sure = a[:, 0] >= one
assert np.isinf(found["bare"][0][sure]).all() and np.isnan(found["bare"][1][sure]).all()
assert np.isfinite(found["bare"][0][~sure]).all()
ceiling = found["clipped"][0][sure]
print(f"the clipped loss is {ceiling[0]:.4f} from there on; its slope is {found['clipped'][1][-1]}")
assert np.float32(1) - np.float32(1e-7) == 1 - 2.0**-23 and round(-np.log(1e-7), 2) == 16.12
assert np.allclose(ceiling, 23 * np.log(2), rtol=1e-6) and round(23 * np.log(2), 4) == 15.9424
assert (found["clipped"][1][sure] == 0).all()
value, slope = found["logits"]
assert np.allclose(value, np.logaddexp(0, a[:, 0].astype(np.float64)), rtol=1e-6)
assert np.allclose(slope, 1, atol=1e-5)

# %% [markdown]
# From probabilities the loss goes up in stairs, since $1 + e^{-a}$ can only be 1 plus a multiple of
# $2^{-23}$; on the last stair it is $1 + 2^{-23}$. From $24\log 2$ on:
#
# - **bare**, the formula as in the textbook: the loss is infinite, the slope NaN;
# - **clipped**: $p$ is first moved to $1 - 10^{-7}$. In float32 that is $1 - 2^{-23}$, so the loss
#   stays at $23\log 2 = 15.9424$ and not at $-\log 10^{-7} = 16.12$. The slope is exactly 0: a $D$
#   that takes a generated sample for real with a logit of 17 *cannot unlearn it*;
# - **from logits** the loss is a straight line and the slope is 1.
#
# How many digits are right before that? The figure below has the relative error of
# $-\log(1 - \sigma(a))$ for positive and negative logits, computed from $p$, from
# $\log(1 + e^a)$ as it is written, and by the library's `softplus`, which is
# $\max(a, 0) + \log(1 + e^{-|a|})$ with `log1p` for the logarithm.

# %%
a = np.linspace(-30, 30, 1201, dtype=np.float32)
exact = np.logaddexp(0, a.astype(np.float64))  # log(e⁰ + eᵃ), in float64
with np.errstate(divide="ignore"):
    computed = {
        "−log(1 − p)": -np.log(1 - sigmoid(a)),
        "log(1 + eᵃ) as written": np.log(1 + np.exp(a)),
        "softplus(a)": softplus(a),
    }
errors = {name: np.abs(values / exact - 1) for name, values in computed.items()}

figure = new_figure(800, 440)
figure.set_layout_engine("constrained")
axes = figure.subplots()
for (name, error), style in zip(errors.items(), (BARE, CLIPPED, LOGITS), strict=True):
    seen = np.where((error > 0) & np.isfinite(error), error, np.nan)
    axes.semilogy(a, seen, **style, label=name, linewidth=1)
axes.axhline(2.0**-24, color="grey", linestyle=":", linewidth=0.8)
axes.text(30, 2.0**-24 * 1.2, "2⁻²⁴: half a last digit", ha="right", va="bottom", color="grey")
axes.set_xlabel("logit a")
axes.set_ylabel("relative error in float32")
axes.grid(alpha=0.2)
figure.legend(loc="outside upper center", ncols=3, frameon=False)
figure.savefig(FIGURES / "digits_left.png")
figure

# %%
for logit in (-10, 10, 15):
    i = np.flatnonzero(a == logit)[0]
    print(f"a = {logit:3d}:", ", ".join(f"{name}: {e[i]:.0e}" for name, e in errors.items()))
assert errors["softplus(a)"].max() < 1e-6
near = np.abs(a) > 14
assert errors["−log(1 − p)"][near].max() > 0.01
assert (computed["−log(1 − p)"][a < -25 * np.log(2) - 0.01] == 0).all()
assert round(25 * np.log(2), 2) == 17.33 and (softplus(a)[a > 17] == a[a > 17]).all()

# %% [markdown]
# The errors come long before the break, and at both ends. At $a = -10$, where $D$ is right about a
# generated sample, $-\log(1 - p)$ has lost about half of its seven digits, and below
# $-25\log 2 = -17.33$ it is 0. $\log(1 + e^a)$ as written loses as many on that side: $1 + e^a$
# rounds $e^a$ away. That does no harm, since a loss that small hardly matters. But a loss that is
# *exactly* 0 in a log file is a sign that it was computed from probabilities. (The pink line ends
# at 16.6, where the loss becomes infinite; the black one falls on the right because softplus
# returns $a$ there, which is wrong by no more than $e^{-a}$.)
#
# ## Question: logits or sigmoid, and why NaN?
#
# Logits, in training. Where a probability is wanted, to be shown or counted,
# `loss.probability(logits)` gives it. NaN comes from the bare formula, at a $D$ that is
# *sure*. Here is a real sample ($t = 1$) with the logit 17: $D$ is right and sure.

# %%
a, t = np.array([[17]], np.float32), 1
p, cache = Sigmoid().forward(a)
with np.errstate(divide="ignore", invalid="ignore"):
    print("p =", p.item(), "   log(1 − p) =", np.log(1 - p).item())
    print("(1 − t)·log(1 − p) =", ((1 - t) * np.log(1 - p)).item(), "  0·∞")
    value, dp = bare_bce(p, t)
    print("loss =", value, "   ∂L/∂p = (p − t)/(p·(1 − p)) =", dp.item(), "  0/0")
    wrong_value, wrong_dp = bare_bce(p, 0)
    through_sigmoid = Sigmoid().backward(wrong_dp, cache)
    print("and with t = 0: loss", wrong_value, " ∂L/∂p", wrong_dp.item(), end=" ")
    print(" times σ′ =", (p * (1 - p)).item(), "gives ∂L/∂a =", through_sigmoid.item(), "  ∞·0")
print("from logits:", *(part.item() for part in bce_with_logits(a, t)))
assert np.isnan(value) and np.isnan(dp) and np.isinf(wrong_value) and np.isnan(through_sigmoid)
assert np.isclose(bce_with_logits(a, t)[0], np.exp(-17.0), rtol=1e-6)
assert p * (1 - p) == 0 and round(-np.log(1e-8), 1) == 18.4

# %% [markdown]
# $0\cdot\infty$ in the loss, $0/0$ and $\infty\cdot 0$ in the slope. One such sample is enough:
# each entry of the gradient is a sum over the batch, so each is NaN; so is Adam's memory after the
# step; so is all of $\theta$.
#
# A common patch is $-\log(1 - p + 10^{-8})$. It stops at $-\log 10^{-8} = 18.4$, without NaN; but
# the slope still has the factor $\sigma' = p(1 - p) = 0$, as with clipping.
#
# ### In a run
#
# Real points around the origin, generated ones around $(8, 0)$, $G$ held fixed. Three $D$s begin
# with the same weights and see the same batches. Two end in a `Sigmoid`: one with the bare formula,
# one clipped (`NonSaturating(logits=False)` clips; for the bare one we put another `bce` in). The
# third gives logits. $D$'s rate is large so that the run is short. Beside the logits we look at
# what $G$ would be sent.

# %%
bare = NonSaturating(logits=False)
bare.bce = bare_bce
losses = {"logits": NonSaturating(), "clipped": NonSaturating(logits=False), "bare": bare}
STEPS = max(40, round(120 * BUDGET))


def batch(step):
    """Real points, and noise for G."""
    real = 0.5 * stream(0, "real", step).standard_normal((64, 2), dtype=np.float32)
    return real, stream(0, "z", step).standard_normal((64, 2), dtype=np.float32)


def logits_of(D, x):
    """Return what comes out of D's last dense layer."""
    for layer in D.layers:
        if isinstance(layer, Sigmoid):
            break
        x, _ = layer.forward(x)
    return x


def far_generator():
    """Return a G whose points lie around (8, 0) with standard deviation ½."""
    G = Sequential(Dense(2, 2))
    G.layers[0].W[...], G.layers[0].b[...] = 0.5 * np.eye(2), (8, 0)
    return G


history = {}
for name, loss in losses.items():
    end = [] if name == "logits" else [Sigmoid()]
    D = Sequential(Dense(2, 64), LeakyReLU(), Dense(64, 1), *end, seed=stream(0, "D"))
    G, optimiser = far_generator(), Adam(0.08)
    rows = []
    for step in range(STEPS):
        real, z = batch(step)
        fake, _ = G.forward(z)
        outputs, cache = D.forward(fake)
        with np.errstate(divide="ignore", invalid="ignore"):
            _, d_outputs = loss.generator(outputs)
            sent_to_G = D.backward(d_outputs, cache)
            silent = (sent_to_G == 0).all(axis=1).mean()
            row = logits_of(D, real).max(), logits_of(D, fake).min(), silent
            discriminator_step(G, D, loss, optimiser, real, z)
        rows.append([float(number) for number in row])
        if np.isnan(D.theta).any():
            print(f"{name}: NaN in step {step + 1}, in {np.isnan(D.theta).mean():.0%} of θ")
            assert np.isnan(D.theta).all()
            break
    history[name] = np.array(rows)

figure = new_figure(1000, 420)
figure.set_layout_engine("constrained")
left, right = figure.subplots(1, 2, sharex=True)
for (name, rows), style in zip(history.items(), (LOGITS, CLIPPED, BARE), strict=True):
    style = style | {"linewidth": 3 if name == "bare" else 1.3}
    steps = np.arange(1, len(rows) + 1)
    left.plot(steps, rows[:, 0], **style, label=name)
    left.plot(steps, rows[:, 1], **style)
    right.plot(steps, rows[:, 2], **style)
for level in (one, np.log(1e-7)):
    left.axhline(level, color="grey", linestyle=":", linewidth=0.8)
left.set_ylabel("extreme logits of D")
left.text(STEPS, 11, "24·log 2", ha="right", color="grey")
left.text(STEPS, 20, "largest of the real samples", ha="right")
left.text(STEPS, -9, "least of the generated ones", ha="right")
left.text(STEPS, -15, "log 10⁻⁷", ha="right", color="grey")
right.set_ylabel("share that sends G nothing")
for axes in (left, right):
    axes.set_xlabel("step of D")
    axes.grid(alpha=0.2)
figure.legend(loc="outside upper center", ncols=3, frameon=False)
figure.savefig(FIGURES / "in_a_run.png")
figure

# %%
for name, rows in history.items():
    real_logit, fake_logit, silent = rows[-1]
    print(f"{name:8s} step {len(rows)}: largest logit of real {real_logit:.1f},", end=" ")
    print(f"least of generated {fake_logit:.1f}; {silent:.0%} of the samples send G nothing")
dying = history["bare"][:, 0]  # the largest logit of a real sample, before each step
assert (dying[:-1] < one).all() and dying[-1] >= one
assert len(history["bare"]) < STEPS and (history["logits"][:, 2] == 0).all()

# %% [markdown]
# The bare $D$ dies within its first steps, at the first real sample whose logit passes 16.6. The
# logits of the other two look the same, but $G$ fares differently. The right panel has the share of
# generated samples that send $G$ *exactly* zero under the non-saturating loss, which should have
# the slope $-1$ there: $-\log p$ is clipped at $p = 10^{-7}$, which is the logit $-16.1$ (the lower
# grey line). The bare formula keeps so small a $p$, and sends something until it dies. In the end
# most of the clipped samples are silent, and none of those from logits. (The early peak goes with
# the early dip of the logits on the left.)
#
# So clipping removes the NaN but not its cause. When code that clips does not learn, and $D$'s loss
# is 0.0000, look here first.

# %%
assert round(np.log(1e-7), 1) == -16.1

# %% [markdown]
# ## The sigmoid applied twice
#
# The opposite mistake: $D$ ends in a sigmoid, *and* its outputs go to a loss that takes logits.
# Shapes fit, no error is raised, nothing is NaN, and something is learnt. The loss computes
# $\sigma(\sigma(a))$. Since $0 < \sigma(a) < 1$, what it takes for a probability lies between
# $\sigma(0) = ½$ and $\sigma(1) = 0.7311$. $D$ can no longer say "surely real", nor "more likely
# generated than real". So the losses have bounds that they cannot fall under:
#
# - **G**, non-saturating: at best every sample gets $\sigma(a) = 1$, which is read as the logit 1:
#   $-\log\sigma(1) = \mathrm{softplus}(-1) = 0.3133$.
# - **D**: at best a real sample gets 1 and a generated one 0, read as the logits 1 and 0:
#   $\mathrm{softplus}(-1) + \mathrm{softplus}(0)$ $= 0.3133 + \log 2 = 1.0064$.
#
# And the slope is multiplied by $\sigma'(a) \le ¼$, which is almost 0 wherever $|a|$ is large, so
# that the non-saturating loss saturates too. In a run: the far start of
# [tutorial 4](04_minimax_or_non_saturating.py), where $G$ has to move its points from $(8, 0)$ to
# the origin by plain gradient descent, once with $D$ as it should be and once with a `Sigmoid` too
# many.

# %%
G_BOUND = float(softplus(np.array(-1.0)))
D_BOUND = G_BOUND + np.log(2)
print(f"no less than {G_BOUND:.4f} for G, {D_BOUND:.4f} for D; σ(1) = {sigmoid(np.ones(1))[0]:.4f}")
assert round(G_BOUND, 4) == 0.3133 and round(D_BOUND, 4) == 1.0064

data = 0.5 * stream(0, "data").standard_normal((4096, 2), dtype=np.float32)
COLUMNS = ("loss_D", "loss_G", "grad_G")
runs = {}
for name, end in (("logits", []), ("twice", [Sigmoid()])):
    D = Sequential(Dense(2, 64), LeakyReLU(), Dense(64, 1), *end, seed=stream(0, "D"))
    G = far_generator()
    players = G, D, data, NonSaturating(), SGD(0.1), Adam(2e-3, beta1=0.5)
    steps = max(50, round(1000 * BUDGET))
    runs[name] = np.array(
        [
            [record[column] for column in COLUMNS] + [np.hypot(*G.layers[0].b)]
            for record in train(*players, batch=64, steps=steps, seed=0)
        ]
    )
    loss_D, loss_G, _, _ = runs[name].min(axis=0)
    print(f"{name:6s} least loss of D {loss_D:.4f}, of G {loss_G:.4f};", end=" ")
    print(f"distance in the end {runs[name][-1, 3]:.2f}, G's gradient {runs[name][-1, 2]:.1e}")

figure = new_figure(1000, 420)
figure.set_layout_engine("constrained")
left, right = figure.subplots(1, 2)
for (name, run), style in zip(runs.items(), ("-", "--"), strict=True):
    left.plot(run[:, 0], color=D_COLOUR, linestyle=style, linewidth=1, label=f"D, {name}")
    left.plot(run[:, 1], color=G_COLOUR, linestyle=style, linewidth=1, label=f"G, {name}")
    right.plot(run[:, 3], color=G_COLOUR, linestyle=style)
left.axhline(D_BOUND, color="black", linestyle=":", linewidth=0.8)
left.axhline(G_BOUND, color="black", linestyle=":", linewidth=0.8)
left.text(steps, D_BOUND, "1.0064", ha="right", va="top", fontsize=8)
left.text(steps, G_BOUND, "0.3133", ha="right", va="top", fontsize=8)
left.set_ylim(0, 3)
left.set_ylabel("loss")
right.set_ylabel("distance of G from the data")
right.set_ylim(bottom=0)
for axes in (left, right):
    axes.set_xlabel("step")
    axes.grid(alpha=0.2)
figure.legend(loc="outside upper center", ncols=4, frameon=False)
figure.savefig(FIGURES / "twice.png")
figure

# %%
twice = runs["twice"]
assert (twice[:, 0] >= D_BOUND - 1e-6).all() and (twice[:, 1] >= G_BOUND - 1e-6).all()

# %% [markdown]
# With the second sigmoid $D$'s loss comes down to its bound and stays there: $D$ has won and shows
# a loss near 1.0064, not far from the $2\log 2 = 1.3863$ of an even game ($D = ½$ everywhere).
# $G$'s loss comes to $\log 2 = 0.6931$, that of an even game, since a probability of 0 is read as
# the logit 0. The curves look healthy, but $G$ gets next to nothing and stays where it is.
#
# How do you find it in your own code? A loss of $D$ *below* 1.0064, or of $G$ below 0.3133, rules a
# second sigmoid out. A loss that stays above these bounds proves nothing: in an even game a correct
# $D$ stays near 1.386. So take a case in which $D$ must win: hold $G$ still, far from the data, and
# train $D$ alone. A correct loss goes to 0 there, a doubled sigmoid stops at 1.0064.

# %%
print(f"G's loss in the end {twice[-1, 1]:.4f}; log 2 = {np.log(2):.4f}")
assert round(2 * np.log(2), 4) == 1.3863 and round(np.log(2), 4) == 0.6931


def lowest(x_of_G, end, steps=150):
    """Train D alone against a G that stands still around (x_of_G, 0); return its lowest loss."""
    D = Sequential(Dense(2, 64), LeakyReLU(), Dense(64, 1), *end, seed=stream(0, "D"))
    G, optimiser, values = far_generator(), Adam(5e-3), []
    G.layers[0].b[...] = (x_of_G, 0)
    for step in range(steps):
        real, z = batch(step)
        values.append(discriminator_step(G, D, NonSaturating(), optimiser, real, z)["loss_D"])
    return float(min(values))


for name, place, end in (
    ("even game, correct", 0, []),
    ("far G, correct", 8, []),
    ("far G, twice", 8, [Sigmoid()]),
):
    print(f"{name:20} lowest loss of D {lowest(place, end):.4f}")
assert lowest(0, []) > 1.1  # healthy, and never below 1.0064
assert lowest(8, []) < 0.05
assert D_BOUND - 1e-6 <= lowest(8, [Sigmoid()]) < D_BOUND + 0.05

# %% [markdown]
# ## What D learns: twice, and with smoothed labels
#
# Which function is the best $D$ then? Take real numbers from $p = N(-1, 1)$ and generated ones from
# $q = N(1, 1)$, so that everything is known: $\log(p/q) = -2x$. For each place $x$ the best output
# minimises
#
# $$p\cdot\mathrm{loss}(\text{real}) + q\cdot\mathrm{loss}(\text{generated}).$$
#
# **As it should be**: $-p\log D - q\log(1 - D)$ has the derivative $-p/D + q/(1 - D)$, zero at
# $D^* = p/(p + q)$. Its logit is $\log(p/q)$.
#
# **Sigmoid twice**: the same, but the logit that the loss sees cannot leave $[0, 1]$. As a function
# of that logit the loss is convex, so the best is $\log(p/q)$, cut off at 0 and 1. Wherever
# $q > p$, $D$ says the same everywhere: a generated sample there does not learn which way to go.
#
# **Label smoothing** gives real samples the target $1 - s$ in place of 1 (Salimans et al. 2016,
# section 3.4). The loss is $-p\,[(1 - s)\log D + s\log(1 - D)]$ ${} - q\log(1 - D)$: of the real
# samples' weight $p$ the share $(1 - s)$ goes to the first logarithm, and $sp + q$ to the second.
# So
#
# $$D^* = \frac{(1 - s)\,p}{(1 - s)\,p + s\,p + q} = (1 - s)\,\frac{p}{p + q}.$$
#
# The whole curve is multiplied by $1 - s$. It never gets above $1 - s$, so the best $D$ is never
# surer of a real sample than the logit $\log((1 - s)/s)$, 2.197 for $s = 0.1$: far from 16.6. Where
# $p = q$, $D^* = (1 - s)/2$.
#
# Why only the real side? A target $\beta$ for generated samples would add $\beta q$ to the
# numerator. Where there are only generated samples, $D^*$ is then flat at $\beta$. One-sided $D^*$
# is as flat there, at 0; but $G$ does not go down $D^*$, it goes down $-\log D^*$. With $D^* \to 0$
# that keeps the slope of $-\log(p/q)$, here 2. With $D^* \to \beta$ the logarithm is flat too: no
# slope tells these samples where to go (that section of the paper says so). At $x = 6$:


# %%
def slope_of_log_D(x, s, beta, h=1e-4):
    """Return the slope of −log D*, which G goes down, by a central difference."""

    def value(x):
        ratio = sigmoid(np.asarray(-2.0 * x))  # p/(p + q)
        return -np.log((1 - s) * ratio + beta * (1 - ratio))

    return (value(x + h) - value(x - h)) / (2 * h)


one_sided, two_sided = slope_of_log_D(6.0, 0.1, 0.0), slope_of_log_D(6.0, 0.1, 0.1)
print(f"slope of −log D* at x = 6: one-sided {one_sided:.4f}, both sides {two_sided:.1e}")
assert abs(one_sided - 2) < 1e-4 and abs(two_sided - 1e-4) < 1e-5

SETTINGS = {
    "logits": ([], NonSaturating()),
    "twice": ([Sigmoid()], NonSaturating()),
    "smoothing s = 0.1": ([], NonSaturating(label_smoothing=0.1)),
}
places = np.linspace(-3, 3, 61, dtype=np.float32)[:, None]
steps = max(60, round(1200 * BUDGET))
learnt = {}
for name, (end, loss) in SETTINGS.items():
    D = Sequential(Dense(1, 64), Tanh(), Dense(64, 1), *end, seed=stream(0, "one-dimensional D"))
    optimiser = Adam(schedules.cosine(1e-2, 0, steps))  # the rate falls to 0 over the steps
    for step in range(steps):
        real, fake = stream(0, "pair", step).standard_normal((2, 512, 1), dtype=np.float32)
        real_logits, c_real = D.forward(real - 1)
        fake_logits, c_fake = D.forward(fake + 1)
        _, d_real, d_fake = loss.discriminator(real_logits, fake_logits)
        grad = D.new_grad()
        D.backward(d_real, c_real, grad)
        D.backward(d_fake, c_fake, grad)
        optimiser.step(D.theta, grad)
    learnt[name] = loss.probability(D.forward(places)[0])

best = {
    "logits": sigmoid(-2 * places),
    "twice": sigmoid(np.clip(-2 * places, 0, 1)),
    "smoothing s = 0.1": 0.9 * sigmoid(-2 * places),
}
figure = new_figure(800, 460)
figure.set_layout_engine("constrained")
axes = figure.subplots()
for name, colour, style in zip(
    learnt, ("black", "#56B4E9", "#E69F00"), ("-", "--", "-."), strict=True
):
    axes.plot(places, best[name], color=colour, linewidth=5, alpha=0.25)
    axes.plot(places, learnt[name], color=colour, linestyle=style, label=name)
    print(f"{name}: largest difference from theory {np.abs(learnt[name] - best[name]).max():.3f}")
axes.set_xlabel("x     ← more real numbers    ·    more generated ones →")
axes.set_ylabel("what the loss takes for D(x)")
axes.set_ylim(-0.02, 1.02)
axes.grid(alpha=0.2)
figure.legend(loc="outside upper center", ncols=3, frameon=False)
figure.savefig(FIGURES / "what_D_learns.png")
figure

# %%
assert round(np.log(0.9 / 0.1), 3) == 2.197
assert ((learnt["twice"] >= 0.5) & (learnt["twice"] <= sigmoid(np.ones(1, "float32")))).all()
# Smoothing by itself: the loss has slope zero at D = (1 − s)·p/(p + q), here p = q and D = 0.45.
even = np.log(np.full((1, 1), 0.45 / 0.55))
_, d_real, d_fake = NonSaturating(label_smoothing=0.1).discriminator(even, even)
assert abs(d_real + d_fake).item() < 1e-15

# %% [markdown]
# Thin lines are the networks, broad ones the formulas. Smoothing also moves the value that an even
# game has: not $2\log 2$ but the loss at $D = 0.45$.

# %%
value, _, _ = NonSaturating(label_smoothing=0.1).discriminator(even, even)
print(f"D's loss in an even game with s = 0.1: {value:.4f}")
assert round(float(value), 4) == 1.3763

# %% [markdown]
# ## What to remember
#
# - Train on logits; turn them into probabilities to look at them.
# - A $D$ that ends in `Sigmoid` needs `NonSaturating(logits=False)`; one that does not needs
#   `NonSaturating()`. Both at once, or neither, are mistakes that no shape reveals. (Neither: the
#   logarithm of a negative logit is NaN. [Tutorial 12](12_five_listings_audited.py) has it.)
# - What gave a mistake away on this page: $D$ alone can't get below a bound (a second sigmoid);
#   a loss of exactly 0 (probabilities in the loss); a gradient of exactly 0 (clipping).
#
# ## Try
#
# 1. Find the break of $\sigma$ in float16, which has 11 binary digits (`first` needs another entry
#    in `bits`: `np.uint16`). Which formula gives it without a search?
# 2. $D$ applies the sigmoid *three* times. What are the bounds of both losses then?
# 3. With smoothing, does $G$'s gradient under $-\mathbb{E}\log D^*$, $D^*$ being held fixed,
#    change?
# 4. Smooth the generated side as well in the last experiment: get `d_real` and `d_fake` from
#    `bce_with_logits` with the targets 0.9 and 0.1. Compare with $(0.9\,p + 0.1\,q)/(p + q)$.
#
# <details><summary>Answers</summary>
#
# 1. $11\log 2 \approx 7.62$: from there on $e^{-a} \le 2^{-11}$ is rounded away.
# 2. The loss then sees logits between $\sigma(0)$ and $\sigma(1)$. $G$:
#    $\mathrm{softplus}(-\sigma(1)) = 0.393$; $D$: that plus $\mathrm{softplus}(½)$, together 1.367.
# 3. No: $-\log((1 - s)\,p/(p + q))$ differs from the loss without smoothing by a constant.
# 4. The network should come as close to it as the others did to theirs.
#
# </details>
#
# In the library: [`losses.py`](../minigan/losses.py), and [`numerics.py`](../minigan/numerics.py)
# for the sigmoid and the softplus that do not break. Write them yourself:
# [exercise 3](exercises/03_losses.py), question 2. Next: [Adam by hand](06_adam_by_hand.py).
