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
# # 2. θ is one vector, caches are explicit
#
# How does one training step of a GAN work, whole, with nothing hidden? Who learns in which half of
# it, and which line says so? If you come from another library you will ask: where are `detach`,
# `requires_grad` and `zero_grad`?
#
# Needs [tutorial 1](01_a_layer_by_hand.py): what `backward` is, and that `dy` means the derivative
# of the loss with respect to `y`. Reading time: 30 minutes.
#
# A GAN is two networks. The *generator* $G$ turns random numbers $z$ into fake samples $G(z)$. The
# *discriminator* $D$ looks at a sample and gives a number, the *logit*, that says how much it
# takes it for real: the probability of being real is $\sigma(\text{logit})$. $D$ learns to tell
# real from fake. $G$ learns to be taken for real, and what it learns from is the derivative of
# $D$'s answer with respect to the fake sample.

# %%
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
from matplotlib.patches import Rectangle

from minigan import (
    SGD,
    Adam,
    Dense,
    LeakyReLU,
    Minimax,
    NonSaturating,
    Sequential,
    check,
    stream,
    to_device,
    to_numpy,
)
from minigan.check import relative_error
from minigan.data import load
from minigan.plot.clouds import heat_colours
from minigan.plot.stills import ABOVE, D_COLOUR, G_COLOUR, new_figure
from minigan.step import discriminator_step, generator_step

BUDGET = 1.0  # 1: the numbers and pictures of this page; 0.05: a quick try of a few seconds
FIGURES = Path("runs/tutorials/02_theta_is_one_vector")
FIGURES.mkdir(parents=True, exist_ok=True)
GREEN, PURPLE, ORANGE = "#009E73", "#CC79A7", "#E69F00"  # more colours that everybody tells apart

# %% [markdown]
# ## θ is one vector
#
# `Sequential` puts layers one after the other. All weights of all of them lie in one flat array,
# `net.theta`. What a layer calls `W` or `b` is a *view* into it: the same numbers in the same place
# in memory, in another shape.

# %%
net = Sequential(Dense(2, 4), LeakyReLU(), Dense(4, 1), seed=1)
print(net.summary())
assert net.theta.shape == (17,)  # 2·4 + 4, then 4·1 + 1

# %% tags=["hide-input"]
figure = new_figure(1100, 460)
axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
axes.set_xlim(-0.2, 17.2)
axes.set_ylim(-7.2, 1.8)
axes.set_axis_off()


def cell(left, bottom, number, colour):
    """Draw one number in its box."""
    box = {"facecolor": colour, "alpha": 0.45, "edgecolor": "white", "linewidth": 2}
    axes.add_patch(Rectangle((left, bottom), 1, 1, **box))
    axes.text(left + 0.5, bottom + 0.5, f"{number:.2f}", ha="center", va="center", fontsize=9)


axes.text(0, 1.2, "net.theta, 17 numbers in a row", va="bottom", fontsize=11)
start = 0
for (name, view), colour, left in zip(
    net.parameters().items(), (D_COLOUR, ORANGE, GREEN, PURPLE), (2, 8, 13, 16), strict=True
):
    for k, number in enumerate(view.ravel()):
        cell(start + k, 0, number, colour)
    rows = view.reshape(-1, view.shape[-1]) if view.ndim > 1 else view[None]
    for (i, j), number in np.ndenumerate(rows):
        cell(left + j - rows.shape[1] / 2, -3 - i, number, colour)
    axes.plot([start + view.size / 2, left], [-0.1, -1.9], color=colour, linewidth=1.5)
    axes.text(left, -2.2 - len(rows), f'"{name}"  {view.shape}', ha="center", va="top", fontsize=11)
    start += view.size
figure.savefig(FIGURES / "one_vector.png")
figure

# %% [markdown]
# `"0.W"` is the $W$ of layer 0, and so on; layer 1, the LeakyReLU, has no weights.
#
# Write to the vector and the matrix has changed; write to the matrix and the vector has.

# %%
W = net.parameters()["0.W"]
assert np.shares_memory(W, net.theta)
net.theta[0] = 7.0
assert W[0, 0] == 7.0 and net.layers[0].W[0, 0] == 7.0
W[1, 3] = -7.0
assert net.theta[7] == -7.0

# %% [markdown]
# A layer's weights live in one place. So a layer can't be given to a second network:

# %%
try:
    Sequential(net.layers[0])
except ValueError as error:
    print(error)

# %% [markdown]
# The derivative of a number $L$ with respect to all weights is a second vector of the same length,
# the *gradient*. That is how papers write it, $\nabla_\theta L$, and it makes short work of what
# would otherwise be loops over lists of matrices (tutorial 1 carried four of them around):
#
# | | |
# |---|---|
# | a step of gradient descent | `theta -= lr * grad` |
# | the norm of the gradient | `np.sqrt(grad @ grad)` |
# | the average of two networks | `(a.theta + b.theta) / 2` |
# | a copy to come back to | `theta.copy()` |
# | the derivative by differences | move `theta[i]` |
#
# The last line is the gradient check of tutorial 1, for a whole network in one call:

