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
# # 12. Five listings, audited
#
# Which mistakes do published GAN programs contain, what does each one do, and which check would
# have caught it? Introductory web articles often have a text with formulas and a short training
# program. The five listings below are of that kind, rebuilt in code of our own with the mistakes
# that such listings have. A number shows what each mistake does; at the end every check is run on
# every mistake.
#
# For readers who know one training step of a GAN (the [README](../README.md) shows one, whole) and
# the two losses of Goodfellow et al. 2014 ([tutorial 3](03_a_first_gan.py)). Reading time: 20
# minutes.

# %%
import math
from pathlib import Path

import numpy as np

from minigan import (
    Adam,
    Dense,
    Flatten,
    LeakyReLU,
    Minimax,
    NonSaturating,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
    bce_with_logits,
    check,
    stream,
)
from minigan.data import load
from minigan.evaluate import mean_distance
from minigan.layers import Layer
from minigan.numerics import sigmoid, softplus
from minigan.plot.stills import new_figure, sheet
from minigan.sampling import draw_noise, sample
from minigan.step import discriminator_step, generator_step

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/12_five_listings_audited")
FIGURES.mkdir(parents=True, exist_ok=True)

STEPS, BATCH = max(20, round(1000 * BUDGET**2)), 128 if BUDGET == 1 else 32
ALONE = 150 if BUDGET == 1 else 60  # steps of D where it is trained alone

# %% [markdown]
# ## A program that is right
#
# D gives a sample a *logit* a; the probability of being real that it thus gives is
# $D(x) = \sigma(a) = 1/(1 + e^{-a})$. Goodfellow et al. 2014, equation 1, has both players play for
# one number, with means E over real samples x and over the noise z,
#
# $$V = \mathrm{E}\,\log D(x) + \mathrm{E}\,\log(1 - D(G(z))),$$
#
# which D raises and G lowers. An optimiser lowers what it is given. So D's loss is −V, and G's loss
# is V itself (*minimax*; only its second term depends on G) or $-\mathrm{E}\,\log D(G(z))$
# (*non-saturating*, section 3 of the paper).
#
# All programs of this page have the same form: D's half of a step, then G's half. Here is the right
# one; the others change a part of it. The data are points in the plane: `ring`, eight small clouds
# on a circle, and later `swissroll`, a spiral.


# %%
class Program:
    """A training program: its loss, its networks, and the two halves of a step."""

    loss = NonSaturating()
    last = ()  # kinds of layers at D's end, behind the logit

    def players(self):
        """Return G, 2 → 2, and D, 2 → 1, always with the same first weights."""
        hidden = [[Dense(2, 64), LeakyReLU(), Dense(64, 64), LeakyReLU()] for _ in "GD"]
        G = Sequential(*hidden[0], Dense(64, 2), seed=1)
        D = Sequential(*hidden[1], Dense(64, 1), *(layer() for layer in self.last), seed=2)
        return G, D

    def d_half(self, G, D, optimiser, x, z):
        """Train D on real samples x and on what G makes of z."""
        return discriminator_step(G, D, self.loss, optimiser, x, z)

    def g_half(self, G, D, optimiser, x, z):
        """Train G, through D."""
        return generator_step(G, D, self.loss, optimiser, z)


def play(program, x, steps, lr_G=1e-3, lr_D=1e-3, beta1=0.5, players=None):
    """Train both players; return them, and what was measured at each step."""
    G, D = players or program.players()
    adam_G, adam_D = Adam(lr_G, beta1), Adam(lr_D, beta1)
    measured = []
    for t in range(steps):
        batch = x[stream(0, "rows", t).integers(len(x), size=BATCH)]
        z_D, z_G = (draw_noise(G, BATCH, stream(0, name, t)) for name in ("D", "G"))
        now = program.d_half(G, D, adam_D, batch, z_D)
        now |= program.g_half(G, D, adam_G, batch, z_G)
        measured.append({name: float(value) for name, value in now.items()})
    return G, D, measured


ring, roll = load("ring"), load("swissroll")


def look(G):
    """Return diversity of G's samples, and their mean distance to the nearest centre.

    Diversity is the mean distance of two samples, divided by that of two points of the data.
    """
    samples = sample(G, 1000, seed=1)
    to_centres = np.sqrt(((samples[:, None] - ring.centres) ** 2).sum(axis=2))
    diversity = float(mean_distance(samples) / mean_distance(ring.x[:1000]))
    return diversity, float(to_centres.min(axis=1).mean())