# %%
net = Sequential(Dense(2, 4), LeakyReLU(), Dense(4, 1), dtype="float64", seed=1)
x = stream(1, "x").standard_normal((5, 2))
dy = stream(1, "dy").standard_normal((5, 1))  # L = Σ dy·y, so that ∂L/∂y is dy


def at(theta):
    """Return a network like `net` with these weights; complex ones too, for complex steps."""
    other = net.astype(theta.dtype)
    other.theta = theta  # copies the numbers into it
    return other


def L(theta):
    """Return the number to differentiate."""
    return (dy * at(theta).forward(x.astype(theta.dtype))[0]).sum()


def gradient_of_L(theta):
    """Return its gradient, by the library's backward."""
    network = at(theta)
    _, cache = network.forward(x)
    grad = network.new_grad()
    network.backward(dy, cache, grad)
    return grad


report = check.gradient(L, gradient_of_L, net.theta)
print(report)
report.assert_ok()

# %% [markdown]
# ## Caches are explicit
#
# `forward` returns two things, the output and a cache; `backward` takes the cache. Nothing is
# stored in the network. So a network may be used several times before the way back, and each use
# has a cache of its own. In a GAN that is the normal case: in one step $D$ sees the real batch, the
# fake batch, and later another fake batch.

# %%
batches = [stream(2, "batch", k).standard_normal((3, 2)) for k in range(3)]
before = net.theta.copy()
caches = [net.forward(batch)[1] for batch in batches]
dys = [stream(2, "dy", k).standard_normal((3, 1)) for k in range(3)]

forwards = [net.backward(dy, cache) for dy, cache in zip(dys, caches, strict=True)]
backwards = [net.backward(dys[k], caches[k]) for k in (2, 1, 0)][::-1]
for one, other in zip(forwards, backwards, strict=True):
    assert np.array_equal(one, other)  # any order, any number of times, the same bits
assert np.array_equal(net.theta, before)  # neither forward nor backward has changed the network

# %% [markdown]
# One warning. In the library a cache holds what went through the network, but not
# the weights (ours of tutorial 1 held $W$ too). It belongs to the weights with which it was made,
# and is of no use once they have moved: `backward` would take old activations with new weights,
# which is the derivative of nothing.

# %%
moved = net.copy()
moved.theta = net.theta + 0.5 * stream(2, "move").standard_normal(net.theta.shape)
stale = moved.backward(dys[0], caches[0])
fresh = moved.backward(dys[0], moved.forward(batches[0])[1])
print(f"with a stale cache dx is off by {relative_error(stale, fresh):.0%}")
assert relative_error(stale, fresh) > 0.01

# %% [markdown]
# So the order is always: forward, backward, step; then forward again.
#
# ## One training step
#
# Here it is. The real samples $x$ lie on a ring in the plane, in eight small clusters. The loss is
# that of [the first GAN](https://arxiv.org/abs/1406.2661). With $D(x) = \sigma(\text{logit})$, and
# as means over a batch,
#
# $$
# \begin{gathered}
# D \text{ minimises } -\log D(x) - \log\bigl(1 - D(G(z))\bigr), \\
# G \text{ minimises } -\log D(G(z)).
# \end{gathered}
# $$
#
# Each part returns its value and the derivatives with respect to the logits, in short `d_real` and
# `d_fake`. There the way back begins. An optimiser has one method, `step(theta, grad)`, which moves
# `theta` in place. `SGD(lr)` does `theta -= lr * grad`; `Adam` also chooses a step length for each
# number by itself ([tutorial 6](06_adam_by_hand.py)).

# %%
ring = load("ring").x
loss = NonSaturating()


def step(G, D, x, z_D, z_G, optimiser_G, optimiser_D):
    """Take one training step: D's half, then G's half, each with noise of its own."""
    # --- discriminator: tell real from fake ---
    fake, _ = G.forward(z_D)  # the cache is thrown away: nothing will flow back into G
    real_logits, c_real = D.forward(x)
    fake_logits, c_fake = D.forward(fake)
    _, d_real, d_fake = loss.discriminator(real_logits, fake_logits)
    grad = D.new_grad()  # zeros, one for each number in D.theta
    D.backward(d_real, c_real, grad)  # adds its gradient to grad
    D.backward(d_fake, c_fake, grad)  # adds to it
    optimiser_D.step(D.theta, grad)

    # --- generator: be taken for real ---
    fake, c_g = G.forward(z_G)
    fake_logits, c_d = D.forward(fake)
    _, d_fake = loss.generator(fake_logits)
    d_samples = D.backward(d_fake, c_d)  # no grad: only ∂L/∂samples; D stays as it is
    grad = G.new_grad()
    G.backward(d_samples, c_g, grad)
    optimiser_G.step(G.theta, grad)


def networks(seed=0, width=64, dtype="float32"):
    """Make a generator and a discriminator for points in the plane."""
    G = Sequential(Dense(2, width), LeakyReLU(), Dense(width, 2), dtype=dtype, seed=seed)
    D = Sequential(Dense(2, width), LeakyReLU(), Dense(width, 1), dtype=dtype, seed=seed + 1)
    return G, D


G, D = networks()
z_D, z_G = (stream(0, key).standard_normal((128, 2), dtype="float32") for key in ("z_D", "z_G"))
step(G, D, ring[:128], z_D, z_G, Adam(1e-3), Adam(1e-3))

# %% [markdown]
# Without the comments these are eight lines for $D$ and seven for $G$. The library's own
# `discriminator_step` and `generator_step` do the same. They also serve layers and losses that need
# more, and leave out derivatives that nobody uses. The result agrees to the last bit:

# %%
G_library, D_library = networks()
discriminator_step(G_library, D_library, loss, Adam(1e-3), ring[:128], z_D)
generator_step(G_library, D_library, loss, Adam(1e-3), z_G)
assert np.array_equal(G.theta, G_library.theta) and np.array_equal(D.theta, D_library.theta)
print("θ of G and of D after one step: the library's, bit for bit")

# %% [markdown]
# ## What `grad` means
#
# The third argument of `backward` says who learns, and nothing else does.
#
# - **With a `grad`**, the gradient with respect to θ is *added* to it. So the contributions of
#   several batches come together by themselves.
# - **Without one**, that gradient is not computed at all. Only `dx` is, the derivative with respect
#   to the input, which is returned in either case.

# %%
fake, _ = G.forward(z_D)
real_logits, c_real = D.forward(ring[:128])
fake_logits, c_fake = D.forward(fake)
_, d_real, d_fake = loss.discriminator(real_logits, fake_logits)

from_real, from_fake, both = D.new_grad(), D.new_grad(), D.new_grad()
D.backward(d_real, c_real, from_real)
D.backward(d_fake, c_fake, from_fake)
D.backward(d_real, c_real, both)
dx_with = D.backward(d_fake, c_fake, both)
assert relative_error(both, from_real + from_fake) < 1e-6  # float32 has 7 digits
dx_without = D.backward(d_fake, c_fake)
assert np.array_equal(dx_with, dx_without)

for name, vector in (("real", from_real), ("fake", from_fake), ("both", both)):
    print(f"norm of the gradient from {name}: {np.sqrt(vector @ vector):.4f}")
assert both @ both < min(from_real @ from_real, from_fake @ from_fake)

# %% [markdown]
# The sum is shorter than either part: real samples ask for higher logits and fakes for lower ones,
# and this $D$ does not tell them apart yet.
#
# What `zero_grad()` does elsewhere is here `new_grad()`, a line that makes zeros. If you forget it
# and keep one `grad` for all steps, each step goes along the sum of all gradients so far, like a
# ball that rolls with no friction.
#
# ## Who learns in which half
#
# The two halves of the step, drawn. Solid arrows go forward, dashed ones are derivatives on their
# way back.

# %% tags=["hide-input"]
figure = new_figure(1100, 520)
axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
axes.set_xlim(0, 10.2)
axes.set_ylim(0.2, 5.9)
axes.set_axis_off()


def arrow(start, end, style="-", colour="black"):
    """Draw an arrow from one place to another."""
    shape = {"arrowstyle": "-|>", "linestyle": style, "color": colour, "linewidth": 1.6}
    axes.annotate("", end, start, arrowprops=shape)


def half(y, title, learner, words):
    """Draw one half of a step at height y."""
    axes.text(0.1, y + 1.15, title, fontsize=12, weight="bold")
    for name, left, colour in (("G", 1.3, G_COLOUR), ("D", 5.3, D_COLOUR)):
        alpha = 0.55 if name == learner else 0.12
        box = {"facecolor": colour, "alpha": alpha, "edgecolor": colour}
        axes.add_patch(Rectangle((left, y - 0.5), 1.2, 1, **box))
        axes.text(left + 0.6, y, name, ha="center", va="center", fontsize=15)
    for text, x in (("z", 0.5), ("fake", 3.9), ("logits", 7.6), ("loss", 9.4)):
        axes.text(x, y + 0.22, text, ha="center", va="center", fontsize=11)
    for start, end in ((0.7, 1.25), (2.55, 3.45), (4.35, 5.25), (6.55, 7.15), (8.05, 9.05)):
        arrow((start, y + 0.22), (end, y + 0.22))
    for start, end, colour in words["back"]:
        arrow((start, y - 0.22), (end, y - 0.22), "--", colour)
    for x, text, colour in words["notes"]:
        axes.text(x, y - 0.62, text, ha="center", va="top", fontsize=10, color=colour)