right = play(Program(), ring.x, STEPS)
diversity, distance = look(right[0])
print(f"the right program: diversity {diversity:.2f}, mean distance {distance:.2f}")

# %% [markdown]
# ## Listing 1
#
# ### D minimises V
#
# The article defines "the loss of D" as V, and hands it to an optimiser that minimises. One sign is
# missing:


# %%
class VItself(NonSaturating):
    """D's loss is V, and it is minimised."""

    def discriminator(self, real_logits, fake_logits):
        """Return V and its derivatives: the right loss is −V, so all three change their sign."""
        value, d_real, d_fake = super().discriminator(real_logits, fake_logits)
        return np.asarray(-value), -d_real, -d_fake


class DMinimisesV(Program):
    """Listing 1."""

    loss = VItself()


# %% [markdown]
# Train D alone, while G stays as it was drawn. The number to look at is the share of pairs (a real
# sample, a generated one) of which D gives the real one the higher logit. ½ is chance, 1 is right.


# %%
def ranked_right(D, real, fake):
    """Share of pairs in which the real sample gets the higher output of D."""
    return float((D.forward(real)[0] > D.forward(fake)[0].T).mean())


def d_alone(program, x, steps, lr=3e-3):
    """Train D against a G that stands still; return G, D, and a row for every tenth step.

    A row has the step, the share of pairs ranked right, and D's loss.
    """
    G, D = program.players()
    adam, fake = Adam(lr, 0.5), sample(G, 200, seed=2)
    curve = []
    for t in range(steps):
        batch = x[stream(0, "rows", t).integers(len(x), size=BATCH)]
        now = program.d_half(G, D, adam, batch, draw_noise(G, BATCH, stream(0, "D", t)))
        if t % 10 == 9:
            curve.append((t + 1, ranked_right(D, x[:200], fake), float(now["loss_D"])))
    return G, D, np.array(curve)


_, D_right, curve_right = d_alone(Program(), ring.x, ALONE)
_, _, curve_wrong = d_alone(DMinimisesV(), ring.x, ALONE)
for name, curve in (("right", curve_right), ("V minimised", curve_wrong)):
    print(f"{name:<12} pairs ranked right after 20 steps {curve[1, 1]:.3f}, ", end="")
    print(f"after {ALONE} {curve[-1, 1]:.3f}; D's loss then {curve[-1, 2]:,.3f}")
assert curve_right[-1, 1] > 0.98 and 0 < curve_right[-1, 2] < 0.2
assert curve_wrong[1, 1] < 0.05 and curve_wrong[-1, 2] < 0  # no cross-entropy is negative

# %% [markdown]
# D learns to be wrong: after 20 steps it ranks nearly all pairs the wrong way round. And its loss
# falls below zero: −V is a sum of two cross-entropies, neither of which can be negative, so a
# negative loss of D of this form has a wrong sign somewhere.
# Mended: minimise −V, which is `bce_with_logits(real, 1) + bce_with_logits(fake, 0)`.

# %% [markdown]
# ## Listing 2
#
# ### One formula for both players
#
# The article computes one binary cross-entropy, and both optimisers minimise it.


# %%
class OneFormula(NonSaturating):
    """G minimises what D minimises, −E log D(x) − E log(1 − D(G(z)))."""

    def generator(self, fake_logits, real_logits=None):
        """Return the term of D's loss that depends on G, and its derivative."""
        return self.bce(fake_logits, 0)


class OneFormulaForBoth(Program):
    """Listing 2, first mistake."""

    loss = OneFormula()


helped = play(OneFormulaForBoth(), ring.x, STEPS)
diversity, distance = look(helped[0])
end = helped[2][-1]
print(f"losses at the end: D {end['loss_D']:.4f}, G {end['loss_G']:.4f}")
print(f"diversity {diversity:.3f}, mean distance {distance:.2f}")

# %% [markdown]
# Two players with one loss are no adversaries. G helps D: it moves to where D is sure that nothing
# is real, and both losses fall together. Mended: the term has the other sign in G's loss (minimax),
# or the other label (non-saturating).
#
# ### A sigmoid before "from logits"
#
# D ends in a sigmoid, and the loss is told that it gets logits. So the sigmoid is applied twice,
# and D can't say anything beyond σ(0) = 0.5 ≤ σ(σ(a)) ≤ σ(1) = 0.731. Its loss is at least
# softplus(−1) + log 2 = 1.0064. ([Tutorial 5](05_probabilities_or_logits.py) draws all this.)