half(
    4.2,
    "D's half",
    "D",
    {
        "back": ((9.05, 8.05, D_COLOUR), (7.15, 6.55, D_COLOUR), (5.25, 4.35, "grey")),
        "notes": (
            (5.9, "D.backward(d_fake, c_fake, grad)\nD.theta learns", D_COLOUR),
            (3.5, "returned,\nnot used", "grey"),
            (1.5, "G.forward(z)\nno cache is kept", "black"),
        ),
    },
)
axes.text(3.9, 5.45, "real x", ha="center", va="center", fontsize=11)
arrow((4.4, 5.4), (5.25, 4.65))
half(
    1.45,
    "G's half",
    "G",
    {
        "back": tuple(
            (start, end, G_COLOUR)
            for start, end in ((9.05, 8.05), (7.15, 6.55), (5.25, 4.35), (3.45, 2.55))
        ),
        "notes": (
            (5.9, "D.backward(d_fake, c_d)\nno grad: D.theta stays", "black"),
            (1.9, "G.backward(d_samples, c_g, grad)\nG.theta learns", G_COLOUR),
        ),
    },
)
figure.savefig(FIGURES / "two_halves.png")
figure.savefig(FIGURES / "index.png", dpi=50)
figure

# %% [markdown]
# That is a claim. Here is the measurement: which of the 579 numbers of $G$ and $D$ together has
# moved in each half? (Plain gradient descent, SGD, so that a number moves by the learning rate
# times its gradient. On the line 0 are those that have not moved at all.)

# %%
G, D = networks()
theta = [np.concatenate([G.theta, D.theta])]
bits_of_D = []
for move in (
    lambda: discriminator_step(G, D, loss, SGD(0.1), ring[:128], z_D),
    lambda: generator_step(G, D, loss, SGD(0.1), z_G),
):
    bits_of_D.append(D.theta.tobytes())
    move()
    theta.append(np.concatenate([G.theta, D.theta]))
d_half, g_half = np.abs(np.diff(theta, axis=0))
size_G = G.theta.size

assert (d_half[:size_G] == 0).all() and (g_half[size_G:] == 0).all()
assert (d_half[size_G:] > 0).mean() > 0.9 and (g_half[:size_G] > 0).mean() > 0.9
assert bits_of_D[0] != bits_of_D[1] == D.theta.tobytes()  # before D's half, before G's, after it
print(f"G has {size_G} numbers, D {D.theta.size}")
assert len(d_half) == 579

figure = new_figure(1000, 480)
figure.set_layout_engine("constrained")
panels = figure.subplots(2, 1, sharex=True, sharey=True)
for axes, moved, title in zip(panels, (d_half, g_half), ("D's half", "G's half"), strict=True):
    axes.plot(moved[:size_G], ".", markersize=3, color=G_COLOUR, label="numbers of G")
    axes.plot(
        np.arange(size_G, len(moved)),
        moved[size_G:],
        "x",
        markersize=3,
        color=D_COLOUR,
        label="numbers of D",
    )
    axes.set_yscale("symlog", linthresh=1e-6)
    axes.set_ylim(-2e-7, 0.1)
    axes.set_yticks([0, 1e-6, 1e-4, 1e-2])
    axes.set_ylabel(f"{title}:\nhow far it moved")
    axes.grid(alpha=0.2)
panels[0].legend(**ABOVE, ncols=2, markerscale=3)
panels[1].set_xlabel("place in θ: those of G, then those of D")
figure.savefig(FIGURES / "who_moved.png")
figure