# %%
class SigmoidTwice(Program):
    """Listing 2, second mistake: the loss works on logits, and D ends in a sigmoid."""

    last = (Sigmoid,)


floor = float(softplus(np.float64(-1)) + math.log(2))
_, _, curve_twice = d_alone(SigmoidTwice(), ring.x, ALONE)
print(f"pairs ranked right {curve_twice[-1, 1]:.3f}, D's loss {curve_twice[-1, 2]:.4f}, ", end="")
print(f"which can't fall below {floor:.4f}")
print(f"a D that can't tell, D(x) = ½ everywhere: {2 * math.log(2):.3f}")
assert round(2 * math.log(2), 3) == 1.386 and abs(floor - 1.0064) < 1e-4
assert curve_twice[-1, 1] > 0.98 and floor < curve_twice[:, 2].min()

# %% [markdown]
# D does rank nearly all pairs right, yet its loss can't come below 1.0064, which is not far from
# that of a D that can't tell. And G does learn, so this mistake is hard to see in the samples.
# Mended: leave the sigmoid out.
#
# ### D's loss on generated samples only
#
# In the same listing D's loss is computed on generated samples alone. So no information about the
# data ever reaches G. That can be tested to the bit: train with two different data sets.


# %%
class FakesOnly(NonSaturating):
    """D's loss is −E log(1 − D(G(z))), and nothing about x."""

    def discriminator(self, real_logits, fake_logits):
        """Return half of the loss, and no derivative for real samples."""
        value, d_fake = self.bce(fake_logits, 0)
        return value, np.zeros_like(real_logits), d_fake


class DNeverSeesData(Program):
    """Listing 2, third mistake."""

    loss = FakesOnly()


blind = {
    name: play(DNeverSeesData(), data.x, STEPS)[0]
    for name, data in (("ring", ring), ("roll", roll))
}
seeing = {"ring": right[0], "roll": play(Program(), roll.x, STEPS)[0]}
for name, pair in (("fakes only", blind), ("right", seeing)):
    differ = int((pair["ring"].theta != pair["roll"].theta).sum())
    print(f"{name:<12} weights of G that differ: {differ:,} of {pair['ring'].theta.size:,}")
assert (blind["ring"].theta == blind["roll"].theta).all()
assert (seeing["ring"].theta != seeing["roll"].theta).mean() > 0.9

# %% [markdown]
# Mended: D's loss has two terms, and the one of real samples is the only way by which data come in.

# %% [markdown]
# ## Listing 3
#
# ### Images compared with labels
#
# In this article's training step the loss compares generated *images* with the labels, and D is
# never called. Broadcasting makes the shapes fit: (n, 8, 8, 1) against (n, 1, 1, 1).


# %%
class ImagesAgainstLabels(Program):
    """Listing 3, first mistake: the mean of ½·(G(z) − 1)², for both optimisers."""

    def both(self, G, D, optimiser, z, learner):
        """Lower the loss by the weights of the learner; D is not called."""
        images, cache = G.forward(z)
        difference = images - np.ones((len(z), *[1] * (images.ndim - 1)), images.dtype)
        grad = learner.new_grad()
        if learner is G:
            G.backward(difference / images.size, cache, grad)
        # The loss does not depend on D, so D's gradient stays zero.
        optimiser.step(learner.theta, grad)
        return np.asarray((difference**2).mean() / 2)

    def d_half(self, G, D, optimiser, x, z):
        """Hand the loss to D's optimiser."""
        return {"loss_D": self.both(G, D, optimiser, z, D)}

    def g_half(self, G, D, optimiser, x, z):
        """Hand the loss to G's optimiser."""
        return {"loss_G": self.both(G, D, optimiser, z, G)}


def digit_players():
    """Return small players for the 8 × 8 digits."""
    a, b, c = (LeakyReLU() for _ in range(3))
    G = [Dense(16, 128), a, Dense(128, 128), b, Dense(128, 64), Tanh(), Reshape((8, 8, 1))]
    D = [Flatten(), Dense(64, 192), c, Dense(192, 1)]
    return Sequential(*G, seed=1), Sequential(*D, seed=2)


digits = load("digits")
_, D_before = digit_players()
few = max(20, STEPS // 2)
G_labels, D_labels, measured = play(ImagesAgainstLabels(), digits.x, few, players=digit_players())
white = sample(G_labels, 8, seed=1)
print(f"loss {measured[0]['loss_G']:.3f} → {measured[-1]['loss_G']:.5f}, ", end="")
print(f"mean pixel {white.mean():.3f} (1 is white; the digits have {digits.x.mean():.2f})")
print("weights of D that have moved:", int((D_labels.theta != D_before.theta).sum()))
assert (D_labels.theta == D_before.theta).all() and measured[-1]["loss_G"] < measured[0]["loss_G"]

figure = new_figure(1000, 190)
figure.set_layout_engine("constrained")
axes = figure.subplots()
rows = np.concatenate([digits.x[:8], white])
axes.imshow(sheet(rows, columns=8).squeeze(-1), cmap="gray", vmin=0, vmax=1)
axes.set_yticks([5, 14], ["data", "images against labels"])
axes.set_xticks([])
axes.tick_params(length=0)
figure.savefig(FIGURES / "images_against_labels.png")
figure

# %% [markdown]
# The loss falls to nearly zero, as a loss should, and the images are white: the label was 1. D has
# not moved. Mended: what is compared with a label is D's output for an image, one number for each.
# The library's losses refuse the rest: a target is one number, or has the shape of the outputs.

# %%
try:
    bce_with_logits(white, np.ones((8, 1, 1, 1), np.float32))
except ValueError as error:
    print(error)

# %% [markdown]
# ### New layers at every call
#
# In the same article the layers are created within the function that computes the network's output.
# Each call has new weights.


# %%
class Remade(Layer):
    """A network whose layers are made within `forward`."""

    def __init__(self, make):
        """Keep the function that makes a network from a seed."""
        super().__init__()
        self.make, self.calls = make, 0

    def forward(self, x, train=True, rng=None):
        """Make a network, and call it."""
        self.calls += 1
        net = self.make(self.calls).astype(x.real.dtype)  # real: check.layer gives complex x too
        y, cache = net.forward(x)
        return y, (net, cache)

    def backward(self, dy, cache, grad=None):
        """Go back through the network of that call, which nobody will see again."""
        net, inner = cache
        return net.backward(dy, inner)


class LayersRemade(Program):
    """Listing 3, second mistake."""

    def players(self):
        """Return a G as it should be, and a D whose layers are made in `forward`."""
        G, _ = super().players()
        return G, Remade(lambda i: Sequential(Dense(2, 64), LeakyReLU(), Dense(64, 1), seed=i))


G, D_remade, _ = d_alone(LayersRemade(), ring.x, ALONE)
fake, x = sample(G, 100, seed=1), ring.x[:3]
ranks = [ranked_right(D_remade, ring.x[:100], fake) for _ in range(200)]
print(f"weights that the optimiser is given: {D_remade.theta.size}")
print(f"pairs ranked right after {ALONE} steps, mean of 200 calls: {np.mean(ranks):.2f}")
assert (D_remade.forward(x)[0] != D_remade.forward(x)[0]).all() and D_remade.theta.size == 0
assert 0.4 < np.mean(ranks) < 0.6

assert not check.layer(D_remade, stream(0, "x").standard_normal((5, 2))).ok

# %% [markdown]
# D does not get better than chance: it has no weights that the optimiser could change, and each
# call draws new ones. `check.layer` refuses it: the same x must give the same y. Mended: layers are
# made once, outside of `forward`, and a call only uses them.

# %% [markdown]
# ## Listing 4
#
# ### The text has one loss, the code another
#
# The text states the minimax loss for G, $\mathrm{E}\,\log(1 - D(G(z)))$, and the code gives G's
# samples the label 1, which is $-\mathrm{E}\,\log D(G(z))$, the non-saturating loss. The code is
# the better choice; the mistake is that the text does not say so. Mended: say which it is.
# ([Tutorial 4](04_minimax_or_non_saturating.py#question-why-flip-the-labels-for-g) compares the
# two.)
#
# ### The last, smaller batch
#
# The labels of the same listing are made once, for full batches. But 1,797 images in batches of 64
# leave a last batch of 5. What then happens depends on shapes that nobody looks at:


# %%
def plain_bce(logits, labels):
    """Cross-entropy of logits, with no look at the shapes."""
    return (labels * softplus(-logits) + (1 - labels) * softplus(logits)).mean()


assert len(digits.x) % 64 == 5
sure = np.array([5.0, 5, 5, -5, -5])[:, None]  # a good D: three real samples, two generated
labels = np.repeat([1.0, 0.0], 32)  # made once: 32 real, 32 generated
fitting = np.array([1.0, 1, 1, 0, 0])[:, None]

print(f"right: {plain_bce(sure, fitting):.4f}")
try:
    plain_bce(sure, labels[:, None])
except ValueError as error:
    print("(5, 1) against (64, 1):", str(error).strip())
print(f"(5, 1) against (64,): {plain_bce(sure, labels):.4f}, the mean of 320 numbers")
assert plain_bce(sure, fitting) < 0.01 < 2.5 < plain_bce(sure, labels) < 2.6
assert (sure * labels).shape == (5, 64)
assert np.isclose(plain_bce(sure, labels), plain_bce(-sure, labels))  # right or wrong: the same

# %% [markdown]
# An error is the best that can happen. In the second case each of the five logits is compared with
# all 64 labels, half of which are wrong for it: a D that is right and sure gets the same loss as
# one that is always wrong. Mended: labels are made from the batch that is there, or the target is
# one number. The library's losses refuse both:

# %%
for target in (labels[:, None], labels):
    try:
        bce_with_logits(sure, target)
    except ValueError as error:
        print(error)
    else:
        raise AssertionError("a shape that does not fit was taken")


class LabelsOfOneLength(Program):
    """Listing 4: labels for full batches, with the library's loss."""

    def d_half(self, G, D, optimiser, x, z):
        """Train D on both kinds at once."""
        fake, _ = G.forward(z)
        both, cache = D.forward(np.concatenate([x, fake]))
        value, d_both = bce_with_logits(both, np.repeat([1.0, 0.0], BATCH)[:, None])
        grad = D.new_grad()
        # 2: a mean over both kinds together is half the sum of the two means.
        D.backward(2 * d_both.astype(x.dtype), cache, grad)
        optimiser.step(D.theta, grad)
        return {"loss_D": 2 * value}


# %% [markdown]
# ## Listing 5
#
# ### Two signs
#
# The article gives these two losses to minimise:
#
# $$
# \begin{gathered}
# L_G = -\mathrm{E}\,\log D(x) - \mathrm{E}\,\log(1 - D(G(z))) \\
# L_D = -\mathrm{E}\,\log D(x) + \mathrm{E}\,\log(1 - D(G(z)))
# \end{gathered}
# $$
#
# Read them for one generated sample with the logit a. The derivative of −log(1 − σ(a)) in a is
# σ(a) > 0. So L_G falls as a falls: G is asked to be caught (as in listing 2). L_D falls as a
# rises: D is asked to call generated samples real.


# %%
class PlusForFakes(NonSaturating):
    """D's loss with the wrong sign in its second term."""

    def discriminator(self, real_logits, fake_logits):
        """Return −E log D(x) + E log(1 − D(G(z))), and its derivatives."""
        real_value, d_real = self.bce(real_logits, 1)
        fake_value, d_fake = self.bce(fake_logits, 0)
        return np.asarray(real_value - fake_value), d_real, -d_fake


class FakesCalledReal(Program):
    """Listing 5, D's loss."""

    loss = PlusForFakes()


G, D_plus, curve_plus = d_alone(FakesCalledReal(), ring.x, ALONE)
p_fake = sigmoid(D_plus.forward(sample(G, 1000, seed=1))[0]).mean()
p_right = sigmoid(D_right.forward(sample(G, 1000, seed=1))[0]).mean()
print(f"D alone: D(G(z)) {p_fake:.3f}, D's loss {curve_plus[-1, 2]:.1f}; ", end="")
print(f"with the right sign {p_right:.3f} and {curve_right[-1, 2]:.3f}")
assert p_fake > 0.9 and curve_plus[-1, 2] < -10 and p_right < 0.2


def g_alone(program, G, D, steps=40, lr=5e-3):
    """Train G against a D that does not move; return the mean of D(G(z)) before and after."""
    adam, before = Adam(lr, 0.5), sigmoid(D.forward(sample(G, 1000, seed=1))[0]).mean()
    for t in range(steps):
        program.g_half(G, D, adam, ring.x[:BATCH], draw_noise(G, BATCH, stream(0, "G", t)))
    return float(before), float(sigmoid(D.forward(sample(G, 1000, seed=1))[0]).mean())


for name, program in (("L_G of the article", OneFormulaForBoth()), ("mended", Program())):
    before, after = g_alone(program, program.players()[0], D_right)
    print(f"G alone, {name:<19} D(G(z)) {before:.4f} → {after:.4f}")
    assert after > 0.5 if name == "mended" else after < before

# %% [markdown]
# Both signs are found by a short test: let D train alone, then G.
#
# ### The logarithm of a raw logit
#
# In the code of this article D's last layer is linear, and its output goes into a logarithm as if
# it were a probability. The logarithm of a negative number is NaN, and one in a batch is enough: a
# mean with a NaN in it is NaN.


# %%
class LogOfLogit(NonSaturating):
    """Both losses with log a instead of log σ(a)."""

    def discriminator(self, real_logits, fake_logits):
        """Return −E log a − E log(1 − a), and its derivatives."""
        a, b = real_logits, fake_logits
        value = -np.log(a).mean() - np.log(1 - b).mean()
        return np.asarray(value), -1 / a / a.size, 1 / (1 - b) / b.size

    def generator(self, fake_logits, real_logits=None):
        """Return −E log a, and its derivative."""
        a = fake_logits
        return np.asarray(-np.log(a).mean()), -1 / a / a.size


class RawLogits(Program):
    """Listing 5, the logarithm."""

    loss = LogOfLogit()


negative = (RawLogits().players()[1].forward(ring.x)[0] < 0).mean()
with np.errstate(invalid="ignore"):
    G, D, (measured,) = play(RawLogits(), ring.x, 1)
print(f"negative outputs of a fresh D: {negative:.0%}; D's first loss: {measured['loss_D']}")
assert 0.02 < negative < 0.9 and math.isnan(measured["loss_D"]) and np.isfinite(D.theta).all()

# %% [markdown]
# The weights stay finite, since the derivative −1/a is; for a < 0 it has the wrong sign. Mended:
# the loss on logits computes log σ(a) in one piece, as −softplus(−a), which is finite for every a.

# %% [markdown]
# ## The checks
#
# Each of these mistakes is found by a check of a hundred steps at most. A gradient check alone does
# *not* find them. The derivatives of the four losses below are right, but of the wrong formula.

# %%
for loss in (VItself(), OneFormula(), FakesOnly(), PlusForFakes()):
    assert check.loss(loss).ok  # value and derivative agree
    assert not check.loss(loss, reference=NonSaturating()).ok  # the value is another one
print(check.loss(VItself(), reference=NonSaturating()))

# %% [markdown]
# So hold the formula itself against one that is right (`reference=`). The other checks look at what
# a program does:
#
# 1. **Formula**: both losses have the values of the right ones at a few logits.
# 2. **Same x, same y**: call D twice.
# 3. **Both move**: after one step both θ have changed.
# 4. **All finite**: after one step losses and weights are.
# 5. **D alone**: against a G that stands still, D ranks nearly all pairs right, and its loss lies
#    between 0 and 0.3 (2·log 2 = 1.386 is a D that can't tell).
# 6. **G alone**: against that D, G raises D(G(z)) above ½.
# 7. **Other data, other G**: two data sets, five steps each, and G's weights differ.
# 8. **A small batch**: a step with 5 samples does not fail.


# %%
def formula(program, reference):
    """Make check 1."""
    real, fake = (stream(0, name).standard_normal((9, 1)) for name in ("real", "fake"))
    values = [
        (loss.discriminator(real, fake)[0], loss.generator(fake, real)[0])
        for loss in (program.loss, reference)
    ]
    return np.allclose(*values)


def same_y(program):
    """Make check 2."""
    _, D = program.players()
    return bool((D.forward(ring.x[:5])[0] == D.forward(ring.x[:5])[0]).all())


def one_step(program):
    """Make checks 3 and 4."""
    nets, (G, D, (measured,)) = program.players(), play(program, ring.x, 1)
    pairs = zip((G, D), nets, strict=True)
    moved = all(bool((net.theta != old.theta).any()) for net, old in pairs)
    numbers = [*measured.values(), *G.theta, *D.theta]
    return moved, bool(np.isfinite(numbers).all())


def each_alone(program):
    """Make checks 5 and 6."""
    G, D, curve = d_alone(program, ring.x, 40, lr=5e-3)
    _, after = g_alone(program, G, D)
    return bool(curve[-1, 1] > 0.95 and 0 <= curve[-1, 2] < 0.3), after > 0.5


def other_data(program):
    """Make check 7."""
    thetas = [play(program, data.x, 5)[0].theta for data in (ring, roll)]
    return not np.array_equal(*thetas, equal_nan=True)


def small_batch(program):
    """Make check 8."""
    G, D = program.players()
    try:
        program.d_half(G, D, Adam(1e-3), ring.x[:5], draw_noise(G, 5, stream(0, "z")))
    except ValueError:
        return False
    return True


MISTAKES = {
    "1  D minimises V": DMinimisesV(),
    "2  one formula for both": OneFormulaForBoth(),
    "2  sigmoid twice": SigmoidTwice(),
    "2  D sees fakes only": DNeverSeesData(),
    "3  images against labels": ImagesAgainstLabels(),
    "3  new layers each call": LayersRemade(),
    "4  text minimax, code not": Program(),
    "4  labels of one length": LabelsOfOneLength(),
    "5  L_D: fakes called real": FakesCalledReal(),
    "5  log of a raw logit": RawLogits(),
    "the right program": Program(),
}
CHECKS = (
    "formula",
    "same x,\nsame y",
    "both\nmove",
    "all\nfinite",
    "D alone",
    "G alone",
    "other data,\nother G",
    "a small\nbatch",
)
passed = []
for name, program in MISTAKES.items():
    stated = Minimax() if name.startswith("4  text") else NonSaturating()
    with np.errstate(all="ignore"):
        passed.append(
            [
                formula(program, stated),
                same_y(program),
                *one_step(program),
                *each_alone(program),
                other_data(program),
                small_batch(program),
            ]
        )
caught = ~np.array(passed)
assert caught[:-1].any(axis=1).all() and not caught[-1].any()
only = {
    name: CHECKS[row.argmax()] for name, row in zip(MISTAKES, caught, strict=True) if row.sum() == 1
}
assert only["2  sigmoid twice"] == "D alone" and only["4  text minimax, code not"] == "formula"
assert only["4  labels of one length"].startswith("a small") and len(only) == 3
alone = [CHECKS.index("D alone"), CHECKS.index("G alone")]
assert caught[:-1, alone].any(axis=1).sum() == 8 and len(caught) - 1 == 10

figure = new_figure(1000, 620)
figure.set_layout_engine("constrained")
axes = figure.subplots()
axes.scatter(*np.nonzero(caught)[::-1], s=190, color="#E69F00", marker="X")
axes.scatter(*np.nonzero(~caught)[::-1], s=30, color="0.4", marker="o", alpha=0.5)
axes.set_xticks(range(len(CHECKS)), CHECKS)
axes.set_yticks(range(len(MISTAKES)), MISTAKES)
axes.xaxis.tick_top()
axes.invert_yaxis()
axes.tick_params(length=0)
axes.set(xlim=(-0.6, len(CHECKS) - 0.4))
axes.spines[:].set_visible(False)
axes.grid(axis="y", alpha=0.2)
axes.set_xlabel("✕ the check fails: the mistake is caught      • the check passes")
figure.savefig(FIGURES / "checks.png")
figure.set_layout_engine("none")  # the layout is found; the small picture has the same
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %% [markdown]
# Every mistake is caught, and the right program passes all. Three mistakes are caught by a single
# check, each by a different one. *D alone* and *G alone* together catch eight of the ten, and need
# nothing but the program. They miss a batch of another size, and a formula that works but is not
# the one in the text: to catch that you have to write down which one you meant.
#
# **Try**: give the label 1 to generated samples in D's half, and 0 to real ones, and leave G as it
# is. Which checks see it? What if G's label is flipped too?
#
# <details><summary>Answer</summary>
#
# $D$ then ranks all pairs the wrong way: *formula* and *D alone* see it. With $G$'s label flipped
# too it is the right program with the two names exchanged; a check that looks at D's answers still
# says "wrong".
#
# </details>
#
# **Exercise**: [the two losses](exercises/03_losses.py), to be written by yourself, and checked
# against the library's. **Before this**: [11. Digits, end to end](11_digits_end_to_end.py). In the
# library: [`losses.py`](../minigan/losses.py), [`step.py`](../minigan/step.py) (the two halves),
# [`check/losses.py`](../minigan/check/losses.py).