# %% [markdown]
# ## Question: how is D frozen while G trains?
#
# By leaving out one argument. `D.backward(d_fake, c_d)` returns the derivative with respect to the
# samples and computes nothing else; and nobody calls `optimiser_D.step`. No flag is set, so none
# can be forgotten, and $D$ is the same bit for bit, as we saw.
#
# Three things that this is *not*:
#
# - It is not "leaving $D$ out". The derivative has to go *through* $D$: `d_samples` is made of
#   $D$'s weights. In PyTorch, `with torch.no_grad():` around $D$ in $G$'s half would cut $G$ off
#   from its loss. Setting `requires_grad_(False)` on $D$'s weights is right there: it says the
#   same as no `grad` here. It only saves work; what keeps $D$ still is that $D$'s optimiser takes
#   no step.
# - It is not evaluation mode. `D.eval()` in PyTorch, `forward(x, train=False)` here, changes what
#   layers such as dropout *compute*; the weights would learn as before.
# - It is not only the missing step. In a library that keeps gradients in the network, $G$'s
#   half leaves its gradient in $D$ too, and if nobody clears it before $D$'s next half, $D$ steps
#   along both.
#
# What would that do? $G$'s loss wants $D$ to call fakes real. So $D$'s own loss would ask it for
# one thing, and $G$'s for the opposite. The last of the three runs below shows it.
#
# ## Question: why `detach`, and where?
#
# In $D$'s half the fake samples come from $G$. A library that records every operation would
# follow the way back from $D$'s loss, through $D$, through the samples, into $G$. `fake.detach()`
# says: stop here. So its place is **in $D$'s half, where the fake samples enter $D$**, and nowhere
# else; in $G$'s half it would cut off the only path on which $G$ learns.
#
# Here there is nothing to detach: `D.backward` returns the derivative with respect to the fake
# samples, and $D$'s half does not use it. What it would have done to $G$, we can see, since it is
# there. At each fake point (black) we draw two arrows: where a step *down* $D$'s loss would push
# it, and where a step down $G$'s loss pushes it. We let $D$ learn a little first.

# %%
G, D = networks()
adam = Adam(1e-2)
for t in range(60):
    z = stream(3, "noise", t).standard_normal((128, 2), dtype="float32")
    discriminator_step(G, D, loss, adam, ring[128 * t : 128 * (t + 1)], z)
z = stream(3, "z").standard_normal((16, 2), dtype="float32")
fake, c_g = G.forward(z)
fake_logits, c_fake = D.forward(fake)
real_logits, _ = D.forward(ring[:16])
_, _, d_fake = loss.discriminator(real_logits, fake_logits)
leak = D.backward(d_fake, c_fake)  # what detach stops
_, d_fake = loss.generator(fake_logits)
wanted = D.backward(d_fake, c_fake)  # what G learns from

figure = new_figure(820, 640)
figure.set_layout_engine("constrained")
axes = figure.subplots()
ticks = np.linspace(-1.8, 1.8, 120, dtype=np.float32)
places = np.stack(np.meshgrid(ticks, ticks), axis=-1)
p = loss.probability(D.forward(places.reshape(-1, 2))[0]).reshape(120, 120)
heat = axes.imshow(
    p, extent=(-1.8, 1.8, -1.8, 1.8), origin="lower", cmap=heat_colours(), vmin=0, vmax=1
)
figure.colorbar(heat, ax=axes, label="D: probability of being real")
axes.plot(*ring[:500].T, ".", color=D_COLOUR, markersize=3, label="real")
axes.plot(*fake.T, "o", color="black", markersize=5, label="fake")
for vectors, colour, label in (
    (wanted, G_COLOUR, "down G's loss"),
    (leak, PURPLE, "down D's loss: detach stops this"),
):
    lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    axes.quiver(
        *fake.T,
        *(-0.25 * vectors / lengths).T,
        color=colour,
        label=label,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.005,
    )
axes.set_xlim(-1.25, 1.25)
axes.set_ylim(-1.25, 1.25)
axes.legend(**ABOVE, ncols=2)
figure.savefig(FIGURES / "detach.png")
figure

# %%
cosines = (leak * wanted).sum(axis=1) / np.sqrt((leak**2).sum(axis=1) * (wanted**2).sum(axis=1))
print(f"angle between the arrows: cosine {cosines.min():.6f} to {cosines.max():.6f}")
assert np.allclose(cosines, -1, atol=1e-5)

# %% [markdown]
# The arrows are opposite. (They are drawn with one length, to show their direction.) Why? At a fake
# both are the derivative of the same logit, times the slope of a loss along that logit. With
# $s = \sigma(\text{logit})$ this slope is $+s$ for $D$'s term $-\log(1 - s)$ and $-(1 - s)$ for
# $G$'s $-\log s$: one is positive, the other negative. $D$'s loss falls when the fakes are easy to
# tell; handed to $G$, it would ask $G$ to make them so. In the minimax form of the loss $G$
# minimises $\log(1 - s)$. That is $D$'s term for fakes with the other sign, so the two gradients
# cancel to the last digit.

# %%
minimax = Minimax()
_, _, d_from_D = minimax.discriminator(real_logits, fake_logits)
_, d_from_G = minimax.generator(fake_logits)
grad = G.new_grad()
for d_fake in (d_from_D, d_from_G):
    G.backward(D.backward(d_fake, c_fake), c_g, grad)  # both are added into one grad
print("G's gradient with both, largest entry:", np.abs(grad).max())
assert np.abs(grad).max() == 0

# %% [markdown]
# Is a missing `detach` always a disaster, then? No, though you will often read so.
# In PyTorch the leaked gradient lies in `.grad` of $G$'s weights. If $G$'s gradients are cleared
# before $G$'s own half, as in the usual loop, the leak is thrown away unread: the result is the
# same, and only the time for the way back through $G$ is lost. It does harm where nobody clears,
# or where one optimiser moves both networks. (And where the same fakes are used again in $G$'s
# half, PyTorch stops with an error, *Trying to backward through the graph a second time*, as $D$'s
# half has already used up the recording of $G$. Here you may use a cache as often as you like.)
#
# So three trainings from the same start: the step above; one with the leak ($G$ steps along both
# gradients); one in which $D$ is not frozen ($D$ also steps along what $G$'s half leaves in it). In
# all three $G$'s half takes the same fakes as $D$'s. The background is $D$'s answer, in the colours
# of the last figure.

# %%
STEPS = max(60, round(2500 * BUDGET))


def run(leak=False, unfrozen=False):
    """Train on the ring, with a mistake; return G, D, and D's mean answer to fakes and its loss."""
    G, D = networks()
    adam_G, adam_D = Adam(1e-3, beta1=0.5), Adam(1e-3, beta1=0.5)
    history, grad_D = [], D.new_grad()
    for t in range(STEPS):
        x = ring[stream(4, "rows", t).integers(len(ring), size=128)]
        z = stream(4, "z", t).standard_normal((128, 2), dtype="float32")
        grad_G = G.new_grad()

        fake, c_g = G.forward(z)
        real_logits, c_real = D.forward(x)
        fake_logits, c_fake = D.forward(fake)
        loss_D, d_real, d_fake = loss.discriminator(real_logits, fake_logits)
        D.backward(d_real, c_real, grad_D)
        d_samples = D.backward(d_fake, c_fake, grad_D)
        if leak:
            G.backward(d_samples, c_g, grad_G)
        adam_D.step(D.theta, grad_D)
        grad_D = D.new_grad()

        fake_logits, c_d = D.forward(fake)  # D has moved: its old cache is stale, G's is not
        _, d_fake = loss.generator(fake_logits)
        d_samples = D.backward(d_fake, c_d, grad_D if unfrozen else None)
        G.backward(d_samples, c_g, grad_G)
        adam_G.step(G.theta, grad_G)
        history.append((loss.probability(fake_logits).mean(), loss_D))
    return G, D, np.array(history)


runs = {
    "the step as above": run(),
    "leak: no detach, not cleared": run(leak=True),
    "D not frozen": run(unfrozen=True),
}
z = stream(5, "z").standard_normal((1000, 2), dtype="float32")
figure = new_figure(1200, 460)
figure.set_layout_engine("constrained")
distances, reached = {}, {}
centres = load("ring").centres
for axes, (name, (G, D, _)) in zip(figure.subplots(1, 3), runs.items(), strict=True):
    fake = G.forward(z)[0]
    p = loss.probability(D.forward(places.reshape(-1, 2))[0]).reshape(120, 120)
    axes.imshow(
        p, extent=(-1.8, 1.8, -1.8, 1.8), origin="lower", cmap=heat_colours(), vmin=0, vmax=1
    )
    axes.plot(*ring[:500].T, ".", color=D_COLOUR, markersize=3, label="real")
    axes.plot(*fake.T, "x", color=G_COLOUR, markersize=2, alpha=0.6, label="fake")
    axes.set_xlim(-1.8, 1.8)
    axes.set_ylim(-1.8, 1.8)
    axes.set_title(name, fontsize=11)
    distances[name] = np.abs(np.sqrt((fake**2).sum(axis=1)) - 1).mean()
    near = np.linalg.norm(fake[:, None] - centres, axis=2) < 0.3  # neighbours are 0.77 apart
    reached[name] = int((near.mean(axis=0) >= 0.02).sum())  # clouds with 2 % of the samples
figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=2, markerscale=3)
figure.savefig(FIGURES / "three_runs.png")
figure

# %%
last = {name: history[-STEPS // 10 :].mean(axis=0) for name, (_, _, history) in runs.items()}
print("over the last tenth of each run:")
for name, (answer, loss_D) in last.items():
    print(
        f"{name:30} D's mean answer to fakes {answer:.2f}, D's loss {loss_D:.2f}; "
        f"samples lie {distances[name]:.2f} from the circle, near {reached[name]} of 8 clouds"
    )
print(
    f"where fakes are as the data: {1 / 2:.2f} and {2 * np.log(2):.2f} for the right step,", end=" "
)
print(f"{2 / 3:.2f} and {-np.log(2 / 3) - np.log(1 / 3):.2f} with a D that is not frozen")

# %% [markdown]
# **The leak.** Along the logit of a fake, $G$'s loss has the slope $-(1 - s)$ and $D$'s loss $+s$.
# Together (but for $D$'s small step in between) $2s - 1$: weaker than it should be if
# $s < \tfrac12$, and of the wrong sign if $s > \tfrac12$. Where $D$ takes a fake for rather real,
# $G$ is pushed away. What comes of it differs from run to run: from some seeds all samples end at
# one cloud, from others they look right. (Try a few in `networks()` within `run`.)
#
# **$D$ not frozen.** The samples look as good as those of the right step. Does it not matter, then?
# Look at the background: $D$ gives its fakes more than 0.5. How much can be computed. Let $q$
# be the density of the fakes and $p$ that of the data at some place. There $D$ now minimises
# $-p\log D - q\log(1 - D) - q\log D$. The derivative is zero where
# $(p + q)(1 - D) = q D$, so the best $D$ is $(p + q)/(p + 2q)$ instead of
# $p/(p + q)$ ([tutorial 3](03_a_first_gan.py) has this calculation). Where the fakes are as the
# data, $p = q$, it is $\tfrac23$. It still rises with $p/q$, so $G$ is still shown the right way,
# and the samples show nothing. But $D$'s answer is no longer a probability, and its loss settles at
# $-\log\tfrac23 - \log\tfrac13 = 1.50$ instead of $2\log 2 = 1.39$. With the minimax loss
# $D$ would learn nothing from fakes at all: both terms with $q$ cancel.
#
# So neither mistake raises an error, and samples may look right with both. You find them by knowing
# what each number should be.

# %%
assert round(-np.log(2 / 3) - np.log(1 / 3), 2) == 1.50
assert round(2 * np.log(2), 2) == 1.39
D_grid = np.linspace(0.001, 0.999, 999)
for density_p, density_q in ((1.0, 1.0), (0.3, 2.0)):
    value = -density_p * np.log(D_grid) - density_q * np.log(D_grid * (1 - D_grid))
    best = (density_p + density_q) / (density_p + 2 * density_q)
    assert abs(D_grid[value.argmin()] - best) < 0.001

# %% [markdown]
# ## The same on a GPU
#
# The step was written with NumPy arrays, but there is no `np.` in it. Every function of the library
# asks its arrays which module they belong to, NumPy or CuPy, the same interface on a GPU. So the
# GPU version is: move the networks and the batches there, and call the same `step`. The random
# numbers are drawn on the CPU in any case, and are therefore the same. What differs is the order in
# which a GPU adds up, so the last of float32's seven digits.

# %%
G, D = networks()
try:
    G_gpu, D_gpu = G.to("gpu"), D.to("gpu")
    on_gpu = [to_device(batch, "gpu") for batch in (ring[:128], z_D, z_G)]
except (ImportError, RuntimeError) as error:
    print("No GPU here, so this cell stops.", str(error).partition(". ")[0])
else:
    step(G_gpu, D_gpu, *on_gpu, SGD(0.1), SGD(0.1))
    step(G, D, ring[:128], z_D, z_G, SGD(0.1), SGD(0.1))
    for one, other in ((G_gpu, G), (D_gpu, D)):
        assert type(one.theta).__module__.startswith("cupy")
        difference = relative_error(to_numpy(one.theta), other.theta)
        print(f"θ after one step, GPU against CPU: relative difference {difference:.0e}")
        assert difference < 1e-4

# %% [markdown]
# ## On many machines
#
# A loss is a mean over the batch. Cut the batch into $N$ equal shares: the loss is the mean of the
# shares' losses, and so is its gradient,
#
# $$L = \frac1N \sum_r L_r, \qquad \nabla_\theta L = \frac1N \sum_r \nabla_\theta L_r .$$
#
# So $N$ machines can share a batch. Each has all of θ, finds the gradient on its share, and then
# needs one thing from the others: the sum of $N$ vectors. MPI, the standard way to let processes
# work together, has one call for it, `Allreduce`: everyone gives a vector, everyone gets the sum.
# The processes are called *ranks*; `ranks.rank` says which one this is, `ranks.size` how many there
# are. As θ is one vector, the rest is an optimiser around an optimiser, and `step` stays as it is:


# %%
class Shared:
    """An optimiser that moves θ by the mean of the gradients of all ranks."""

    def __init__(self, optimiser, ranks):
        self.optimiser, self.ranks = optimiser, ranks

    def step(self, theta, grad):
        total = np.empty_like(grad)
        self.ranks.Allreduce(grad, total)
        self.optimiser.step(theta, total / self.ranks.size)


def shared_step(ranks, G, D, x, z_D, z_G, *optimisers):
    n = len(x) // ranks.size
    mine = slice(ranks.rank * n, (ranks.rank + 1) * n)
    step(G, D, x[mine], z_D[mine], z_G[mine], *(Shared(o, ranks) for o in optimisers))


# %% [markdown]
# With mpi4py `ranks` is `MPI.COMM_WORLD`, and `mpiexec -n 4 python train.py` starts four processes.
# This page has one process only, so here four threads play the ranks. Each has networks of its own;
# the one thing that they share is the sum.


# %%
class Ranks:
    """One of N threads that play the ranks of MPI; `given` is where all put their vectors."""

    def __init__(self, rank, given, barrier):
        self.rank, self.size, self.given, self.barrier = rank, len(given), given, barrier

    def Allreduce(self, vector, total):
        self.given[self.rank] = vector
        self.barrier.wait()  # until all have put theirs there
        total[...] = sum(self.given)
        self.barrier.wait()  # until all have read it


def train_shared(ranks):
    """Take 20 steps in float64; return both θ, one after the other."""
    G, D = networks(dtype="float64")
    adams = Adam(1e-3), Adam(1e-3)
    for t in range(20):
        z_D, z_G = (stream(t, key).standard_normal((128, 2)) for key in ("z_D", "z_G"))
        x = ring[128 * t : 128 * (t + 1)].astype("float64")
        shared_step(ranks, G, D, x, z_D, z_G, *adams)
    return np.concatenate([G.theta, D.theta])


def all_ranks(n):
    """Return what each of n ranks comes to."""
    given, barrier = [None] * n, Barrier(n)
    with ThreadPoolExecutor(n) as threads:
        return list(threads.map(train_shared, [Ranks(rank, given, barrier) for rank in range(n)]))


(alone,), four = all_ranks(1), all_ranks(4)
assert all(np.array_equal(theta, four[0]) for theta in four)
difference = relative_error(four[0], alone)
print(f"θ after 20 steps, four ranks against one: relative difference {difference:.0e}")
assert difference < 1e-9

# %% [markdown]
# All four end with the same bits, since all have added the same numbers in the same order. Against
# one process only the order of the sums differs, so only the last of float64's sixteen digits. (In
# float32 it would be more: Adam divides by the size of a gradient, and so makes the most of a
# rounding error where a gradient is nearly zero.)
#
# Where does it end? More ranks have smaller shares to compute, but each still moves all of θ and
# still waits for a sum of vectors as long as θ. A small batch is used up soon: [a page of
# measurements](../tests/benchmarks/ranks.md) shows how soon, with a model of up to 1,024 ranks and
# [its figure](../tests/benchmarks/ranks.png). And what looks at the batch as a whole, BatchNorm for
# example, sees only its rank's share.
#
# The library does the same in [`ranks.py`](../minigan/ranks.py), to the gradient itself instead of
# the optimiser, so that the losses of the shares are averaged along with it. There, too, everything
# that is drawn at random (dropout, the points of a penalty) is drawn for the whole batch and cut
# into shares. For the command no option is needed:
#
# ```
# pip install "minigan[mpi]"
# mpiexec -n 4 minigan train --recipe dcgan
# ```

# %% [markdown]
# ## Try
#
# 1. Write `step` for `order="simultaneous"`: both networks learn from the same point, before either
#    has moved. Which forward passes can be shared if both halves take the same $z$?
#    (`minigan.train(…, order="simultaneous")` has it, with a $z$ for each half.)
# 2. In `step`, take the fakes of $D$'s half for $G$'s half too. Which of the caches may be kept,
#    which one is stale, and why?
# 3. Keep one `grad` in $D$'s half for all steps, with `SGD(0.05)`. Predict how that differs from a
#    `new_grad()` in each step and `SGD(0.05, momentum=0.999)`, which keeps a vector
#    `v = 0.999 * v + grad` and does `theta -= lr * v`. Then compare.
# 4. Average the θ of $G$ over the last hundred steps of a run, `theta_mean += (G.theta -
#    theta_mean) / k`, and draw its samples.
#
# <details><summary>Answers</summary>
#
# 1. With one $z$ the two forward passes on the fakes, $G(z)$ and $D(G(z))$, are shared by both
#    halves.
# 2. $G$'s cache may be kept, since $G$ has not moved. $D$'s is stale: $D$ has just taken its step.
# 3. A `grad` that is never cleared is the sum of all gradients, which is momentum 1. Over some
#    hundred steps 0.999 is nearly the same.
# 4. (For you to draw. `EMA` in the library does this with weights that fade.)
#
# </details>
#
# **Go on.** [Tutorial 3](03_a_first_gan.py) lets this step run on data in one dimension, where one
# can see all that happens. [Exercise 1](exercises/01_dense.py) has you write a layer with all four
# maps, [exercise 5](exercises/05_optimisers.py) the optimisers on two vectors. In the library: θ
# and its views are in [`layers/base.py`](../minigan/layers/base.py) and
# [`network.py`](../minigan/network.py), the two halves of the step in
# [`step.py`](../minigan/step.py), the two devices in [`arrays.py`](../minigan/arrays.py).
